//! The manual's "standard script": events in, notices, annotations, log records and verdicts out. One function per event, under its name.

use crate::capture::{Expectation, Gate};
use crate::event::{Event, Handler, Verdict};
use crate::flow::Conn;
use crate::outbox::Outbox;
use crate::time::Timestamp;

/// The policy of one worker.
#[derive(Debug)]
pub struct Policy {
    outbox: Outbox,
    wanted: Vec<Expectation>,
}

impl Policy {
    /// A policy that reports to `outbox`.
    pub fn new(outbox: Outbox) -> Self {
        Policy { outbox, wanted: Vec::new() }
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
