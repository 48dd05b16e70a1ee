//! TCP connections: events, states, history, timers and weirds.

use crate::lab::{C, S, Talk, Tcp};

fn pair(state: &str, history: &str) -> (String, String) {
    (state.to_owned(), history.to_owned())
}

#[test]
fn an_ordinary_connection() {
    let mut talk = Talk::new();
    talk.handshake();
    talk.send(C, &[0x80, 0, 0, 40]);
    talk.send(S, b"");
    talk.send(Tcp { fin: true, ..C }, b"");
    talk.send(Tcp { fin: true, ..S }, b"");
    talk.send(C, b"");
    let expected = ["NewConnection", "ConnectionEstablished", "weird partial_RPC_request", "ConnectionFinished"];
    assert_eq!(talk.names(), expected);
    talk.clock += 5_000;
    assert_eq!(talk.record(), pair("SF", "ShADaFf"));
    assert_eq!(talk.lab.heard(), ["105007 ConnectionStateRemove"]);
}

#[test]
fn nobody_answers() {
    let mut talk = Talk::new();
    talk.send(Tcp { syn: true, ack: false, ..C }, b"");
    talk.clock += 100_000;
    assert_eq!(talk.record(), pair("S0", "S"));
    assert_eq!(talk.lab.heard(), ["100001 NewConnection", "105001 ConnectionAttempt", "105001 ConnectionStateRemove"]);
}

#[test]
fn refused_and_reset() {
    let mut talk = Talk::new();
    talk.send(Tcp { syn: true, ack: false, ..C }, b"");
    talk.send(Tcp { rst: true, ..S }, b"");
    assert_eq!(talk.names(), ["NewConnection", "ConnectionRejected"]);
    assert_eq!(talk.record(), pair("REJ", "Sr"));

    let mut talk = Talk::new();
    talk.handshake();
    talk.send(Tcp { rst: true, ..S }, b"");
    assert_eq!(talk.names(), ["NewConnection", "ConnectionEstablished", "ConnectionReset"]);
    assert_eq!(talk.record(), pair("RSTR", "ShAr"));
}

#[test]
fn picked_up_in_the_middle() {
    let mut talk = Talk::new();
    talk.send(S, b"answer");
    talk.send(C, b"");
    talk.send(C, b"call");
    assert_eq!(talk.names().first().map(String::as_str), Some("NewConnection"));
    talk.lab.close(talk.clock);
    let (state, conn) = talk.lab.shard.handler().records.pop().expect("one record");
    assert_eq!((state.as_str(), conn.history.as_str()), ("OTH", "^dAD"));
    assert_eq!((conn.id.key.resp_p, conn.orig.size, conn.resp.size), (111, 4, 6));
}

#[test]
fn a_syn_ack_first_is_turned_round() {
    let mut talk = Talk::new();
    talk.client_seq += 1;
    talk.send(Tcp { syn: true, ..S }, b"");
    talk.send(C, b"");
    assert_eq!(talk.names(), ["NewConnection", "weird unsolicited_SYN_response", "ConnectionEstablished"]);
    assert_eq!(talk.record(), pair("S1", "^hA"));
}

#[test]
fn bytes_that_were_acknowledged_and_never_seen_are_a_gap() {
    let mut talk = Talk::new();
    talk.handshake();
    talk.lose(100);
    talk.send(C, b"after");
    talk.send(S, b"");
    let names = talk.names();
    assert!(names.iter().any(|name| name.starts_with("AckAboveHole")), "{names:?}");
    assert!(names.iter().any(|name| name.contains("length: 100")), "{names:?}");
    talk.lab.close(talk.clock);
    let (_, conn) = talk.lab.shard.handler().records.pop().expect("one record");
    assert_eq!((conn.missed_bytes, conn.orig.size, conn.history.as_str()), (100, 105, "ShADaG"));
}

#[test]
fn the_first_bytes_count_and_others_are_told() {
    let mut talk = Talk::new();
    talk.handshake();
    talk.send(C, &[0x80, 0, 0, 40, 1, 2]);
    talk.send(Tcp { seq: -6, ..C }, &[0x80, 0, 0, 40, 9, 9]);
    talk.send(Tcp { seq: -6, ..C }, &[0x80, 0, 0, 40, 1, 2]);
    let names = talk.names();
    assert_eq!(names.iter().filter(|name| name.starts_with("RexmitInconsistency")).count(), 1, "{names:?}");
    assert_eq!(talk.record().1, "ShADT");
}

#[test]
fn the_same_ports_again() {
    let mut talk = Talk::new();
    talk.handshake();
    talk.client_seq += 5000;
    talk.send(Tcp { syn: true, ack: false, ..C }, b"");
    let expected = [
        "NewConnection",
        "ConnectionEstablished",
        "weird active_connection_reuse",
        "ConnectionStateRemove",
        "NewConnection",
    ];
    assert_eq!(talk.names(), expected);
}

#[test]
fn a_decoy_syn_does_not_hide_what_follows() {
    let mut talk = Talk::new();
    talk.send(Tcp { syn: true, ack: false, ..C }, b"");
    talk.send(Tcp { syn: true, ack: false, seq: 77_777, ..C }, b"");
    talk.send(Tcp { syn: true, ..S }, b"");
    talk.send(C, &[0x80, 0, 0, 40, 1, 2, 3]);
    talk.lab.close(talk.clock);
    let (_, conn) = talk.lab.shard.handler().records.pop().expect("one record");
    assert_eq!(conn.orig.size, 7);
}

#[test]
fn silence_ends_a_connection_at_its_time() {
    let mut talk = Talk::new();
    talk.handshake();
    talk.clock += 1_000_000;
    talk.lab.heard();
    assert_eq!(talk.record().0, "S1");
    assert_eq!(talk.lab.heard(), ["400003 ConnectionStateRemove"]);
}
