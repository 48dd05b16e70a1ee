//! The state machine of the manual's endpoint states: what each control bit means in each of them.

use super::side::delta;
use super::{Close, Tcp};
use crate::config::seconds;
use crate::event::ConnectionEvent;
use crate::flow::EndpointState::{self, Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
use crate::flow::key::Direction;
use crate::flow::subject::{Shared, Subject};
use crate::packet::{Flags, Segment};

impl Tcp {
    /// Moves the sender's state. `advance`: how far the segment goes beyond what the sender had sent before.
    pub(super) fn update_state(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        segment: &Segment<'_>,
        advance: i64,
    ) -> Close {
        match subject.conn.endpoint(dir).state {
            Inactive => self.when_inactive(subject, shared, dir, segment),
            SynSent | SynAckSent => self.when_syn_sent(subject, shared, dir, segment),
            Established | Partial => self.when_established(subject, shared, dir, segment.flags()),
            Closed => self.when_closed(subject, shared, dir, segment.flags(), advance),
            Reset => {
                self.when_reset(subject, shared, segment);
                Close::default()
            }
        }
    }

    fn set_state(&mut self, subject: &mut Subject, dir: Direction, state: EndpointState) {
        let endpoint = subject.conn.endpoint_mut(dir);
        if endpoint.state != state {
            self.side_mut(dir).previous = endpoint.state;
            endpoint.state = state;
        }
    }

    /// The first segment of a side.
    fn when_inactive(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        segment: &Segment<'_>,
    ) -> Close {
        let Flags { syn, ack, fin, rst, .. } = segment.flags();
        let mut close = Close::default();
        match dir {
            Direction::FromOrig if syn => self.originator_syn(subject, shared, segment.flags()),
            Direction::FromResp if syn => self.responder_syn(subject, shared, segment),
            _ => {}
        }
        let peer = subject.conn.endpoint(dir.reverse()).state;
        if fin {
            self.set_state(subject, dir, Closed);
            close = Close { closes: true, tells: true };
            if peer != Partial && !syn {
                self.weird(subject, shared, "spontaneous_FIN");
            }
        }
        if rst {
            self.set_state(subject, dir, Reset);
            // A RST in answer to a SYN; from the originator after a SYN-ACK alone, it is a scan from the other side.
            let rejects = match dir {
                Direction::FromOrig => peer == Established,
                Direction::FromResp => matches!(peer, SynSent | SynAckSent),
            };
            close = Close { closes: true, tells: !rejects };
            if rejects {
                self.finished = true;
                subject.raise(shared, ConnectionEvent::ConnectionRejected);
            } else if peer == Inactive {
                self.weird(subject, shared, "spontaneous_RST");
            }
        }
        if subject.conn.endpoint(dir).state == Inactive {
            self.without_control(subject, shared, dir, ack, segment.payload_len);
        }
        close
    }

    fn originator_syn(&mut self, subject: &mut Subject, shared: &mut Shared<'_>, flags: Flags) {
        if flags.ack {
            self.weird(subject, shared, "connection_originator_SYN_ack");
        }
        let peer = subject.conn.resp.state;
        let state = match (flags.ack, peer) {
            (true, _) => SynAckSent,
            // The SYN comes after the SYN-ACK that answers it: two taps, slightly out of step.
            (false, Established) => Established,
            (false, _) => SynSent,
        };
        self.set_state(subject, Direction::FromOrig, state);
        if state != Established {
            self.attempt = shared.now + seconds(shared.settings.timeouts.tcp_attempt_delay);
        }
    }

    fn responder_syn(&mut self, subject: &mut Subject, shared: &mut Shared<'_>, segment: &Segment<'_>) {
        let peer = subject.conn.orig.state;
        if segment.flags().ack {
            let orig = &self.orig;
            let last = orig.isn.wrapping_add(orig.last as u32);
            let fits = delta(segment.ack, orig.isn) >= 0 && delta(segment.ack, last) <= 0;
            if !matches!(peer, Inactive | Partial) && !fits {
                self.weird(subject, shared, "bad_SYN_ack");
                // The responder knows which SYN it answers. If ours was a decoy, the numbers are the other one's.
                self.orig.begin_from_ack(segment.ack);
                self.orig.last = 1;
            }
        } else {
            self.weird(subject, shared, "simultaneous_open");
        }
        match peer {
            SynSent => self.set_state(subject, Direction::FromOrig, Established),
            Inactive => self.weird(subject, shared, "unsolicited_SYN_response"),
            _ => {}
        }
        self.set_state(subject, Direction::FromResp, Established);
        if peer != Partial {
            subject.raise(shared, ConnectionEvent::ConnectionEstablished);
        }
    }

    /// The first segment of a side has no control bit: its beginning was not seen.
    fn without_control(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        ack: bool,
        payload_len: usize,
    ) {
        let peer = subject.conn.endpoint(dir.reverse()).state;
        if dir == Direction::FromResp && payload_len == 0 && subject.conn.orig.state == SynSent {
            // Some hosts acknowledge a SYN before they answer it.
        } else if ack && peer == Established {
            // A SYN-ACK, and now its acknowledgement: only the SYN was missed.
            self.set_state(subject, dir, Established);
            self.partial = false;
        } else {
            self.set_state(subject, dir, Partial);
            if peer == Partial {
                subject.raise(shared, ConnectionEvent::PartialConnection);
            }
        }
    }

    fn when_syn_sent(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        segment: &Segment<'_>,
    ) -> Close {
        let Flags { syn, ack, fin, rst, .. } = segment.flags();
        let (own, peer) = (subject.conn.endpoint(dir).state, subject.conn.endpoint(dir.reverse()).state);
        let mut close = Close::default();
        if syn && dir.is_orig() && ack && !fin && !rst && own != SynAckSent {
            self.weird(subject, shared, "repeated_SYN_with_ack");
        }
        if syn && !dir.is_orig() && !ack && own != SynSent {
            self.weird(subject, shared, "repeated_SYN_reply_wo_ack");
        }
        if fin {
            if matches!(peer, Inactive | SynSent) {
                self.weird(subject, shared, "inappropriate_FIN");
            }
            self.set_state(subject, dir, Closed);
            close = Close { closes: true, tells: true };
        }
        if rst {
            self.set_state(subject, dir, Reset);
            self.was_reset(subject, shared);
            close.closes = true;
        } else if segment.payload_len > 0 && !syn {
            self.weird(subject, shared, "data_before_established");
        }
        close
    }

    fn when_established(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        flags: Flags,
    ) -> Close {
        let (own, peer) = (subject.conn.endpoint(dir).state, subject.conn.endpoint(dir.reverse()).state);
        let mut close = Close::default();
        if flags.syn && !flags.ack && own == Partial && peer == Inactive {
            self.weird(subject, shared, "SYN_after_partial");
            self.set_state(subject, dir, SynSent);
        }
        if flags.fin && !flags.rst {
            self.set_state(subject, dir, Closed);
            if peer == Reset && self.side(dir.reverse()).previous == Closed {
                // The other side's RST came after its FIN: this was an ordinary end after all.
                self.set_state(subject, dir.reverse(), Closed);
            }
            close = Close { closes: true, tells: true };
        }
        if flags.rst {
            self.set_state(subject, dir, Reset);
            close.closes = true;
            if peer != Reset || self.side(dir.reverse()).previous != Established {
                self.was_reset(subject, shared);
            }
        }
        close
    }

    fn when_closed(
        &mut self,
        subject: &mut Subject,
        shared: &mut Shared<'_>,
        dir: Direction,
        flags: Flags,
        advance: i64,
    ) -> Close {
        let mut close = Close::default();
        if flags.syn {
            self.weird(subject, shared, "SYN_after_close");
        }
        if flags.fin && advance > 0 {
            self.weird(subject, shared, "FIN_advanced_last_seq");
        }
        if flags.rst && subject.conn.endpoint(dir.reverse()).state != Closed {
            self.set_state(subject, dir, Reset);
            close.closes = !self.side(dir).did_close;
            self.reset = shared.now + seconds(shared.settings.timeouts.tcp_reset_delay);
        }
        close
    }

    fn when_reset(&mut self, subject: &mut Subject, shared: &mut Shared<'_>, segment: &Segment<'_>) {
        let Flags { syn, fin, rst, .. } = segment.flags();
        let odd =
            [(syn, "SYN_after_reset"), (fin, "FIN_after_reset"), (segment.payload_len > 0 && !rst, "data_after_reset")];
        for (_, name) in odd.into_iter().filter(|(is, _)| *is) {
            self.weird(subject, shared, name);
        }
    }

    pub(super) fn was_reset(&mut self, subject: &mut Subject, shared: &mut Shared<'_>) {
        self.finished = true;
        subject.raise(shared, ConnectionEvent::ConnectionReset);
    }
}
