//! Where frames come from. The worker is generic over [`Source`]; everything above is tested without a NIC.

pub mod afpacket;
pub mod afxdp;
mod clock;
mod contract;
pub mod filter;
pub mod gate;
pub mod kernel_gate;
pub mod pcap;
pub mod plain;
pub mod plan;
mod watch;

use std::time::Duration;

pub use gate::{BypassReason, Bypassed, Expectation, ExpectationMode, ExpectationReason, Gate};

use self::plain::Plain;
use crate::time::Timestamp;

/// One frame, borrowed for the length of one call: no byte of it may be referenced afterwards.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was on the wire.
    pub at: Timestamp,
    /// What its first byte belongs to.
    pub link: Link,
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// Its length on the wire; more than `bytes.len()` if the capture was cut (a snap length).
    pub wire_len: usize,
    /// The steering hash, if the kernel program stamped it: lets the shard check that it is the right one.
    pub hash: Option<u32>,
    plain: Option<Plain>,
}

impl<'a> Frame<'a> {
    /// No frame: what stands in the place of one that is to come.
    pub const EMPTY: Frame<'static> =
        Frame { at: Timestamp::ZERO, link: Link::Ethernet, bytes: &[], wire_len: 0, hash: None, plain: None };

    /// A frame; its headers are read here, if they are plain, and nowhere else.
    #[inline]
    pub fn new(at: Timestamp, link: Link, bytes: &'a [u8], wire_len: usize) -> Self {
        Frame { at, link, bytes, wire_len, hash: None, plain: Plain::of(link, bytes) }
    }

    /// The same, with its steering hash.
    #[inline]
    #[must_use]
    pub fn steered(self, hash: Option<u32>) -> Self {
        Frame { hash, ..self }
    }

    /// The same, at another time.
    #[must_use]
    pub fn dated(self, at: Timestamp) -> Self {
        Frame { at, ..self }
    }

    /// Its headers, if they are plain.
    #[inline]
    pub fn plain(&self) -> Option<&Plain> {
        self.plain.as_ref()
    }
}

/// What a frame begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// Ethernet II or 802.3, with or without VLAN tags.
    Ethernet,
    /// An IPv4 or IPv6 header.
    RawIp,
    /// Linux cooked capture, version 1 (16-byte header).
    LinuxSll,
    /// Linux cooked capture, version 2 (20-byte header).
    LinuxSll2,
    /// BSD loopback: a 4-byte address family in the capturing host's byte order (or, for `DLT_LOOP`, in network order).
    Null,
}

/// Frames that a source shows together, at most: so far can be looked ahead.
pub const TOGETHER: usize = 32;

/// Who is shown frames: some at a time, in order, with the gate that decides about each of them when its turn has come.
pub type OnFrames<'a> = dyn FnMut(&[Frame<'_>], &mut dyn Gate) + 'a;

/// Puts frames together, in a place that is used again and again; what does not fit in is left out.
#[inline(always)]
pub fn together<'p, 'a>(
    place: &'p mut [Frame<'a>; TOGETHER],
    frames: impl Iterator<Item = Frame<'a>>,
) -> &'p [Frame<'a>] {
    let mut count = 0;
    place.iter_mut().zip(frames).for_each(|(place, frame)| {
        *place = frame;
        count += 1;
    });
    place.get(..count).unwrap_or_default()
}

/// For whoever looks at one frame at a time, and only at those that are wanted.
pub fn each(mut on_frame: impl FnMut(Frame<'_>, &mut dyn Gate)) -> impl FnMut(&[Frame<'_>], &mut dyn Gate) {
    move |frames, gate| {
        for frame in frames {
            if gate.admits(frame) {
                on_frame(*frame, gate);
            }
        }
    }
}

/// A source of frames with its own clock.
pub trait Source {
    /// Shows up to a batch of waiting frames to `on_frames`, a few at a time, then gives them all back. Returns how many there were.
    ///
    /// Before it processes a frame, `on_frames` asks the gate whether it is wanted; what it asks for meanwhile holds from the next frame on.
    fn drain(&mut self, on_frames: &mut OnFrames<'_>) -> usize;

    /// The time of this source: the newest frame's in a replay, the machine's on a live interface. Cheap; read once per batch.
    fn now(&self) -> Timestamp;

    /// Sleeps until there may be more, at most `limit`.
    fn wait(&mut self, limit: Duration) -> Wait;

    /// Nothing more is wanted. A live source is drained of what its rings still hold; a replay ends at once.
    fn stop(&mut self) {}

    /// How long [`Source::wait`] has looked for frames on the processor before it slept: time that was spent, but not needed.
    fn spun(&self) -> Duration {
        Duration::ZERO
    }

    /// What became of the frames that never reached `on_frames`, since the start.
    fn losses(&self) -> Losses;

    /// Why the source has ended before its time, if it has: an interface that vanished, an input that broke off.
    fn why_ended(&self) -> Option<&str> {
        None
    }

    /// The gate itself, for requests made outside a frame (timers).
    fn gate(&mut self) -> &mut dyn Gate;
}

/// Whether a source has more to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// There may be frames.
    Ready,
    /// Nothing came within the limit.
    Idle,
    /// There will never be more: the end of a file, or an interface that has vanished.
    Ended,
}

/// Frames lost between the gate and the worker, by reason. Each loss is counted in one of these, once.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Losses {
    /// The fill ring was empty: the kernel had no frame to copy into.
    pub fill_ring_empty: u64,
    /// The RX ring was full: the worker was too slow.
    pub rx_ring_full: u64,
    /// Descriptors that the kernel refused.
    pub invalid_descriptors: u64,
    /// The packet socket's buffer was full (AF_PACKET).
    pub socket_full: u64,
}

impl Losses {
    /// All of them.
    pub const fn total(self) -> u64 {
        let rings = self.fill_ring_empty.saturating_add(self.rx_ring_full);
        rings.saturating_add(self.invalid_descriptors).saturating_add(self.socket_full)
    }

    /// The losses of two sources together.
    #[must_use]
    pub const fn plus(self, other: Losses) -> Losses {
        Losses {
            fill_ring_empty: self.fill_ring_empty.saturating_add(other.fill_ring_empty),
            rx_ring_full: self.rx_ring_full.saturating_add(other.rx_ring_full),
            invalid_descriptors: self.invalid_descriptors.saturating_add(other.invalid_descriptors),
            socket_full: self.socket_full.saturating_add(other.socket_full),
        }
    }
}
