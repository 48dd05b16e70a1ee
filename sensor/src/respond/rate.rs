//! How many terminations there may be: so many a second in the long run, and so many at once.

use std::time::Duration;

/// A leaking bucket, as one moment: when it would be empty if nothing more came.
#[derive(Debug)]
pub(super) struct Rate {
    /// The time that one takes.
    each: Duration,
    /// How far ahead of now the moment may be.
    ahead: Duration,
    empty_at: Duration,
}

impl Rate {
    /// `rate` a second, `burst` at once; both at least 1.
    pub fn new(rate: u32, burst: u32) -> Self {
        let each = Duration::from_secs(1) / rate.max(1);
        Rate { each, ahead: each.saturating_mul(burst.saturating_sub(1)), empty_at: Duration::ZERO }
    }

    /// Whether one more may be; it is counted if so. `now` only moves forward.
    pub fn admits(&mut self, now: Duration) -> bool {
        let begins = self.empty_at.max(now);
        let admitted = begins.saturating_sub(now) <= self.ahead;
        if admitted {
            self.empty_at = begins.saturating_add(self.each);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let mut rate = Rate::new(10, 3);
        let mut admitted =
            |millis, tries: u32| (0..tries).filter(|_| rate.admits(Duration::from_millis(millis))).count();
        assert_eq!(admitted(0, 9), 3);
        assert_eq!(admitted(99, 9), 0);
        assert_eq!(admitted(100, 9), 1);
        assert_eq!(admitted(350, 9), 2);
        assert_eq!(admitted(60_000, 9), 3, "however long it was quiet");
    }

    #[test]
    fn in_the_long_run_the_rate_is_kept() {
        let mut rate = Rate::new(7, 1);
        let admitted = (0..10_000).filter(|millis| rate.admits(Duration::from_millis(*millis))).count();
        assert!((68..=70).contains(&admitted), "{admitted} in ten seconds");
    }
}
