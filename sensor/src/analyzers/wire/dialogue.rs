//! An RPC dialogue: messages in, calls matched with their replies, whatever the transport and the program.

use std::marker::PhantomData;

use super::Decimal;
use super::calls::{Again, Call, Calls};
use super::reader::Reader;
use super::rpc::{self, CallHeader, PREFIX};
use super::xdr::Bad;
use crate::analyzers::Context;
use crate::event::Event;
use crate::event::rpc::{RpcCall, RpcEvent, RpcStatus};
use crate::flow::key::{Direction, Transport};
use crate::spare::Lent;
use crate::time::Timestamp;

/// What a program makes of its calls.
pub trait Program {
    /// Bytes of each record that are of interest, if not all of them: longer records are then nothing unusual.
    const HEAD: Option<usize> = None;
    /// Messages after which a connection has shown what it is. Calls that still wait are forgotten then: nobody looks for their answers any
    /// more.
    const ENOUGH: u32 = u32::MAX;

    /// Looks at a call when it is made; says whether it can be understood. Takes what it understands off `arguments`.
    fn call(cx: &mut Context<'_>, header: &CallHeader<'_>, arguments: &mut Reader<'_>, whole: bool) -> Result<(), Bad>;

    /// States what became of a call that was understood; says whether it had an event for it. `results` is there if the call succeeded.
    fn end(
        cx: &mut Context<'_>,
        call: &RpcCall<'_>,
        arguments: &mut Reader<'_>,
        results: Option<Results<'_, '_>>,
    ) -> Result<bool, Bad>;
}

/// The results of a call, on the wire.
#[derive(Debug)]
pub struct Results<'r, 'a> {
    /// Positioned behind the reply header.
    pub reader: &'r mut Reader<'a>,
    /// Whether they are all there.
    pub whole: bool,
}

/// One message, as the transport delivers it.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Who sent it.
    pub direction: Direction,
    /// Its bytes, as far as they were kept.
    pub bytes: &'a [u8],
    /// Its length on the wire.
    pub length: usize,
}

/// The calls of one connection and the program that they are made to.
#[derive(Debug)]
pub struct Dialogue<P> {
    /// Nothing while no call waits.
    calls: Lent<Calls>,
    messages: u32,
    program: PhantomData<P>,
}

impl<P> Default for Dialogue<P> {
    fn default() -> Self {
        Dialogue { calls: Lent::default(), messages: 0, program: PhantomData }
    }
}

impl<P: Program> Dialogue<P> {
    /// Takes one message. Says whether it was an RPC message at all.
    pub fn on_message(&mut self, cx: &mut Context<'_>, message: &Message<'_>) -> bool {
        self.messages = self.messages.saturating_add(1);
        let mut reader = Reader::new(message.bytes);
        let understood = match rpc::prefix(&mut reader) {
            Ok(prefix) if prefix.kind == 0 => self.on_call(cx, message, prefix.xid, &mut reader),
            Ok(prefix) if prefix.kind == 1 => self.on_reply(cx, message, prefix.xid, &mut reader),
            Ok(_) => Err(Bad::Value("message type")),
            Err(truncated) => Err(truncated.into()),
        };
        match understood {
            Ok(()) => true,
            Err(Bad::Truncated) if cx.conn.id.key.transport == Transport::Tcp => {
                cx.weird("partial_RPC", b"");
                false
            }
            Err(bad) => {
                cx.weird("bad_RPC", words(bad));
                false
            }
        }
    }

    /// How many messages there were.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// Bytes on the heap of the calls that wait.
    pub fn held(&self) -> usize {
        self.calls.get().map_or(0, Calls::held)
    }

    /// When the oldest call is given up.
    pub fn deadline(&self) -> Timestamp {
        self.calls.get().map_or(Timestamp::NEVER, Calls::deadline)
    }

    /// Gives up the calls whose time is over.
    pub fn on_deadline(&mut self, cx: &mut Context<'_>) {
        while self.deadline() <= cx.now {
            let Some(call) = self.pop() else { return };
            give_up::<P>(cx, &call);
        }
    }

    /// Gives up all calls.
    pub fn on_close(&mut self, cx: &mut Context<'_>) {
        while let Some(call) = self.pop() {
            give_up::<P>(cx, &call);
        }
    }

