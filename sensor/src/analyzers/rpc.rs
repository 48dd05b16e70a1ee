//! RPC programs on the ports that a portmapper gave out: who calls which procedure, and nothing of what it says.

use super::portmap::Pmap;
use super::wire::dialogue::{Program, Results};
use super::wire::reader::Reader;
use super::wire::rpc::{CallHeader, PORTMAPPER};
use super::wire::session::Session;
use super::wire::xdr::Bad;
use super::{Analyzer, Context, Step};
use crate::event::rpc::RpcCall;
use crate::flow::key::Direction;
use crate::time::Timestamp;

/// Messages after which a connection has shown what it is; a file server's would never end.
const ENOUGH: u32 = 256;

/// An RPC service on one connection.
#[derive(Default, Debug)]
pub struct Rpc {
    session: Session<Any>,
}

const _: () = assert!(size_of::<Rpc>() <= 512, "one is kept per connection");

impl Analyzer for Rpc {
    const PDU_MAX: usize = 64;

    fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let step = self.session.on_stream(cx, direction, bytes);
        self.unless_enough(step)
    }

    fn on_datagram(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let step = self.session.on_datagram(cx, direction, bytes);
        self.unless_enough(step)
    }

    fn on_gap(&mut self, cx: &mut Context<'_>, direction: Direction, length: u64) -> Step {
        let step = self.session.on_gap(cx, direction, length);
        self.unless_enough(step)
    }

    fn deadline(&self) -> Timestamp {
        self.session.deadline()
    }

    fn on_deadline(&mut self, cx: &mut Context<'_>) {
        self.session.on_deadline(cx);
    }

    fn on_end(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &[u8]) {
        self.session.on_end(cx, direction, rest);
    }

    fn on_close(&mut self, cx: &mut Context<'_>) {
        self.session.on_close(cx);
    }
}

impl Rpc {
    /// Calls that still wait are forgotten at the end: nobody looks for their answers any more.
    fn unless_enough(&mut self, step: Step) -> Step {
        if self.session.messages() < ENOUGH {
            return step;
        }
        self.session = Session::default();
        Step::Done
    }
}

/// Whichever program is called. A portmapper on another port is still a portmapper.
#[derive(Debug)]
struct Any;

impl Program for Any {
    const HEAD: Option<usize> = Some(2048);

    fn call(cx: &mut Context<'_>, header: &CallHeader<'_>, arguments: &mut Reader<'_>, whole: bool) -> Result<(), Bad> {
        if header.program == PORTMAPPER {
            return Pmap::call(cx, header, arguments, whole);
        }
        arguments.skip();
        Ok(())
    }

    fn end(
        cx: &mut Context<'_>,
        call: &RpcCall<'_>,
        arguments: &mut Reader<'_>,
        results: Option<Results<'_, '_>>,
    ) -> Result<bool, Bad> {
        if call.program == PORTMAPPER {
            return Pmap::end(cx, call, arguments, results);
        }
        Ok(false)
    }
}
