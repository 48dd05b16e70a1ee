//! One budget per worker for what its connections keep back on the heap: streams, analyzers and annotations together.
//!
//! Nobody gives bytes back by hand. After each packet or deadline a connection is asked what it holds now, and its account is
//! corrected by the difference; one that is dropped holds nothing. So an analyzer that ends, is skipped or panics cannot leak.

use crate::config::limits::Limits;
use crate::stats::WorkerCounters;

/// The name of the weird that says that something was not kept.
pub const EXHAUSTED: &str = "buffer_budget_exhausted";

/// The most bytes of a connection's own state, which is not charged: the table and the wheel bound it.
pub const CONNECTION_BYTES: usize = 1280;

/// The budget; its level is a counter of the worker, which is the only one to write it.
#[derive(Clone, Copy, Debug)]
pub struct Budget<'a> {
    limits: &'a Limits,
    counters: &'a WorkerCounters,
}

impl<'a> Budget<'a> {
    /// The budget of the worker that has these counters.
    #[inline]
    pub fn new(limits: &'a Limits, counters: &'a WorkerCounters) -> Self {
        Budget { limits, counters }
    }

    /// All bounds.
    pub fn limits(self) -> &'a Limits {
        self.limits
    }

    /// How many bytes more may be kept. What one packet adds is only counted after it.
    #[inline]
    pub fn room(self) -> usize {
        self.limits
            .buffered_bytes
            .saturating_sub(usize::try_from(self.counters.buffered_bytes.get()).unwrap_or(usize::MAX))
    }

    /// Whether so many bytes more may be kept; counts them if not.
    #[inline]
    pub fn allows(self, more: usize) -> bool {
        let allowed = more == 0 || more <= self.room();
        if !allowed {
            self.refuse(more);
        }
        allowed
    }

    /// Counts bytes that were not kept.
    pub fn refuse(self, bytes: usize) {
        self.counters.buffered_bytes_refused.add(bytes as u64);
    }

    /// Corrects the account of a connection, which holds so much `now`.
    #[inline]
    pub fn settle(self, account: &mut u32, now: u32) {
        let before = std::mem::replace(account, now);
        if before != now {
            let others = self.counters.buffered_bytes.get().saturating_sub(u64::from(before));
            self.counters.buffered_bytes.set(others.saturating_add(u64::from(now)));
        }
    }
}
