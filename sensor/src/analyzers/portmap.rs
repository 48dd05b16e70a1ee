//! The portmapper and rpcbind (RFC 1833), over UDP and TCP: what is asked, what is answered, under the manual's `pm_*` events.

use super::wire::Decimal;
use super::wire::dialogue::{Program, Results, excess};
use super::wire::pmap::{Arguments, Bounds, Procedure, Results as Answer};
use super::wire::reader::Reader;
use super::wire::rpc::{CallHeader, PORTMAPPER};
use super::wire::session::Session;
use super::wire::xdr::Bad;
use super::{Context, Service};
use crate::event::Event;
use crate::event::rpc::{RpcCall, RpcEvent};

/// The portmapper on one connection.
pub type Portmap = Session<Pmap>;

const _: () = assert!(size_of::<Portmap>() <= 24, "one is kept in each slot");

/// The program itself.
#[derive(Debug)]
pub struct Pmap;

impl Program for Pmap {
    fn call(cx: &mut Context<'_>, header: &CallHeader<'_>, arguments: &mut Reader<'_>, whole: bool) -> Result<(), Bad> {
        if header.program != PORTMAPPER {
            cx.weird("bad_RPC_program", Decimal::new(header.program).as_bytes());
            arguments.skip();
            return Ok(());
        }
        let procedure = procedure(header.version, header.proc)?;
        procedure.arguments(header.version, arguments, whole, &mut |bad_p| bad_port(cx, bad_p))?;
        cx.conn.service = Some(Service::Portmap);
        Ok(())
    }

    fn end(
        cx: &mut Context<'_>,
        call: &RpcCall<'_>,
        arguments: &mut Reader<'_>,
        results: Option<Results<'_, '_>>,
    ) -> Result<bool, Bad> {
        if call.program != PORTMAPPER {
            return Ok(false);
        }
        let procedure = procedure(call.version, call.proc)?;
        let arguments = procedure.arguments(call.version, arguments, false, &mut |_| {})?;
        let Some(Results { reader, whole }) = results else {
            cx.emit(&Event::Rpc(attempt(procedure, call, arguments)));
            return Ok(true);
        };
        let is_tcp = matches!(arguments, Arguments::Port(pr) if pr.is_tcp);
        let bounds = Bounds { mappings: cx.limits.dump_mappings, whole };
        let answer = procedure.results(call.version, is_tcp, reader, bounds, &mut |bad_p| bad_port(cx, bad_p))?;
        excess(cx, reader);
        cx.emit(&Event::Rpc(request(procedure, call, arguments, answer)));
        Ok(true)
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
mod hostile;
#[cfg(test)]
pub(super) mod tests;
