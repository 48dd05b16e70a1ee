//! Reassembly: the segments of one direction of a connection, in whatever order, become its bytes in order, once.
//!
//! In order, the analyzer is shown the bytes where they lie in the frame. Copied are only what it has not consumed, what arrived
//! above a hole, and what was not acknowledged yet (so that a retransmission with other bytes can be told). Where two segments
//! disagree, the first one counts.

use super::pool::Pool;
use crate::analyzers::Step;
use crate::config::limits::Limits;

/// Delivered bytes that are remembered until they are acknowledged.
const REMEMBERED: usize = 8 * 1024;
/// Runs of bytes above holes, per direction; a stream that is shredded further loses its first hole.
const PIECES: usize = 32;

/// Who listens to a stream.
pub trait Sink {
    /// Bytes in order: everything not consumed yet.
    fn bytes(&mut self, bytes: &[u8]) -> Step;

    /// Bytes that will never come.
    fn gap(&mut self, seq: u64, length: u64);

    /// A retransmission had other bytes here; `length` of them overlap.
    fn inconsistent(&mut self, seq: u64, length: usize);

    /// An acknowledgement went beyond a hole above which there were bytes.
    fn ack_above_hole(&mut self, seq: u64);

    /// Bytes that were there and are forgotten: the message that they began is too long.
    fn forgotten(&mut self, length: u64);

    /// Whether the worker has room for so many bytes to be kept back; if not, says so.
    fn room(&mut self, bytes: usize) -> bool;

    /// A bound was reached, and something had to be given up; a weird's name.
    fn limit(&mut self, name: &'static str);

    /// How many bytes may wait to be consumed.
    fn pdu_max(&self) -> usize;
}

/// One direction. Sequence numbers are relative to the SYN: the first byte has number 1.
#[derive(Debug)]
pub struct Stream {
    /// The next byte to deliver.
    next: u64,
    /// Everything below has been acknowledged.
    acked: u64,
    /// Delivered, not consumed.
    carry: Vec<u8>,
    /// Delivered, not acknowledged: the bytes up to `next`.
    recent: Vec<u8>,
    /// Above a hole, sorted, without overlaps.
    pieces: Vec<Piece>,
    /// Bytes in them.
    stored: usize,
    /// Nobody listens any more.
    ended: bool,
}

#[derive(Debug)]
struct Piece {
    seq: u64,
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> u64 {
        self.seq + self.bytes.len() as u64
    }
}

impl Default for Stream {
    fn default() -> Self {
        Stream { next: 1, acked: 1, carry: Vec::new(), recent: Vec::new(), pieces: Vec::new(), stored: 0, ended: false }
    }
}

impl Stream {
    /// The number of the next byte to deliver.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What was delivered and never consumed.
    pub fn rest(&self) -> &[u8] {
        &self.carry
    }

    /// Bytes on the heap that it keeps back.
    pub fn held(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(|piece| piece.bytes.capacity()).sum();
        let list = self.pieces.capacity() * size_of::<Piece>();
        self.carry.capacity() + self.recent.capacity() + pieces + list
    }

    /// Nobody listens any more: gives every buffer back.
    pub fn end(&mut self, pool: &mut Pool) {
        self.ended = true;
        pool.give_back(&mut self.carry);
        pool.give_back(&mut self.recent);
        while let Some(mut piece) = self.pieces.pop() {
            self.forget(&mut piece, pool);
        }
        self.pieces = Vec::new();
    }

    /// A segment with bytes.
    pub fn on_data(&mut self, seq: u64, bytes: &[u8], limits: &Limits, pool: &mut Pool, sink: &mut dyn Sink) {
        if self.ended || bytes.is_empty() {
            return;
        }
        if seq == self.next && self.pieces.is_empty() {
            self.deliver(bytes, pool, sink);
            return;
        }
        self.compare_with_recent(seq, bytes, sink);
        let old = usize::try_from(self.next.saturating_sub(seq)).unwrap_or(usize::MAX);
        let Some(new) = bytes.get(old..).filter(|new| !new.is_empty()) else { return };
        self.weave(seq.max(self.next), new, pool, sink);
        self.deliver_pieces(pool, sink);
        self.check_bounds(limits, pool, sink);
    }

