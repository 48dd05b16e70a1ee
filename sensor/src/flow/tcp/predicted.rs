//! The way of nearly all segments: between two established sides, without control bits, with the numbers that come next.
//!
//! It is what Jacobson called header prediction. Nothing here is different from the way of the other segments; what cannot happen to such a
//! segment is left out.

use super::Tcp;
use super::side::{Side, near};
use crate::event::Verdict;
use crate::flow::Conn;
use crate::flow::EndpointState::Established;
use crate::flow::key::Direction;
use crate::flow::subject::{Shared, Subject};
use crate::packet::Segment;

impl Tcp {
    /// Takes in a segment that was to be expected; `false` for any other, which nothing was done with.
    #[inline]
    pub fn on_predicted(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        segment: &Segment<'_>,
    ) -> bool {
        let smooth = self.smooth && segment.control == Segment::ACK;
        let (side, peer) = self.sides_mut(dir);
        let ack = near(peer.isn, peer.acked as i64, segment.ack);
        let continues = segment.seq == side.isn.wrapping_add(side.last as u32);
        if !(smooth && continues && ack >= 0 && segment.window != 0 && segment.ack != 0) {
            return false;
        }
        let (seq, ack) = (side.last.cast_unsigned(), ack.cast_unsigned());
        let letter = if segment.payload_len > 0 { b'D' } else { b'A' };
        if side.notes(letter, None) {
            subject.note(dir, letter);
        }
        let size = u32::from(segment.window) << side.window.scale;
        if side.window.moves_back(segment.seq, segment.ack, size) {
            self.weird(subject, shared, "window_recision");
        }
        subject.conn.last = subject.conn.last.max(shared.now);
        let (side, peer) = self.sides_mut(dir);
        side.last += segment.payload_len as i64;
        side.last_time = shared.now;
        peer.acked = peer.acked.max(ack);
        let (orig, resp) = (self.orig.smooth_size(), self.resp.smooth_size());
        (subject.conn.orig.size, subject.conn.resp.size) = (orig, resp);
        let (_, peer) = self.sides_mut(dir);
        if peer.stream.is_news(ack) || subject.conn.verdict.has(Verdict::SKIP) {
            self.acknowledge(subject, shared, dir.reverse(), ack);
        }
        if segment.payload_len > 0 {
            self.receive(subject, shared, dir, seq, segment);
        }
        true
    }

    /// Whether both sides are established, and nothing about them is out of the ordinary.
    pub(super) fn is_smooth(&self, conn: &Conn) -> bool {
        conn.orig.state == Established
            && conn.resp.state == Established
            && self.orig.is_smooth()
            && self.resp.is_smooth()
    }
}

impl Side {
    fn is_smooth(&self) -> bool {
        self.seen && self.last > 0 && !self.did_close && !self.is_closing() && !self.is_filtered()
    }

    /// [`Side::size`], where nothing was kept out, and there is no FIN.
    #[inline]
    fn smooth_size(&self) -> u64 {
        self.last.cast_unsigned().max(self.acked).saturating_sub(1)
    }
}
