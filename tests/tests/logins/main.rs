//! Real telnetd and rlogind with real clients at a terminal: login.log says what the system's own log says.

mod facts;
mod scenarios;
mod servers;

use std::time::Duration;

use portreeve_tests::expect::{self, Logs};
use portreeve_tests::lab::Lab;
use portreeve_tests::process::{are_installed, are_unpacked};
use portreeve_tests::sensor;
use portreeve_tests::tapped;
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
    let (seen, servers) =
        tapped::watch(&lab, folder.path(), (DELAY, &["10.77.0.9/24"]), || Servers::start(&lab), scenarios::play);
    let said = facts::of_the_system(&servers.log());

    for logs in &seen.folders {
        sensor::assert_nowhere(logs, &secrets());
        let difference = expect::difference("the system's log", &said, &facts::of_the_sensor(logs));
        assert!(difference.is_empty(), "{}:\n{difference}", logs.display());
        assert_sessions(&facts::records(logs));
    }
    let notices = expect::text(&seen.offline, "notice.log");
    assert_eq!(notices.matches("environment USER=-f root").count(), 1, "an option where a name should be:\n{notices}");
    assert!(!notices.contains("backdoor"), "a shell that greets who is trusted is none:\n{notices}");
    let option =
        facts::records(&seen.folders[1]).iter().filter(|r| r["kind"] == "session" && r["user"] == "-f root").count();
    assert_eq!(option, 1, "and it is told of the session");
    assert_same(&seen.offline, &seen.live);
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
