//! The conformance vectors of the portmapper, rpcbind's versions, and what the transports do to them.
#![expect(clippy::indexing_slicing, reason = "a test may fail")]

use super::Portmap;
use crate::analyzers::testing::Bench;
use crate::flow::EndpointState;
use crate::flow::key::Direction::{self, FromOrig, FromResp};
use crate::flow::key::Transport::{Tcp, Udp};

/// Words as they are on the wire.
pub fn wire(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A call of the portmapper without credentials.
pub fn call(xid: u32, version: u32, proc: u32, arguments: &[u32]) -> Vec<u8> {
    wire(&[&[xid, 0, 2, 100_000, version, proc, 0, 0, 0, 0], arguments].concat())
}

/// A successful reply.
pub fn reply(xid: u32, results: &[u32]) -> Vec<u8> {
    wire(&[&[xid, 1, 0, 0, 0, 0], results].concat())
}

/// GETPORT of NFS 2 over UDP.
pub fn getport(xid: u32) -> Vec<u8> {
    call(xid, 2, 3, &[100_003, 2, 17, 0])
}

/// A string with its length and padding.
pub fn string(text: &str) -> Vec<u8> {
    let mut bytes = wire(&[text.len() as u32]);
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A message as a record of one fragment.
pub fn record(message: &[u8]) -> Vec<u8> {
    [&wire(&[0x8000_0000 | message.len() as u32]), message].concat()
}

/// What is said of one datagram from each side.
fn over_udp(question: &[u8], answer: &[u8]) -> Vec<String> {
    let mut bench = Bench::<Portmap>::new(Udp);
    bench.datagram(FromOrig, question);
    bench.datagram(FromResp, answer);
    bench.said()
}

const SUCCESS: &str = "pm_version=2 pm_proc=3 xid=305419896 auth_flavor=AUTH_NULL";
const RPC_CALL: &str = "rpc_call program=100000 version=2 proc=3 status=RPC_SUCCESS xid=305419896 auth_flavor=AUTH_NULL \
                        start_time=Time(1000000.000000000) call_len=48 reply_len=4";

fn vector_1() -> [String; 2] {
    let request = format!("pm_request_getport program=100003 version=2 is_tcp=false port=2049 transport=udp {SUCCESS}");
    [request, RPC_CALL.to_owned()]
}

#[test]
fn vector_1_getport_over_udp() {
    let mut bench = Bench::<Portmap>::new(Udp);
    bench.datagram(FromOrig, &getport(0x1234_5678));
    bench.datagram(FromResp, &reply(0x1234_5678, &[0x801]));
    assert_eq!(bench.said(), vector_1());
    bench.wait(60);
    assert!(bench.said().is_empty(), "an answered call does not time out");
}

#[test]
fn vector_2_timeout_24_seconds_after_the_first_call() {
    let mut bench = Bench::<Portmap>::new(Udp);
    let start = bench.now;
    bench.datagram(FromOrig, &getport(1));
    bench.wait(20);
    bench.datagram(FromOrig, &getport(1));
    bench.wait(3);
    assert!(bench.said().is_empty(), "not yet");
    bench.wait(1);
    let said = bench.said();
    assert!(said[0].starts_with("pm_attempt_getport program=100003 version=2 is_tcp=false"), "{said:?}");
    assert!(said[0].contains("status=RPC_TIMEOUT"));
    assert!(said[1].starts_with("rpc_call program=100000 version=2 proc=3 status=RPC_TIMEOUT"));
    assert_eq!(
        (said.len(), bench.now.since(start).as_secs()),
        (2, 24),
        "a retransmission does not extend the deadline"
    );
}

#[test]
fn vector_3_two_fragments_are_one_message() {
    let question = getport(0x1234_5678);
    let fragments = [&wire(&[0x10]), &question[..16], &wire(&[0x8000_0028]), &question[16..]].concat();
    for question in [record(&question), fragments] {
        let mut bench = Bench::<Portmap>::new(Tcp);
        bench.stream(FromOrig, &question);
        bench.stream(FromResp, &record(&reply(0x1234_5678, &[0x801])));
        assert_eq!(bench.said(), vector_1());
    }
}

#[test]
fn vector_4_port_of_65536_and_more() {
    for transport in [Udp, Tcp] {
        let mut bench = Bench::<Portmap>::new(transport);
        send(&mut bench, FromOrig, &getport(1));
        send(&mut bench, FromResp, &reply(1, &[0x10801]));
        let said = bench.said();
        assert_eq!(said[0], "pm_bad_port bad_p=67585");
        assert!(said[1].starts_with("pm_request_getport program=100003 version=2 is_tcp=false port=0 "), "{said:?}");
        send(&mut bench, FromOrig, &call(2, 2, 1, &[100_003, 2, 6, 65536]));
        assert_eq!(bench.said(), ["pm_bad_port bad_p=65536"], "in a call as well");
    }
}

fn send(bench: &mut Bench<Portmap>, direction: Direction, message: &[u8]) {
    match bench.conn.id.key.transport {
        Udp => drop(bench.datagram(direction, message)),
        Tcp => bench.stream(direction, &record(message)),
    }
}

#[test]
fn vector_5_every_status() {
    let accepted = |status: &[u32]| wire(&[&[1, 1, 0, 0, 0], status].concat());
    let denied = |why: &[u32]| wire(&[&[1, 1, 1], why].concat());
    for (answer, status) in [
        (accepted(&[1]), "RPC_PROG_UNAVAIL"),
        (accepted(&[2, 2, 4]), "RPC_PROG_MISMATCH"),
        (accepted(&[3]), "RPC_PROC_UNAVAIL"),
        (accepted(&[4]), "RPC_GARBAGE_ARGS"),
        (accepted(&[5]), "RPC_SYSTEM_ERR"),
        (accepted(&[6]), "RPC_UNKNOWN_ERROR"),
        (denied(&[0, 2, 2]), "RPC_VERS_MISMATCH"),
        (denied(&[1, 5]), "RPC_AUTH_ERROR"),
    ] {
        let said = over_udp(&getport(1), &answer);
        assert!(said[0].starts_with("pm_attempt_getport program=100003 version=2 is_tcp=false"), "{said:?}");
        assert!(said[0].contains(&format!("status={status} ")), "{said:?}");
        assert!(said[1].contains(&format!("status={status} ")), "{said:?}");
        assert_eq!(said.len(), 2);
    }
}

#[test]
fn vector_6_dump() {
    let answer = [1, 100_000, 2, 17, 111, 1, 100_232, 10, 17, 32_773, 0];
    let said = over_udp(&call(1, 2, 4, &[]), &reply(1, &answer));
    assert!(said[0].starts_with("pm_request_dump mappings=100000/2@111/udp,100232/10@32773/udp total=2 "), "{said:?}");
    let said = over_udp(&call(1, 2, 4, &[]), &reply(1, &[0]));
    assert!(said[0].starts_with("pm_request_dump mappings= total=0 "), "{said:?}");
}

#[test]
fn set_unset_null_and_callit() {
    let said = over_udp(&call(1, 2, 1, &[100_005, 1, 6, 635]), &reply(1, &[1]));
    assert!(
        said[0].starts_with("pm_request_set program=100005 version=1 port=635 transport=tcp success=true"),
        "{said:?}"
    );
    let said = over_udp(&call(1, 2, 2, &[100_005, 1, 17, 0]), &reply(1, &[0]));
    assert!(
        said[0].starts_with("pm_request_unset program=100005 version=1 port=0 transport=udp success=false"),
        "{said:?}"
    );
    let said = over_udp(&call(1, 2, 0, &[]), &reply(1, &[]));
    assert!(said[0].starts_with("pm_request_null pm_version=2 pm_proc=0"), "{said:?}");

    let message = [call(1, 2, 5, &[100_008, 1, 2, 12]), string("hello")].concat();
    let said = over_udp(&message, &reply(1, &[2000, 4, 7]));
    let expected = "pm_request_callit program=100008 version=1 proc=2 arg_size=12 inner_message=hello port=2000 transport=udp result_size=4 ";
    assert!(said[0].starts_with(expected), "{said:?}");
    let mount = [call(1, 2, 5, &[100_005, 1, 1, 12]), string("/export")].concat();
    assert!(over_udp(&mount, &reply(1, &[635, 0]))[0].contains("inner_path=/export"));
    let lookup = call(1, 2, 5, &[100_000, 2, 3, 16, 100_232, 10, 17, 0]);
    assert!(over_udp(&lookup, &reply(1, &[111, 4, 32773]))[0].contains("inner_program=100232"));
}

/// rpcbind's `rpcb`.
fn rpcb(program: u32, version: u32, netid: &str, uaddr: &str, owner: &str) -> Vec<u8> {
    [wire(&[program, version]), string(netid), string(uaddr), string(owner)].concat()
}

#[test]
fn rpcbind_getaddr_with_both_families() {
    for (version, proc, netid, uaddr, expected) in [
        (
            3,
            3,
            "udp",
            "139.25.22.102.4.24",
            "is_tcp=false netid=udp owner=rpcuser port=1048 transport=udp uaddr=139.25.22.102.4.24",
        ),
        (4, 3, "tcp6", "::.8.1", "is_tcp=true netid=tcp6 owner=rpcuser port=2049 transport=tcp uaddr=::.8.1"),
        (
            4,
            9,
            "tcp6",
            "fe80::1.0.111",
            "is_tcp=true netid=tcp6 owner=rpcuser port=111 transport=tcp uaddr=fe80::1.0.111",
        ),
        (
            4,
            3,
            "local",
            "/run/rpcbind.sock",
            "is_tcp=false netid=local owner=rpcuser port=0 transport=udp uaddr=/run/rpcbind.sock",
        ),
        (3, 3, "udp", "", "is_tcp=false netid=udp owner=rpcuser port=0 transport=udp"),
    ] {
        let question = [call(1, version, proc, &[]), rpcb(100_005, 1, netid, "10.0.0.1.3.64", "rpcuser")].concat();
        let said = over_udp(&question, &[reply(1, &[]), string(uaddr)].concat());
        assert!(said[0].starts_with(&format!("pm_request_getport program=100005 version=1 {expected}")), "{said:?}");
        assert_eq!(said.len(), 2, "{said:?}");
    }
    let question = [call(1, 3, 3, &[]), rpcb(100_005, 1, "udp", "", "")].concat();
    let said = over_udp(&question, &[reply(1, &[]), string("10.0.0.1.256.1")].concat());
    assert_eq!(said[0], "pm_bad_port bad_p=65537");
}

#[test]
fn rpcbind_dump_and_the_rest() {
    let list = [
        wire(&[1]),
        rpcb(100_000, 4, "tcp6", "::.0.111", "superuser"),
        wire(&[1]),
        rpcb(100_024, 1, "udp", "0.0.0.0.2.3", ""),
        wire(&[0]),
    ];
    let said = over_udp(&call(1, 4, 4, &[]), &[reply(1, &[]), list.concat()].concat());
    assert!(
        said[0].starts_with("pm_request_dump mappings=100000/4@111/tcp,100024/1@515/udp total=2 pm_version=4"),
        "{said:?}"
    );

    let entry = [string("10.0.0.2.8.1"), string("tcp"), wire(&[3]), string("inet"), string("tcp")].concat();
    let question = [call(1, 4, 11, &[]), rpcb(100_003, 3, "tcp", "", "")].concat();
    let said = over_udp(&question, &[reply(1, &[1]), entry, wire(&[0])].concat());
    assert!(said[0].contains("is_tcp=true netid=tcp port=2049 transport=tcp uaddr=10.0.0.2.8.1"), "{said:?}");

    let question = [call(1, 3, 7, &[]), string("10.0.0.2.0.111")].concat();
    assert!(
        over_udp(&question, &reply(1, &[16, 16, 0, 0, 0, 0]))[0].starts_with("pm_request_other pm_version=3 pm_proc=7")
    );
    for proc in [6, 12] {
        assert!(
            over_udp(&call(1, 4, proc, &[]), &reply(1, &[1, 2, 3]))[0].starts_with("pm_request_other pm_version=4")
        );
    }
    let said = over_udp(&call(1, 4, 12, &[]), &wire(&[1, 1, 1, 1, 5]));
    assert!(said[0].starts_with("pm_attempt_other pm_version=4 pm_proc=12 status=RPC_AUTH_ERROR"), "{said:?}");
}

#[test]
fn unix_credentials_ride_along() {
    let body = [wire(&[7]), string("tinkyx1"), wire(&[0, 10, 2, 0, 10])].concat();
    let head = wire(&[&[1, 0, 2, 100_000, 2, 3, 1, body.len() as u32][..]].concat());
    let question = [head, body, wire(&[0, 0, 100_003, 3, 6, 0])].concat();
    let said = over_udp(&question, &reply(1, &[2049]));
    assert!(said[0].ends_with("auth_flavor=AUTH_UNIX machine_name=tinkyx1 auth_uid=0 auth_gid=10"), "{said:?}");
}

#[test]
fn tcp_is_the_same_however_it_is_cut() {
    let questions = [record(&getport(1)), record(&getport(2)), record(&call(3, 2, 4, &[]))].concat();
    let dump = reply(3, &[1, 100_000, 2, 17, 111, 0]);
    let cut = [&wire(&[0x14]), &dump[..20], &wire(&[0, 0x8000_0000 | (dump.len() as u32 - 20)]), &dump[20..]].concat();
    let answers = [record(&reply(2, &[2049])), record(&reply(1, &[0])), cut].concat();
    let run = |at: usize, step: usize| {
        let mut bench = Bench::<Portmap>::new(Tcp);
        for (direction, bytes) in [(FromOrig, &questions), (FromResp, &answers)] {
            let (first, rest) = bytes.split_at(at.min(bytes.len()));
            bench.stream(direction, first);
            rest.chunks(step).for_each(|chunk| bench.stream(direction, chunk));
            bench.end(direction);
        }
        bench.said()
    };
    let whole = run(0, usize::MAX);
    assert_eq!(whole.len(), 6);
    for at in 0..questions.len().max(answers.len()) {
        assert_eq!(run(at, usize::MAX), whole, "cut at {at}");
    }
    for step in 1..40 {
        assert_eq!(run(0, step), whole, "in pieces of {step}");
    }
}

#[test]
fn midstream_start_is_found_in_the_middle() {
    let stream = [&record(&call(7, 2, 4, &[]))[13..], &record(&getport(1))].concat();
    for step in [1, 3, 1000] {
        let mut bench = Bench::<Portmap>::new(Tcp);
        bench.conn.orig.state = EndpointState::Partial;
        stream.chunks(step).for_each(|chunk| bench.stream(FromOrig, chunk));
        bench.stream(FromResp, &record(&reply(1, &[2049])));
        assert_eq!(bench.names(), ["RPC_resync", "pm_request_getport", "rpc_call"]);
    }
}

#[test]
fn gaps_cost_as_little_as_they_can() {
    let mut bench = Bench::<Portmap>::new(Tcp);
    let dump = record(&reply(1, &[1, 100_000, 2, 17, 111, 1, 100_003, 2, 17, 2049, 0]));
    bench.stream(FromOrig, &record(&call(1, 2, 4, &[])));
    bench.stream(FromOrig, &record(&getport(2)));
    bench.stream(FromResp, &dump[..60]);
    bench.gap(FromResp, dump.len() as u64 - 60);
    let said = bench.said();
    assert!(
        said[0].starts_with("pm_request_dump mappings=100000/2@111/udp total=1 "),
        "what came before the hole counts: {said:?}"
    );
    bench.stream(FromResp, &record(&reply(2, &[2049])));
    assert_eq!(bench.names(), ["pm_request_getport", "rpc_call"], "a hole inside a fragment does not cost the markers");

    bench.stream(FromOrig, &record(&getport(3)));
    bench.gap(FromResp, 1000);
    bench.stream(FromResp, &[&[0xff; 30], &record(&reply(3, &[2049]))[..]].concat());
    assert_eq!(bench.said()[0], "weird RPC_resync 1030");
}
