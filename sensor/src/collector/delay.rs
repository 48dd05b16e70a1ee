//! How long it takes, in a live run, from a packet until what it gave is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::sys::realtime_nanos;
use crate::time::Timestamp;

/// Every so manieth record is measured: reading the clock costs more than noting a delay.
const EVERY: u32 = 16;
/// The longest that is told apart from what is longer, and the digits that are kept of a delay.
const LONGEST: Duration = Duration::from_secs(60);
const DIGITS: u8 = 2;

/// The delays of records, until the run is stopped: then everything that was held back is written at once, and no packet waits for it.
pub struct Delays {
    histogram: Histogram<u64>,
    records: u32,
    stop: Arc<AtomicBool>,
}

/// What delays there were; a percentile is given within a hundredth.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize)]
pub struct Delay {
    /// Records that were measured: one in sixteen.
    pub records: u64,
    /// Half of them took no longer, in microseconds; and so on.
    pub p50: u64,
    /// Likewise 90 %.
    pub p90: u64,
    /// Likewise 99 %.
    pub p99: u64,
    /// Likewise 99.9 %.
    pub p99_9: u64,
    /// The longest of all.
    pub max: u64,
}

impl Delays {
    /// None measured yet.
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        let histogram = Histogram::new_with_max(micros(LONGEST), DIGITS);
        Delays { histogram: histogram.unwrap_or_else(|_| unreachable!("constant bounds")), records: 0, stop }
    }

    /// A record has been written that a packet of this time gave.
    pub fn written(&mut self, at: Timestamp) {
        if self.records.is_multiple_of(EVERY) && !self.stop.load(Ordering::Relaxed) {
            self.note(Timestamp::from_nanos(realtime_nanos()).since(at));
        }
        self.records = self.records.wrapping_add(1);
    }

    fn note(&mut self, delay: Duration) {
        self.histogram.saturating_record(micros(delay));
    }

    /// What was measured, if anything.
    pub fn told(&self) -> Option<Delay> {
        let within = |percentile| self.histogram.value_at_percentile(percentile);
        (!self.histogram.is_empty()).then(|| Delay {
            records: self.histogram.len(),
            p50: within(50.0),
            p90: within(90.0),
            p99: within(99.0),
            p99_9: within(99.9),
            max: self.histogram.max(),
        })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_told_by_how_many_took_no_longer() {
        let mut delays = Delays::new(Arc::default());
        assert_eq!(delays.told(), None);
        (1..=100).for_each(|micros| delays.note(Duration::from_micros(micros)));
        let told = delays.told().expect("they were noted");
        assert_eq!((told.records, told.p50, told.p90, told.max), (100, 50, 90, 100));
        delays.note(Duration::MAX);
        let told = delays.told().expect("they were noted");
        assert!(told.max >= 60_000_000, "what is longer counts as the longest: {told:?}");
    }

    #[test]
    fn one_record_in_sixteen_is_measured_and_the_first_is_until_the_run_is_stopped() {
        let stop = Arc::<AtomicBool>::default();
        let mut delays = Delays::new(Arc::clone(&stop));
        (0..=EVERY).for_each(|_| delays.written(Timestamp::ZERO));
        stop.store(true, Ordering::Relaxed);
        (0..=EVERY).for_each(|_| delays.written(Timestamp::ZERO));
        assert_eq!(delays.told().map(|told| told.records), Some(2));
    }
}
