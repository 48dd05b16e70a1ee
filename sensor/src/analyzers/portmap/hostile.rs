//! What hostile or broken senders do to the portmapper: one test per mistake that others have made.
#![expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may fail")]

use proptest::collection::vec;
use proptest::prelude::{any, proptest};

use super::Portmap;
use super::tests::{call, getport, record, reply, string, wire};
use crate::analyzers::Analyzer;
use crate::analyzers::testing::Bench;
use crate::flow::key::Direction::{FromOrig, FromResp};
use crate::flow::key::Transport::{Tcp, Udp};

fn udp() -> Bench<Portmap> {
    Bench::new(Udp)
}

fn tcp() -> Bench<Portmap> {
    Bench::new(Tcp)
}

/// A call with this credential.
fn with_credential(flavor: u32, body: &[u8], arguments: &[u32]) -> Vec<u8> {
    let head = wire(&[1, 0, 2, 100_000, 2, 3, flavor, body.len() as u32]);
    [&head, body, &wire(&[0, 0]), &wire(arguments)].concat()
}

fn unix(machine: &str, gids: usize) -> Vec<u8> {
    [wire(&[7]), string(machine), wire(&[0, 10, gids as u32]), wire(&vec![10; gids])].concat()
}

const NFS: [u32; 4] = [100_003, 2, 17, 0];
/// A lookup that is answered.
const ANSWERED: [&str; 2] = ["pm_request_getport", "rpc_call"];

#[test]
fn truncated_at_every_byte_is_bad_rpc_and_nothing_worse() {
    let rpcbind = [call(1, 3, 3, &[100_003, 2]), string("udp"), string("10.0.0.1.3.64"), string("root")].concat();
    let dump = reply(1, &[1, 100_000, 2, 17, 111, 1, 100_003, 2, 17, 2049, 0]);
    for (question, answer) in [
        (getport(1), reply(1, &[2049])),
        (with_credential(1, &unix("tinkyx1", 3), &NFS), reply(1, &[2049])),
        (rpcbind, [reply(1, &[]), string("10.0.0.2.8.1")].concat()),
        (call(1, 2, 4, &[]), dump),
    ] {
        for length in 0..question.len() {
            let mut bench = udp();
            bench.datagram(FromOrig, &question[..length]);
            assert_eq!(bench.names(), ["bad_RPC"], "call cut at {length}");
        }
        for length in 0..answer.len() {
            let mut bench = udp();
            bench.datagram(FromOrig, &question);
            bench.datagram(FromResp, &answer[..length]);
            let names = bench.names();
            assert_eq!(names[0], "bad_RPC", "reply cut at {length}");
            assert!(names[1..].iter().all(|name| name == "rpc_call"), "{names:?}");
        }
    }
}

#[test]
fn a_record_of_a_million_one_byte_fragments_is_bounded() {
    let mut bench = tcp();
    let byte = [&wire(&[1]), &b"x"[..]].concat();
    for _ in 0..1000 {
        bench.stream(FromOrig, &byte.repeat(1000));
    }
    bench.stream(FromOrig, &[&wire(&[0x8000_0001]), &b"x"[..]].concat());
    assert_eq!(bench.names(), ["excessive_RPC_len", "bad_RPC"], "told once, and what is kept is no message");
    bench.stream(FromOrig, &record(&getport(1)));
    bench.stream(FromResp, &record(&reply(1, &[2049])));
    assert_eq!(bench.names(), ["RPC_resync", ANSWERED[0], ANSWERED[1]]);
}

#[test]
fn the_last_fragment_never_comes() {
    let mut bench = tcp();
    let fragment = [&wire(&[1000]), &getport(1)[..], &[0; 944]].concat();
    for _ in 0..10_000 {
        bench.stream(FromOrig, &fragment);
    }
    bench.end(FromOrig);
    assert_eq!(bench.names(), ["excessive_RPC_len", "partial_RPC_request"]);
}

