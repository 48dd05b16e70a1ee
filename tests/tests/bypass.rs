//! What is kept out of the capture, for which reason and how it ends: counted, and without a trace in the logs.

use portreeve::capture::BypassReason;
use portreeve::stats::Counter;
use portreeve::summary::Bypasses;
use portreeve_tests::case::{self, Case};
use portreeve_tests::expect::{self, Logs};
use portreeve_tests::replay::{self, Outcome};

/// Connections, packets and bytes kept out; bypasses that finished, expired, and were found to have given way.
type Counted = (BypassReason, [u64; 3], [u64; 3]);

const CASES: [(&str, Counted); 11] = [
    ("skipped-by-policy", (BypassReason::Skipped, [1, 10, 121], [1, 0, 0])),
    ("encrypted-after-AUTH-TLS", (BypassReason::Encrypted, [1, 5, 1392], [1, 0, 0])),
    ("encrypted-by-both-sides-of-telnet", (BypassReason::Encrypted, [1, 3, 176], [1, 0, 0])),
    ("ssh_authenticated", (BypassReason::SshAuthenticated, [1, 23, 29464], [1, 0, 0])),
    ("ssh_unknown-of-the-compressed", (BypassReason::SshUnknown, [1, 4, 200], [1, 0, 0])),
    ("ssh_unknown-after-so-many-answers", (BypassReason::SshUnknown, [1, 7, 444], [1, 0, 0])),
    ("ftp_data-from-the-first-byte-on", (BypassReason::FtpData, [1, 12, 100], [1, 0, 0])),
    ("a-reset-ends-it", (BypassReason::Encrypted, [1, 5, 520], [1, 0, 0])),
    ("silence-ends-it", (BypassReason::Encrypted, [1, 2, 208], [0, 1, 0])),
    ("the-endpoints-are-used-again", (BypassReason::Encrypted, [1, 2, 104], [1, 0, 0])),
    ("ten-meet-in-a-table-of-eight", (BypassReason::Encrypted, [10, 0, 0], [10, 0, 22])),
];

#[test]
fn every_reason_and_every_end_is_counted() {
    for (name, (why, kept_out, ends)) in CASES {
        let outcome = replay::case(&load(name));
        let [connections, packets, bytes] = kept_out;
        let found = Bypasses::of([&*outcome.stats].into_iter());
        assert_eq!(Vec::from_iter(found), [(why.name(), Bypasses { connections, packets, bytes })], "{name}");
        let counters = &outcome.stats.counters;
        let found = [&counters.bypasses_finished, &counters.bypasses_expired, &counters.bypasses_evicted];
        assert_eq!(found.map(Counter::get), ends, "{name}");
    }
}

/// Whatever is kept out, its records are those of a run that captures everything.
#[test]
fn without_a_bypass_all_is_captured_and_the_logs_are_the_same() {
    for (name, (why, ..)) in CASES {
        let mut case = load(name);
        let with = replay::case(&case);
        case.talk.settings.push(format!("capture.bypass.{} = false", why.name()));
        let without = replay::case(&case);
        assert_eq!((without.filtered, Bypasses::of([&*without.stats].into_iter()).len()), (0, 0), "{name}");
        assert!(with.filtered > 0, "{name}");
        assert_eq!(records(with, name), records(without, name), "{name}");
    }
}

/// What is hot is captured to its end.
#[test]
fn a_hot_connection_is_not_kept_out() {
    let Outcome { filtered, stats, .. } = replay::case(&load("ssh_authenticated-but-hot-is-captured"));
    assert_eq!((filtered, Bypasses::of([&*stats].into_iter()).len()), (0, 0));
}

fn load(name: &str) -> Case {
    Case::load(&case::folder().join("bypass").join(name)).unwrap()
}

/// The records of what happened, without what must differ.
fn records(mut outcome: Outcome, name: &str) -> Logs {
    outcome.logs.retain(|log, _| ["conn.log", "ssh.log", "notice.log", "weird.log"].contains(&log.as_str()));
    expect::without(&outcome.logs, &unsure(name))
}

/// Which fields tell whether everything was captured: the moment of the last packet where no FIN was seen; how many packets, where an
/// account was lost; the letters of what was never seen.
fn unsure(name: &str) -> Vec<&'static str> {
    match name {
        "silence-ends-it" => vec!["duration"],
        "ten-meet-in-a-table-of-eight" => vec!["orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes"],
        "skipped-by-policy" | "ftp_data-from-the-first-byte-on" => vec!["history"],
        _ => Vec::new(),
    }
}
