//! tcx: the same decision beside the host's own traffic; what is wanted is cloned, and every packet goes on.

use core::ptr::read_volatile;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::bindings::bpf_check_mtu_flags::BPF_MTU_CHK_SEGS;
use aya_ebpf::bindings::tcx_action_base::TCX_NEXT;
use aya_ebpf::helpers::bpf_check_mtu;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use portreeve_ebpf::segments::Offload;
use portreeve_ebpf::{Counter, examine};

use crate::frame::Frame;
use crate::maps::{Maps, clone_to, count_frames};

/// Where its counters stand.
const TCX: u32 = 1;

/// How much of a packet must lie in its linear part: every header that the decision may read in an ordinary packet.
const HEADERS: u32 = 128;

/// What the kernel answers if the device dropped a packet that it was given (`linux/netdevice.h`).
const NET_XMIT_DROP: i64 = 1;

/// The sensor's program on a host's own interface, in both directions.
#[classifier]
pub fn portreeve_tcx(context: TcContext) -> i32 {
    let target = clone_to();
    // SAFETY: a field of the program's own context.
    if unsafe { (*context.skb.skb).ifindex } != target {
        decided(context.skb.skb, target);
        #[cfg(feature = "trace")]
        crate::trace::write();
    }
    TCX_NEXT
}

/// In a trace build a function of its own, because there is no room on the stack for this and for the log.
#[cfg_attr(feature = "trace", inline(never))]
#[cfg_attr(not(feature = "trace"), inline(always))]
fn decided(skb: *mut __sk_buff, target: u32) {
    let context = TcContext::new(skb);
    let length = context.len();
    let wanted = if length < HEADERS { length } else { HEADERS };
    let (start, end) = bounds(&context);
    if end - start < wanted as usize {
        // On failure the decision sees the shorter packet, and counts it as cut off.
        let _ = context.pull_data(wanted);
    }
    let (start, end) = bounds(&context);
    // SAFETY: the context's own pointers, read after the last resize; the frame is not used after the clone.
    let frame = unsafe { Frame::new(start, end, length as usize) };
    let Some(mut maps) = Maps::open() else { return };
    let decision = examine(&frame, &mut maps);
    #[cfg(feature = "trace")]
    crate::trace::keep(&decision, length as usize);
    let frames = offload(skb).frames(&frame, &decision.packet);
    let counter =
        if decision.counter.redirects() { cloned(&context, target, decision.counter) } else { decision.counter };
    count_frames(TCX, counter, frames);
}

/// Clones a packet that is wanted; the counter that it goes under then.
#[inline(always)]
fn cloned(context: &TcContext, target: u32, wanted: Counter) -> Counter {
    if is_too_long(context, target) {
        return Counter::TooLong;
    }
    match context.clone_redirect(target, 0) {
        // The wire had no room for the last frame of a clone. The wire counts that and what it had no room for before: it tells the
        // program of the last one only.
        Ok(()) | Err(NET_XMIT_DROP) => wanted,
        Err(_) => Counter::Undelivered,
    }
}

/// Whether a packet, or each segment that it is cut into, is longer than what the target carries, and would be dropped there.
#[inline(always)]
fn is_too_long(context: &TcContext, target: u32) -> bool {
    let mut mtu = 0;
    // SAFETY: the program's own context, and a place for a number that lives through the call.
    unsafe { bpf_check_mtu(context.as_ptr(), target, &raw mut mtu, 0, u64::from(BPF_MTU_CHK_SEGS)) > 0 }
}

#[inline(always)]
fn offload(skb: *mut __sk_buff) -> Offload {
    // SAFETY: fields of the program's own context.
    unsafe {
        Offload { size: read_volatile(&raw const (*skb).gso_size), segments: read_volatile(&raw const (*skb).gso_segs) }
    }
}

/// Where the linear part begins and ends. Volatile, because a resize moves both and the compiler does not know it.
#[inline(always)]
fn bounds(context: &TcContext) -> (usize, usize) {
    let skb = context.skb.skb;
    // SAFETY: fields of the program's own context.
    unsafe { (read_volatile(&raw const (*skb).data) as usize, read_volatile(&raw const (*skb).data_end) as usize) }
}
