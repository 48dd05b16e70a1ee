//! An analyzer alone with a conversation: behind it the streams, before it nobody.

use std::hint::black_box;
use std::sync::Arc;

use portreeve::analyzers::{AnyAnalyzer, Context, Service, Step};
use portreeve::config::limits::Limits;
use portreeve::config::{DialogueSets, Settings};
use portreeve::event::{Event, Handler, Verdict};
use portreeve::flow::budget::Budget;
use portreeve::flow::key::{Direction, FlowKey, Transport};
use portreeve::flow::pool::Pool;
use portreeve::flow::stream::{Sink, Stream};
use portreeve::flow::{Conn, EndpointState};
use portreeve::record::{ConnId, Uid};
use portreeve::stats::WorkerStats;
use portreeve::time::Timestamp;

use super::conversations::Conversation;

/// An analyzer on a connection of its own, behind a stream per direction; nobody handles its events.
pub struct Listener {
    ears: Ears,
    streams: [Stream; 2],
    pool: Pool,
    limits: Limits,
}

struct Ears {
    analyzer: Option<AnyAnalyzer>,
    conn: Conn,
    limits: Limits,
    stats: WorkerStats,
    dialogue: Arc<DialogueSets>,
    direction: Direction,
}

/// Handles nothing.
struct Deaf;

impl Handler for Deaf {
    fn handle(&mut self, _now: Timestamp, _conn: &mut Conn, event: &Event<'_>) -> Verdict {
        black_box(event);
        Verdict::CONTINUE
    }
}

impl Listener {
    /// A connection of which nothing was said yet.
    pub fn new(service: Service, transport: Transport) -> Self {
        let key = FlowKey {
            orig_h: [198, 18, 0, 1].into(),
            resp_h: [198, 19, 0, 1].into(),
            orig_p: 1023,
            resp_p: 7,
            transport,
        };
        let mut conn = Conn::new(ConnId { uid: Uid(1), key }, Timestamp::from_parts(1_700_000_000, 0));
        conn.orig.state = EndpointState::Established;
        conn.resp.state = EndpointState::Established;
        let ears = Ears {
            analyzer: Some(AnyAnalyzer::new(service)),
            conn,
            limits: Limits::default(),
            stats: WorkerStats::default(),
            dialogue: Settings::default().dialogue(),
            direction: Direction::FromOrig,
        };
        Listener { ears, streams: [Stream::default(), Stream::default()], pool: Pool::new(), limits: Limits::default() }
    }

    /// Hears a conversation from its beginning. Returns whether the analyzer wants to hear more.
    pub fn hear(&mut self, conversation: &Conversation) -> bool {
        conversation.iter().for_each(|(direction, message)| self.message(*direction, message));
        self.ears.analyzer.is_some()
    }

    /// Hears one message; the other side acknowledges it.
    pub fn message(&mut self, direction: Direction, message: &[u8]) {
        self.ears.direction = direction;
        if self.ears.conn.id.key.transport == Transport::Udp {
            self.ears.call(|analyzer, cx| analyzer.on_datagram(cx, direction, message));
            return;
        }
        let stream = &mut self.streams[usize::from(!direction.is_orig())];
        stream.on_data(stream.next(), message, &self.limits, &mut self.pool, &mut self.ears);
        stream.on_ack(stream.next(), &mut self.pool, &mut self.ears);
    }
}

impl Ears {
    fn call(&mut self, call: impl FnOnce(&mut AnyAnalyzer, &mut Context<'_>) -> Step) -> Step {
        let Some(analyzer) = &mut self.analyzer else { return Step::Done };
        let budget = Budget::new(&self.limits, &self.stats.counters);
        let (now, mut deaf) = (self.conn.start, Deaf);
        let mut cx = Context::new(now, &mut self.conn, &self.dialogue, budget, &mut deaf);
        let step = call(analyzer, &mut cx);
        if matches!(step, Step::Done | Step::Violation(_)) {
            self.analyzer = None;
        }
        step
    }
}

impl Sink for Ears {
    fn bytes(&mut self, bytes: &[u8]) -> Step {
        let direction = self.direction;
        self.call(|analyzer, cx| analyzer.on_stream(cx, direction, bytes))
    }

    fn gap(&mut self, _seq: u64, _length: u64) {}

    fn inconsistent(&mut self, _seq: u64, _length: usize) {}

    fn ack_above_hole(&mut self, _seq: u64) {}

    fn forgotten(&mut self, _length: u64) {}

    fn room(&mut self, _bytes: usize) -> bool {
        true
    }

    fn limit(&mut self, _name: &'static str) {}

    fn pdu_max(&self) -> usize {
        self.analyzer.as_ref().map_or(0, AnyAnalyzer::pdu_max)
    }
}
