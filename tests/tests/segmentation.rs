//! However a stream is cut into segments, doubled or put out of order: the same lines.

use portreeve_tests::case::{self, Case};
use portreeve_tests::expect::{self, Logs};
use portreeve_tests::play::{Packet, Scene};
use portreeve_tests::random::Random;
use portreeve_tests::replay;

/// How often each TCP case is cut anew.
const SEEDS: u64 = 200;

/// What cannot stay the same, because it counts segments or tells in which order they came.
const OF_SEGMENTS: [&str; 6] = ["history", "orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes", "duration"];

#[test]
fn tcp_cases_give_the_same_lines_however_they_are_cut() {
    let cases: Vec<Case> = case::all().into_iter().filter(is_ordinary_stream).collect();
    assert!(cases.len() >= 20, "there are TCP cases: {}", cases.len());
    let seeds = SEEDS.div_ceil(2);
    std::thread::scope(|scope| {
        for first in [0, seeds] {
            let cases = &cases;
            scope.spawn(move || cases.iter().for_each(|case| check(case, first..first + seeds)));
        }
    });
}

fn check(case: &Case, seeds: std::ops::Range<u64>) {
    let turns = in_turns(&case.scenes);
    let whole = comparable(&replay::scenes(&turns, &case.talk.settings).logs);
    for seed in seeds {
        let cut = cut(&turns, &mut Random::new(seed));
        let outcome = replay::scenes(&cut, &case.talk.settings);
        let logs = comparable(&outcome.logs);
        for name in whole.keys().chain(logs.keys()) {
            let difference = expect::difference(name, &expect::text(&whole, name), &expect::text(&logs, name));
            assert!(difference.is_empty(), "{}, cut with seed {seed}:\n{difference}", case.name);
        }
        assert_eq!(outcome.panics, 0, "{}, cut with seed {seed}", case.name);
    }
}

/// Cases in which every segment is what an ordinary host would send, so that cutting changes nothing.
fn is_ordinary_stream(case: &Case) -> bool {
    let ordinary = |packet: &Packet| {
        packet.tcp.is_some()
            && packet.bent.fragments.is_none()
            && packet.bent.snap.is_none()
            && packet.bent.truncate.is_none()
    };
    let text = std::fs::read_to_string(case.path.join("talk.txt")).unwrap_or_default();
    let bent =
        ["[seq", "[ack ack", "[syn", "[rst", "without handshake", "bad-checksum", "!reset", "!swap", "!double", "late"];
    !bent.iter().any(|word| text.contains(word))
        && case.scenes.iter().all(|scene| !matches!(scene, Scene::Packet(packet) if !ordinary(packet)))
        && case.scenes.iter().any(|scene| matches!(scene, Scene::Packet(packet) if !packet.payload.is_empty()))
}

/// The same packets, with one time for all that one side says before the other one answers.
fn in_turns(scenes: &[Scene]) -> Vec<Scene> {
    let mut scenes = scenes.to_vec();
    let mut later: Option<(Option<usize>, portreeve_tests::talk::Side, u64)> = None;
    for scene in scenes.iter_mut().rev() {
        match scene {
            Scene::Packet(packet) if !packet.payload.is_empty() => match later {
                Some((conversation, side, at)) if conversation == packet.conversation && side == packet.side => {
                    packet.at = at
                }
                _ => later = Some((packet.conversation, packet.side, packet.at)),
            },
            _ => later = None,
        }
    }
    scenes
}

/// Cuts each segment into pieces, sends some of them twice, and lets pieces of one segment change places.
fn cut(scenes: &[Scene], random: &mut Random) -> Vec<Scene> {
    let mut all = Vec::new();
    for scene in scenes {
        match scene {
            Scene::Packet(packet) if packet.payload.len() > 1 => {
                let mut pieces = pieces(packet, random);
                if random.below(2) == 0 {
                    let (a, b) = (random.below(pieces.len()), random.below(pieces.len()));
                    pieces.swap(a, b);
                }
                all.extend(pieces.into_iter().map(|piece| Scene::Packet(Box::new(piece))));
            }
            other => all.push(other.clone()),
        }
    }
    all
}

fn pieces(packet: &Packet, random: &mut Random) -> Vec<Packet> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < packet.payload.len() {
        let left = packet.payload.len() - start;
        let length = if random.below(4) == 0 { 1 } else { 1 + random.below(left) };
        let mut piece = packet.clone();
        piece.payload = packet.payload[start..start + length].to_vec();
        if let Some(tcp) = &mut piece.tcp {
            tcp.seq = tcp.seq.wrapping_add(start as u32);
        }
        if random.below(8) == 0 {
            pieces.push(piece.clone());
        }
        pieces.push(piece);
        start += length;
    }
    pieces
}

fn comparable(logs: &Logs) -> Logs {
    expect::without(logs, &OF_SEGMENTS)
}
