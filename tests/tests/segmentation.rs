//! However a stream is cut into segments, doubled or put out of order: the same lines.

use portreeve_tests::case::{self, Case};
use portreeve_tests::expect::{self, Logs};
use portreeve_tests::play::{self, Packet, Scene};
use portreeve_tests::random::Random;
use portreeve_tests::replay;

/// How often each TCP case is cut anew.
const SEEDS: u8 = 200;

/// Cases that send more bytes than this are left whole.
const LONGEST: usize = 64 << 10;

/// The number of the host that plays the case as it stands.
const WHOLE: u8 = SEEDS + 1;

/// What cannot stay the same, because it counts segments or tells in which order they came.
const OF_SEGMENTS: [&str; 5] = ["history", "orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes"];

#[test]
fn tcp_cases_give_the_same_lines_however_they_are_cut() {
    let cases: Vec<Case> = case::all().into_iter().filter(is_ordinary_stream).collect();
    assert!(cases.len() >= 30, "there are TCP cases: {}", cases.len());
    cases.iter().for_each(check);
}

/// All the ways of cutting a case are played at the same time, each between hosts of its own.
fn check(case: &Case) {
    let turns = in_turns(&case.scenes);
    let mut scenes = play::elsewhere(&turns, WHOLE);
    for seed in 1..=SEEDS {
        let cut = cut(&turns, &mut Random::new(u64::from(seed)));
        scenes.extend(play::elsewhere(&cut, seed).into_iter().filter(|scene| matches!(scene, Scene::Packet(_))));
    }
    scenes.sort_by_key(|scene| match scene {
        Scene::Packet(packet) => packet.at,
        Scene::Silence(until) => *until,
    });
    let sets: Vec<String> = std::iter::once(UNSAMPLED.into()).chain(case.talk.settings.iter().cloned()).collect();
    let outcome = replay::scenes(&scenes, &sets);
    assert_eq!(outcome.panics, 0, "{}", case.name);
    let logs = expect::without(&outcome.logs, &OF_SEGMENTS);
    let whole = of_host(&logs, WHOLE);
    for seed in 1..=SEEDS {
        let difference = expect::difference("all logs", &whole, &of_host(&logs, seed));
        assert!(difference.is_empty(), "{}, cut with seed {seed}:\n{difference}", case.name);
    }
}

/// Weirds are sampled by name, over all connections.
const UNSAMPLED: &str = "weird.sampling_threshold=1000000";

/// Notices of which a few tell enough, when every connection has its own; the events beside them are compared.
const FEW: [&str; 3] = ["ContentGap", "AckAboveHole", "RetransmissionInconsistency"];

/// The lines about this host's conversations, as if it had no number.
fn of_host(logs: &Logs, number: u8) -> String {
    let (v4, v6) = (format!("10.{number}.0."), format!("2001:db8:{number:x}::"));
    let mut lines = Vec::new();
    for (log, all) in logs {
        let told_by_each = |line: &&String| !FEW.iter().any(|note| line.contains(&format!("\"note\":\"{note}\"")));
        for line in all.iter().filter(told_by_each).filter(|line| line.contains(&v4) || line.contains(&v6)) {
            let (before, after) = line.split_once("\"conn\":\"C").unwrap_or((line, ""));
            let conn = after.trim_start_matches(|c: char| c.is_ascii_digit());
            lines.push(format!("{log} {before}{conn}\n").replace(&v4, "10.N.0.").replace(&v6, "2001:db8:N::"));
        }
    }
    lines.sort();
    lines.concat()
}

/// Cases in which every segment is what an ordinary host would send, so that cutting changes nothing.
fn is_ordinary_stream(case: &Case) -> bool {
    let ordinary = |packet: &Packet| {
        packet.tcp.is_some()
            && packet.bent.fragments.is_none()
            && packet.bent.snap.is_none()
            && packet.bent.truncate.is_none()
    };
    // Policy, and payload, that name addresses are meant for the hosts of the case.
    let text = std::fs::read_to_string(case.path.join("talk.txt")).unwrap_or_default();
    let in_payload = [" 10,", "(10,", "|10.", "|2001:"].iter().any(|address| text.contains(address));
    let portable = !in_payload && !case.talk.settings.iter().any(|set| set.contains("10."));
    let bent = [
        "[seq",
        "[ack ack",
        "[ack urg",
        "[syn",
        "[rst",
        "without handshake",
        "bad-checksum",
        "!reset",
        "!swap",
        "!double",
        "late",
        // Who is let in is inferred from the lengths of segments.
        "ssh encrypted",
    ];
    // Every byte is cut two hundred times.
    let sent = case.scenes.iter().map(|scene| if let Scene::Packet(packet) = scene { packet.payload.len() } else { 0 });
    portable
        && sent.sum::<usize>() <= LONGEST
        && !bent.iter().any(|word| text.contains(word))
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
                    packet.at = at;
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
