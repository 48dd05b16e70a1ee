//! What the benchmarks measure against, programs that do next to nothing; and the generator's, which makes live frames and sends them to a
//! device.

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS};
use aya_ebpf::helpers::bpf_xdp_adjust_tail;
use aya_ebpf::helpers::generated::bpf_xdp_store_bytes;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{Array, DevMap};
use aya_ebpf::programs::XdpContext;
use portreeve_ebpf::load::{Beginning, Rest, Run, Step, Template, has, patch};

use crate::maps::{XSKS, now};

/// Slot 0: the device that the generator sends to.
#[map]
static BENCH_DEVICE: DevMap = DevMap::with_max_entries(1, 0);
/// These three are enlarged by whoever has a script: the sensor loads them, too.
#[map]
static BENCH_TEMPLATES: Array<Beginning> = Array::with_max_entries(1, 0);
#[map]
static BENCH_RESTS: Array<Rest> = Array::with_max_entries(1, 0);
#[map]
static BENCH_STEPS: Array<u32> = Array::with_max_entries(1, 0);
#[map]
static BENCH_RUN: Array<Run> = Array::with_max_entries(1, 0);

/// The least that an XDP program can do.
#[xdp]
pub fn bench_drop(_: XdpContext) -> u32 {
    XDP_DROP
}

/// On veth, what lets redirected frames arrive at all where nothing else is attached.
#[xdp]
pub fn bench_pass(_: XdpContext) -> u32 {
    XDP_PASS
}

/// The least that feeds a socket.
#[xdp]
pub fn bench_socket(context: XdpContext) -> u32 {
    XSKS.redirect(context.rx_queue_index(), u64::from(XDP_DROP)).unwrap_or(XDP_DROP)
}

/// Run on live frames by BPF_PROG_TEST_RUN, which repeats one frame millions of times.
#[xdp]
pub fn bench_redirect(_: XdpContext) -> u32 {
    BENCH_DEVICE.redirect(0, u64::from(XDP_ABORTED)).unwrap_or(XDP_ABORTED)
}

/// The same, with frames of a script. What is not due is dropped here: a batch of live frames leaves when its last one has been seen, so
/// waiting for one would hold up those before it.
#[xdp]
pub fn bench_send(context: XdpContext) -> u32 {
    send(&context).unwrap_or(XDP_ABORTED)
}

#[inline(always)]
fn send(context: &XdpContext) -> Option<u32> {
    // SAFETY: the element exists for the program's whole run, and one generator runs at a time.
    let run: &mut Run = unsafe { &mut *BENCH_RUN.get_ptr_mut(0)? };
    let timed = run.interval != 0 || run.sent == 0;
    let Some(due) = run.take_turn(if timed { now() } else { 0 }) else { return Some(XDP_DROP) };
    let step = Step::of(*BENCH_STEPS.get(run.position as u32)?);
    let template = BENCH_TEMPLATES.get(step.template)?;
    copy(context, template)?;
    let head = context.data() as *mut [u8; Template::HEAD];
    if context.data() + Template::HEAD > context.data_end() {
        return None;
    }
    // SAFETY: the bytes lie between data and data_end, and nothing else refers to them.
    patch(unsafe { &mut *head }, template.flags, step.slot, run.client(template.flags));
    if has(template.flags, Template::STAMPED) {
        stamp(context, template.length, if due == 0 { now() } else { due })?;
    }
    run.advance(has(template.flags, Template::WANTED));
    BENCH_DEVICE.redirect(0, u64::from(XDP_ABORTED)).ok()
}

/// Makes the frame as long as its template, and the same.
#[inline(always)]
fn copy(context: &XdpContext, template: &Beginning) -> Option<()> {
    const SHORT: u32 = Beginning::BYTES as u32;
    let length = template.length;
    if length < Template::SHORTEST as u32 || length > Template::LONGEST as u32 {
        return None;
    }
    let growth = length as i32 - (context.data_end() - context.data()) as i32;
    // SAFETY: the helper checks its arguments; no pointer into the frame is older than this.
    if growth != 0 && unsafe { bpf_xdp_adjust_tail(context.as_ptr().cast(), growth) } != 0 {
        return None;
    }
    if length <= SHORT {
        return store(context, 0, &template.bytes, length);
    }
    store(context, 0, &template.bytes, SHORT)?;
    store(context, SHORT, BENCH_RESTS.get(template.rest)?, length - SHORT)
}

/// Ends the frame with the moment at which it is due.
#[inline(always)]
fn stamp(context: &XdpContext, length: u32, due: u64) -> Option<()> {
    store(context, length - 8, &due.to_ne_bytes(), 8)
}

/// Writes the first bytes of `from` into the frame.
#[inline(always)]
fn store<const N: usize>(context: &XdpContext, at: u32, from: &[u8; N], length: u32) -> Option<()> {
    let from = from.as_ptr().cast_mut().cast();
    // SAFETY: the verifier checks that there are so many bytes at `from`, and the helper, that they lie in the frame.
    (unsafe { bpf_xdp_store_bytes(context.as_ptr().cast(), at, from, length) } == 0).then_some(())
}
