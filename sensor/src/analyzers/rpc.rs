//! RPC programs on the ports that a portmapper gave out: who calls which procedure, and nothing of what it says.

use super::portmap::Pmap;
use super::wire::dialogue::{Program, Results};
use super::wire::reader::Reader;
use super::wire::rpc::{CallHeader, PORTMAPPER};
use super::wire::session::Session;
use super::wire::xdr::Bad;
use super::{Context, Service};
use crate::event::rpc::RpcCall;

/// An RPC service on one connection.
pub type Rpc = Session<Any>;

const _: () = assert!(size_of::<Rpc>() <= 24, "one is kept in each slot");

/// Whichever program is called. A portmapper on another port is still a portmapper.
#[derive(Debug)]
pub struct Any;

impl Program for Any {
    const HEAD: Option<usize> = Some(2048);
    /// A file server's messages would never end.
    const ENOUGH: u32 = 256;

    fn call(cx: &mut Context<'_>, header: &CallHeader<'_>, arguments: &mut Reader<'_>, whole: bool) -> Result<(), Bad> {
        if header.program == PORTMAPPER {
            return Pmap::call(cx, header, arguments, whole);
        }
        arguments.skip();
        cx.conn.service.get_or_insert(Service::Rpc);
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

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::{Any, Rpc};
    use crate::analyzers::Step;
    use crate::analyzers::portmap::tests::{getport, record, reply, wire};
    use crate::analyzers::testing::Bench;
    use crate::analyzers::wire::dialogue::Program;
    use crate::flow::key::Direction::{FromOrig, FromResp};
    use crate::flow::key::Transport::{Tcp, Udp};

    fn nfs(xid: u32, proc: u32) -> Vec<u8> {
        wire(&[xid, 0, 2, 100_003, 3, proc, 0, 0, 0, 0, 1, 2, 3])
    }

    #[test]
    fn a_call_is_told_with_its_program_and_procedure() {
        let mut bench = Bench::<Rpc>::new(Udp);
        bench.datagram(FromOrig, &nfs(1, 4));
        bench.datagram(FromResp, &reply(1, &[0, 7, 7]));
        let said = bench.said();
        assert!(said[0].starts_with("rpc_call program=100003 version=3 proc=4 status=RPC_SUCCESS"), "{said:?}");
        assert_eq!(said.len(), 1, "and nothing else of it");
    }

    #[test]
    fn long_records_are_nothing_unusual_here() {
        let mut bench = Bench::<Rpc>::new(Tcp);
        let write = [nfs(1, 7), vec![b'x'; 1_000_000]].concat();
        record(&write).chunks(1460).for_each(|segment| bench.stream(FromOrig, segment));
        bench.stream(FromResp, &record(&reply(1, &[0])));
        let said = bench.said();
        assert!(said[0].contains("proc=7 status=RPC_SUCCESS"), "{said:?}");
        assert!(said[0].contains("call_len=1000044 reply_len=4"), "{said:?}");
        assert_eq!(said.len(), 1);
    }

    #[test]
    fn a_portmapper_on_another_port_is_a_portmapper() {
        let mut bench = Bench::<Rpc>::new(Udp);
        bench.datagram(FromOrig, &getport(1));
        bench.datagram(FromResp, &reply(1, &[2049]));
        assert_eq!(bench.names(), ["pm_request_getport", "rpc_call"]);
    }

    #[test]
    fn after_a_while_it_is_enough() {
        let mut bench = Bench::<Rpc>::new(Udp);
        for xid in 1..Any::ENOUGH {
            assert_ne!(bench.datagram(FromOrig, &nfs(xid, 1)), Step::Done);
        }
        assert_eq!(bench.datagram(FromOrig, &nfs(Any::ENOUGH, 1)), Step::Done);
        bench.wait(100);
        assert!(bench.names().is_empty(), "nobody knows what became of the calls that still waited");
    }
}
