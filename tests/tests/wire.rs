//! The real binary on real wires: the same records by AF_XDP, by AF_PACKET, in host mode and from a file; and what goes wrong there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use portreeve_tests::case::{self, Case};
use portreeve_tests::encode::{self, WireFrame};
use portreeve_tests::expect::{self, Logs};
use portreeve_tests::lab::Lab;
use portreeve_tests::play::{self, Scene};
use portreeve_tests::sensor::{self, Sensor};
use portreeve_tests::{inject, pcap, process, replay};
use serde_json::Value;

/// Weirds are sampled by name, over all connections: with many cases in one run the order of packets would decide.
const UNSAMPLED: &str = "weird.sampling_threshold=1000000";

/// Bytes of a payload that a wire carries in one packet, whatever headers and tags are in front of it.
const LONGEST: usize = 1400;
/// Bytes of a connection's slot, and what is taken beside it.
const PER_CONNECTION: u64 = 384 + 256;

#[test]
fn cases_give_the_same_records_by_af_xdp_and_from_a_file() {
    let Some((lab, folder)) = lab() else { return };
    lab.wire("play0", "tap0", 1);
    for (frames, workers) in playable().iter().flat_map(|frames| [(frames, 1), (frames, 2)]) {
        let file = from_file(frames, folder.path());
        let mut sensor =
            Sensor::start("tap0", &["--capture", "af_xdp", "--workers", &workers.to_string(), "--set", UNSAMPLED]);
        sensor.wait_until_watching();
        inject::send("play0", frames, Duration::from_secs(1)).expect("the frames are sent");
        let (summary, logs) = sensor.stop();
        assert_closed(&summary);
        assert_eq!(counter(&summary, "wrong_shard"), 0, "both directions meet in one worker");
        assert_same(&format!("AF_XDP, {workers} workers"), &file, &logs);
    }
}

#[test]
fn cases_give_the_same_records_by_af_packet_and_from_a_file() {
    let Some((lab, folder)) = lab() else { return };
    lab.wire("play0", "tap0", 1);
    for frames in playable() {
        let file = from_file(&frames, folder.path());
        let mut sensor = Sensor::start("tap0", &["--capture", "af_packet", "--set", UNSAMPLED]);
        sensor.wait_until_watching();
        inject::send("play0", &frames, Duration::from_secs(1)).expect("the frames are sent");
        let (summary, logs) = sensor.stop();
        assert_closed(&summary);
        assert_same("AF_PACKET", &file, &logs);
    }
}

#[test]
fn a_thousand_conversations_meet_their_worker_on_one_queue() {
    let Some((lab, _folder)) = lab() else { return };
    lab.wire("play0", "tap0", 1);
    let lookup = Case::load(&case::folder().join("portmap/getport-is-answered")).expect("the case");
    let mut frames = Vec::new();
    for number in 0..=249 {
        for client in 0..4 {
            let scenes = play::elsewhere(&lookup.scenes, number);
            frames.extend(encode::all(&other_client(&scenes, client)));
        }
    }
    let mut sensor = Sensor::start("tap0", &["--capture", "af_xdp", "--workers", "2"]);
    sensor.wait_until_watching();
    inject::send("play0", &frames, Duration::from_micros(100)).expect("the frames are sent");
    let (summary, logs) = sensor.stop();
    assert_closed(&summary);
    assert_eq!(counter(&summary, "wrong_shard"), 0);
    let answered = logs["portmap.log"].iter().filter(|line| line.contains("\"port\":2049")).count();
    assert_eq!(answered, 1000, "each call met its answer");
    let [records, p50, p99, max] =
        ["records", "p50", "p99", "max"].map(|name| summary["delay"][name].as_u64().unwrap_or_default());
    assert!(records >= 1000 / 16 && 0 < p50 && p50 <= p99 && p99 <= max && max < 60_000_000, "{}", summary["delay"]);
}

/// A record waits neither for others nor for the end.
#[test]
fn what_happens_is_written_while_the_sensor_runs() {
    let Some((lab, folder)) = lab() else { return };
    lab.wire("play0", "tap0", 1);
    let lookup = Case::load(&case::folder().join("portmap/getport-is-answered")).expect("the case");
    let mut sensor = Sensor::start_in(folder.path(), "tap0", &["--workers", "1"]);
    sensor.wait_until_watching();
    inject::send("play0", &lookup.frames(), Duration::from_secs(1)).expect("the frames are sent");
    process::wait_for("the lookup is in portmap.log", || {
        std::fs::read_to_string(folder.path().join("portmap.log")).is_ok_and(|log| log.ends_with('\n'))
    });
    sensor.stop();
}

