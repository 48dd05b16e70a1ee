//! Real telnetd and rlogind with real clients at a terminal: login.log says what the system's own log says.

mod facts;
mod scenarios;
mod servers;

use std::path::Path;
use std::time::Duration;

use portreeve_tests::expect::{self, Logs};
use portreeve_tests::host;
use portreeve_tests::lab::Lab;
use portreeve_tests::process::{Tcpdump, are_installed, are_unpacked};
use portreeve_tests::sensor::{self, Sensor};
use portreeve_tests::tap::TappedWire;
use serde_json::Value;

use servers::{PASSWORDS, Servers};

/// One way of the wire.
const DELAY: Duration = Duration::from_millis(1);

const PEERS: [&str; 6] = [
    "usr/sbin/telnetd",
    "usr/sbin/in.rlogind",
    "usr/sbin/inetutils-inetd",
    "usr/sbin/syslogd",
    "usr/bin/inetutils-telnet",
    "usr/bin/rsh-redone-rlogin",
];

#[test]
fn logins_are_those_of_the_systems_log() {
    if !sensor::is_built() || !are_installed(&["script", "tcpdump", "unshare", "nsenter"]) || !are_unpacked(&PEERS) {
        return;
    }
    let Some(lab) = Lab::enter() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let [live, offline] = ["live", "offline"].map(|name| folder.path().join(name));
    let capture = folder.path().join("dumped.pcap");
    let (summary, live_logs, said) = on_the_wire(&lab, &live, &capture);
    let events = offline.join("events.jsonl").display().to_string();
    let offline_logs = sensor::read_in(&offline, &capture, &["--events", &events]);

    assert_eq!(summary["ledger"]["unexplained"], 0, "the ledger closes");
    for logs in [&offline, &live] {
        sensor::assert_nowhere(logs, &secrets());
        let difference = expect::difference("the system's log", &said, &facts::of_the_sensor(logs));
        assert!(difference.is_empty(), "{}:\n{difference}", logs.display());
        assert_sessions(&facts::records(logs));
    }
    let notices = expect::text(&offline_logs, "notice.log");
    assert_eq!(notices.matches("environment USER=-f root").count(), 1, "an option where a name should be:\n{notices}");
    assert!(!notices.contains("backdoor"), "a shell that greets who is trusted is none:\n{notices}");
    let option = facts::records(&offline).iter().filter(|r| r["kind"] == "session" && r["user"] == "-f root").count();
    assert_eq!(option, 1, "and it is told of the session");
    assert_same(&offline_logs, &live_logs);
}

/// Lets everything happen on a wire that the sensor taps and tcpdump records; returns what both sides say of it.
fn on_the_wire(lab: &Lab, logs: &Path, capture: &Path) -> (Value, Logs, String) {
    for [one, other] in [["client0", "wire0"], ["server0", "wire1"], ["play0", "tap0"]] {
        lab.wire(one, other, 1);
    }
    let wire = TappedWire::join(lab, ["wire0", "wire1"], "play0", DELAY);
    host::connect_here("client0", &["10.77.0.9/24"]);
    let servers = Servers::start(lab);
    let tcpdump = Tcpdump::start("play0", capture);
    let events = logs.join("events.jsonl").display().to_string();
    let mut sensor = Sensor::start_in(logs, "tap0", &["--capture", "af_xdp", "--events", &events]);
    sensor.wait_until_watching();
    scenarios::play();
    drop(wire);
    tcpdump.stop();
    let (summary, records) = sensor.stop();
    (summary, records, facts::of_the_system(&servers.log()))
}

/// Every connection has the line of its session, with what the scenarios are about besides outcomes.
fn assert_sessions(records: &[Value]) {
    let sessions: Vec<&Value> = records.iter().filter(|record| record["kind"] == "session").collect();
    assert_eq!(sessions.len(), scenarios::COUNT, "one for each connection");
    let with = |field: &str, value: &str| sessions.iter().filter(|record| record[field] == value).count();
    let by_rhosts: Vec<&Value> =
        records.iter().filter(|record| record["kind"] == "attempt" && record["terminal"] == "xterm/38400").collect();
    assert!(
        by_rhosts.len() == 2 && by_rhosts.iter().all(|one| one["password"].is_null()),
        "no password was asked for: {by_rhosts:?}"
    );
    let timeouts = sessions.iter().filter(|record| facts::is_timeout(record)).count();
    assert_eq!(timeouts, 1, "login(1) lost its patience once");
    assert_eq!(with("terminal", "XTERM-256COLOR"), 1, "a terminal that telnet names");
    assert_eq!(with("terminal", "xterm/38400"), 2, "and one that rlogin names");
    assert_eq!(with("client_user", "root"), 4, "rlogin names the client's user");
}

fn assert_same(offline: &Logs, live: &Logs) {
    for name in ["login.log", "conn.log", "notice.log", "weird.log"] {
        let difference = expect::difference(name, &expect::text(offline, name), &expect::text(live, name));
        assert!(difference.is_empty(), "live:\n{difference}");
    }
}

fn secrets() -> Vec<&'static str> {
    let right = PASSWORDS.iter().map(|(_, password)| *password);
    right.chain([scenarios::WRONG]).collect()
}