#[test]
fn an_oversize_record_is_skipped_whole_and_the_next_is_read() {
    let mut bench = tcp();
    let long = [call(9, 2, 5, &[100_008, 1, 2, 199_956]), vec![b'x'; 199_956]].concat();
    bench.stream(FromOrig, &[record(&long), record(&getport(1))].concat());
    bench.stream(FromResp, &record(&reply(1, &[2049])));
    assert_eq!(bench.names(), ["excessive_RPC_len", ANSWERED[0], ANSWERED[1]]);
}

#[test]
fn lengths_of_zero_and_of_two_gigabytes() {
    let mut bench = tcp();
    bench.stream(FromOrig, &wire(&[0x8000_0000]));
    assert_eq!(bench.names(), ["partial_RPC"]);
    let empty = wire(&[0, 0, 0]);
    bench.stream(FromOrig, &[&empty[..], &record(&getport(1))].concat());
    bench.stream(FromResp, &record(&reply(1, &[2049])));
    assert_eq!(bench.names(), ["RPC_resync", ANSWERED[0], ANSWERED[1]]);
    bench.stream(FromOrig, &[&wire(&[0xffff_ffff]), &getport(2)[..]].concat());
    assert_eq!(bench.names(), ["excessive_RPC_len"]);
    bench.end(FromOrig);
    assert_eq!(bench.names(), ["partial_RPC_request"]);

    let mut bench = tcp();
    bench.stream(FromOrig, &[&wire(&[0, 0, 56]), &getport(1)[..], &wire(&[0x8000_0000])].concat());
    bench.stream(FromResp, &record(&reply(1, &[2049])));
    assert_eq!(bench.names(), ANSWERED, "empty fragments belong to the record as well");
}

#[test]
fn no_allocation_follows_a_length_on_the_wire() {
    for length in [0xffff_ffff_u32, 0xffff_fffd, 0x7fff_ffff, 401] {
        let mut bench = udp();
        bench.datagram(FromOrig, &wire(&[1, 0, 2, 100_000, 2, 3, 1, length]));
        bench.datagram(FromOrig, &wire(&[2, 0, 2, 100_000, 2, 5, 0, 0, 0, 0, 100_008, 1, 2, length]));
        bench.datagram(FromOrig, &wire(&[3, 0, 2, 100_000, 3, 3, 0, 0, 0, 0, 100_003, 2, length]));
        assert_eq!(bench.names(), ["bad_RPC", "bad_RPC", "bad_RPC"]);
    }
}

#[test]
fn two_messages_in_one_segment_and_one_in_two() {
    let mut bench = tcp();
    let both = [record(&getport(1)), record(&getport(2))].concat();
    bench.stream(FromOrig, &both[..70]);
    bench.stream(FromOrig, &both[70..]);
    bench.stream(FromResp, &[record(&reply(1, &[1])), record(&reply(2, &[2]))].concat());
    assert_eq!(bench.names(), [ANSWERED, ANSWERED].concat());
}

#[test]
fn reply_before_call() {
    let mut bench = udp();
    bench.datagram(FromResp, &reply(1, &[2049]));
    assert_eq!(bench.names(), ["unpaired_RPC_response"]);
    bench.datagram(FromOrig, &getport(1));
    bench.wait(24);
    assert_eq!(bench.names(), ["pm_attempt_getport", "rpc_call"], "an answer does not come before its question");
}

#[test]
fn same_xid_different_program() {
    let mut bench = udp();
    bench.datagram(FromOrig, &wire(&[1, 0, 2, 100_003, 2, 0, 0, 0, 0, 0]));
    bench.datagram(FromOrig, &getport(1));
    bench.datagram(FromOrig, &getport(1));
    assert_eq!(bench.said(), ["weird bad_RPC_program 100003", "weird RPC_rexmit_inconsistency"]);
    bench.datagram(FromResp, &wire(&[1, 1, 0, 0, 0, 1]));
    bench.datagram(FromResp, &reply(1, &[2049]));
    assert_eq!(bench.names(), ["rpc_call", ANSWERED[0], ANSWERED[1]], "each answer goes to the oldest that waits");
}