/// Else the first burst meets pages that have to be found first.
#[test]
fn the_memory_of_all_connections_is_there_before_the_first_frame() {
    let Some((lab, _folder)) = lab() else { return };
    lab.wire("play0", "tap0", 1);
    let mut sensor = Sensor::start("tap0", &["--workers", "2", "--set", "limits.connections=500000"]);
    sensor.wait_until_watching();
    let (memory, needed) = (sensor.resident_bytes(), 2 * 500_000 * PER_CONNECTION);
    assert!(memory > needed, "{memory} bytes are resident, {needed} of connections");
    sensor.stop();
}

#[test]
fn memory_that_is_not_there_is_not_taken() {
    let Some((lab, _folder)) = lab() else { return };
    lab.wire("play0", "tap0", 1);
    let available = portreeve::sys::available_bytes();
    let connections = format!("limits.connections={}", available / PER_CONNECTION);
    let mut sensor = Sensor::start("tap0", &["--set", &connections]);
    sensor.wait_until_watching();
    assert!(sensor.errors().contains("are available: lower `limits.connections`"), "{}", sensor.errors());
    assert!(sensor.resident_bytes() < available / 4, "{} bytes are resident", sensor.resident_bytes());
    sensor.stop();
}

#[test]
fn a_killed_sensor_leaves_nothing_and_starts_again() {
    let Some((lab, _folder)) = lab() else { return };
    lab.wire("play0", "tap0", 1);
    let frames = playable().concat();
    let mut first = Sensor::start("tap0", &["--capture", "af_xdp"]);
    first.wait_until_watching();
    let playing = {
        let frames = frames.clone();
        std::thread::spawn(move || inject::send("play0", &frames, Duration::from_millis(5)))
    };
    std::thread::sleep(Duration::from_millis(100));
    first.kill();
    let killed = Instant::now();
    while sensor::link("tap0").contains("xdp") {
        assert!(killed.elapsed() < Duration::from_secs(1), "the program is still there: {}", sensor::link("tap0"));
    }
    let mut second = Sensor::start("tap0", &["--capture", "af_xdp"]);
    second.wait_until_watching();
    playing.join().expect("the player lives").expect("the frames are sent");
    let (summary, _) = second.stop();
    assert_closed(&summary);
}

#[test]
fn what_cannot_work_is_said_with_what_to_do() {
    let Some((lab, _folder)) = lab() else { return };
    lab.wire("play0", "tap0", 1);
    lab.ip("addr add 10.9.9.9/24 dev tap0");
    let refused = Sensor::fails("tap0", &["--capture", "af_xdp"], &[]);
    assert!(refused.contains("10.9.9.9") && refused.contains("--take-over"), "an interface with an address: {refused}");
    lab.ip("addr del 10.9.9.9/24 dev tap0");
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all"];
    let refused = Sensor::fails("tap0", &["--capture", "af_xdp"], &nobody);
    assert!(refused.contains("cannot") && refused.contains("root"), "no privileges: {refused}");
    let refused = Sensor::fails("nosuch0", &[], &[]);
    assert!(refused.contains("nosuch0"), "no such interface: {refused}");
}

#[test]
fn an_interface_that_vanishes_ends_the_run_and_nothing_else() {
    let Some((lab, _folder)) = lab() else { return };
    lab.wire("play0", "tap0", 1);
    let lookup = Case::load(&case::folder().join("portmap/getport-is-answered")).expect("the case");
    let mut sensor = Sensor::start("tap0", &["--capture", "af_xdp"]);
    sensor.wait_until_watching();
    inject::send("play0", &lookup.frames(), Duration::from_millis(1)).expect("the frames are sent");
    std::thread::sleep(Duration::from_millis(300));
    lab.ip("link del play0");
    let (ended, errors, logs) = sensor.ends();
    assert!(!ended.success() && errors.contains("tap0"), "it says so: {errors}");
    assert_eq!(logs["portmap.log"].len(), 1, "what was seen before is in the logs");
}

#[test]
fn a_full_disk_costs_records_that_are_counted_and_nothing_else() {
    let Some((lab, folder)) = lab() else { return };
    lab.wire("play0", "tap0", 1);
    lab.private_mounts();
    let small = folder.path().join("small");
    std::fs::create_dir(&small).expect("a folder");
    let disk = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(&small).status();
    assert!(disk.expect("mount is there").success(), "a small disk");
    let mut sensor = Sensor::start_in(&small, "tap0", &["--capture", "af_xdp"]);
    sensor.wait_until_watching();
    let lookup = Case::load(&case::folder().join("portmap/getport-is-answered")).expect("the case");
    let scenes = (0..250).flat_map(|number| play::elsewhere(&lookup.scenes, number)).collect::<Vec<_>>();
    inject::send("play0", &encode::all(&scenes), Duration::from_micros(100)).expect("the frames are sent");
    std::thread::sleep(Duration::from_millis(1500));
    let (summary, errors) = sensor.stop_in_trouble();
    assert_closed(&summary);
    assert_eq!(summary["packets"], 500, "every packet was analysed");
    assert!(summary["lost"].as_object().is_some_and(|lost| !lost.is_empty()), "what is missing is told: {summary:#}");
    assert!(errors.contains("disk"), "and what to do: {errors}");
}

