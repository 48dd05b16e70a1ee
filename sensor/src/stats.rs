//! What a worker counts. One thread writes, anybody reads; each worker's counters have cache lines of their own.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::capture::BypassReason;

/// A counter with one writer: a plain load and store, no locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Counts `n` more.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Remembers a level (of a table, of a clock). Whoever reads it also sees what this thread did before.
    #[inline]
    pub fn set(&self, level: u64) {
        self.0.store(level, Ordering::Release);
    }

    /// The count so far.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct $name { $($(#[$field_doc])* pub $field: Counter),+ }

        impl $name {
            /// Every counter with its name, in order.
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field.get())),+]
            }
        }
    };
}

/// Whether a counter of this name goes up and down: only that of now means anything.
pub fn is_level(name: &str) -> bool {
    matches!(name, "connections_open" | "buffered_bytes")
}

/// Whether a counter of this name is a time.
pub fn is_clock(name: &str) -> bool {
    matches!(name, "began_nanos" | "clock_nanos")
}

counters! {
    /// What became of each frame that reached a worker: exactly one of these per frame, so that the ledger closes.
    FrameOutcomes {
        /// A TCP segment of a connection.
        tcp,
        /// A UDP datagram of a flow.
        udp,
        /// A fragment kept until its datagram is whole.
        fragment_held,
        /// An ICMP message.
        icmp,
        /// Decoded (out of a tunnel, out of fragments), and nobody's: no watched port, no expectation.
        not_wanted,
        /// Neither IPv4 nor IPv6.
        not_ip,
        /// IP, but neither TCP, UDP nor ICMP.
        other_protocol,
        /// Shorter than its headers say, or than the snap length allows to decode.
        truncated,
        /// Headers that contradict themselves.
        malformed,
        /// A TCP or UDP checksum that does not fit, where they are checked.
        bad_checksum,
        /// A fragment that could not be kept: a bound was reached.
        fragment_dropped,
    }
}

counters! {
    /// Everything else a worker counts.
    WorkerCounters {
        /// Frames handed over by the source.
        frames,
        /// Their bytes.
        bytes,
        /// Frames that the source has lost on their way to the worker; up to a second old.
        frames_lost,
        /// The packet time of the first frame, in nanoseconds.
        began_nanos,
        /// The newest packet time seen, in nanoseconds.
        clock_nanos,
        /// Frames that belonged to another shard: steering is broken if this is not 0.
        wrong_shard,
        /// Nanoseconds in which the worker looked for frames that had not come: the rest of its processor time is work. Up to a second old.
        spun_nanos,
        /// Connections opened.
        connections_opened,
        /// Connections that gave way to newer ones because the table was full.
        connections_evicted,
        /// TCP connections that ended, with both sides seen.
        connections_two_sided,
        /// TCP connections that ended, of which only one side was seen, though it heard from the other.
        connections_one_sided,
        /// Acknowledgements of data, where all of it is wanted.
        acks,
        /// Those of them that covered bytes which were not seen.
        gaps,
        /// Connections in the table now.
        connections_open,
        /// Bytes that connections keep back now.
        buffered_bytes,
        /// Bytes that were not kept back: the budget for them was exhausted.
        buffered_bytes_refused,
        /// Panics caught in an analyzer.
        analyzer_panics,
        /// Weirds not written because of sampling or de-duplication.
        weirds_suppressed,
        /// Notices not written because of suppression.
        notices_suppressed,
        /// Accounts tried, guests' left out.
        accounts_tried,
        /// Logins that succeeded.
        logins_successful,
        /// Endpoints that the capture filter was asked to let in.
        expectations,
        /// Endpoints that it was not asked for: their answer may be forged, or a bound was reached.
        expectations_refused,
        /// Endpoints that gave way to newer ones.
        expectations_evicted,
        /// Bypasses that ended with FIN or RST.
        bypasses_finished,
        /// Those that ended without: by a timeout, with the input, or because their connection gave way.
        bypasses_expired,
        /// How often it was found that a bypass had given way to newer ones, because the table was full: payload came up again.
        bypasses_evicted,
        /// Connections that were to be reset and were not, because too many others were.
        responses_dropped,
        /// What policy had to forget before its time, because a table was full.
        policy_forgotten,
    }
}

/// What was kept out of the capture, by the reason.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Bypasses([Bypass; BypassReason::COUNT]);

/// What was kept out for one reason. Of a connection that lives, as much as has been asked for: when it pauses, and when it ends.
#[derive(Debug, Default)]
pub struct Bypass {
    /// Connections whose payload was kept out from some moment on.
    pub connections: Counter,
    /// Packets that were kept out.
    pub packets: Counter,
    /// Their payload.
    pub bytes: Counter,
}

macro_rules! names {
    ($($reason:literal),+) => {
        [$([
            concat!("bypass_", $reason, "_conns"),
            concat!("bypass_", $reason, "_pkts"),
            concat!("bypass_", $reason, "_bytes"),
        ]),+]
    };
}

/// The names of each reason's counters.
const BYPASS_NAMES: [[&str; 3]; BypassReason::COUNT] =
    names!["skipped", "encrypted", "ssh_authenticated", "ssh_unknown", "ftp_data"];

impl Bypasses {
    /// The counters of one reason.
    pub fn of(&self, why: BypassReason) -> &Bypass {
        &self.0[why as usize]
    }

    /// Every counter with its name, in order.
    pub fn snapshot(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().flat_map(|Bypass { connections, packets, bytes }| [connections, packets, bytes]);
        BYPASS_NAMES.into_iter().flatten().zip(counts.map(Counter::get))
    }
}

/// The counters of one worker.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// What became of each frame.
    pub outcomes: FrameOutcomes,
    /// The rest.
    pub counters: WorkerCounters,
    /// What was kept out of the capture.
    pub bypasses: Bypasses,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_bypasses_have_their_reasons_names() {
        for (why, names) in BypassReason::ALL.into_iter().zip(BYPASS_NAMES) {
            assert_eq!(names, ["conns", "pkts", "bytes"].map(|what| format!("bypass_{}_{what}", why.name())));
        }
    }
}
