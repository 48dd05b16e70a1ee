//! Wall time for frames that carry the kernel's monotonic time.

use crate::sys::{monotonic_nanos, realtime_nanos};
use crate::time::Timestamp;

/// How often the two clocks are compared anew.
const REFRESH: u64 = 1_000_000_000;
/// A step back of the wall clock up to this much is followed slowly, so that time does not run backwards; a longer one at once,
/// because then somebody has set the clock and old times would be wrong for long.
const STEP: i64 = 1_000_000_000;
/// How far back one refresh goes, in nanoseconds: 1 ms in a second.
const SLEW: i64 = 1_000_000;

/// The difference between `CLOCK_MONOTONIC` and `CLOCK_REALTIME`, kept up to date.
#[derive(Debug)]
pub(super) struct Clock {
    offset: i64,
    refresh_at: u64,
}

impl Clock {
    /// Compares the clocks for the first time.
    pub(super) fn start() -> Self {
        Clock { offset: measured_offset(), refresh_at: monotonic_nanos().saturating_add(REFRESH) }
    }

    /// The wall time now.
    pub(super) fn now(&self) -> Timestamp {
        self.wall(monotonic_nanos())
    }

    /// The wall time of a moment of `CLOCK_MONOTONIC`.
    pub(super) fn wall(&self, monotonic: u64) -> Timestamp {
        Timestamp::from_nanos(monotonic.saturating_add_signed(self.offset))
    }

    /// Reads the clock once for a batch, and compares the clocks if a second has passed. Returns `CLOCK_MONOTONIC`.
    pub(super) fn tick(&mut self) -> u64 {
        let now = monotonic_nanos();
        if now >= self.refresh_at {
            self.offset = follow(self.offset, measured_offset());
            self.refresh_at = now.saturating_add(REFRESH);
        }
        now
    }
}

fn follow(offset: i64, measured: i64) -> i64 {
    let back = offset.saturating_sub(measured);
    if (0..STEP).contains(&back) { offset.saturating_sub(back.min(SLEW)) } else { measured }
}

fn measured_offset() -> i64 {
    let before = monotonic_nanos();
    let wall = realtime_nanos();
    let after = monotonic_nanos();
    let middle = before.midpoint(after);
    i64::try_from(wall).unwrap_or(i64::MAX).saturating_sub(i64::try_from(middle).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_back_are_slewed_and_large_ones_followed() {
        assert_eq!(follow(100, 150), 150, "forward at once");
        assert_eq!(follow(100, 90), 90, "a little back: less than the slew");
        assert_eq!(follow(0, -5 * SLEW), -SLEW, "more back: slowly");
        assert_eq!(follow(0, -2 * STEP), -2 * STEP, "set back by somebody: at once");
    }

    #[test]
    fn the_wall_time_of_now_is_now() {
        let clock = Clock::start();
        let (told, real) = (clock.now().as_nanos(), realtime_nanos());
        assert!(told.abs_diff(real) < 1_000_000_000, "{told} {real}");
    }
}
