//! Every weird of the TCP layer, each by the shortest conversation that deserves it.

use crate::lab::{C, S, Talk, Tcp};

const SYN: Tcp = Tcp { syn: true, ack: false, ..C };
const SYN_ACK: Tcp = Tcp { syn: true, ..S };
const FIN: Tcp = Tcp { fin: true, ..C };
const RST: Tcp = Tcp { rst: true, ..C };

/// Whether the weird is heard, exactly once.
fn heard(name: &str, play: impl FnOnce(&mut Talk)) {
    let mut talk = Talk::new();
    play(&mut talk);
    let weirds: Vec<String> = talk.names().into_iter().filter(|line| line.starts_with("weird")).collect();
    assert_eq!(weirds.iter().filter(|line| **line == format!("weird {name}")).count(), 1, "{name}: {weirds:?}");
}

#[test]
fn of_the_handshake() {
    heard("TCP_christmas", |talk| talk.send(Tcp { rst: true, ..SYN }, b""));
    heard("SYN_with_data", |talk| talk.send(SYN, b"early"));
    heard("SYN_seq_jump", |talk| [SYN, Tcp { seq: 9, ..SYN }].into_iter().for_each(|syn| talk.send(syn, b"")));
    heard("simultaneous_open", |talk| {
        [SYN, Tcp { from_server: true, ..SYN }].into_iter().for_each(|s| talk.send(s, b""));
    });
    heard("unsolicited_SYN_response", |talk| talk.send(SYN_ACK, b""));
    heard("bad_SYN_ack", |talk| [SYN, Tcp { acked: 99, ..SYN_ACK }].into_iter().for_each(|syn| talk.send(syn, b"")));
    heard("repeated_SYN_with_ack", |talk| {
        [SYN, Tcp { syn: true, seq: -1, ..C }].into_iter().for_each(|s| talk.send(s, b""));
    });
    heard("data_before_established", |talk| {
        talk.send(SYN, b"");
        talk.send(Tcp { ack: false, ..C }, b"early");
    });
    heard("possible_split_routing", |talk| [SYN, C].into_iter().for_each(|s| talk.send(s, b"")));
    heard("SYN_after_partial", |talk| {
        talk.send(Tcp { ack: false, ..C }, b"middle");
        talk.send(Tcp { seq: -7, ..SYN }, b"");
    });
}

#[test]
fn of_an_established_connection() {
    heard("SYN_inside_connection", |talk| {
        talk.handshake();
        talk.send(C, &[0x80, 0, 0, 40]);
        talk.send(Tcp { seq: -5, ..SYN }, b"");
    });
    heard("TCP_seq_underflow_or_misorder", |talk| {
        talk.handshake();
        talk.send(Tcp { seq: -500, ..C }, b"x");
    });
    heard("TCP_ack_underflow_or_misorder", |talk| {
        talk.handshake();
        talk.send(Tcp { acked: -500, ..C }, b"");
    });
    heard("active_connection_reuse", |talk| {
        talk.handshake();
        talk.send(Tcp { seq: 7000, ..SYN }, b"");
    });
}

#[test]
fn of_its_end() {
    heard("spontaneous_FIN", |talk| talk.send(FIN, b""));
    heard("spontaneous_RST", |talk| talk.send(RST, b""));
    heard("inappropriate_FIN", |talk| [SYN, Tcp { ack: false, ..FIN }].into_iter().for_each(|s| talk.send(s, b"")));
    heard("FIN_advanced_last_seq", |talk| {
        talk.handshake();
        talk.send(FIN, b"");
        talk.send(FIN, b"");
    });
    heard("SYN_after_close", |talk| {
        talk.handshake();
        talk.send(FIN, b"");
        talk.send(Tcp { seq: -2, ack: true, syn: true, ..C }, b"");
    });
    heard("data_after_reset", |talk| {
        talk.handshake();
        talk.send(RST, b"");
        talk.send(C, &[0x80, 0, 0, 40]);
    });
    heard("FIN_after_reset", |talk| {
        talk.handshake();
        talk.send(RST, b"");
        talk.send(FIN, b"");
    });
    heard("premature_connection_reuse", |talk| {
        talk.handshake();
        talk.send(FIN, b"");
        talk.send(Tcp { fin: true, ..S }, b"");
        talk.send(Tcp { seq: 7000, ..SYN }, b"");
    });
    heard("pending_data_when_closed", |talk| {
        talk.handshake();
        talk.send(Tcp { fin: true, ..S }, b"");
        talk.lose(10);
        talk.send(Tcp { acked: -1, ..FIN }, b"");
    });
}

#[test]
fn storms_are_told_from_the_thousandth_on() {
    heard("RST_storm", |talk| {
        talk.handshake();
        (0..1000).for_each(|_| talk.send(RST, b""));
    });
}

#[test]
fn events_of_unusual_ends() {
    // A FIN without an answer from the other side: split routing.
    let mut talk = Talk::new();
    [SYN, C].into_iter().for_each(|segment| talk.send(segment, b""));
    talk.send(FIN, b"");
    assert!(talk.names().contains(&"ConnectionHalfFinished".to_owned()));

    // A RST after the own FIN: told later, unless the other side closes too.
    let mut talk = Talk::new();
    talk.handshake();
    talk.send(FIN, b"");
    talk.send(RST, b"");
    assert!(!talk.names().contains(&"ConnectionReset".to_owned()));
    talk.clock += 60_000;
    talk.record();
    let heard = talk.lab.heard();
    assert_eq!(heard.iter().filter(|line| **line == "105005 ConnectionReset").count(), 1, "{heard:?}");

    // The first packet of a side is its FIN, while the other one has been heard: told after three seconds.
    let mut talk = Talk::new();
    talk.send(C, b"middle");
    talk.send(Tcp { fin: true, ..S }, b"");
    talk.clock += 60_000;
    talk.record();
    let heard = talk.lab.heard();
    assert_eq!(heard.iter().filter(|line| **line == "103002 ConnectionPartialClose").count(), 1, "{heard:?}");
}

#[test]
fn sequence_numbers_wrap() {
    let mut talk = Talk::new();
    talk.client_seq = u32::MAX - 20;
    talk.handshake();
    (0..10).for_each(|_| {
        talk.send(C, &[0; 10]);
        talk.send(S, b"");
    });
    assert!(!talk.names().iter().any(|line| line.contains("Gap") || line.contains("underflow")));
    talk.lab.close(talk.clock);
    let (_, conn) = talk.lab.shard.handler().records.pop().expect("one record");
    assert_eq!((conn.orig.size, conn.missed_bytes), (100, 0));
}
