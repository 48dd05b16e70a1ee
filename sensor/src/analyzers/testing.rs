//! What the analyzers' tests share: a connection, and a handler that writes down what it is told.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use super::{Analyzer, Context, Step};
use crate::config::limits::Limits;
use crate::config::{DialogueSets, Settings};
use crate::event::{Event, Handler, Verdict};
use crate::flow::budget::Budget;
use crate::flow::key::{Direction, FlowKey, Transport};
use crate::flow::{Conn, EndpointState};
use crate::record::{ConnId, Uid, Value};
use crate::stats::WorkerStats;
use crate::time::Timestamp;

/// The sets as they are by default, compiled once for all tests.
static DIALOGUE: LazyLock<Arc<DialogueSets>> = LazyLock::new(|| Settings::default().dialogue());

/// Writes down every event as one line: its name and its fields.
#[derive(Default, Debug)]
pub struct Recorder {
    /// The lines.
    pub lines: Vec<String>,
}

impl Handler for Recorder {
    fn handle(&mut self, _now: Timestamp, _conn: &mut Conn, event: &Event<'_>) -> Verdict {
        let line = match event {
            Event::Rpc(_) | Event::Ftp(_) | Event::Nvt(_) | Event::Login(_) | Event::Ssh(_) => {
                let mut line = event.name().to_owned();
                event.fields(&mut |name, value| line.push_str(&format!(" {name}={}", show(&value))));
                line
            }
            Event::Weird { name, addl } => format!("weird {name} {}", addl.escape_ascii()).trim_end().to_owned(),
            other => format!("{other:?}"),
        };
        self.lines.push(line);
        Verdict::CONTINUE
    }
}

fn show(value: &Value<'_>) -> String {
    match value {
        Value::Word(word) => (*word).to_owned(),
        Value::Count(count) => count.to_string(),
        Value::Port(port) => port.to_string(),
        Value::Bool(bool) => bool.to_string(),
        Value::Text(text) => text.as_bytes().escape_ascii().to_string(),
        Value::Mappings(mappings) => {
            let one =
                |m: &crate::record::Mapping| format!("{}/{}@{}/{}", m.program, m.version, m.port, m.transport.name());
            mappings.iter().map(one).collect::<Vec<_>>().join(",")
        }
        other => format!("{other:?}"),
    }
}

/// An analyzer on a connection, with a clock that the test moves.
#[derive(Debug)]
pub struct Bench<A> {
    /// What is tested.
    pub analyzer: A,
    /// Its connection.
    pub conn: Conn,
    /// The bounds.
    pub limits: Limits,
    /// What its worker counts.
    pub stats: WorkerStats,
    /// What it said.
    pub recorder: Recorder,
    /// Packet time.
    pub now: Timestamp,
    /// Stream bytes that were offered and not consumed, per direction.
    pub waiting: [Vec<u8>; 2],
}

impl<A: Analyzer> Bench<A> {
    /// A fresh connection from 10.0.0.1:832 to 10.0.0.2:111.
    pub fn new(transport: Transport) -> Self {
        Bench {
            analyzer: A::default(),
            conn: conn(transport),
            limits: Limits::default(),
            stats: WorkerStats::default(),
            recorder: Recorder::default(),
            now: Timestamp::from_parts(1_000_000, 0),
            waiting: [Vec::new(), Vec::new()],
        }
    }

    /// Calls the analyzer.
    pub fn call<T>(&mut self, act: impl FnOnce(&mut A, &mut Context<'_>) -> T) -> T {
        let budget = Budget::new(&self.limits, &self.stats.counters);
        let mut cx = Context::new(self.now, &mut self.conn, &DIALOGUE, budget, &mut self.recorder);
        act(&mut self.analyzer, &mut cx)
    }

    /// A datagram.
    pub fn datagram(&mut self, direction: Direction, bytes: &[u8]) -> Step {
        self.call(|analyzer, cx| analyzer.on_datagram(cx, direction, bytes))
    }

    /// Stream bytes, offered as the stream would: with what was left over.
    pub fn stream(&mut self, direction: Direction, bytes: &[u8]) {
        let side = usize::from(!direction.is_orig());
        let mut waiting = std::mem::take(&mut self.waiting[side]);
        waiting.extend_from_slice(bytes);
        while !waiting.is_empty() {
            match self.call(|analyzer, cx| analyzer.on_stream(cx, direction, &waiting)) {
                Step::Consumed(0) => panic!("a step must get on, or ask for more"),
                Step::Consumed(count) => drop(waiting.drain(..count)),
                Step::More => break,
                Step::Done | Step::Violation(_) => waiting.clear(),
            }
        }
        assert!(waiting.len() <= A::PDU_MAX, "more is left waiting than the stream keeps");
        self.waiting[side] = waiting;
    }

    /// A hole in the stream: what was waiting in front of it is gone.
    pub fn gap(&mut self, direction: Direction, length: u64) {
        self.waiting[usize::from(!direction.is_orig())].clear();
        self.call(|analyzer, cx| analyzer.on_gap(cx, direction, length));
    }

    /// One side has sent its last byte.
    pub fn end(&mut self, direction: Direction) {
        let rest = std::mem::take(&mut self.waiting[usize::from(!direction.is_orig())]);
        self.call(|analyzer, cx| analyzer.on_end(cx, direction, &rest));
    }

    /// Lets time pass as the timers do: at each deadline that comes.
    pub fn wait(&mut self, seconds: u64) {
        let end = self.now + std::time::Duration::from_secs(seconds);
        while self.analyzer.deadline() <= end {
            self.now = self.analyzer.deadline();
            self.call(A::on_deadline);
        }
        self.now = end;
    }

    /// What was said since the last time it was asked, one event a line.
    pub fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.recorder.lines)
    }

    /// The names of the events that were said, without their fields.
    pub fn names(&mut self) -> Vec<String> {
        let name = |line: String| match line.strip_prefix("weird ") {
            Some(weird) => weird.split(' ').next().unwrap_or_default().to_owned(),
            None => line.split(' ').next().unwrap_or_default().to_owned(),
        };
        self.said().into_iter().map(name).collect()
    }
}

/// A connection whose handshake is done.
pub fn conn(transport: Transport) -> Conn {
    let addr = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
    let key = FlowKey { orig_h: addr(1), resp_h: addr(2), orig_p: 832, resp_p: 111, transport };
    let mut conn = Conn::new(ConnId { uid: Uid(1), key }, Timestamp::from_parts(1_000_000, 0));
    conn.orig.state = EndpointState::Established;
    conn.resp.state = EndpointState::Established;
    conn
}
