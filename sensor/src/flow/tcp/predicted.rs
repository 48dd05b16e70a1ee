//! The way of nearly all segments: between two established sides, without control bits, with the numbers that come next.
//!
//! It is what Jacobson called header prediction. Nothing here is different from the way of the other segments; what cannot happen to such a
//! segment is left out.

use super::Tcp;
use crate::flow::EndpointState::Established;
use crate::flow::key::Direction;
use crate::flow::subject::{Shared, Subject};
use crate::packet::Segment;

impl Tcp {
    /// Takes in a segment that was to be expected; `false` for any other, which nothing was done with.
    #[inline]
    pub(super) fn on_predicted(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        segment: &Segment<'_>,
    ) -> bool {
        if !self.is_predicted(subject, dir, segment) {
            return false;
        }
        let ack = self.side(dir.reverse()).relative_ack(segment.ack);
        if ack < 0 {
            return false;
        }
        let (letter, side) = (if segment.payload_len > 0 { b'D' } else { b'A' }, self.side_mut(dir));
        if side.notes(letter, None) {
            subject.note(dir, letter);
        }
        let size = u32::from(segment.window) << side.window.scale;
        if side.window.moves_back(segment.seq, segment.ack, size) {
            self.weird(subject, shared, "window_recision");
        }
        subject.conn.last = subject.conn.last.max(shared.now);
        let (side, peer) = self.sides_mut(dir);
        let (seq, ack) = (side.last.unsigned_abs(), ack.unsigned_abs());
        side.last += segment.payload_len as i64;
        side.last_time = shared.now;
        peer.acked = peer.acked.max(ack);
        self.update_sizes(subject);
        self.acknowledge(subject, shared, dir.reverse(), ack);
        if segment.payload_len > 0 {
            self.receive(subject, shared, dir, seq, segment);
        }
        true
    }

    /// Whether a segment continues what its side has sent, and nothing about its connection is out of the ordinary.
    #[inline]
    fn is_predicted(&self, subject: &Subject, dir: Direction, segment: &Segment<'_>) -> bool {
        let flags = segment.flags;
        let (conn, side) = (&subject.conn, self.side(dir));
        flags.ack
            && !(flags.syn | flags.fin | flags.rst | flags.urg)
            && conn.orig.state == Established
            && conn.resp.state == Established
            && !(self.orig.did_close | self.resp.did_close)
            && side.seen
            && side.last > 0
            && side.kept_out() == 0
            && segment.seq == side.isn.wrapping_add(side.last as u32)
            && segment.window != 0
            && segment.ack != 0
    }
}