    /// The other side has acknowledged everything below `ack`: what is not there by now will never come.
    pub fn on_ack(&mut self, ack: u64, pool: &mut Pool, sink: &mut dyn Sink) {
        if self.ended || ack <= self.acked {
            return;
        }
        self.acked = ack;
        while self.next < ack && !self.ended {
            let hole_end = self.pieces.first().map_or(ack, |piece| piece.seq.min(ack));
            if self.pieces.first().is_some_and(|piece| piece.seq < ack) {
                sink.ack_above_hole(self.next);
            }
            self.skip_to(hole_end, pool, sink);
            self.deliver_pieces(pool, sink);
        }
        if self.acked >= self.next && self.recent.capacity() > 0 {
            pool.give_back(&mut self.recent);
        }
    }

    /// Whether an acknowledgement of everything below `ack` is the first of some of it.
    pub fn is_news(&self, ack: u64) -> bool {
        !self.ended && ack > self.acked
    }

    /// Whether bytes below `end` are still missing.
    pub fn is_pending(&self, end: u64) -> bool {
        !self.ended && self.next < end
    }

    /// Puts new bytes between the pieces that are there, and hands on what continues the stream.
    fn weave(&mut self, mut seq: u64, mut bytes: &[u8], pool: &mut Pool, sink: &mut dyn Sink) {
        let mut index = self.pieces.partition_point(|piece| piece.end() <= seq);
        while !bytes.is_empty() {
            let (free, piece_len) = match self.pieces.get(index) {
                Some(piece) => (piece.seq.saturating_sub(seq), piece.end().saturating_sub(seq.max(piece.seq))),
                None => (u64::MAX, 0),
            };
            let (before, rest) = split(bytes, free);
            if !before.is_empty() {
                if seq == self.next {
                    self.deliver(before, pool, sink);
                } else if self.store(index, seq, before, pool, sink) {
                    index += 1;
                }
                seq += before.len() as u64;
            }
            let (overlap, after) = split(rest, piece_len);
            if let Some(piece) = self.pieces.get(index) {
                let at = usize::try_from(seq.saturating_sub(piece.seq)).unwrap_or(usize::MAX);
                if piece.bytes.get(at..).is_some_and(|known| !known.starts_with(overlap)) {
                    sink.inconsistent(seq, overlap.len());
                }
            }
            seq += overlap.len() as u64;
            bytes = after;
            index += 1;
        }
    }

    /// Keeps bytes above a hole; `false` if they were joined to the piece before, or there was no room for them.
    fn store(&mut self, index: usize, seq: u64, bytes: &[u8], pool: &mut Pool, sink: &mut dyn Sink) -> bool {
        if !sink.room(bytes.len()) {
            return false;
        }
        self.stored += bytes.len();
        let before = index.checked_sub(1).and_then(|before| self.pieces.get_mut(before));
        if let Some(piece) = before.filter(|piece| piece.end() == seq) {
            piece.bytes.extend_from_slice(bytes);
            return false;
        }
        let mut buffer = pool.take();
        buffer.extend_from_slice(bytes);
        self.pieces.insert(index.min(self.pieces.len()), Piece { seq, bytes: buffer });
        true
    }

    /// Delivers what no hole keeps back any more.
    fn deliver_pieces(&mut self, pool: &mut Pool, sink: &mut dyn Sink) {
        while self.pieces.first().is_some_and(|piece| piece.seq <= self.next) {
            let mut piece = self.pieces.remove(0);
            let old = usize::try_from(self.next - piece.seq).unwrap_or(usize::MAX);
            if let Some(new) = piece.bytes.get(old..) {
                self.deliver(new, pool, sink);
            }
            self.forget(&mut piece, pool);
        }
    }

    fn forget(&mut self, piece: &mut Piece, pool: &mut Pool) {
        self.stored = self.stored.saturating_sub(piece.bytes.len());
        pool.give_back(&mut piece.bytes);
    }

    /// Too much waits above a hole: the hole is given up, and the stream goes on behind it.
    fn check_bounds(&mut self, limits: &Limits, pool: &mut Pool, sink: &mut dyn Sink) {
        loop {
            let unacked = self.acked <= 1 && self.stored > limits.stream_bytes_without_any_acks;
            if !unacked && self.stored <= limits.stream_bytes && self.pieces.len() <= PIECES {
                return;
            }
            let Some(end) = self.pieces.first().map(|piece| piece.seq) else { return };
            let no_acks = "above_hole_data_without_any_acks";
            sink.limit(if unacked { no_acks } else { "excessive_data_without_further_acks" });
            self.skip_to(end, pool, sink);
            self.deliver_pieces(pool, sink);
        }
    }

