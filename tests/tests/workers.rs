//! One worker or several: the same records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use portreeve::engine;
use portreeve_tests::case::{self, Case};
use portreeve_tests::encode::WireFrame;
use portreeve_tests::expect::{self, Logs};
use portreeve_tests::play::START;
use portreeve_tests::{pcap, replay};

/// What one client does to several servers is judged where each pair of hosts meets, so this case needs its two servers in one worker.
const OF_SEVERAL_SERVERS: &str = "portmap/callit-to-walld-is-noticed-once";

/// In a replay, a worker hears of another's expectations a chunk later: here it would be too late.
const OF_THIRD_HOSTS: [&str; 4] = [
    "ftp/a-bounced-transfer-is-a-data-connection",
    "ftp/another-host-takes-the-data-connection",
    "ftp/a-neighbour-may-take-the-data-connection",
    "ftp/skip_unexpected-excuses-a-host",
];

/// In a replay, each worker's source has a table of bypasses of its own; on an interface there is one.
const OF_A_FULL_TABLE: &str = "bypass/ten-meet-in-a-table-of-eight";

#[test]
fn each_case_gives_the_same_records_with_any_number_of_workers() {
    for case in case::all().iter().filter(|case| is_of_one_pair(case)) {
        let one = read(&case.frames(), &case.talk.settings, 1);
        for workers in [2, 3] {
            assert_same(&case.name, workers, &one, &read(&case.frames(), &case.talk.settings, workers));
        }
    }
}

#[test]
fn many_cases_in_one_capture_give_the_same_records_with_any_number_of_workers() {
    let cases: Vec<Case> = case::all().into_iter().filter(is_of_one_pair).collect();
    for part in cases.chunks(usize::from(u8::MAX)) {
        let mixed = mixed(part);
        let one = read(&mixed, &[], 1);
        assert!(one.values().map(Vec::len).sum::<usize>() > 300, "the capture is worth the comparison");
        for workers in [2, 3] {
            assert_same("many cases", workers, &one, &read(&mixed, &[], workers));
        }
    }
}

#[test]
fn any_number_of_workers_judges_a_capture_alike() {
    let mut cases: Vec<Case> = case::all().into_iter().filter(is_of_one_pair).collect();
    cases.truncate(usize::from(u8::MAX));
    let mixed = mixed(&cases);
    let judged = |workers| {
        let mut logs = read(&mixed, &["health.judge_captures = true".to_owned()], workers);
        logs.retain(|log, _| log == "capture_loss.log");
        logs
    };
    let one = judged(1);
    assert_eq!(one.values().map(Vec::len).sum::<usize>(), 1, "{one:?}");
    for workers in [2, 3] {
        assert_same("all cases", workers, &one, &judged(workers));
    }
}

fn is_of_one_pair(case: &Case) -> bool {
    ![OF_SEVERAL_SERVERS, OF_A_FULL_TABLE].contains(&case.name.as_str())
        && !OF_THIRD_HOSTS.contains(&case.name.as_str())
}

/// The cases at the same time, each between hosts of its own, so that they are spread over the workers.
fn mixed(cases: &[Case]) -> Vec<WireFrame> {
    let mut frames = Vec::new();
    for (number, Case { scenes, .. }) in cases.iter().enumerate() {
        frames.extend(portreeve_tests::encode::all(&portreeve_tests::play::elsewhere(scenes, number as u8)));
    }
    frames.sort_by_key(|frame| frame.at);
    frames
}

fn read(frames: &[WireFrame], sets: &[String], workers: usize) -> Logs {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("case.pcap");
    std::fs::write(&file, pcap::file(frames)).expect("a capture file");
    let mut settings = replay::settings(sets, folder.path());
    Arc::make_mut(&mut settings).workers = workers;
    let settings = Arc::unwrap_or_clone(settings);
    let ended = engine::read(settings, &[file], false, &Arc::new(AtomicBool::new(false))).expect("the capture is read");
    assert_eq!(ended.summary.ledger.unexplained(), 0, "the ledger closes with {workers} workers");
    sorted(&replay::read_logs(folder.path()))
}

/// Records of the same moment and different connections have no order.
fn sorted(raw: &BTreeMap<String, Vec<String>>) -> Logs {
    let mut logs = expect::normalise(raw, START);
    logs.values_mut().for_each(|lines| lines.sort());
    logs
}

fn assert_same(what: &str, workers: usize, one: &Logs, many: &Logs) {
    for name in one.keys().chain(many.keys()) {
        let difference = expect::difference(name, &expect::text(one, name), &expect::text(many, name));
        assert!(difference.is_empty(), "{what} with {workers} workers:\n{difference}");
    }
}
