//! Frames that are shown together: what is known ahead of its turn changes nothing of what is heard.

use portreeve::capture::{Frame, Link};
use portreeve::config::Settings;

use crate::lab::{CLIENT, Lab, SERVER, at, udp};

/// Calls and answers of more flows than the table has room for, each coming back after it gave way or was silent for too long, with
/// packets of nobody's between them.
fn load() -> Vec<(u64, Vec<u8>)> {
    let packet = |number: u64| {
        let port = 1000 + (number * 7 % 11) as u16;
        let bytes = match number % 3 {
            0 => udp(CLIENT, port, SERVER, 111, b"call"),
            1 => udp(SERVER, 111, CLIENT, port, b"answer"),
            _ => udp(CLIENT, port, SERVER, 5001, b"not ours"),
        };
        (100_000 + number * number * 100, bytes)
    };
    (0..100).map(packet).collect()
}

fn heard(together: usize) -> (Vec<String>, Vec<(&'static str, u64)>) {
    let mut settings = Settings::default();
    settings.limits.connections = 6;
    let mut lab = Lab::new(settings);
    let load = load();
    let frames = load.iter().map(|(millis, bytes)| Frame::new(at(*millis), Link::Ethernet, bytes, bytes.len()));
    for frames in Vec::from_iter(frames).chunks(together) {
        lab.shard.on_frames(frames, &mut lab.gate);
    }
    assert!(lab.stats.counters.connections_evicted.get() > 0);
    lab.close(2_000_000);
    (lab.heard(), lab.outcomes())
}

#[test]
fn it_does_not_matter_how_many_are_shown_together() {
    let alone = heard(1);
    assert!(alone.0.len() > 50 && alone.1.len() == 2, "{alone:?}");
    for together in [2, 5, 31, 32, 33, 100] {
        assert_eq!(heard(together), alone, "{together}");
    }
}
