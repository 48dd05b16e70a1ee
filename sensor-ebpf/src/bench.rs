//! What the benchmarks measure against: a program that only drops, and the generator's, which sends live frames to another device.

use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_DROP};
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::DevMap;
use aya_ebpf::programs::XdpContext;

/// Slot 0: the device that the generator sends to.
#[map]
static BENCH_DEVICE: DevMap = DevMap::with_max_entries(1, 0);

/// The least that an XDP program can do.
#[xdp]
pub fn bench_drop(_: XdpContext) -> u32 {
    XDP_DROP
}

/// Run on live frames by BPF_PROG_TEST_RUN, which repeats one frame millions of times.
#[xdp]
pub fn bench_redirect(_: XdpContext) -> u32 {
    BENCH_DEVICE.redirect(0, u64::from(XDP_ABORTED)).unwrap_or(XDP_ABORTED)
}
