//! RPC on one connection: datagrams or records in both directions, and the dialogue that they make.

use std::thread::LocalKey;

use super::Decimal;
use super::calls::Calls;
use super::dialogue::{Dialogue, Message, Program};
use super::reader::Reader;
use super::record::{Bounds, Found, Records};
use crate::analyzers::{Analyzer, Context, Step};
use crate::flow::EndpointState;
use crate::flow::key::Direction;
use crate::spare::{Lend, Lent, Spare};
use crate::time::Timestamp;

/// RPC of one program, or of whichever is called, on one connection.
#[derive(Debug)]
pub struct Session<P> {
    /// `None` until a stream needs them: the flows of UDP, which come and go by the million, have no records to find.
    streams: Lent<Streams>,
    dialogue: Dialogue<P>,
}

/// Both directions of a stream.
#[derive(Default, Debug)]
struct Streams {
    orig: Side,
    resp: Side,
}

/// One direction of a stream.
#[derive(Default, Debug)]
struct Side {
    records: Records,
    began: bool,
    ended: bool,
}

/// Bytes that one is lent at most, without what grows with what is said.
pub const BESIDE: usize = size_of::<Streams>() + size_of::<Calls>();

impl<P> Default for Session<P> {
    fn default() -> Self {
        Session { streams: Lent::default(), dialogue: Dialogue::default() }
    }
}

impl<P: Program> Analyzer for Session<P> {
    const PDU_MAX: usize = 64;

    /// The bytes of a stream are records.
    fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let side = self.streams.need().side(direction);
        side.begin(cx, direction);
        let mut reader = Reader::new(bytes);
        pump(&mut side.records, &mut self.dialogue, cx, direction, &mut reader);
        self.unless_enough(match bytes.len().saturating_sub(reader.len()) {
            0 => Step::More,
            consumed => Step::Consumed(consumed),
        })
    }

    /// One datagram is one message.
    fn on_datagram(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        self.dialogue.on_message(cx, &Message { direction, bytes, length: bytes.len() });
        self.unless_enough(Step::Consumed(bytes.len()))
    }

    fn on_gap(&mut self, cx: &mut Context<'_>, direction: Direction, length: u64) -> Step {
        let side = self.streams.need().side(direction);
        side.begin(cx, direction);
        side.records.gap(length);
        pump(&mut side.records, &mut self.dialogue, cx, direction, &mut Reader::new(b""));
        self.unless_enough(Step::Consumed(0))
    }

    /// When the oldest call is given up.
    fn deadline(&self) -> Timestamp {
        self.dialogue.deadline()
    }

    fn on_deadline(&mut self, cx: &mut Context<'_>) {
        self.dialogue.on_deadline(cx);
    }

    fn held(&self) -> usize {
        self.streams.get().map_or(0, Streams::held).saturating_add(self.dialogue.held())
    }

    fn on_end(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &[u8]) {
        self.streams.need().side(direction).end(cx, direction, rest);
    }

    fn on_close(&mut self, cx: &mut Context<'_>) {
        if let Some(streams) = self.streams.get_mut() {
            streams.orig.end(cx, Direction::FromOrig, b"");
            streams.resp.end(cx, Direction::FromResp, b"");
        }
        self.dialogue.on_close(cx);
    }
}

impl<P: Program> Session<P> {
    fn unless_enough(&mut self, step: Step) -> Step {
        if self.dialogue.messages() < P::ENOUGH {
            return step;
        }
        *self = Session::default();
        Step::Done
    }
}

thread_local! {
    static SPARE: Spare<Streams> = const { Spare::new() };
}

impl Lend for Streams {
    fn spare() -> &'static LocalKey<Spare<Self>> {
        &SPARE
    }
}

impl Streams {
    fn side(&mut self, direction: Direction) -> &mut Side {
        if direction.is_orig() { &mut self.orig } else { &mut self.resp }
    }

    /// Bytes on the heap of unfinished records.
    fn held(&self) -> usize {
        self.orig.records.held().saturating_add(self.resp.records.held())
    }
}

impl Side {
    /// The first bytes are a record's only if the connection was seen from its start.
    fn begin(&mut self, cx: &Context<'_>, direction: Direction) {
        let endpoint = if direction.is_orig() { &cx.conn.orig } else { &cx.conn.resp };
        if !self.began && matches!(endpoint.state, EndpointState::Partial | EndpointState::Inactive) {
            self.records.start_lost();
        }
        self.began = true;
    }

    fn end(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &[u8]) {
        if !self.ended && self.records.is_unfinished(rest) {
            cx.weird(if direction.is_orig() { "partial_RPC_request" } else { "partial_RPC" }, b"");
        }
        self.ended = true;
    }
}

/// Takes what there is off the stream.
fn pump<P: Program>(
    records: &mut Records,
    dialogue: &mut Dialogue<P>,
    cx: &mut Context<'_>,
    direction: Direction,
    reader: &mut Reader<'_>,
) {
    let (bytes, fragments) = (P::HEAD.unwrap_or(cx.limits.rpc_record_bytes), cx.limits.rpc_record_fragments);
    let bounds = Bounds { bytes, fragments, room: cx.room() };
    loop {
        match records.next(reader, bounds) {
            Found::Record { bytes, length } => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let was_rpc = dialogue.on_message(cx, &Message { direction, bytes, length });
                records.finish(was_rpc);
            }
            Found::Excessive { length } if P::HEAD.is_none() => {
                cx.weird("excessive_RPC_len", Decimal::new(length).as_bytes());
            }
            Found::Excessive { .. } => {}
            Found::Refused { bytes } => cx.refuse(bytes),
            Found::Nonsense => cx.weird("bad_RPC", b"message type"),
            Found::Resynchronised { lost } => cx.weird("RPC_resync", Decimal::new(lost).as_bytes()),
            Found::Nothing => return,
        }
    }
}
