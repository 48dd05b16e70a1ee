//! The home of one receive queue's frames: its UMEM and fill ring, shared by the sockets of all workers on that queue.

use std::error::Error;
use std::num::NonZeroU32;
#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::{io, slice};

use portreeve_ebpf::Metadata;
use xsk_rs::config::{BindFlags, FrameSize, Interface as DeviceName, LibxdpFlags, QueueSize, SocketConfig, UmemConfig};
use xsk_rs::{CompQueue, FillQueue, FrameDesc, RxQueue, Socket, TxQueue, Umem};

use super::keeper::Bell;
use crate::sys;

/// Room that frames leave in front of what XDP keeps free: the metadata then begin a cache line, and the first headers lie in it too.
pub(super) const HEADROOM: u32 = Metadata::SIZE as u32;
/// How much of a frame is asked for before it is worked off: headers and a short message. What is longer is read from its beginning to its
/// end, which a processor foresees.
const BEGINNING: usize = 256;

/// Frames that lie in the fill ring while much comes and the workers keep up. The kernel takes the one that has lain there longest: so few
/// are used again while they are still in the processor's caches, and their pages in its table of pages. The others are a reserve.
const IN_TURN: usize = 4096;

/// Size of the transmit and completion rings: nothing is sent.
const UNUSED_RING: u32 = 64;

/// How the memory of one queue is laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Descriptors of each RX ring.
    pub ring: u32,
    /// Frames in the UMEM, and room in the fill ring: that all of them fit is why a refill cannot fail for long.
    pub frames: u32,
    /// Bytes of a frame, headroom included; a power of two.
    pub frame_size: u32,
    /// Ask for zero copy, or for copying.
    pub zero_copy: bool,
    /// Ask for huge pages.
    pub huge_pages: bool,
}

impl Layout {
    pub(super) const fn bytes(&self) -> u64 {
        self.frames as u64 * self.frame_size as u64
    }
}

/// UMEM and fill ring of one queue.
///
/// Any worker may refill, one at a time: the lock is only ever tried, and held for one batch. A worker that finds it taken keeps its
/// frames and tries again after its next batch, so nobody waits; and no worker depends on another being awake to refill for it. What frames
/// are kept back for is a worker that has fallen behind, or is kept from its processor: whoever refills brings them into play, and if nobody
/// does, a [`Keeper`](super::keeper::Keeper). At rest all of them lie in the fill ring, and nobody has to.
#[derive(Debug)]
pub(super) struct Home {
    umem: Umem,
    rings: Mutex<Rings>,
    /// Wakes the keeper.
    pub bell: Bell,
    frames: usize,
    frame_size: usize,
    ownership: Ownership,
}

/// The completion ring is never used, but libxdp releases the device only when it is gone too.
#[derive(Debug)]
struct Rings {
    fill: FillQueue,
    /// What is kept back.
    reserve: Vec<FrameDesc>,
    /// Frames that have come back since the keeper looked.
    returned: usize,
    _completion: CompQueue,
}

/// What came of an attempt to refill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refill {
    /// They are taken back; the driver notices by itself.
    Done,
    /// They are taken back; the driver sleeps and wants a system call.
    Wake,
    /// Another worker is refilling.
    Busy,
}

/// The two queues of one socket. The transmit side is never used, but its ring must outlive the socket.
#[derive(Debug)]
pub(super) struct Queues {
    pub rx: RxQueue,
    _tx: TxQueue,
}

impl Home {
    /// Makes the memory, binds the first socket to `queue` and gives the kernel all frames.
    pub(super) fn open(device: &DeviceName, queue: u32, layout: Layout) -> io::Result<(Self, Queues)> {
        let config = umem_config(layout).map_err(io::Error::other)?;
        let frames = NonZeroU32::new(layout.frames).ok_or(io::ErrorKind::InvalidInput)?;
        let (umem, free) = Umem::new(config, frames, layout.huge_pages).map_err(|why| cause(&why))?;
        let (queues, rings) = bind(&umem, device, queue, layout)?;
        let Some((fill, completion)) = rings else {
            return Err(io::Error::other("the first socket of a queue came without a fill ring"));
        };
        let home = Home {
            umem,
            rings: Mutex::new(Rings { fill, reserve: free, returned: 0, _completion: completion }),
            bell: Bell::default(),
            frames: layout.frames as usize,
            frame_size: layout.frame_size as usize,
            ownership: Ownership::all_with_user(layout.frames),
        };
        while !home.lay_out() {}
        Ok((home, queues))
    }

    /// Binds another socket to the same queue.
    pub(super) fn join(&self, device: &DeviceName, queue: u32, layout: Layout) -> io::Result<Queues> {
        bind(&self.umem, device, queue, layout).map(|(queues, _)| queues)
    }

