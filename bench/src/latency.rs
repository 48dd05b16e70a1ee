//! How long frames take, from the moment at which they should have been sent: a frame that was held up before it was sent counts with
//! all its delay (no coordinated omission).

use hdrhistogram::Histogram;
use portreeve::sys::monotonic_nanos;
use portreeve_ebpf::load::Template;

use crate::result::Latency;

/// Every so manieth stamped frame is measured, so that measuring costs less than what is measured.
const EVERY: u32 = 16;
/// Percentiles that are kept.
const POINTS: [f64; 12] = [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 99.999, 100.0];

/// The delays of the frames that a receiver sees.
#[derive(Debug)]
pub struct Delays {
    delays: Histogram<u64>,
    number: u32,
}

impl Default for Delays {
    fn default() -> Self {
        // Three digits, up to ten seconds: such bounds are always accepted.
        let delays =
            Histogram::new_with_bounds(1, 10_000_000_000, 3).unwrap_or_else(|_| unreachable!("constant bounds"));
        Delays { delays, number: 0 }
    }
}

impl Delays {
    /// Sees a frame; one that carries no stamp is passed over.
    #[inline]
    pub fn see(&mut self, frame: &[u8]) {
        self.number = self.number.wrapping_add(1);
        if self.number.is_multiple_of(EVERY)
            && let Some((rest, stamp)) = frame.split_last_chunk()
            && rest.ends_with(&Template::STAMP_MAGIC)
            && stamp != &[0; 8]
        {
            self.delays.saturating_record(monotonic_nanos().saturating_sub(u64::from_ne_bytes(*stamp)));
        }
    }

    /// What was measured, if anything.
    pub fn until(&self, until: &str) -> Option<Latency> {
        let point = |percentile: &f64| (*percentile, self.delays.value_at_percentile(*percentile));
        let count = self.delays.len();
        (count > 0).then(|| Latency { until: until.into(), count, points: POINTS.iter().map(point).collect() })
    }
}
