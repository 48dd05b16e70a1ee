//! What events are about: a connection's facts and its analyzer, and the one way to state something about them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Conn;
use super::key::Direction;
use super::pool::Pool;
use crate::analyzers::{AnyAnalyzer, Context, Step};
use crate::capture::{BypassReason, Gate};
use crate::config::Settings;
use crate::event::{ConnectionEvent, Event, Handler, Verdict};
use crate::packet::Ip;
use crate::stats::WorkerStats;
use crate::time::Timestamp;

/// What a connection borrows from its shard while it works.
pub(super) struct Shared<'a> {
    /// The time of the packet, or of the deadline.
    pub now: Timestamp,
    pub handler: &'a mut dyn Handler,
    pub gate: &'a mut dyn Gate,
    pub settings: &'a Settings,
    pub stats: &'a WorkerStats,
    pub pool: &'a mut Pool,
}

/// A connection as the layers above see it.
#[derive(Debug)]
pub(super) struct Subject {
    pub conn: Conn,
    /// `None` once nothing further is of interest.
    pub analyzer: Option<AnyAnalyzer>,
}

impl Subject {
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
    pub fn count_packet(&mut self, ip: &Ip, direction: Direction) {
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
        let mut cx = Context::new(shared.now, &mut self.conn, &shared.settings.limits, shared.handler);
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

    /// When the analyzer wants to be called, if nothing comes.
    pub fn analyzer_deadline(&self) -> Timestamp {
        self.analyzer.as_ref().map_or(Timestamp::NEVER, AnyAnalyzer::deadline)
    }

    /// Notes a letter of the history, in the case of its side.
    pub fn note(&mut self, direction: Direction, letter: u8) {
        self.conn.history.push(if direction.is_orig() { letter } else { letter.to_ascii_lowercase() });
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
}
