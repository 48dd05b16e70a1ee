//! UDP flows: events, states, expiry exact in packet time.

use portreeve::config::Settings;

use crate::lab::{CLIENT, Lab, SERVER, udp};

#[test]
fn request_and_reply_make_one_flow() {
    let mut lab = Lab::new(Settings::default());
    lab.feed(100_000, &udp(CLIENT, 1023, SERVER, 111, b"call"));
    lab.feed(100_010, &udp(SERVER, 111, CLIENT, 1023, b"answer"));
    lab.feed(100_020, &udp(CLIENT, 5000, SERVER, 5001, b"not ours"));
    assert_eq!(lab.events(), ["100000 NewConnection", "100000 UdpRequest", "100010 UdpReply"]);
    lab.close(100_030);
    let (state, conn) = lab.shard.handler().records.pop().expect("one record");
    assert_eq!((state.as_str(), conn.history.as_str()), ("SF", "Dd"));
    assert_eq!((conn.orig.size, conn.orig.ip_bytes, conn.resp.size, conn.resp.packets), (4, 32, 6, 1));
    assert_eq!(lab.outcomes(), [("udp", 2), ("not_wanted", 1)]);
}

#[test]
fn a_reply_first_is_turned_round() {
    let mut lab = Lab::new(Settings::default());
    lab.feed(100_000, &udp(SERVER, 111, CLIENT, 1023, b"answer"));
    lab.close(100_001);
    let (state, conn) = lab.shard.handler().records.pop().expect("one record");
    assert_eq!((state.as_str(), conn.history.as_str(), conn.id.key.resp_p), ("SHR", "^d", 111));
}

#[test]
fn expiry_happens_at_the_deadline_whoever_looks_and_when() {
    // Found by a later packet of the same flow, by the wheel because of another flow, and by the wheel long afterwards.
    let late = udp(CLIENT, 1023, SERVER, 111, b"call");
    let other = udp(CLIENT, 999, SERVER, 111, b"call");
    for (when, frame) in [(160_000, &late), (161_500, &other), (900_000, &other)] {
        let mut lab = Lab::new(Settings::default());
        lab.feed(100_000, &late);
        lab.feed(when, frame);
        let heard = lab.events();
        assert_eq!(heard.get(2).map(String::as_str), Some("160000 ConnectionStateRemove"), "{heard:?}");
    }
}

#[test]
fn a_full_table_makes_room() {
    let mut settings = Settings::default();
    settings.limits.connections = 4;
    let mut lab = Lab::new(settings);
    for port in 1..=6 {
        lab.feed(100_000 + u64::from(port), &udp(CLIENT, port, SERVER, 111, b"call"));
    }
    assert_eq!(lab.stats.counters.connections_evicted.get(), 2);
    assert_eq!(lab.stats.counters.connections_open.get(), 4);
    let gone: Vec<u16> = lab.shard.handler().records.iter().map(|(_, conn)| conn.id.key.orig_p).collect();
    assert_eq!(gone, [1, 2]);
}

#[test]
fn an_older_capture_after_a_newer_one_has_its_own_time() {
    let mut lab = Lab::new(Settings::default());
    lab.feed(9_000_000, &udp(CLIENT, 1, SERVER, 111, b"call"));
    lab.feed(100_000, &udp(CLIENT, 2, SERVER, 111, b"call"));
    lab.feed(170_000, &udp(CLIENT, 3, SERVER, 111, b"call"));
    let ends: Vec<String> = lab.events().into_iter().filter(|line| line.ends_with("StateRemove")).collect();
    assert_eq!(ends, ["160000 ConnectionStateRemove"]);
}

#[test]
fn frames_of_another_shard_are_counted() {
    use portreeve::capture::{Frame, Link};
    let mut lab = Lab::new(Settings::default());
    lab.shard = lab.shard.numbered(1, 2);
    let bytes = udp(CLIENT, 1023, SERVER, 111, b"call");
    for hash in [Some(0), Some(u32::MAX), None] {
        let frame = Frame::new(crate::lab::at(100_000), Link::Ethernet, &bytes, bytes.len()).steered(hash);
        lab.shard.on_frames(&[frame], &mut lab.gate);
    }
    assert_eq!(lab.stats.counters.wrong_shard.get(), 1);
}
