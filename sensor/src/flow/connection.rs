//! One connection in the table: the facts that everybody may read, its analyzer, and its timers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::Conn;
use super::key::{Direction, FlowKey};
use super::table::Entry;
use crate::analyzers::{AnyAnalyzer, Context, Step};
use crate::capture::{BypassReason, Gate};
use crate::config::limits::Limits;
use crate::event::{ConnectionEvent, Event, Handler, Verdict};
use crate::flow::{EndpointState, key::Transport};
use crate::packet::{Datagram, Ip};
use crate::stats::WorkerStats;
use crate::time::Timestamp;

/// What a connection borrows from its shard while it works.
pub(super) struct Shared<'a> {
    /// The time of the packet, or of the deadline.
    pub now: Timestamp,
    pub handler: &'a mut dyn Handler,
    pub gate: &'a mut dyn Gate,
    pub limits: &'a Limits,
    pub stats: &'a WorkerStats,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub conn: Conn,
    /// `None` once nothing further is of interest.
    pub analyzer: Option<AnyAnalyzer>,
    pub inactivity: Duration,
}

/// What is left of a connection after one of its deadlines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Lives,
    Over,
}

impl Connection {
    pub fn new(conn: Conn, analyzer: Option<AnyAnalyzer>, inactivity: Duration) -> Self {
        Connection { conn, analyzer, inactivity }
    }

    /// When something is to happen next, if no packet comes.
    pub fn due(&self) -> Timestamp {
        self.expiry().min(self.analyzer_deadline())
    }

    /// Runs everything that is due at `until`, each at its own time and in order.
    pub fn run_deadlines(&mut self, until: Timestamp, shared: &mut Shared<'_>) -> Fate {
        loop {
            let (expiry, deadline) = (self.expiry(), self.analyzer_deadline());
            if deadline.min(expiry) > until {
                return Fate::Lives;
            }
            if expiry <= deadline {
                shared.now = expiry;
                return Fate::Over;
            }
            shared.now = deadline;
            self.run_analyzer(shared, |analyzer, cx| {
                analyzer.on_deadline(cx);
                // An analyzer whose deadline does not move would hold the worker here for ever.
                if analyzer.deadline() <= deadline { Step::Done } else { Step::More }
            });
        }
    }

    /// One datagram of a UDP flow.
    pub fn on_datagram(&mut self, shared: &mut Shared<'_>, ip: &Ip, direction: Direction, datagram: &Datagram<'_>) {
        let (letter, event) = match direction {
            Direction::FromOrig => (b'D', ConnectionEvent::UdpRequest),
            Direction::FromResp => (b'd', ConnectionEvent::UdpReply),
        };
        self.count_packet(shared.now, ip, direction);
        let endpoint = self.conn.endpoint_mut(direction);
        endpoint.state = EndpointState::Established;
        endpoint.size += datagram.payload_len as u64;
        if !self.conn.history.contains(letter) {
            self.conn.history.push(letter);
        }
        self.raise(shared, event);
        if !datagram.payload.is_empty() || datagram.payload_len == 0 {
            self.run_analyzer(shared, |analyzer, cx| analyzer.on_datagram(cx, direction, datagram.payload));
        }
    }

    /// The state is about to be dropped: everybody says what is left to say.
    pub fn close(&mut self, shared: &mut Shared<'_>) {
        self.run_analyzer(shared, |analyzer, cx| {
            analyzer.on_close(cx);
            Step::Done
        });
        self.raise(shared, ConnectionEvent::ConnectionStateRemove);
    }

    /// States a fact about the connection itself.
    pub fn raise(&mut self, shared: &mut Shared<'_>, event: ConnectionEvent) {
        let verdict = shared.handler.handle(shared.now, &mut self.conn, &Event::Connection(event));
        self.decide(shared, verdict);
    }

    /// States something unusual.
    pub fn weird(&mut self, shared: &mut Shared<'_>, name: &'static str) {
        let verdict = shared.handler.handle(shared.now, &mut self.conn, &Event::Weird { name, addl: b"" });
        self.decide(shared, verdict);
    }

    /// Counts a packet of one side.
    pub fn count_packet(&mut self, now: Timestamp, ip: &Ip, direction: Direction) {
        self.conn.last = self.conn.last.max(now);
        let endpoint = self.conn.endpoint_mut(direction);
        endpoint.packets += 1;
        endpoint.ip_bytes += ip.len as u64;
    }

    /// Calls the analyzer. A panic in it costs this connection its analyzer, and nobody else anything.
    pub fn run_analyzer(
        &mut self,
        shared: &mut Shared<'_>,
        call: impl FnOnce(&mut AnyAnalyzer, &mut Context<'_>) -> Step,
    ) -> Step {
        let Some(analyzer) = &mut self.analyzer else { return Step::Done };
        let mut cx = Context::new(shared.now, &mut self.conn, shared.limits, shared.handler);
        let result = catch_unwind(AssertUnwindSafe(|| call(analyzer, &mut cx)));
        let verdict = cx.verdict;
        let step = result.unwrap_or_else(|_| {
            shared.stats.counters.analyzer_panics.inc();
            Step::Violation("analyzer_crash")
        });
        match step {
            Step::Done => self.analyzer = None,
            Step::Violation(name) => {
                self.analyzer = None;
                self.weird(shared, name);
            }
            Step::Consumed(_) | Step::More => {}
        }
        self.decide(shared, verdict);
        step
    }

    /// Carries out what policy has decided.
    fn decide(&mut self, shared: &mut Shared<'_>, verdict: Verdict) {
        if verdict == Verdict::CONTINUE {
            return;
        }
        let skips = verdict.has(Verdict::SKIP) && !self.conn.verdict.has(Verdict::SKIP);
        self.conn.verdict |= verdict;
        if skips {
            self.analyzer = None;
            shared.gate.bypass(&self.conn.id.key, BypassReason::Skip);
        }
    }

    fn expiry(&self) -> Timestamp {
        self.conn.last + self.inactivity
    }

    fn analyzer_deadline(&self) -> Timestamp {
        self.analyzer.as_ref().map_or(Timestamp::NEVER, AnyAnalyzer::deadline)
    }
}

impl Entry for Connection {
    fn key(&self) -> &FlowKey {
        &self.conn.id.key
    }

    /// Half-open before closed before one-sided before the rest; what is hot, or still being told apart, is missed most.
    fn worth(&self) -> (u8, u64) {
        use EndpointState::{Closed, Inactive, Reset, SynAckSent, SynSent};
        let conn = &self.conn;
        let class = match (conn.orig.state, conn.resp.state) {
            _ if conn.hot > 0 => 4,
            (SynSent | SynAckSent, Inactive) => 0,
            (Closed | Reset, _) | (_, Closed | Reset) => 1,
            (Inactive, _) | (_, Inactive) => 2,
            _ if conn.id.key.transport == Transport::Udp => 2,
            _ => 3,
        };
        (class, conn.last.as_nanos())
    }
}
