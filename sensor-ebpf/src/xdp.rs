//! XDP: classify, stamp, hand to the worker's socket on this queue.

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::bpf_xdp_adjust_meta;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use portreeve_ebpf::{Counter, Metadata, Rules, examine, glance, shard_of};

use crate::frame::Frame;
use crate::maps::{Maps, XSKS, count, now, rules, workers};

/// Where its counters stand.
const XDP: u32 = 0;

/// The sensor's program on a tapped interface.
#[xdp]
pub fn portreeve_xdp(context: XdpContext) -> u32 {
    let Some(mut maps) = Maps::open() else { return leftover() };
    // SAFETY: the program's own context; the frame is not used after the metadata is added.
    let frame = unsafe { frame(&context) };
    // A trace has all decisions, and they are logged in one place.
    if !cfg!(feature = "trace")
        && let Some(decision) = glance(&frame, &mut maps)
    {
        return act(&context, decision.counter, decision.hash);
    }
    let mut hash = 0;
    let counter = examined(context.ctx, &mut hash);
    #[cfg(feature = "trace")]
    crate::trace::write();
    act(&context, counter, hash)
}

/// The rest, as a function of its own: what nearly every frame runs stays short, and needs neither the stack nor the registers of this.
#[inline(never)]
fn examined(context: *mut xdp_md, hash: &mut u32) -> Counter {
    let context = XdpContext::new(context);
    let Some(mut maps) = Maps::open() else { return Counter::NotIp };
    // SAFETY: the context that the program was given.
    let frame = unsafe { frame(&context) };
    let decision = examine(&frame, &mut maps);
    #[cfg(feature = "trace")]
    crate::trace::keep(&decision, context.data_end() - context.data());
    *hash = decision.hash;
    decision.counter
}

/// Does with a frame what was decided: to the worker's socket, with time and hash in front.
#[inline(always)]
fn act(context: &XdpContext, counter: Counter, hash: u32) -> u32 {
    if !counter.redirects() {
        count(XDP, counter);
        return leftover();
    }
    stamp(context, hash);
    match XSKS.redirect(socket(context, hash), u64::from(leftover())) {
        Ok(action) => {
            count(XDP, counter);
            action
        }
        Err(action) => {
            count(XDP, Counter::Undelivered);
            action
        }
    }
}

/// # Safety
/// `context` is the running program's; its packet is not resized while the frame is used.
#[inline(always)]
unsafe fn frame(context: &XdpContext) -> Frame {
    let (start, end) = (context.data(), context.data_end());
    // SAFETY: as this function demands.
    unsafe { Frame::new(start, end, end - start) }
}

/// What happens to a frame that nobody takes: a tap's copies end here, a host's own packets go on.
#[inline(always)]
fn leftover() -> u32 {
    if rules().has(Rules::PASS) { XDP_PASS } else { XDP_DROP }
}

#[inline(always)]
fn socket(context: &XdpContext, hash: u32) -> u32 {
    let (queue, workers) = (context.rx_queue_index(), workers());
    let worker = if rules().has(Rules::STEER_BY_QUEUE) { queue } else { shard_of(hash, workers) };
    queue * workers + worker
}

/// Writes the metadata block; without room for it the frame goes as it is, and its time is that at which the worker takes it.
#[inline(always)]
fn stamp(context: &XdpContext, hash: u32) {
    let found = Metadata::new(hash, now());
    // SAFETY: the helper checks its argument; a program that goes on after a failure has changed nothing.
    if unsafe { bpf_xdp_adjust_meta(context.as_ptr().cast(), -(Metadata::SIZE as i32)) } != 0 {
        return;
    }
    let room = context.metadata();
    if room + Metadata::SIZE <= context.data() {
        // SAFETY: the bytes between data_meta and data are the program's own, and there are enough of them.
        unsafe { *(room as *mut Metadata) = found };
    }
}