    fn skip_to(&mut self, end: u64, pool: &mut Pool, sink: &mut dyn Sink) {
        let (seq, length) = (self.next, end.saturating_sub(self.next));
        self.next = end;
        pool.give_back(&mut self.carry);
        self.recent.clear();
        if length > 0 {
            sink.gap(seq, length);
        }
    }

    /// The next bytes of the stream, in order.
    fn deliver(&mut self, bytes: &[u8], pool: &mut Pool, sink: &mut dyn Sink) {
        self.remember(bytes, pool, sink);
        self.next += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() && !self.ended {
            if self.carry.is_empty() {
                let Some(taken) = self.offer(rest, sink) else { return };
                rest = rest.get(taken..).unwrap_or_default();
                if rest.is_empty() {
                    return;
                }
                if !sink.room(rest.len().min(sink.pdu_max())) {
                    sink.forgotten(rest.len() as u64);
                    return;
                }
                self.carry = pool.take();
            }
            // What is left over is offered again with as much of the new as may wait.
            let max = sink.pdu_max();
            let (more, later) = rest.split_at(rest.len().min(max.saturating_sub(self.carry.len())));
            self.carry.extend_from_slice(more);
            rest = later;
            let carry = std::mem::take(&mut self.carry);
            let taken = self.offer(&carry, sink);
            self.carry = carry;
            match taken {
                None => return,
                Some(taken) => {
                    self.carry.drain(..taken.min(self.carry.len()));
                }
            }
            if self.carry.is_empty() {
                pool.give_back(&mut self.carry);
            } else if self.carry.len() >= max {
                self.give_up_message(pool, sink);
            }
        }
    }

    /// A message that is longer than may wait: what there is of it is forgotten, as if it had been lost.
    fn give_up_message(&mut self, pool: &mut Pool, sink: &mut dyn Sink) {
        let length = self.carry.len() as u64;
        pool.give_back(&mut self.carry);
        sink.limit("message_too_long");
        sink.forgotten(length);
    }

    /// Shows bytes until the listener wants more; how many it has consumed, or `None` if it wants nothing any more.
    fn offer(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Option<usize> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match sink.bytes(rest) {
                Step::Consumed(0) | Step::More => break,
                Step::Consumed(n) => taken += n.min(rest.len()),
                Step::Done | Step::Violation(_) => {
                    self.ended = true;
                    return None;
                }
            }
        }
        Some(taken)
    }

    /// Remembers delivered bytes until they are acknowledged.
    fn remember(&mut self, bytes: &[u8], pool: &mut Pool, sink: &mut dyn Sink) {
        let end = self.next + bytes.len() as u64;
        if end <= self.acked {
            self.recent.clear();
            return;
        }
        let kept = bytes.get(bytes.len().saturating_sub(REMEMBERED)..).unwrap_or(bytes);
        let total = self.recent.len() + kept.len();
        let grows = total.min(REMEMBERED).saturating_sub(self.recent.capacity());
        if grows > 0 && !sink.room(grows) {
            pool.give_back(&mut self.recent);
            return;
        }
        if self.recent.capacity() == 0 {
            self.recent = pool.take();
        }
        if kept.len() < bytes.len() {
            self.recent.clear();
        } else if total > REMEMBERED {
            // Half is dropped at a time, so that a stream without acknowledgements does not move its memory with every segment.
            let drop = (total - REMEMBERED).max(REMEMBERED / 2).min(self.recent.len());
            self.recent.drain(..drop);
        }
        self.recent.extend_from_slice(kept);
    }

    fn compare_with_recent(&mut self, seq: u64, bytes: &[u8], sink: &mut dyn Sink) {
        let start = self.next - self.recent.len() as u64;
        let from = seq.max(start).max(self.acked);
        let to = (seq + bytes.len() as u64).min(self.next);
        let range = |origin: u64| usize::try_from(from - origin).ok().zip(usize::try_from(to - origin).ok());
        if from >= to {
            return;
        }
        let known = range(start).and_then(|(a, b)| self.recent.get(a..b));
        let sent = range(seq).and_then(|(a, b)| bytes.get(a..b));
        if let (Some(known), Some(sent)) = (known, sent)
            && known != sent
        {
            sink.inconsistent(from, sent.len());
        }
    }
}

/// Splits after `at` bytes, or not at all.
fn split(bytes: &[u8], at: u64) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.len().min(usize::try_from(at).unwrap_or(usize::MAX)))
}