/// The cases that a wire can carry as they are, each between hosts of its own, as many at the same time as there are numbers for hosts.
fn playable() -> Vec<Vec<WireFrame>> {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
        case::all().into_iter().filter(|case| is_playable(case) && !waits_for_the_kernel(case)).collect()
    });
    let frames_of = |part: &[Case]| {
        let scenes = part.iter().enumerate().map(|(number, case)| play::elsewhere(&case.scenes, number as u8));
        let mut frames: Vec<WireFrame> = scenes.flat_map(|scenes| encode::all(&scenes)).collect();
        frames.sort_by_key(|frame| frame.at);
        frames
    };
    CASES.chunks(usize::from(u8::MAX)).map(frames_of).collect()
}

/// No long pauses, no settings of its own, and nothing that a wire would not carry.
fn is_playable(case: &Case) -> bool {
    let carried = |scene: &Scene| match scene {
        Scene::Silence(until) => *until < play::START + 1_000_000_000,
        Scene::Packet(packet) => {
            let whole = packet.bent.snap.is_none() && packet.bent.truncate.is_none();
            let fits = packet.bent.fragments.is_some() || packet.payload.len() <= LONGEST;
            packet.conversation.is_some() && whole && fits
        }
    };
    case.talk.settings.is_empty() && is_of_one_pair(&case.scenes) && case.scenes.iter().all(carried)
}

/// What more than two hosts do is judged where several workers meet, in the order in which they get there.
fn is_of_one_pair(scenes: &[Scene]) -> bool {
    let mut pairs = BTreeSet::new();
    for scene in scenes {
        if let Scene::Packet(packet) = scene {
            pairs.extend(packet.endpoints.map(|(from, to)| (from.ip().min(to.ip()), from.ip().max(to.ip()))));
        }
    }
    pairs.len() == 1
}

/// Whether the kernel program must have been told of a packet's connection before the next one comes: where data is expected, or what is
/// skipped. Two hundred cases at a time leave no time for that: `lockstep` plays them frame by frame, `ftp_servers` and `logins` as real
/// hosts do.
fn waits_for_the_kernel(case: &Case) -> bool {
    let told = replay::case(case).logs;
    told.values().flatten().any(|line| line.contains("ftp-data") || line.contains("(skipped)"))
}

fn other_client(scenes: &[Scene], client: u8) -> Vec<Scene> {
    let mut scenes = scenes.to_vec();
    for scene in &mut scenes {
        if let Scene::Packet(packet) = scene {
            packet.endpoints =
                packet.endpoints.map(|(from, to)| (sensor::renumber(from, client), sensor::renumber(to, client)));
        }
    }
    scenes
}

fn from_file(frames: &[WireFrame], folder: &Path) -> Logs {
    let file = folder.join("frames.pcap");
    std::fs::write(&file, pcap::file(frames)).expect("a capture file");
    sensor::read(&file, &["--set", UNSAMPLED])
}

fn lab() -> Option<(Lab, tempfile::TempDir)> {
    if !sensor::is_built() {
        return None;
    }
    Some((Lab::enter()?, tempfile::tempdir().expect("a folder")))
}

fn assert_closed(summary: &Value) {
    assert_eq!(summary["ledger"]["unexplained"], 0, "the ledger closes: {summary:#}");
}

fn counter(summary: &Value, name: &str) -> u64 {
    fn find(value: &Value, name: &str) -> Option<u64> {
        match value {
            Value::Object(map) => {
                map.get(name).and_then(Value::as_u64).or_else(|| map.values().find_map(|v| find(v, name)))
            }
            _ => None,
        }
    }
    find(summary, name).unwrap_or_else(|| panic!("the summary has no {name}: {summary:#}"))
}

fn assert_same(what: &str, expected: &Logs, actual: &Logs) {
    let all: BTreeMap<_, _> = expected.keys().chain(actual.keys()).map(|name| (name, ())).collect();
    for name in all.into_keys() {
        let difference = expect::difference(name, &expect::text(expected, name), &expect::text(actual, name));
        assert!(difference.is_empty(), "{what}:\n{difference}");
    }
}
