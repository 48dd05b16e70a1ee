//! What the flow layer asks for when policy terminates a connection: the numbers of both sides, and again while packets come.

use portreeve::config::{RespondSettings, Settings};
use portreeve::event::Verdict;
use portreeve::flow::key::Direction;
use portreeve::lane::{Taker, lane};
use portreeve::respond::{Request, Requests};

use crate::lab::{C, Lab, S, Talk, Tcp, at};

type Waiting = Taker<Request>;

/// A conversation after its handshake, whose next event terminates it; and where requests are left.
fn terminated(slots: usize, respond: RespondSettings) -> (Talk, Waiting) {
    let (giver, waiting) = lane(slots);
    let requests = Requests::to(giver, std::thread::current());
    let mut talk = Talk::with(Settings { respond, ..Settings::default() });
    let Lab { shard, gate, stats } = talk.lab;
    talk.lab = Lab { shard: shard.responding(Some(requests)), gate, stats };
    talk.lab.shard.handler().verdict = Verdict::TERMINATE;
    talk.handshake();
    (talk, waiting)
}

fn rounds(waiting: &Waiting) -> Vec<u32> {
    std::iter::from_fn(|| waiting.take()).map(|request| request.round).collect()
}

/// Time goes on, and nothing comes.
fn wait(talk: &mut Talk, millis: u64) {
    talk.clock += millis;
    talk.lab.shard.tick(at(talk.clock), &mut talk.lab.gate);
}

#[test]
fn both_sides_numbers_are_told_and_followed() {
    let (mut talk, waiting) = terminated(64, RespondSettings::default());
    let asked = waiting.take().expect("at once");
    assert_eq!((asked.round, asked.orig.next, asked.resp.next), (0, 1001, 0), "before the server has said anything");
    talk.send(C, b"0123456789");
    talk.send(Tcp { rst: true, seq: 1, ..C }, b"");
    talk.send(S, b"abc");
    assert_eq!(rounds(&waiting), [0; 0], "the rest may come in a moment");
    wait(&mut talk, 200);
    let asked = waiting.take().expect("the numbers have moved on");
    assert_eq!((asked.orig.next, asked.orig.acked), (1011, 1011), "the server has acknowledged all of it");
    assert_eq!((asked.resp.next, asked.resp.acked), (5004, 5001), "the client has not");
    assert_eq!(asked.orig.window_end, Some(1011 + 8192));
    let (_, direction) = asked.link.expect("a plain Ethernet frame");
    assert_eq!((asked.round, direction), (1, Direction::FromResp));
    wait(&mut talk, 200);
    assert_eq!(rounds(&waiting), [0; 0], "nothing has come since");
}

#[test]
fn while_packets_come_it_is_asked_for_again_but_not_for_ever() {
    let (mut talk, waiting) = terminated(64, RespondSettings { resends: 3, ..RespondSettings::default() });
    talk.clock += 20;
    talk.send(Tcp { rst: true, ..C }, b"");
    assert_eq!(rounds(&waiting), [0], "a RST may be our own");
    for _ in 0..50 {
        talk.send(C, b"");
        talk.clock += 20;
    }
    wait(&mut talk, 200);
    assert_eq!(rounds(&waiting), [1, 2, 3]);
}

#[test]
fn a_request_that_finds_no_room_is_counted() {
    let (mut talk, waiting) = terminated(1, RespondSettings::default());
    talk.clock += 20;
    talk.send(C, b"x");
    assert_eq!(waiting.waiting(), 1);
    assert_eq!(talk.lab.stats.counters.responses_dropped.get(), 1);
}

#[test]
fn without_anybody_to_send_them_nothing_is_asked_for() {
    let mut talk = Talk::new();
    talk.lab.shard.handler().verdict = Verdict::TERMINATE;
    talk.handshake();
    talk.send(C, b"x");
    assert_eq!(talk.lab.stats.counters.responses_dropped.get(), 0);
}