#[test]
fn a_shorter_retransmission_is_an_underflow() {
    let mut bench = udp();
    bench.datagram(FromOrig, &getport(1));
    bench.datagram(FromOrig, &getport(1)[..20]);
    assert_eq!(bench.names(), ["RPC_rexmit_inconsistency", "RPC_underflow"]);
    bench.datagram(FromResp, &reply(1, &[2049]));
    assert_eq!(bench.names(), ANSWERED);
}

#[test]
fn xids_without_end_are_bounded_and_the_oldest_gives_way() {
    let mut bench = tcp();
    for xid in 0..10_000 {
        bench.stream(FromOrig, &record(&call(xid, 2, 0, &[])));
    }
    let names = bench.names();
    let count = |name: &str| names.iter().filter(|other| *other == name).count();
    assert_eq!((count("RPC_pending_calls_discarded"), count("rpc_call")), (10_000 - 256, 10_000 - 256));
    bench.stream(
        FromResp,
        &[record(&reply(9_999, &[])), record(&reply(9_744, &[])), record(&reply(9_743, &[]))].concat(),
    );
    assert_eq!(bench.names(), ["pm_request_null", "rpc_call", "pm_request_null", "rpc_call", "unpaired_RPC_response"]);
    bench.call(Analyzer::on_close);
    assert_eq!(bench.names().len(), 2 * 254, "what still waits at the end is told");
}

#[test]
fn long_calls_without_answers_are_bounded_by_their_bytes() {
    let mut bench = tcp();
    let args = [&[100_008, 1, 2, 60_000][..], &[0x7878_7878; 15_000]].concat();
    for xid in 0..100 {
        bench.stream(FromOrig, &record(&call(xid, 2, 5, &args)));
    }
    let discarded = bench.names().iter().filter(|name| *name == "RPC_pending_calls_discarded").count();
    assert_eq!(discarded, 100 - 33, "2048 bytes of each are kept");
}

#[test]
fn a_dump_of_a_hundred_thousand_mappings() {
    let mapping = wire(&[1, 100_000, 2, 17, 0x1_0000]);
    let answer = [reply(1, &[]), mapping.repeat(100_000), wire(&[0])].concat();
    let mut bench = tcp();
    bench.stream(FromOrig, &[record(&call(1, 2, 4, &[])), record(&getport(2))].concat());
    record(&answer).chunks(1460).for_each(|segment| bench.stream(FromResp, segment));
    bench.stream(FromResp, &record(&reply(2, &[2049])));
    let said = bench.said();
    assert_eq!(said[0], "weird excessive_RPC_len 2000028");
    assert_eq!(said.iter().filter(|line| line.starts_with("pm_bad_port")).count(), 256, "bounded as the mappings are");
    let last: Vec<&String> = said.iter().rev().take(4).collect();
    assert!(last[3].starts_with("pm_request_dump") && last[1].starts_with("pm_request_getport"), "{last:?}");
    assert_eq!(last[3].matches("100000/2@0/udp").count(), 256);
}

#[test]
fn a_mapping_list_whose_more_never_ends() {
    let mapping = wire(&[1, 100_000, 2, 17, 111]);
    let mut bench = udp();
    bench.datagram(FromOrig, &call(1, 2, 4, &[]));
    bench.datagram(FromResp, &[reply(1, &[]), mapping.repeat(3000), wire(&[1])].concat());
    assert_eq!(bench.names(), ["bad_RPC", "rpc_call"]);
    bench.datagram(FromOrig, &call(2, 4, 4, &[]));
    bench.datagram(FromResp, &[reply(2, &[]), wire(&[1, 0, 0, 0, 0, 0]).repeat(2000)].concat());
    assert_eq!(bench.names(), ["bad_RPC", "rpc_call"]);
}

