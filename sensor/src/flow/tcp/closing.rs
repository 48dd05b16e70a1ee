//! How TCP connections end: FINs, RSTs, timers, and the SYN of the next connection between the same ports.

use super::{Side, Tcp};
use crate::analyzers::Step;
use crate::config::{Timeouts, seconds};
use crate::event::ConnectionEvent;
use crate::flow::EndpointState::{Closed, Inactive, Reset, SynAckSent, SynSent};
use crate::flow::connection::Fate;
use crate::flow::key::Direction;
use crate::flow::subject::{Shared, Subject};
use crate::flow::{Conn, Endpoint};
use crate::packet::Segment;
use crate::time::Timestamp;

/// The manual's timers of a TCP connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::flow) enum TcpTimer {
    /// `tcp_attempt_delay` after the originator's SYN.
    Attempt,
    /// `tcp_partial_close_delay` after the FIN of a side that had said nothing before.
    PartialClose,
    /// `tcp_reset_delay` after a RST that followed a FIN.
    Reset,
    /// `tcp_session_timer` after the last segment of a connection that is ending.
    Session,
    /// `tcp_close_delay` after the last segment of a connection that has ended.
    Delete,
}

impl Tcp {
    /// The timer that runs out first, and when.
    pub fn timer(&self, conn: &Conn, timeouts: &Timeouts) -> (Timestamp, TcpTimer) {
        if self.closed {
            let reset = (self.reset, TcpTimer::Reset);
            return reset.min((conn.last + seconds(timeouts.tcp_close_delay), TcpTimer::Delete));
        }
        let session =
            if self.is_ending(conn) { conn.last + seconds(timeouts.tcp_session_timer) } else { Timestamp::NEVER };
        let attempt = (self.attempt, TcpTimer::Attempt);
        attempt
            .min((self.partial_close, TcpTimer::PartialClose))
            .min((self.reset, TcpTimer::Reset))
            .min((session, TcpTimer::Session))
    }

    /// A timer has run out.
    pub fn run_timer(&mut self, timer: TcpTimer, subject: &mut Subject, shared: &mut Shared<'_>) -> Fate {
        let (orig, resp) = (subject.conn.orig.state, subject.conn.resp.state);
        match timer {
            TcpTimer::Attempt => {
                self.attempt = Timestamp::NEVER;
                if self.finished || !matches!(orig, SynSent | SynAckSent) || resp != Inactive {
                    return Fate::Lives;
                }
                self.finished = true;
                subject.raise(shared, ConnectionEvent::ConnectionAttempt);
            }
            TcpTimer::PartialClose => {
                self.partial_close = Timestamp::NEVER;
                let both_close = self.orig.did_close && self.resp.did_close;
                let silent = orig == Inactive || resp == Inactive;
                if self.finished || both_close || silent || orig == Reset || resp == Reset {
                    return Fate::Lives;
                }
                self.finished = true;
                subject.raise(shared, ConnectionEvent::ConnectionPartialClose);
            }
            TcpTimer::Reset => {
                self.reset = Timestamp::NEVER;
                if self.finished {
                    return Fate::Lives;
                }
                if !(self.orig.did_close && self.resp.did_close) {
                    self.was_reset(subject, shared);
                }
            }
            TcpTimer::Session => {
                if !self.finished {
                    self.finished = true;
                    subject.raise(shared, ConnectionEvent::ConnectionTimeout);
                }
            }
            TcpTimer::Delete => {}
        }
        Fate::Over
    }

