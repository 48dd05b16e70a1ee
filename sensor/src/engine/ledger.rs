//! The stages of the loss ledger: where each frame went between the wire and a worker.

use portreeve_ebpf::Counter;
use portreeve_ebpf::counters::Outcome;

use crate::capture::Losses;
use crate::capture::filter::FilterCounters;
use crate::summary::Ledger;

/// What a capture filter counted, by [`Counter`] number; the kernel program's, or the sum of its likenesses'.
pub type Counts = [u64; Counter::COUNT];

/// What several likenesses of the kernel program counted together.
pub fn of_filters<'a>(filters: impl Iterator<Item = &'a FilterCounters>) -> Counts {
    let mut counts = [0; Counter::COUNT];
    for filter in filters {
        for (sum, counter) in counts.iter_mut().zip(Counter::ALL) {
            *sum += filter.get(counter);
        }
    }
    counts
}

/// How many frames met this outcome.
pub fn sum(counts: &Counts, outcome: Outcome) -> u64 {
    by_reason(counts, outcome).iter().map(|(_, number)| number).sum()
}

/// All frames that the filter saw.
pub fn total(counts: &Counts) -> u64 {
    counts.iter().sum()
}

/// The stages of the filter and of the way to the workers, who were given `delivered` frames.
pub fn add_filter_stages(ledger: &mut Ledger, counts: &Counts, losses: &Losses, delivered: u64) {
    let redirected = sum(counts, Outcome::Redirected);
    let outcomes = vec![
        ("redirected", redirected),
        ("filtered", sum(counts, Outcome::Filtered)),
        ("bypassed", sum(counts, Outcome::Bypassed)),
        ("undelivered", sum(counts, Outcome::Lost)),
    ];
    ledger.stage("filter", total(counts), outcomes);
    ledger.stage("filtered", sum(counts, Outcome::Filtered), by_reason(counts, Outcome::Filtered));
    ledger.stage("bypassed", sum(counts, Outcome::Bypassed), by_reason(counts, Outcome::Bypassed));
    ledger.stage("wanted", redirected, by_reason(counts, Outcome::Redirected));
    let ways = vec![
        ("delivered", delivered),
        ("fill_ring_empty", losses.fill_ring_empty),
        ("rx_ring_full", losses.rx_ring_full),
        ("invalid_descriptors", losses.invalid_descriptors),
    ];
    ledger.stage("redirected", redirected, ways);
}

/// What host mode counts beside the program at the tapped end.
pub struct Cloning {
    /// What the program that clones counted: frames, as they are on a wire.
    pub counts: Counts,
    /// How many of those the kernel showed it together with a frame before.
    pub further_segments: u64,
    /// How many frames the private wire says that it had no room for.
    pub dropped: u64,
}

impl Cloning {
    /// Frames that the private wire was given.
    pub fn cloned(&self) -> u64 {
        sum(&self.counts, Outcome::Redirected)
    }

    /// The stages before the filter: what passed the interface, and what of its clones came out of the private wire, `tapped` frames.
    pub fn add_stages(&self, ledger: &mut Ledger, tapped: u64) {
        let (counts, cloned, passed) = (&self.counts, self.cloned(), total(&self.counts));
        let packets = passed.saturating_sub(self.further_segments);
        ledger.stage("host_frames", passed, vec![("packets", packets), ("further_segments", self.further_segments)]);
        let mut fates = vec![
            ("cloned", cloned),
            ("filtered", sum(counts, Outcome::Filtered)),
            ("bypassed", sum(counts, Outcome::Bypassed)),
        ];
        fates.extend(by_reason(counts, Outcome::Lost).into_iter().map(|(reason, number)| match reason {
            "undelivered" => ("not_cloned", number),
            reason => (reason, number),
        }));
        ledger.stage("passed", passed, fates);
        // A packet that could not be cut into segments was not cloned, and the wire counts it once more: so what it counts is no
        // more than an explanation of what is missing.
        let full = self.dropped.min(cloned.saturating_sub(tapped));
        ledger.stage("cloned", cloned, vec![("tapped", tapped), ("private_wire_full", full)]);
    }
}

fn by_reason(counts: &Counts, outcome: Outcome) -> Vec<(&'static str, u64)> {
    let reasons = Counter::ALL.iter().zip(counts).filter(|(counter, _)| counter.outcome() == outcome);
    reasons.map(|(counter, number)| (counter.name(), *number)).collect()
}