    /// Takes received frames out of a ring of this home. They are the caller's until it gives them back by [`Home::refill`].
    pub(super) fn take(&self, rx: &mut RxQueue, batch: &mut [FrameDesc]) -> usize {
        // SAFETY: descriptors are written, not read; `rx` belongs to this UMEM, as every ring that `open` and `join` return.
        let count = unsafe { rx.consume(batch) };
        for desc in batch.iter().take(count) {
            self.ownership.to_user(desc.addr() / self.frame_size);
            prefetch(self.bytes(desc));
        }
        count
    }

    /// The bytes of a frame that the caller has taken.
    pub(super) fn bytes<'a>(&'a self, desc: &'a FrameDesc) -> &'a [u8] {
        // SAFETY: the descriptor came from a ring of this UMEM, and its frame is the caller's: neither the kernel nor another worker
        // writes to it before it has been given back, and the borrow of the descriptor ends before that.
        unsafe { self.umem.data(desc) }.contents()
    }

    /// What the XDP program wrote in front of a frame that the caller has taken. Where it wrote nothing, this may be the block of the frame
    /// that lay here before: such a one is older than what came since. Nothing is written here that would forbid it: the kernel would have
    /// to fetch the line back from this processor with the next frame.
    pub(super) fn metadata(&self, desc: &FrameDesc) -> Option<Metadata> {
        if desc.addr() % self.frame_size < Metadata::SIZE {
            return None;
        }
        let block = self.bytes(desc).as_ptr().wrapping_sub(Metadata::SIZE);
        // SAFETY: the frame begins at least `SIZE` bytes before its data, so the block lies in the same frame, which is the caller's
        // alone.
        Metadata::read(unsafe { slice::from_raw_parts(block, Metadata::SIZE) })
    }

    /// Takes frames back: the kernel gets as many as are to lie in the fill ring, and the rest is kept for when they are needed.
    pub(super) fn refill(&self, held: &mut Vec<FrameDesc>) -> Refill {
        let Some(mut rings) = self.try_rings() else { return Refill::Busy };
        let lie = self.lie(&mut rings.fill);
        let (kept, given) = held.split_at(held.len().saturating_sub(self.missing(lie)));
        self.give(&mut rings.fill, given);
        rings.reserve.extend(kept);
        rings.returned = rings.returned.saturating_add(held.len());
        self.call_up(&mut rings, lie.saturating_add(given.len()));
        if rings.reserve.len() >= IN_TURN {
            self.bell.ring();
        }
        held.clear();
        if rings.fill.needs_wakeup() { Refill::Wake } else { Refill::Done }
    }

    /// Brings what is kept into play where the fill ring runs low. Returns how many frames have come back since the last time.
    pub(super) fn reinforce(&self) -> usize {
        let Some(mut rings) = self.try_rings() else { return 0 };
        let lie = self.lie(&mut rings.fill);
        self.call_up(&mut rings, lie);
        std::mem::take(&mut rings.returned)
    }

    /// Brings a part of what is kept into play, because little comes. Returns whether nothing is kept any more.
    pub(super) fn lay_out(&self) -> bool {
        let Some(mut rings) = self.try_rings() else { return false };
        let room = self.frames.saturating_sub(self.lie(&mut rings.fill));
        self.bring(&mut rings, room.min(IN_TURN));
        rings.reserve.is_empty()
    }

    fn call_up(&self, rings: &mut Rings, lie: usize) {
        if lie < IN_TURN / 2 {
            self.bring(rings, self.missing(lie));
        }
    }

    /// Brings so many of the frames that are kept into play: those that were used last.
    fn bring(&self, rings: &mut Rings, count: usize) {
        let kept = rings.reserve.len().saturating_sub(count);
        self.give(&mut rings.fill, rings.reserve.get(kept..).unwrap_or_default());
        rings.reserve.truncate(kept);
    }

    /// How many frames lie in the fill ring. The kernel hands a frame over before it says that its slot is free again, so there may seem to
    /// be more for a moment; and the ring takes a batch whole or not at all.
    fn lie(&self, fill: &mut FillQueue) -> usize {
        self.frames.saturating_sub(fill.nb_free(u32::MAX) as usize)
    }

    /// How many more should lie there than so many. There is room for them: the ring has a slot for every frame.
    fn missing(&self, lie: usize) -> usize {
        IN_TURN.min(self.frames).saturating_sub(lie)
    }

