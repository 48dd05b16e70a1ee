//! The manual's "standard script": events in, notices, annotations, log records and verdicts out. One function per event, under its name.

use std::sync::Arc;

use crate::capture::{Expectation, Gate};
use crate::config::Settings;
use crate::event::{Event, Handler, Verdict};
use crate::flow::Conn;
use crate::outbox::Outbox;
use crate::stats::WorkerStats;
use crate::time::Timestamp;

/// The policy of one worker.
#[derive(Debug)]
pub struct Policy {
    _settings: Arc<Settings>,
    _stats: Arc<WorkerStats>,
    outbox: Outbox,
    wanted: Vec<Expectation>,
}

impl Policy {
    /// A policy that reports to `outbox`.
    pub fn new(settings: Arc<Settings>, stats: Arc<WorkerStats>, outbox: Outbox) -> Self {
        Policy { _settings: settings, _stats: stats, outbox, wanted: Vec::new() }
    }
}

impl Handler for Policy {
    fn handle(&mut self, _now: Timestamp, _conn: &mut Conn, _event: &Event<'_>) -> Verdict {
        let _ = &self.outbox;
        Verdict::CONTINUE
    }

    fn settle(&mut self, gate: &mut dyn Gate) {
        self.wanted.drain(..).for_each(|expectation| gate.expect(expectation));
    }
}
