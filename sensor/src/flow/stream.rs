//! Reassembly: the segments of one direction of a connection, in whatever order, become its bytes in order, once.
//!
//! In order, the analyzer is shown the bytes where they lie in the frame. Copied are only what it has not consumed, what arrived
//! above a hole, and what was not acknowledged yet (so that a retransmission with other bytes can be told). Where two segments
//! disagree, the first one counts.

mod kept;

pub(super) use self::kept::Kept;
use self::kept::Piece;
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
    /// `None` while everything was consumed and acknowledged: so is a stream most of the time.
    kept: Option<Box<Kept>>,
    /// Nobody listens any more.
    ended: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Stream { next: 1, acked: 1, kept: None, ended: false }
    }
}

impl Stream {
    /// The number of the next byte to deliver.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What was delivered and never consumed.
    pub fn rest(&self) -> &[u8] {
        self.kept.as_ref().map_or(&[], |kept| &kept.carry)
    }

    /// Bytes on the heap that it keeps back.
    #[inline]
    pub fn held(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.held())
    }

    /// Nobody listens any more: gives everything back.
    pub fn end(&mut self, pool: &mut Pool) {
        self.ended = true;
        if let Some(mut kept) = self.kept.take() {
            kept.clear(pool);
            pool.give_back_kept(kept);
        }
    }

    /// A segment with bytes.
    #[inline]
    pub fn on_data(&mut self, seq: u64, bytes: &[u8], limits: &Limits, pool: &mut Pool, sink: &mut impl Sink) {
        if self.ended || bytes.is_empty() {
            return;
        }
        if seq == self.next && self.pieces().is_empty() {
            self.deliver(bytes, pool, sink);
            return self.tidy(pool);
        }
        self.on_data_out_of_order(seq, bytes, limits, pool, sink);
    }

    /// The other side has acknowledged everything below `ack`: what is not there by now will never come.
    #[inline]
    pub fn on_ack(&mut self, ack: u64, pool: &mut Pool, sink: &mut impl Sink) {
        if !self.is_news(ack) {
            return;
        }
        self.acked = ack;
        if self.next < ack {
            self.give_up_holes(ack, pool, sink);
        }
        if self.acked >= self.next {
            self.forget_recent();
        }
        self.tidy(pool);
    }

    /// Whether an acknowledgement of everything below `ack` is the first of some of it.
    #[inline]
    pub fn is_news(&self, ack: u64) -> bool {
        !self.ended && ack > self.acked
    }

    /// Whether bytes below `end` are still missing.
    pub fn is_pending(&self, end: u64) -> bool {
        !self.ended && self.next < end
    }

    fn on_data_out_of_order(&mut self, seq: u64, bytes: &[u8], limits: &Limits, pool: &mut Pool, sink: &mut impl Sink) {
        self.compare_with_recent(seq, bytes, sink);
        let old = usize::try_from(self.next.saturating_sub(seq)).unwrap_or(usize::MAX);
        let Some(new) = bytes.get(old..).filter(|new| !new.is_empty()) else { return };
        self.weave(seq.max(self.next), new, pool, sink);
        self.deliver_pieces(pool, sink);
        self.check_bounds(limits, pool, sink);
        self.tidy(pool);
    }

    /// What is missing below an acknowledgement will never come.
    fn give_up_holes(&mut self, ack: u64, pool: &mut Pool, sink: &mut impl Sink) {
        while self.next < ack && !self.ended {
            let hole_end = self.pieces().first().map_or(ack, |piece| piece.seq.min(ack));
            if self.pieces().first().is_some_and(|piece| piece.seq < ack) {
                sink.ack_above_hole(self.next);
            }
            self.skip_to(hole_end, pool, sink);
            self.deliver_pieces(pool, sink);
        }
    }

    fn pieces(&self) -> &[Piece] {
        self.kept.as_ref().map_or(&[], |kept| &kept.pieces)
    }

    fn need(&mut self, pool: &mut Pool) -> &mut Kept {
        self.kept.get_or_insert_with(|| pool.take_kept())
    }

    /// Nothing is kept where there is nothing to keep. The buffer of what was acknowledged goes back with all the rest, or by itself.
    #[inline]
    fn tidy(&mut self, pool: &mut Pool) {
        let Some(kept) = &mut self.kept else { return };
        if !kept.is_empty() {
            if kept.recent.is_empty() {
                pool.give_back(&mut kept.recent);
            }
        } else if let Some(kept) = self.kept.take() {
            pool.give_back_kept(kept);
        }
    }

    #[inline]
    fn forget_recent(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.recent.clear();
        }
    }

    /// Puts new bytes between the pieces that are there, and hands on what continues the stream.
    fn weave(&mut self, mut seq: u64, mut bytes: &[u8], pool: &mut Pool, sink: &mut impl Sink) {
        let mut index = self.pieces().partition_point(|piece| piece.end() <= seq);
        while !bytes.is_empty() {
            let (free, piece_len) = match self.pieces().get(index) {
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
            if let Some(piece) = self.pieces().get(index) {
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
    fn store(&mut self, index: usize, seq: u64, bytes: &[u8], pool: &mut Pool, sink: &mut impl Sink) -> bool {
        if !sink.room(bytes.len()) {
            return false;
        }
        let kept = self.need(pool);
        kept.stored += bytes.len();
        let before = index.checked_sub(1).and_then(|before| kept.pieces.get_mut(before));
        if let Some(piece) = before.filter(|piece| piece.end() == seq) {
            piece.bytes.extend_from_slice(bytes);
            return false;
        }
        let mut buffer = pool.take();
        buffer.extend_from_slice(bytes);
        kept.pieces.insert(index.min(kept.pieces.len()), Piece { seq, bytes: buffer });
        true
    }

    /// Delivers what no hole keeps back any more.
    fn deliver_pieces(&mut self, pool: &mut Pool, sink: &mut impl Sink) {
        while let Some(kept) = self.kept.as_mut().filter(|kept| kept.begins_by(self.next)) {
            let mut piece = kept.pieces.remove(0);
            let old = usize::try_from(self.next - piece.seq).unwrap_or(usize::MAX);
            if let Some(new) = piece.bytes.get(old..) {
                self.deliver(new, pool, sink);
            }
            self.need(pool).forget(&mut piece, pool);
        }
    }

    /// Too much waits above a hole: the hole is given up, and the stream goes on behind it.
    fn check_bounds(&mut self, limits: &Limits, pool: &mut Pool, sink: &mut impl Sink) {
        loop {
            let stored = self.kept.as_ref().map_or(0, |kept| kept.stored);
            let unacked = self.acked <= 1 && stored > limits.stream_bytes_without_any_acks;
            if !unacked && stored <= limits.stream_bytes && self.pieces().len() <= PIECES {
                return;
            }
            let Some(end) = self.pieces().first().map(|piece| piece.seq) else { return };
            let no_acks = "above_hole_data_without_any_acks";
            sink.limit(if unacked { no_acks } else { "excessive_data_without_further_acks" });
            self.skip_to(end, pool, sink);
            self.deliver_pieces(pool, sink);
        }
    }

    fn skip_to(&mut self, end: u64, pool: &mut Pool, sink: &mut impl Sink) {
        let (seq, length) = (self.next, end.saturating_sub(self.next));
        self.next = end;
        if let Some(kept) = &mut self.kept {
            pool.give_back(&mut kept.carry);
            kept.recent.clear();
        }
        if length > 0 {
            sink.gap(seq, length);
        }
    }

    /// The next bytes of the stream, in order.
    #[inline]
    fn deliver(&mut self, bytes: &[u8], pool: &mut Pool, sink: &mut impl Sink) {
        self.remember(bytes, pool, sink);
        self.next += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() && !self.ended {
            if self.rest().is_empty() {
                let Some(taken) = self.offer(rest, sink) else { return };
                rest = rest.get(taken..).unwrap_or_default();
                if rest.is_empty() || !self.begin_carry(rest, pool, sink) {
                    return;
                }
            }
            rest = self.offer_with_carry(rest, pool, sink);
        }
    }

    /// There is something left over; `false` if there is no room for it.
    fn begin_carry(&mut self, rest: &[u8], pool: &mut Pool, sink: &mut impl Sink) -> bool {
        let may = sink.room(rest.len().min(sink.pdu_max()));
        if may {
            self.need(pool).carry = pool.take();
        } else {
            sink.forgotten(rest.len() as u64);
        }
        may
    }

    /// What is left over is offered again with as much of the new as may wait; the rest of the new comes back.
    fn offer_with_carry<'b>(&mut self, rest: &'b [u8], pool: &mut Pool, sink: &mut impl Sink) -> &'b [u8] {
        let max = sink.pdu_max();
        let mut carry = std::mem::take(&mut self.need(pool).carry);
        let (more, later) = rest.split_at(rest.len().min(max.saturating_sub(carry.len())));
        carry.extend_from_slice(more);
        let taken = self.offer(&carry, sink);
        let kept = self.need(pool);
        kept.carry = carry;
        let Some(taken) = taken else { return later };
        kept.carry.drain(..taken.min(kept.carry.len()));
        if kept.carry.is_empty() {
            pool.give_back(&mut kept.carry);
        } else if kept.carry.len() >= max {
            self.give_up_message(pool, sink);
        }
        later
    }

    /// A message that is longer than may wait: what there is of it is forgotten, as if it had been lost.
    fn give_up_message(&mut self, pool: &mut Pool, sink: &mut impl Sink) {
        let kept = self.need(pool);
        let length = kept.carry.len() as u64;
        pool.give_back(&mut kept.carry);
        sink.limit("message_too_long");
        sink.forgotten(length);
    }

    /// Shows bytes until the listener wants more; how many it has consumed, or `None` if it wants nothing any more.
    #[inline]
    fn offer(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Option<usize> {
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
    #[inline]
    fn remember(&mut self, bytes: &[u8], pool: &mut Pool, sink: &mut impl Sink) {
        let end = self.next + bytes.len() as u64;
        if end <= self.acked {
            self.forget_recent();
            return;
        }
        let new = bytes.get(bytes.len().saturating_sub(REMEMBERED)..).unwrap_or(bytes);
        let (length, capacity) = self.kept.as_ref().map_or((0, 0), |kept| (kept.recent.len(), kept.recent.capacity()));
        let total = length + new.len();
        let grows = total.min(REMEMBERED).saturating_sub(capacity);
        if grows > 0 && !sink.room(grows) {
            self.forget_recent();
            return;
        }
        let recent = &mut self.need(pool).recent;
        if recent.capacity() == 0 {
            *recent = pool.take();
        }
        if new.len() < bytes.len() {
            recent.clear();
        } else if total > REMEMBERED {
            // Half is dropped at a time, so that a stream without acknowledgements does not move its memory with every segment.
            let drop = (total - REMEMBERED).max(REMEMBERED / 2).min(recent.len());
            recent.drain(..drop);
        }
        recent.extend_from_slice(new);
    }

    fn compare_with_recent(&mut self, seq: u64, bytes: &[u8], sink: &mut impl Sink) {
        let Some(Kept { recent, .. }) = self.kept.as_deref() else { return };
        let start = self.next - recent.len() as u64;
        let from = seq.max(start).max(self.acked);
        let to = (seq + bytes.len() as u64).min(self.next);
        let range = |origin: u64| usize::try_from(from - origin).ok().zip(usize::try_from(to - origin).ok());
        if from >= to {
            return;
        }
        let known = range(start).and_then(|(a, b)| recent.get(a..b));
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
