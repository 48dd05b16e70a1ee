//! A connection that policy terminates: when RSTs are asked for, and with which numbers.
//!
//! A host believes only a RST that has exactly the number it expects next (RFC 5961), and a connection may go on while ours are on their
//! way. So numbers are followed, and when they have moved on it is asked for again, after a pause in which the rest may come.

use std::time::Duration;

use super::connection::Connection;
use super::key::Direction;
use super::subject::Shared;
use super::{Endpoint, EndpointState};
use crate::capture::Frame;
use crate::event::Verdict;
use crate::packet::forge::LinkHeader;
use crate::packet::{Packet, Segment};
use crate::respond::{Request, Sent};
use crate::time::Timestamp;

/// What was asked for, and what was seen since.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Terminating {
    rounds: u32,
    /// When it was asked for last.
    at: Timestamp,
    /// With which numbers, of the originator and of the responder.
    asked: [Option<u32>; 2],
    /// Where the numbers are now; of a side that has said nothing, nowhere. Once a RST of ours was seen, TCP's own state no longer moves.
    seen: [Option<u32>; 2],
    /// The latest link header, and who sent it.
    link: Option<(LinkHeader, Direction)>,
    /// When it is asked for again, if nothing comes.
    due: Timestamp,
}

impl Connection {
    /// Whether policy terminates it, and there is somebody to ask.
    #[inline]
    pub fn is_to_be_terminated(&self, shared: &Shared<'_>) -> bool {
        self.subject.conn.verdict.has(Verdict::TERMINATE) && shared.requests.is_some()
    }

    /// Follows a connection that is to be terminated; this packet of it has been taken in. `true` if [`Connection::ask_again`] is to be
    /// called in a while.
    pub fn follow_termination(
        &mut self,
        shared: &mut Shared<'_>,
        frame: &Frame<'_>,
        packet: &Packet<'_>,
        segment: &Segment<'_>,
        direction: Direction,
    ) -> bool {
        // A RST may be one of ours.
        if segment.flags().rst && self.terminating.is_some() {
            return false;
        }
        let Some([orig, resp]) = self.tcp.as_ref().map(|tcp| tcp.sent()) else { return false };
        let first = self.terminating.is_none();
        let conn = &self.subject.conn;
        let known = |sent: Sent, side: &Endpoint| (side.state != EndpointState::Inactive).then_some(sent.next);
        let terminating = self.terminating.get_or_insert_with(|| {
            let seen = [known(orig, &conn.orig), known(resp, &conn.resp)];
            Box::new(Terminating { seen, due: Timestamp::NEVER, ..Terminating::default() })
        });
        terminating.see(segment, direction);
        terminating.link = LinkHeader::of(frame).filter(|_| packet.ip.tunnels == 0).map(|header| (header, direction));
        let respond = &shared.settings.respond;
        let again = terminating.at + Duration::from_millis(respond.resend_millis);
        let bounded = terminating.rounds <= respond.resends;
        if first || bounded && again <= shared.now {
            self.ask_for_resets(shared);
            return false;
        }
        let moved = bounded && terminating.seen != terminating.asked;
        moved && std::mem::replace(&mut terminating.due, again) == Timestamp::NEVER
    }

    /// Asks again if the pause is over; `true` if it is not.
    pub fn ask_again(&mut self, shared: &mut Shared<'_>) -> bool {
        match self.terminating.as_ref().map_or(Timestamp::NEVER, |terminating| terminating.due) {
            Timestamp::NEVER => false,
            due if due > shared.now => true,
            _ => {
                self.ask_for_resets(shared);
                false
            }
        }
    }

    /// Asks for resets with the numbers as they are now.
    fn ask_for_resets(&mut self, shared: &mut Shared<'_>) {
        let (Some(tcp), Some(terminating)) = (&self.tcp, &mut self.terminating) else { return };
        let [orig, resp] = tcp.sent();
        let [orig_next, resp_next] = terminating.seen;
        let request = Request {
            at: shared.now,
            id: self.subject.conn.id,
            round: terminating.rounds,
            orig: numbers(orig, orig_next),
            resp: numbers(resp, resp_next),
            link: terminating.link,
        };
        terminating.rounds = terminating.rounds.saturating_add(1);
        (terminating.at, terminating.asked, terminating.due) = (shared.now, terminating.seen, Timestamp::NEVER);
        if shared.requests.is_some_and(|requests| !requests.push(request)) {
            shared.stats.counters.responses_dropped.inc();
        }
    }
}

impl Terminating {
    /// Moves the numbers on by what a segment says of its sender, and of the other side.
    fn see(&mut self, segment: &Segment<'_>, direction: Direction) {
        let [orig, resp] = &mut self.seen;
        let (own, peer) = if direction.is_orig() { (orig, resp) } else { (resp, orig) };
        // What is longer than the sequence space is no segment; truncation does no harm.
        let occupied = segment.payload_len as u32;
        let occupied =
            occupied.wrapping_add(u32::from(segment.flags().syn)).wrapping_add(u32::from(segment.flags().fin));
        advance(own, segment.seq.wrapping_add(occupied));
        if segment.flags().ack {
            advance(peer, segment.ack);
        }
    }
}

/// What a side has sent. A RST in the name of one that has said nothing is believed for its acknowledgement (RFC 9293 section 3.10.7.3).
fn numbers(sent: Sent, next: Option<u32>) -> Sent {
    next.map_or_else(Sent::default, |next| Sent { next, ..sent })
}

/// Moves a number on, never back.
fn advance(number: &mut Option<u32>, to: u32) {
    if number.is_none_or(|number| to.wrapping_sub(number).cast_signed() > 0) {
        *number = Some(to);
    }
}
