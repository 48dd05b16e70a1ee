//! The portmapper and rpcbind (RFC 1833), over UDP and TCP: what is asked, what is answered, under the manual's `pm_*` events.

use super::wire::dialogue::{Dialogue, Message, Program, Results, excess};
use super::wire::pmap::{Arguments, Bounds, Procedure, Results as Answer};
use super::wire::reader::Reader;
use super::wire::rpc::{CallHeader, PORTMAPPER};
use super::wire::xdr::Bad;
use super::{Analyzer, Context, Step};
use crate::event::Event;
use crate::event::rpc::{RpcCall, RpcEvent};
use crate::flow::key::Direction;
use crate::time::Timestamp;

/// The portmapper on one connection.
#[derive(Default, Debug)]
pub struct Portmap {
    dialogue: Dialogue<Pmap>,
}

const _: () = assert!(size_of::<Portmap>() <= 512, "one is kept per connection");

impl Analyzer for Portmap {
    fn on_stream(&mut self, _cx: &mut Context<'_>, _direction: Direction, bytes: &[u8]) -> Step {
        Step::Consumed(bytes.len())
    }

    fn on_datagram(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        self.dialogue.on_message(cx, &Message { direction, bytes, length: bytes.len() });
        Step::Consumed(bytes.len())
    }

    fn on_gap(&mut self, _cx: &mut Context<'_>, _direction: Direction, _length: u64) -> Step {
        Step::Consumed(0)
    }

    fn deadline(&self) -> Timestamp {
        self.dialogue.deadline()
    }

    fn on_deadline(&mut self, cx: &mut Context<'_>) {
        self.dialogue.on_deadline(cx);
    }

    fn on_close(&mut self, cx: &mut Context<'_>) {
        self.dialogue.on_close(cx);
    }
}

/// The program itself.
#[derive(Debug)]
pub struct Pmap;

impl Program for Pmap {
    fn call(cx: &mut Context<'_>, header: &CallHeader<'_>, arguments: &mut Reader<'_>, whole: bool) -> Result<(), Bad> {
        if header.program != PORTMAPPER {
            let mut digits = [0; 10];
            cx.weird("bad_RPC_program", super::wire::decimal(header.program, &mut digits));
            arguments.take(arguments.len())?;
            return Ok(());
        }
        let procedure = procedure(header.version, header.proc)?;
        procedure.arguments(header.version, arguments, whole, &mut |bad_p| bad_port(cx, bad_p))?;
        Ok(())
    }

    fn end(
        cx: &mut Context<'_>,
        call: &RpcCall<'_>,
        arguments: &mut Reader<'_>,
        results: Option<Results<'_, '_>>,
    ) -> Result<(), Bad> {
        if call.program != PORTMAPPER {
            return Ok(());
        }
        let procedure = procedure(call.version, call.proc)?;
        let arguments = procedure.arguments(call.version, arguments, false, &mut |_| {})?;
        let Some(Results { reader, whole }) = results else {
            cx.emit(&Event::Rpc(attempt(procedure, call, arguments)));
            return Ok(());
        };
        let is_tcp = matches!(arguments, Arguments::Port(pr) if pr.is_tcp);
        let bounds = Bounds { mappings: cx.limits.dump_mappings, whole };
        let answer = procedure.results(call.version, is_tcp, reader, bounds, &mut |bad_p| bad_port(cx, bad_p))?;
        excess(cx, reader);
        cx.emit(&Event::Rpc(request(procedure, call, arguments, answer)));
        Ok(())
    }
}

fn procedure(version: u32, proc: u32) -> Result<Procedure, Bad> {
    Procedure::new(version, proc).ok_or(Bad::Value("procedure"))
}

fn bad_port(cx: &mut Context<'_>, bad_p: u32) {
    cx.emit(&Event::Rpc(RpcEvent::PmBadPort { bad_p }));
}

/// The event of a call that was answered with success.
fn request<'a>(
    procedure: Procedure,
    call: &'a RpcCall<'a>,
    arguments: Arguments<'a>,
    answer: Answer<'a>,
) -> RpcEvent<'a> {
    match (arguments, answer) {
        (Arguments::Mapping(m), Answer::Done(success)) if procedure == Procedure::Unset => {
            RpcEvent::PmRequestUnset { call, m, success }
        }
        (Arguments::Mapping(m), Answer::Done(success)) => RpcEvent::PmRequestSet { call, m, success },
        (Arguments::Port(pr), Answer::Port(p)) => RpcEvent::PmRequestGetport { call, pr, p },
        (Arguments::Callit(request), Answer::Callit(p, result)) => {
            RpcEvent::PmRequestCallit { call, request, p, result }
        }
        (_, Answer::Mappings(m)) => RpcEvent::PmRequestDump { call, m },
        (Arguments::Address(argument), _) => RpcEvent::PmRequestOther { call, argument },
        _ if procedure == Procedure::Null => RpcEvent::PmRequestNull { call },
        _ => RpcEvent::PmRequestOther { call, argument: b"" },
    }
}

/// The event of a call that failed or was never answered.
fn attempt<'a>(procedure: Procedure, call: &'a RpcCall<'a>, arguments: Arguments<'a>) -> RpcEvent<'a> {
    match arguments {
        Arguments::Mapping(m) if procedure == Procedure::Unset => RpcEvent::PmAttemptUnset { call, m },
        Arguments::Mapping(m) => RpcEvent::PmAttemptSet { call, m },
        Arguments::Port(pr) => RpcEvent::PmAttemptGetport { call, pr },
        Arguments::Callit(request) => RpcEvent::PmAttemptCallit { call, request },
        Arguments::Address(argument) => RpcEvent::PmAttemptOther { call, argument },
        Arguments::Nothing if procedure == Procedure::Null => RpcEvent::PmAttemptNull { call },
        Arguments::Nothing if procedure == Procedure::Dump => RpcEvent::PmAttemptDump { call },
        Arguments::Nothing => RpcEvent::PmAttemptOther { call, argument: b"" },
    }
}

#[cfg(test)]
mod tests;
