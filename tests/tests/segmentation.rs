//! However a stream is cut into segments, doubled or put out of order: the same lines.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    let next = AtomicUsize::new(0);
    let play = || {
        let next_case = || cases.get(next.fetch_add(1, Ordering::Relaxed));
        std::iter::from_fn(next_case).filter_map(difference).collect::<Vec<String>>()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let different: Vec<String> = std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(play)).collect();
        players.into_iter().flat_map(|player| player.join().expect("no case panics")).collect()
    });
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// What a case tells otherwise when it is cut. All the ways of cutting it are played at the same time, each between hosts of its own.
fn difference(case: &Case) -> Option<String> {
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
    let hosts = by_host(&logs);
    let of_host = |number| hosts.get(&number).map_or("", String::as_str);
    (1..=SEEDS).find_map(|seed| {
        let difference = expect::difference("all logs", of_host(WHOLE), of_host(seed));
        (!difference.is_empty()).then(|| format!("{}, cut with seed {seed}:\n{difference}", case.name))
    })
}

/// Weirds are sampled by name, over all connections.
const UNSAMPLED: &str = "weird.sampling_threshold=1000000";

/// Notices of which a few tell enough, when every connection has its own, and those that count over all servers; the events beside them are
/// compared.
const FEW: [&str; 4] = ["ContentGap", "AckAboveHole", "RetransmissionInconsistency", "PasswordSpraying"];

/// The lines about each host's conversations, as if it had no number.
fn by_host(logs: &Logs) -> BTreeMap<u8, String> {
    let told_by_few: Vec<String> = FEW.iter().map(|note| format!("\"note\":\"{note}\"")).collect();
    let mut hosts: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for (log, all) in logs {
        let told_by_each = |line: &&String| log != "notice.log" || !told_by_few.iter().any(|note| line.contains(note));
        for line in all.iter().filter(told_by_each) {
            let Some((host, number)) = number_of_host(line) else { continue };
            let (before, after) = line.split_once("\"conn\":\"C").unwrap_or((line, ""));
            let conn = after.trim_start_matches(|c: char| c.is_ascii_digit());
            hosts.entry(number).or_default().push(format!("{log} {before}{conn}\n").replace(&host, "HOST"));
        }
    }
    let text = |mut lines: Vec<String>| {
        lines.sort();
        lines.concat()
    };
    hosts.into_iter().map(|(number, lines)| (number, text(lines))).collect()
}

/// How the first address in a line begins, and the number in it.
fn number_of_host(line: &str) -> Option<(String, u8)> {
    let find = |before: &str, after: &str, radix: u32| {
        line.match_indices(before).find_map(|(at, _)| {
            let (number, _) = line[at + before.len()..].split_once(after)?;
            Some((format!("{before}{number}{after}"), u8::from_str_radix(number, radix).ok()?))
        })
    };
    find("10.", ".0.", 10).or_else(|| find("2001:db8:", ":", 16))
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
