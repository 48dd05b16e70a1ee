//! A connection that policy terminates: when RSTs are due for it, and with which numbers.

use std::time::Duration;

use super::connection::Connection;
use super::key::Direction;
use crate::capture::Frame;
use crate::config::RespondSettings;
use crate::event::Verdict;
use crate::packet::forge::LinkHeader;
use crate::packet::{Packet, Segment};
use crate::respond::Request;
use crate::time::Timestamp;

/// What was asked for already.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Terminating {
    rounds: u32,
    at: Timestamp,
    /// The numbers that were expected next then.
    next: [u32; 2],
}

impl Connection {
    /// Whether policy terminates it.
    pub fn is_terminated(&self) -> bool {
        self.subject.conn.verdict.has(Verdict::TERMINATE)
    }

    /// What is to be asked for after this packet of a terminated connection: at first, and again while its packets still come. A RST may
    /// be one of ours.
    pub fn reset_request(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet<'_>,
        segment: &Segment<'_>,
        direction: Direction,
        respond: &RespondSettings,
    ) -> Option<Request> {
        let [orig, resp] = self.tcp.as_ref()?.sent();
        let next = [orig.next, resp.next];
        let round = match &self.terminating {
            None => 0,
            Some(_) if segment.flags.rst => return None,
            Some(before) if before.rounds > respond.resends => return None,
            Some(before) => {
                let pause = Duration::from_millis(respond.resend_millis);
                if before.next == next && frame.at.since(before.at) < pause {
                    return None;
                }
                before.rounds
            }
        };
        **self.terminating.get_or_insert_default() =
            Terminating { rounds: round.saturating_add(1), at: frame.at, next };
        let link = LinkHeader::of(frame).filter(|_| packet.ip.tunnels == 0).map(|header| (header, direction));
        Some(Request { at: frame.at, id: self.subject.conn.id, round, orig, resp, link })
    }
}