    /// Whether this segment begins another connection between the same endpoints; if so, with the weird that it deserves.
    pub fn reuse(&self, conn: &Conn, shared: &Shared<'_>, segment: &Segment<'_>) -> Option<Option<&'static str>> {
        if !segment.flags().syn || segment.flags().ack && conn.orig.state != Inactive {
            return None;
        }
        let from_resp = segment.src_port == conn.id.key.resp_p && segment.dst_port == conn.id.key.orig_p;
        if from_resp && conn.orig.state == SynSent && conn.resp.state == Inactive {
            return None; // Both sides open at the same moment (RFC 9293 section 3.5).
        }
        let (side, endpoint) = match segment.flags().ack {
            true => (&self.resp, &conn.resp),
            false => (&self.orig, &conn.orig),
        };
        let was_reset = conn.orig.state == Reset || conn.resp.state == Reset;
        if !(self.orig.did_close || self.resp.did_close) {
            let reversed = !segment.flags().ack
                && conn.orig.state == SynAckSent
                && conn.resp.state == Inactive
                && segment.seq == self.resp.isn;
            if segment.seq == side.isn || reversed {
                return None;
            }
            return Some(Some(if endpoint.state == SynSent { "SYN_seq_jump" } else { "active_connection_reuse" }));
        }
        let is_active = |endpoint: &Endpoint, side: &Side| endpoint.state != Inactive && !side.did_close;
        if was_reset {
            return Some(None);
        }
        if is_active(&conn.orig, &self.orig) || is_active(&conn.resp, &self.resp) {
            return Some(Some("active_connection_reuse"));
        }
        let linger = seconds(shared.settings.timeouts.tcp_connection_linger);
        Some((shared.now.since(conn.last) < linger).then_some("premature_connection_reuse"))
    }

    /// The input ends: what a timer would have said is said now, because nothing will come that could prevent it.
    pub fn end_of_input(&mut self, subject: &mut Subject, shared: &mut Shared<'_>) {
        for (timer, kind) in [
            (self.attempt, TcpTimer::Attempt),
            (self.partial_close, TcpTimer::PartialClose),
            (self.reset, TcpTimer::Reset),
        ] {
            if timer != Timestamp::NEVER && self.run_timer(kind, subject, shared) == Fate::Over {
                self.finished = true;
            }
        }
    }

    /// A side has sent its FIN or RST.
    pub(super) fn side_closes(&mut self, subject: &mut Subject, shared: &mut Shared<'_>, dir: Direction, tells: bool) {
        if self.is_pending(dir) {
            let deferred = &mut self.side_mut(dir).rare.need().deferred;
            *deferred = Some(deferred.unwrap_or(false) || tells);
            let other = self.side(dir.reverse());
            if other.did_close || other.deferred().is_some() {
                self.weird(subject, shared, "pending_data_when_closed");
            }
            return;
        }
        let deferred = self.side_mut(dir).rare.get_mut().and_then(|rare| rare.deferred.take());
        let tells = deferred.unwrap_or(false) || tells;
        if std::mem::replace(&mut self.side_mut(dir).did_close, true) {
            return;
        }
        let (own, peer) = (subject.conn.endpoint(dir).state, subject.conn.endpoint(dir.reverse()).state);
        let first = self.side(dir).previous == Inactive;
        if own == Reset || peer == Inactive || self.side(dir.reverse()).did_close {
            if tells && !(first && peer == Inactive) {
                self.finished = true;
                let half = peer == Inactive;
                let event =
                    if half { ConnectionEvent::ConnectionHalfFinished } else { ConnectionEvent::ConnectionFinished };
                subject.raise(shared, event);
            }
            self.closed = true;
        } else if first {
            self.partial_close = subject.conn.last + seconds(shared.settings.timeouts.tcp_partial_close_delay);
        }
    }

    /// Tells the analyzer once that a side has sent its last byte, and closes what waited for that.
    pub(super) fn check_end(&mut self, subject: &mut Subject, shared: &mut Shared<'_>, dir: Direction) {
        let state = subject.conn.endpoint(dir).state;
        if !matches!(state, Closed | Reset) || state == Closed && self.is_pending(dir) {
            return;
        }
        self.tell_end(subject, shared, dir);
        if self.side(dir).deferred().is_some() {
            self.side_closes(subject, shared, dir, false);
        }
    }

    /// The state is about to be dropped: nothing more will come from either side.
    pub fn close(&mut self, subject: &mut Subject, shared: &mut Shared<'_>) {
        self.tell_end(subject, shared, Direction::FromOrig);
        self.tell_end(subject, shared, Direction::FromResp);
        self.end_streams(shared);
    }

    fn tell_end(&mut self, subject: &mut Subject, shared: &mut Shared<'_>, dir: Direction) {
        let side = self.side_mut(dir);
        if !std::mem::replace(&mut side.told_end, true) {
            let rest = side.stream.rest();
            subject.run_analyzer(shared, |analyzer, cx| {
                analyzer.on_end(cx, dir, rest);
                Step::More
            });
        }
    }

    /// Whether bytes that the side has sent have not come in yet.
    fn is_pending(&self, dir: Direction) -> bool {
        let side: &Side = self.side(dir);
        // The FIN takes a number too.
        side.stream.is_pending(side.last.saturating_sub(1).max(0).unsigned_abs())
    }

    /// Whether one side has closed, and the other one will not say anything about it.
    fn is_ending(&self, conn: &Conn) -> bool {
        let (orig, resp) = (conn.orig.state, conn.resp.state);
        let quiet = |state| state == Reset || state == Inactive;
        let closes = self.orig.did_close || self.resp.did_close;
        closes && (quiet(orig) || quiet(resp)) || orig == Inactive && resp == Inactive
    }
}
