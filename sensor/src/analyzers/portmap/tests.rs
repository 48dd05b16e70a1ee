//! The conformance vectors of the portmapper, and what hostile senders do.

use super::Portmap;
use crate::analyzers::testing::Bench;
use crate::flow::key::Direction::{FromOrig, FromResp};
use crate::flow::key::Transport;

/// Words as they are on the wire.
fn wire(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A call of the portmapper without credentials.
fn call(xid: u32, version: u32, proc: u32, arguments: &[u32]) -> Vec<u8> {
    wire(&[&[xid, 0, 2, 100_000, version, proc, 0, 0, 0, 0], arguments].concat())
}

/// A successful reply.
fn reply(xid: u32, results: &[u32]) -> Vec<u8> {
    wire(&[&[xid, 1, 0, 0, 0, 0], results].concat())
}

fn getport(xid: u32) -> Vec<u8> {
    call(xid, 2, 3, &[100_003, 2, 17, 0])
}

#[test]
fn vector_1_getport_over_udp() {
    let mut bench = Bench::<Portmap>::new(Transport::Udp);
    bench.datagram(FromOrig, &getport(0x1234_5678));
    bench.datagram(FromResp, &reply(0x1234_5678, &[0x801]));
    let said = bench.said();
    assert_eq!(
        said,
        [
            "pm_request_getport program=100003 version=2 is_tcp=false port=2049 transport=udp \
             pm_version=2 pm_proc=3 status=RPC_SUCCESS xid=305419896 auth_flavor=AUTH_NULL",
            "rpc_call program=100000 version=2 proc=3 status=RPC_SUCCESS xid=305419896 auth_flavor=AUTH_NULL \
             start_time=Time(1000000.000000000) call_len=48 reply_len=4",
        ]
    );
    bench.wait(60);
    assert!(bench.said().is_empty(), "an answered call does not time out");
}