    fn on_call(
        &mut self,
        cx: &mut Context<'_>,
        message: &Message<'_>,
        xid: u32,
        reader: &mut Reader<'_>,
    ) -> Result<(), Bad> {
        if !message.direction.is_orig() {
            cx.weird("responder_RPC_call", b"");
        }
        let body = reader.rest();
        let waiting = self.calls.get_mut();
        let again = waiting.map_or(Again::No, |calls| calls.again(xid, message.direction, body));
        if again == Again::Same {
            return Ok(());
        }
        if again == Again::Different {
            cx.weird("RPC_rexmit_inconsistency", b"");
        }
        let header = match rpc::call_header(reader) {
            Err(Bad::Truncated) if again == Again::Different => {
                cx.weird("RPC_underflow", b"");
                return Ok(());
            }
            header => header?,
        };
        if let Some(oddity) = header.oddity {
            cx.weird("bad_RPC", oddity.as_bytes());
        }
        self.make_room(cx);
        if !cx.may_keep(self.calls.need().cost(body)) {
            self.unless_needed();
            return Ok(());
        }
        let whole = message.length == message.bytes.len();
        let mut call = Call::new(xid, message.direction, body, cx.now, cx.now + cx.limits.rpc_timeout());
        call.length = length(message.length.saturating_sub(PREFIX));
        match P::call(cx, &header, reader, whole) {
            Ok(()) => {
                call.valid = true;
                excess(cx, reader);
            }
            Err(bad) => cx.weird("bad_RPC", words(bad)),
        }
        self.calls.need().push(call);
        Ok(())
    }

    fn on_reply(
        &mut self,
        cx: &mut Context<'_>,
        message: &Message<'_>,
        xid: u32,
        reader: &mut Reader<'_>,
    ) -> Result<(), Bad> {
        if message.direction.is_orig() {
            cx.weird("originator_RPC_reply", b"");
        }
        let status = rpc::reply_header(reader)?;
        let waiting = self.calls.get_mut();
        let Some(call) = waiting.and_then(|calls| calls.answered(xid, message.direction)) else {
            cx.weird("unpaired_RPC_response", b"");
            return Ok(());
        };
        self.unless_needed();
        let missing = message.length.saturating_sub(message.bytes.len());
        let reply = Reply {
            status,
            bytes: length(message.length),
            results: length(reader.len().saturating_add(missing)),
            from_resp: !message.direction.is_orig(),
        };
        let results = Results { reader, whole: missing == 0 };
        if call.valid {
            end::<P>(cx, &call, Some(&reply), Some(results));
        } else {
            if status == RpcStatus::Success {
                cx.weird("successful_RPC_reply_to_invalid_request", b"");
            }
            end::<P>(cx, &call, Some(&reply), None);
        }
        Ok(())
    }

    /// Takes the oldest call.
    fn pop(&mut self) -> Option<Call> {
        let call = self.calls.get_mut()?.pop();
        self.unless_needed();
        call
    }

    /// What no call waits in is lent to another connection.
    fn unless_needed(&mut self) {
        if self.calls.get().is_some_and(|calls| calls.count() == 0) {
            self.calls.give_back();
        }
    }

    /// The youngest call is never refused: the oldest give way.
    fn make_room(&mut self, cx: &mut Context<'_>) {
        let (most, bytes) = (cx.limits.rpc_pending_calls.max(1), cx.limits.rpc_pending_bytes);
        while self.calls.get().is_some_and(|calls| calls.count() >= most || calls.bytes() > bytes) {
            let Some(oldest) = self.pop() else { return };
            cx.weird("RPC_pending_calls_discarded", b"");
            give_up::<P>(cx, &oldest);
        }
    }
}

/// What a reply says before its results.
struct Reply {
    status: RpcStatus,
    bytes: u32,
    results: u32,
    from_resp: bool,
}

fn give_up<P: Program>(cx: &mut Context<'_>, call: &Call) {
    end::<P>(cx, call, None, None);
}

/// States what became of a call: the procedure's own event, then the generic one.
fn end<P: Program>(cx: &mut Context<'_>, call: &Call, reply: Option<&Reply>, results: Option<Results<'_, '_>>) {
    let mut arguments = Reader::new(call.body());
    let Ok(header) = rpc::call_header(&mut arguments) else { return };
    let status = reply.map_or(RpcStatus::Timeout, |reply| reply.status);
    let told = RpcCall {
        xid: call.xid,
        program: header.program,
        version: header.version,
        proc: header.proc,
        status,
        start: call.start,
        call_len: call.length,
        reply_len: reply.map(|reply| reply.results),
        call_bytes: call.length.saturating_add(length(PREFIX)),
        reply_bytes: reply.map_or(0, |reply| reply.bytes),
        retransmissions: call.retransmissions,
        credential: header.credential,
        from_resp: reply.is_some_and(|reply| reply.from_resp),
    };
    let mut decoded = false;
    if call.valid {
        let results = results.filter(|_| status == RpcStatus::Success);
        decoded = P::end(cx, &told, &mut arguments, results).unwrap_or_else(|bad| {
            cx.weird("bad_RPC", words(bad));
            false
        });
    }
    cx.emit(&Event::Rpc(RpcEvent::RpcCall { call: &told, decoded }));
}

/// Bytes after the message: zeros are padding, anything else is not.
pub fn excess(cx: &mut Context<'_>, reader: &Reader<'_>) {
    if reader.rest().iter().any(|byte| *byte != 0) {
        cx.weird("excess_RPC", Decimal::new(length(reader.len())).as_bytes());
    }
}

fn words(bad: Bad) -> &'static [u8] {
    match bad {
        Bad::Truncated => b"truncated",
        Bad::Value(what) => what.as_bytes(),
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
