//! The budget for what connections keep back: reached, told, and given back to the last byte.

use portreeve::config::Settings;
use portreeve::event::Verdict;

use crate::lab::{C, CLIENT, Lab, S, SERVER, Talk, Tcp, udp};

const CONNECTIONS: u16 = 64;
const BUDGET: usize = 16 * 1024;
/// What one packet adds is counted after it, and a buffer may be twice as large as what is in it.
const ONE_PACKET: u64 = 2 * 1024;

fn tiny() -> Talk {
    let mut settings = Settings::default();
    settings.limits.buffered_bytes = BUDGET;
    Talk::with(settings)
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A GETPORT for nfs.
fn getport() -> Vec<u8> {
    words(&[7, 0, 2, 100_000, 2, 3, 0, 0, 0, 0, 100_003, 3, 17, 0])
}

fn answer() -> Vec<u8> {
    words(&[7, 1, 0, 0, 0, 0, 2049])
}

fn record(message: &[u8]) -> Vec<u8> {
    [&words(&[1 << 31 | message.len() as u32]), message].concat()
}

/// Opens connections, each of which sends the first 600 bytes of a record that it never ends.
fn hoard(talk: &mut Talk) {
    let promised = [words(&[1 << 31 | 4096]), getport(), vec![0; 540]].concat();
    for port in 0..CONNECTIONS {
        talk.client_port = 10_000 + port;
        (talk.client_seq, talk.server_seq) = (1000, 5000);
        talk.handshake();
        talk.send(C, &promised);
    }
}

/// A lookup on a connection of its own; whether it was decoded.
fn lookup(talk: &mut Talk, port: u16) -> bool {
    (talk.client_port, talk.client_seq, talk.server_seq) = (port, 1000, 5000);
    talk.lab.shard.handler().rpc.clear();
    talk.handshake();
    talk.send(C, &record(&getport()));
    talk.send(S, &record(&answer()));
    talk.lab.shard.handler().rpc.contains(&"pm_request_getport")
}

fn counted(lab: &Lab) -> (u64, u64) {
    let counters = &lab.stats.counters;
    (counters.buffered_bytes.get(), counters.buffered_bytes_refused.get())
}

#[test]
fn hoarded_records_end_at_the_budget_and_others_are_still_read() {
    let mut talk = tiny();
    hoard(&mut talk);
    let (kept, refused) = counted(&talk.lab);
    assert!(kept > 8 * 1024 && kept <= BUDGET as u64 + ONE_PACKET, "{kept} bytes kept");
    assert!(refused > 0);
    assert!(talk.names().iter().any(|name| name == "weird buffer_budget_exhausted"));

    assert!(lookup(&mut talk, 900), "over TCP");
    talk.lab.shard.handler().rpc.clear();
    talk.lab.feed(talk.clock, &udp(CLIENT, 901, SERVER, 111, &getport()));
    talk.lab.feed(talk.clock, &udp(SERVER, 111, CLIENT, 901, &answer()));
    assert!(talk.lab.shard.handler().rpc.contains(&"pm_request_getport"), "over UDP");

    talk.lab.close(talk.clock);
    assert_eq!(counted(&talk.lab).0, 0, "everything was given back");
}

#[test]
fn a_connection_that_ends_makes_room() {
    let mut talk = tiny();
    hoard(&mut talk);
    let (before, _) = counted(&talk.lab);
    for port in 0..CONNECTIONS {
        talk.client_port = 10_000 + port;
        (talk.client_seq, talk.server_seq) = (1601, 5001);
        talk.send(Tcp { rst: true, ..S }, b"");
    }
    // A connection that was reset is kept a little for what comes late.
    talk.clock += 60_000;
    assert!(lookup(&mut talk, 902));
    let (after, refused) = counted(&talk.lab);
    assert!(after < before / 4, "{before} bytes, then {after}");
    hoard(&mut talk);
    assert!(counted(&talk.lab).0 > before / 2 && counted(&talk.lab).1 > refused);
    talk.lab.close(talk.clock);
    assert_eq!(counted(&talk.lab).0, 0);
}

#[test]
fn pending_calls_and_holes_are_charged_too() {
    let mut talk = tiny();
    let long = [getport(), vec![0; 700]].concat();
    for port in 0..CONNECTIONS {
        talk.lab.feed(talk.clock, &udp(CLIENT, 2000 + port, SERVER, 111, &long));
    }
    let (calls, refused) = counted(&talk.lab);
    assert!(calls > 8 * 1024 && calls <= BUDGET as u64 + ONE_PACKET && refused > 0, "{calls} bytes, {refused} refused");
    talk.handshake();
    talk.send(Tcp { seq: 100, ..C }, &[0; 700]);
    assert_eq!(counted(&talk.lab).1, refused + 700, "there is no room above a hole");
    assert_eq!(counted(&talk.lab).0, calls);
    talk.clock += 100_000;
    talk.lab.close(talk.clock);
    assert_eq!(counted(&talk.lab).0, 0);
}

#[test]
fn what_is_skipped_holds_nothing() {
    let mut talk = Talk::new();
    hoard(&mut talk);
    let (before, refused) = counted(&talk.lab);
    assert!(before > 64 * 600 && refused == 0, "the default budget is far away: {before}, {refused}");
    talk.lab.shard.handler().verdict = Verdict::SKIP;
    for port in 0..CONNECTIONS {
        talk.client_port = 10_000 + port;
        (talk.client_seq, talk.server_seq) = (1601, 5001);
        // Other bytes than before: an event, and with it the verdict.
        talk.send(Tcp { seq: -540, ..C }, &[1; 540]);
    }
    assert_eq!(counted(&talk.lab).0, 0);
}