    /// Gives frames to the kernel, no more than there is room for.
    fn give(&self, fill: &mut FillQueue, frames: &[FrameDesc]) {
        for desc in frames {
            self.ownership.to_kernel(desc.addr() / self.frame_size);
        }
        // SAFETY: the frames belong to this UMEM and are the caller's, each once (`take` gave them out, and who calls this lets go of them),
        // and no reference into them is left: `bytes` ties those to the batch that has been worked off.
        let count = unsafe { fill.produce(frames) };
        debug_assert_eq!(count, frames.len(), "under the lock the room cannot shrink");
    }

    fn try_rings(&self) -> Option<MutexGuard<'_, Rings>> {
        match self.rings.try_lock() {
            Ok(rings) => Some(rings),
            Err(TryLockError::Poisoned(rings)) => Some(rings.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Tells a driver that sleeps that there are frames to fill again.
    pub(super) fn wake(rx: &mut RxQueue) {
        // What counts is the system call; the answer, whether there is something to read, is asked for elsewhere.
        let _ = rx.poll(0);
    }

    /// How many frames there are.
    pub(super) fn frames(&self) -> usize {
        self.frames
    }
}

type Bound = (Queues, Option<(FillQueue, CompQueue)>);

fn bind(umem: &Umem, device: &DeviceName, queue: u32, layout: Layout) -> io::Result<Bound> {
    let copy = if layout.zero_copy { BindFlags::XDP_ZEROCOPY } else { BindFlags::XDP_COPY };
    let config = SocketConfig::builder()
        .rx_queue_size(QueueSize::new(layout.ring).map_err(io::Error::other)?)
        .tx_queue_size(QueueSize::new(UNUSED_RING).map_err(io::Error::other)?)
        .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
        .bind_flags(copy | BindFlags::XDP_USE_NEED_WAKEUP)
        .build();
    // SAFETY: the flag that keeps libxdp from loading a program is set, which is what sharing a UMEM on one queue requires.
    let (tx, rx, rings) = unsafe { Socket::new(config, umem, device, queue) }.map_err(|why| cause(&why))?;
    Ok((Queues { rx, _tx: tx }, rings))
}

fn umem_config(layout: Layout) -> Result<UmemConfig, Box<dyn Error + Send + Sync>> {
    Ok(UmemConfig::builder()
        .frame_size(FrameSize::new(layout.frame_size)?)
        .fill_queue_size(QueueSize::new(layout.frames)?)
        .comp_queue_size(QueueSize::new(UNUSED_RING)?)
        .frame_headroom(HEADROOM)
        .build()?)
}

/// The system's own error, where there is one: what to do next depends on its number.
fn cause(error: &dyn Error) -> io::Error {
    let system = error.source().and_then(|source| source.downcast_ref::<io::Error>()).and_then(io::Error::raw_os_error);
    system.map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error)
}

/// Asks for the metadata and the beginning of a frame before the batch is worked off: each line is a cache miss, as another processor
/// has written it.
fn prefetch(frame: &[u8]) {
    let start = frame.as_ptr().wrapping_sub(Metadata::SIZE);
    sys::prefetch_memory(start, Metadata::SIZE + frame.len().min(BEGINNING));
}

/// Who has each frame, checked in debug builds: a frame taken twice or given back twice is memory that two sides write.
#[derive(Debug)]
struct Ownership {
    #[cfg(debug_assertions)]
    with_user: Box<[AtomicBool]>,
}

impl Ownership {
    #[cfg(debug_assertions)]
    fn all_with_user(frames: u32) -> Self {
        Ownership { with_user: (0..frames).map(|_| AtomicBool::new(true)).collect() }
    }

    #[cfg(debug_assertions)]
    fn to_user(&self, frame: usize) {
        let was = self.with_user.get(frame).map(|owned| owned.swap(true, Ordering::AcqRel));
        assert_eq!(was, Some(false), "frame {frame} received, but the kernel did not have it");
    }

    #[cfg(debug_assertions)]
    fn to_kernel(&self, frame: usize) {
        let was = self.with_user.get(frame).map(|owned| owned.swap(false, Ordering::AcqRel));
        assert_eq!(was, Some(true), "frame {frame} given back, but the kernel had it already");
    }

    #[cfg(not(debug_assertions))]
    fn all_with_user(_frames: u32) -> Self {
        Ownership {}
    }

    #[cfg(not(debug_assertions))]
    fn to_user(&self, _frame: usize) {}

    #[cfg(not(debug_assertions))]
    fn to_kernel(&self, _frame: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ownership_goes_to_and_fro() {
        let ownership = Ownership::all_with_user(2);
        ownership.to_kernel(1);
        ownership.to_user(1);
        ownership.to_kernel(1);
        ownership.to_kernel(0);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "given back, but the kernel had it already")]
    fn a_frame_given_back_twice_is_noticed() {
        let ownership = Ownership::all_with_user(1);
        ownership.to_kernel(0);
        ownership.to_kernel(0);
    }
}