#[test]
fn groups_and_flavors() {
    for (gids, names) in [(16, vec![]), (17, vec!["bad_RPC"]), (64, vec!["bad_RPC"]), (65, vec!["bad_RPC"])] {
        let mut bench = udp();
        bench.datagram(FromOrig, &with_credential(1, &unix("host", gids), &NFS));
        assert_eq!(bench.names(), names, "{gids} groups");
        bench.datagram(FromResp, &reply(1, &[2049]));
        let said = bench.said();
        assert_eq!(said[0].contains("machine_name=host auth_uid=0"), gids <= 64, "{said:?}");
    }
    for flavor in [0, 2, 3, 6, 99] {
        let mut bench = udp();
        bench.datagram(FromOrig, &with_credential(flavor, &unix("host", 1), &NFS));
        bench.datagram(FromResp, &reply(1, &[2049]));
        let said = bench.said();
        assert!(said[0].starts_with("pm_request_getport") && !said[0].contains("auth_uid"), "{said:?}");
    }
}

#[test]
fn what_is_wrong_has_its_name() {
    let mut bench = udp();
    bench.datagram(FromOrig, &call(1, 2, 77, &[]));
    bench.datagram(FromResp, &reply(1, &[1]));
    assert_eq!(bench.names(), ["bad_RPC", "successful_RPC_reply_to_invalid_request", "rpc_call"]);
    bench.datagram(FromOrig, &call(2, 2, 3, &[100_003, 2, 17, 0, 0, 1]));
    assert_eq!(bench.names(), ["excess_RPC"]);
    bench.datagram(FromResp, &reply(2, &[2049, 0, 0]));
    assert_eq!(bench.names(), ANSWERED, "zeros are padding");
    for bad in [wire(&[3, 2, 2]), wire(&[3, 1, 2]), wire(&[3, 1, 1, 2, 0]), wire(&[3])] {
        bench.datagram(FromOrig, &bad);
    }
    assert_eq!(
        bench.names(),
        ["bad_RPC", "originator_RPC_reply", "bad_RPC", "originator_RPC_reply", "bad_RPC", "bad_RPC"]
    );
}

#[test]
fn both_directions_swapped_still_make_a_dialogue() {
    let mut bench = udp();
    bench.datagram(FromResp, &getport(1));
    bench.datagram(FromOrig, &reply(1, &[2049]));
    assert_eq!(bench.names(), ["responder_RPC_call", "originator_RPC_reply", ANSWERED[0], ANSWERED[1]]);
}

#[test]
fn nobody_answers_his_own_call() {
    let mut bench = udp();
    bench.datagram(FromOrig, &getport(1));
    bench.datagram(FromOrig, &reply(1, &[22]));
    assert_eq!(bench.names(), ["originator_RPC_reply", "unpaired_RPC_response"]);
    bench.datagram(FromResp, &reply(1, &[2049]));
    assert_eq!(bench.names(), ANSWERED);
}

#[test]
fn other_protocols_on_the_port_end_in_one_weird() {
    let mut bench = tcp();
    bench.stream(FromOrig, &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100));
    assert_eq!(bench.names(), ["bad_RPC"]);
    bench.stream(FromOrig, &record(&getport(1)));
    bench.stream(FromResp, &record(&reply(1, &[2049])));
    assert_eq!(bench.names(), ["RPC_resync", ANSWERED[0], ANSWERED[1]]);
}

