//! One worker's socket on one queue, and whose turn it is among several.

use std::sync::Arc;

use xsk_rs::FrameDesc;
use xsk_rs::socket::Fd;

use super::home::{Home, Queues, Refill};
use crate::capture::clock::Clock;
use crate::capture::{Frame, Link, TOGETHER, together};

/// How much later than the kernel program saw it a frame may appear in a ring, in nanoseconds: the driver hands over what it has
/// received in one go, at the end of its poll.
const SETTLE: u64 = 100_000;

/// A socket with what has been taken out of its ring.
#[derive(Debug)]
pub(super) struct Socket {
    /// Its place in the kernel program's socket map.
    pub index: u32,
    batch: Box<[FrameDesc]>,
    taken: Vec<Taken>,
    /// Which of `taken` comes next.
    next: usize,
    /// The latest time in the metadata of a frame: those of a queue come in their order, and what is older is no frame's any more.
    newest: u64,
    /// Shown, and to be given back.
    held: Vec<FrameDesc>,
    queues: Queues,
    home: Arc<Home>,
}

/// A frame out of the ring.
#[derive(Clone, Copy, Debug)]
struct Taken {
    desc: FrameDesc,
    /// `CLOCK_MONOTONIC` in the kernel program; without its metadata, when the frame was taken.
    seen_at: u64,
    /// The steering hash.
    hash: Option<u32>,
}

/// Whose frames are to be shown, and up to which time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Turn {
    pub socket: usize,
    pub until: u64,
}

/// Takes a batch from each socket that has none under way. `now` is `CLOCK_MONOTONIC`.
pub(super) fn take_batches(sockets: &mut [Socket], now: u64) {
    for socket in sockets {
        socket.take(now);
    }
}

/// Which socket has the oldest frame; `None` if there are no frames.
pub(super) fn next_turn(sockets: &[Socket], now: u64) -> Option<Turn> {
    turn(sockets.iter().map(Socket::head), now)
}

/// Whose turn it is among queues whose next frames were seen at these times. Its frames may be shown until another's are older. Where
/// there is none, an older one may be on its way: then only what has had the time to settle may be shown.
fn turn(heads: impl Iterator<Item = Option<u64>>, now: u64) -> Option<Turn> {
    let mut oldest = None;
    let mut until = u64::MAX;
    for (number, head) in heads.enumerate() {
        match (head, oldest) {
            (None, _) => until = until.min(now.saturating_sub(SETTLE)),
            (Some(head), Some((_, first))) if head >= first => until = until.min(head),
            (Some(head), before) => {
                until = before.map_or(until, |(_, first)| until.min(first));
                oldest = Some((number, head));
            }
        }
    }
    oldest.map(|(socket, _)| Turn { socket, until })
}

impl Socket {
    pub(super) fn new(index: u32, queues: Queues, home: Arc<Home>, batch: usize) -> Self {
        Socket {
            index,
            batch: vec![FrameDesc::default(); batch].into_boxed_slice(),
            taken: Vec::with_capacity(batch),
            next: 0,
            newest: 0,
            held: Vec::with_capacity(home.frames()),
            queues,
            home,
        }
    }

    pub(super) fn fd(&self) -> &Fd {
        self.queues.rx.fd()
    }

    pub(super) fn has_frames(&mut self) -> bool {
        self.head().is_some() || self.queues.rx.nb_avail_exact() > 0
    }

    pub(super) fn frames_held(&self) -> usize {
        self.held.len().saturating_add(self.taken.len().saturating_sub(self.next))
    }

    /// When the next frame was seen.
    pub(super) fn head(&self) -> Option<u64> {
        self.taken.get(self.next).map(|taken| taken.seen_at)
    }

    /// Shows frames up to `until`, and gives them back. Returns how many there were.
    pub(super) fn show(&mut self, until: u64, clock: &Clock, mut on_frames: impl FnMut(&[Frame<'_>])) -> usize {
        let waiting = self.taken.get(self.next..).unwrap_or_default();
        let count = waiting.iter().take_while(|taken| taken.seen_at <= until).count();
        for some in waiting.get(..count).unwrap_or_default().chunks(TOGETHER) {
            let frames = some.iter().map(|taken| {
                let bytes = self.home.bytes(&taken.desc);
                Frame::new(clock.wall(taken.seen_at), Link::Ethernet, bytes, bytes.len()).steered(taken.hash)
            });
            on_frames(together(&mut [Frame::EMPTY; TOGETHER], frames));
            self.held.extend(some.iter().map(|taken| taken.desc));
        }
        self.next = self.next.saturating_add(count);
        self.refill();
        count
    }

    pub(super) fn refill(&mut self) {
        if !self.held.is_empty() && self.home.refill(&mut self.held) == Refill::Wake {
            Home::wake(&mut self.queues.rx);
        }
    }

    fn take(&mut self, now: u64) {
        if self.next < self.taken.len() {
            return;
        }
        self.taken.clear();
        self.next = 0;
        let count = self.home.take(&mut self.queues.rx, &mut self.batch);
        for desc in self.batch.iter().take(count) {
            let metadata = self.home.metadata(desc).filter(|metadata| metadata.ktime >= self.newest);
            self.newest = metadata.map_or(self.newest, |metadata| metadata.ktime);
            // A frame may have come since the clock was read; but a time far in the future would never be due.
            let seen_at = metadata.map_or(now, |metadata| metadata.ktime).min(now.saturating_add(SETTLE));
            self.taken.push(Taken { desc: *desc, seen_at, hash: metadata.map(|metadata| metadata.hash) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    fn of(heads: &[Option<u64>]) -> Option<Turn> {
        turn(heads.iter().copied(), NOW)
    }

    #[test]
    fn one_queue_has_every_turn() {
        assert_eq!(of(&[None]), None);
        assert_eq!(of(&[Some(NOW)]), Some(Turn { socket: 0, until: u64::MAX }));
    }

    #[test]
    fn the_oldest_frame_comes_first_until_another_is_older() {
        assert_eq!(of(&[Some(30), Some(10), Some(20)]), Some(Turn { socket: 1, until: 20 }));
        assert_eq!(of(&[Some(10), Some(30), Some(20)]), Some(Turn { socket: 0, until: 20 }));
        assert_eq!(of(&[Some(10), Some(10)]), Some(Turn { socket: 0, until: 10 }));
    }

    #[test]
    fn where_a_queue_is_empty_only_what_has_settled_is_shown() {
        assert_eq!(of(&[Some(10), None]), Some(Turn { socket: 0, until: NOW - SETTLE }));
        assert_eq!(of(&[None, Some(10), Some(20)]), Some(Turn { socket: 1, until: 20 }));
        assert_eq!(of(&[None, None]), None);
    }
}
