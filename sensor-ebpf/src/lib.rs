//! The contract between the kernel programs and the sensor: what is decided, how it is counted, how both sides lay out memory.
//!
//! No dependencies and no `std`, because the same code runs in three places: in the kernel programs, in the sensor (which shards
//! capture files with it), and in the tests, which hold the kernel programs to the host's [`classify`] and that to a second decoder.
//!
//! | module | subject |
//! |---|---|
//! | [`address`] | addresses as both sides store them, and the hash that chooses a shard |
//! | [`parse`] | from a frame's bytes to addresses, protocol, ports and fragment |
//! | [`mod@classify`] | from those to a verdict, with the tables |
//! | [`ports`] | which ports are wanted |
//! | [`tables`] | expectations, bypass and fragment notes |
//! | [`bypass`] | why payload is kept out, and what is counted of it |
//! | [`counters`] | verdicts as a partition of the input |
//! | [`options`] | what the sensor tells the programs before it loads them |
//! | [`metadata`] | what the program writes in front of a frame |
//! | [`load`] | what the benchmarks' generator sends |
#![no_std]

pub mod address;
pub mod bypass;
pub mod classify;
pub mod counters;
pub mod load;
pub mod metadata;
pub mod options;
pub mod parse;
pub mod ports;
pub mod segments;
pub mod tables;

pub use address::{Address, pair_hash, shard_of};
pub use bypass::{BypassReason, Bypassed, Traffic};
pub use classify::{Decision, classify, examine, glance};
pub use counters::{Counter, Counts, Outcome};
pub use metadata::Metadata;
pub use options::{Options, Rules};
pub use parse::{Bytes, Fragment, Network, Packet, Status, parse};
pub use ports::{Interest, PortWord, Ports, Transport};
pub use tables::{Connection, Endpoint, Expectation, FragmentKey, Guards, Note, Tables};

/// Names of maps, programs and globals in the kernel object.
pub mod names {
    /// XDP program of the `tap` mode, and of the far end of the `host` mode's veth pair.
    pub const XDP: &str = "portreeve_xdp";
    /// tcx program of the `host` mode.
    pub const TCX: &str = "portreeve_tcx";
    /// Global: [`Options`](crate::Options).
    pub const OPTIONS: &str = "OPTIONS";
    /// Per-CPU array of [`Counts`](crate::Counts): the XDP program's, then the tcx program's. In `host` mode every cloned packet passes
    /// both, and each counts all that it sees.
    pub const COUNTS: &str = "COUNTS";
    /// Array with one [`Guards`](crate::Guards), which the sensor maps into its memory.
    pub const GUARDS: &str = "GUARDS";
    /// LRU hash: [`Endpoint`](crate::Endpoint) to [`Expectation`](crate::Expectation).
    pub const EXPECTATIONS: &str = "EXPECTATIONS";
    /// LRU hash: [`Connection`](crate::Connection) to [`Bypassed`](crate::Bypassed).
    pub const BYPASS: &str = "BYPASS";
    /// LRU hash: [`FragmentKey`](crate::FragmentKey) to [`Note`](crate::Note).
    pub const FRAGMENTS: &str = "FRAGMENTS";
    /// Array of AF_XDP sockets: queue times workers plus worker.
    pub const XSKS: &str = "XSKS";
    /// XDP program of the benchmarks: drops everything.
    pub const BENCH_DROP: &str = "bench_drop";
    /// XDP program of the benchmarks: leaves everything to the host's stack.
    pub const BENCH_PASS: &str = "bench_pass";
    /// XDP program of the benchmarks: hands everything to the socket of its queue.
    pub const BENCH_SOCKET: &str = "bench_socket";
    /// XDP program of the benchmarks: redirects live frames to [`BENCH_DEVICE`].
    pub const BENCH_REDIRECT: &str = "bench_redirect";
    /// XDP program of the benchmarks: makes live frames what the script says, and redirects those that are due to [`BENCH_DEVICE`].
    pub const BENCH_SEND: &str = "bench_send";
    /// Device map with one slot: where frames are sent to.
    pub const BENCH_DEVICE: &str = "BENCH_DEVICE";
    /// Array of [`Beginning`](crate::load::Beginning): the templates.
    pub const BENCH_TEMPLATES: &str = "BENCH_TEMPLATES";
    /// Array of [`Rest`](crate::load::Rest): what the longer ones have beyond that.
    pub const BENCH_RESTS: &str = "BENCH_RESTS";
    /// Array of words, each a [`Step`](crate::load::Step).
    pub const BENCH_STEPS: &str = "BENCH_STEPS";
    /// Array with one [`Run`](crate::load::Run).
    pub const BENCH_RUN: &str = "BENCH_RUN";
}