proptest! {
    #[test]
    fn random_bytes_neither_panic_nor_hang(pieces in vec((any::<bool>(), vec(any::<u8>(), 0..200)), 0..40)) {
        let (mut udp, mut tcp) = (udp(), tcp());
        for (orig, bytes) in pieces {
            let direction = if orig { FromOrig } else { FromResp };
            udp.datagram(direction, &bytes);
            tcp.stream(direction, &bytes);
            if bytes.len() == 7 {
                tcp.gap(direction, 7);
            }
        }
        udp.wait(100);
        tcp.call(Analyzer::on_close);
    }

    #[test]
    fn damaged_conversations_neither_panic_nor_hang(
        damage in vec((0_usize..400, any::<u8>()), 1..6),
        cut in 1_usize..100,
    ) {
        let rpcbind = [call(3, 4, 3, &[100_003, 2]), string("udp"), string("10.0.0.1.3.64"), string("root")].concat();
        let unix = with_credential(1, &unix("tinkyx1", 3), &NFS);
        let mut questions = [record(&getport(2)), record(&unix), record(&rpcbind), record(&call(4, 2, 4, &[]))].concat();
        let dump = reply(4, &[1, 100_000, 2, 17, 111, 1, 100_003, 2, 17, 2049, 0]);
        let mut answers = [record(&reply(1, &[2049])), record(&[reply(3, &[]), string("::.8.1")].concat()), record(&dump)].concat();
        for (at, value) in damage {
            let side = if at % 2 == 0 { &mut questions } else { &mut answers };
            let length = side.len();
            side[at % length] = value;
        }
        let mut bench = tcp();
        questions.chunks(cut).for_each(|piece| bench.stream(FromOrig, piece));
        answers.chunks(cut).for_each(|piece| bench.stream(FromResp, piece));
        let in_pieces = bench.said();
        let mut bench = tcp();
        bench.stream(FromOrig, &questions);
        bench.stream(FromResp, &answers);
        assert_eq!(bench.said(), in_pieces, "however it was cut");
    }
}

/// Takes all the room there is.
fn exhaust(bench: &Bench<Portmap>) {
    bench.stats.counters.buffered_bytes.set(bench.limits.buffered_bytes as u64);
}

#[test]
fn without_room_a_record_is_skipped_whole_and_the_next_is_read() {
    let question = record(&getport(1));
    for length in 13..question.len() {
        let mut bench = tcp();
        exhaust(&bench);
        bench.stream(FromOrig, &question[..length]);
        bench.stream(FromOrig, &question[length..]);
        bench.stream(FromOrig, &record(&getport(2)));
        bench.stream(FromResp, &record(&reply(2, &[2049])));
        assert_eq!(bench.names(), [&["buffer_budget_exhausted"][..], &ANSWERED].concat(), "cut at {length}");
        assert_eq!(bench.analyzer.held(), 0);
        assert_eq!(bench.stats.counters.buffered_bytes_refused.get(), length as u64 - 4);
    }
}

#[test]
fn without_room_only_what_fits_in_place_waits_for_its_answer() {
    let mut bench = udp();
    exhaust(&bench);
    bench.datagram(FromOrig, &with_credential(1, &unix("a machine with a long name", 16), &NFS));
    assert_eq!((bench.names(), bench.analyzer.held()), (vec!["buffer_budget_exhausted".to_owned()], 0));
    bench.datagram(FromOrig, &getport(2));
    bench.datagram(FromOrig, &getport(3));
    assert_eq!((bench.names(), bench.analyzer.held()), (vec!["buffer_budget_exhausted".to_owned()], 0));
    bench.datagram(FromResp, &reply(2, &[2049]));
    assert_eq!(bench.names(), ANSWERED);
}

#[test]
fn what_is_answered_is_given_back() {
    let mut bench = udp();
    for xid in 0..200 {
        bench.datagram(FromOrig, &[call(xid, 2, 5, &[100_008, 1, 2, 1000]), vec![0; 1000]].concat());
    }
    let kept = bench.analyzer.held();
    assert!(kept > bench.limits.rpc_pending_bytes / 2, "{kept} bytes of calls");
    bench.wait(100);
    assert_eq!(bench.analyzer.held(), 0);
}
