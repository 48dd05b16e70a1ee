//! Where the bytes of one direction go: to the analyzer, and what happens to them into events.

use super::side::Rare;
use crate::analyzers::{AnyAnalyzer, Step};
use crate::event::{ConnectionEvent, Verdict};
use crate::flow::EndpointState;
use crate::flow::budget::EXHAUSTED;
use crate::flow::key::Direction;
use crate::flow::stream::Sink;
use crate::flow::subject::{Shared, Subject};
use crate::spare::Lent;

/// Who listens to one direction.
pub(super) struct Listener<'a, 'b> {
    pub subject: &'a mut Subject,
    pub shared: &'a mut Shared<'b>,
    pub dir: Direction,
    /// Whether gaps are told as events.
    pub reported: bool,
    pub rare: &'a mut Lent<Rare>,
}

impl Sink for Listener<'_, '_> {
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> Step {
        let dir = self.dir;
        match self.subject.run_analyzer(self.shared, |analyzer, cx| analyzer.on_stream(cx, dir, bytes)) {
            Step::Done | Step::Violation(_) if !self.subject.conn.verdict.has(Verdict::SKIP) => {
                Step::Consumed(bytes.len())
            }
            step => step,
        }
    }

    fn gap(&mut self, seq: u64, length: u64) {
        if self.reported {
            if self.rare.need().gaps.steps() {
                self.subject.note(self.dir, b'G');
            }
            self.subject.conn.missed_bytes += length;
            let direction = self.dir;
            self.subject.raise(self.shared, ConnectionEvent::ContentGap { direction, seq, length });
        }
        self.forgotten(length);
    }

    fn inconsistent(&mut self, seq: u64, length: usize) {
        // One byte that differs is a keep-alive, as long as the other side has said nothing.
        let peer = self.subject.conn.endpoint(self.dir.reverse());
        if length > 1 || peer.state >= EndpointState::Partial && peer.size > 0 {
            let direction = self.dir;
            self.subject.raise(self.shared, ConnectionEvent::RexmitInconsistency { direction, seq });
        }
    }

    fn ack_above_hole(&mut self, seq: u64) {
        if self.reported {
            let direction = self.dir;
            self.subject.raise(self.shared, ConnectionEvent::AckAboveHole { direction, seq });
        }
    }

    fn forgotten(&mut self, length: u64) {
        let dir = self.dir;
        self.subject.run_analyzer(self.shared, |analyzer, cx| analyzer.on_gap(cx, dir, length));
    }

    #[inline]
    fn room(&mut self, bytes: usize) -> bool {
        let allowed = self.shared.budget().allows(bytes);
        if !allowed {
            self.subject.weird(self.shared, EXHAUSTED);
        }
        allowed
    }

    fn limit(&mut self, name: &'static str) {
        self.subject.note(self.dir, b'X');
        self.subject.weird(self.shared, name);
    }

    fn pdu_max(&self) -> usize {
        self.subject.analyzer.as_ref().map_or(0, AnyAnalyzer::pdu_max)
    }
}
