//! Real OpenSSH servers and clients: every login and every failure of the server's own log is in ssh.log, and nothing else; what is
//! copied after the login dies in the kernel.

mod bulk;
mod facts;
mod scenarios;
mod servers;

use std::path::Path;
use std::time::Duration;

use portreeve_tests::expect::{self, Logs};
use portreeve_tests::lab::Lab;
use portreeve_tests::process::{are_installed, are_unpacked};
use portreeve_tests::sensor;
use portreeve_tests::tapped;
use serde_json::Value;

use facts::Outcomes;
use servers::{PASSWORDS, Servers};

/// One way of the wire.
const DELAY: Duration = Duration::from_millis(1);

#[test]
fn logins_are_those_of_the_servers_log() {
    if !are_there() {
        return;
    }
    let Some(lab) = Lab::enter() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (seen, servers) = tapped::watch(
        &lab,
        folder.path(),
        (DELAY, &["10.77.0.9/24"]),
        || Servers::start(&lab, &scenarios::prepare(folder.path())),
        || scenarios::play(folder.path()),
    );
    let said = servers.log();

    for logs in &seen.folders {
        sensor::assert_nowhere(logs, &secrets());
        assert_told(facts::of_the_server(&said), logs);
    }
    assert_weak(&facts::records(&seen.folders[0], "notice.log"));
    assert_same(&seen.offline, &seen.live);
}

/// Whether everything is there that the tests want.
fn are_there() -> bool {
    let tools = ["ssh", "scp", "ssh-keygen", "curl", "tcpdump", "unshare", "nsenter"];
    sensor::is_built() && are_installed(&tools) && are_unpacked(&["usr/sbin/sshd"])
}

/// Everything that the server says, and nothing else; where all is compressed, the sensor says that it does not know.
fn assert_told(mut said: Outcomes, logs: &Path) {
    let mut told = facts::of_the_sensor(logs);
    let unknown = facts::compressed(logs);
    assert_eq!(unknown.len(), scenarios::COMPRESSED, "{}", logs.display());
    for port in unknown {
        assert!(said.remove(&port).is_some() && told.remove(&port).is_some(), "both know of it");
    }
    let difference = expect::difference("the server's log", &facts::listed(&said), &facts::listed(&told));
    assert!(difference.is_empty(), "{}:\n{difference}", logs.display());
}

/// One notice for each choice of weak algorithms.
fn assert_weak(notices: &[Value]) {
    let weak = notices.iter().filter(|notice| notice["note"] == "SSH_WeakAlgorithm");
    let mut said: Vec<&str> =
        weak.filter_map(|notice| notice["msg"].as_str()?.split_once(": ")).map(|(_, what)| what).collect();
    said.sort_unstable();
    let expected = [
        "kex diffie-hellman-group1-sha1, host key ssh-rsa, cipher 3des-cbc, mac hmac-md5",
        "kex diffie-hellman-group14-sha1, host key ssh-rsa",
    ];
    assert_eq!(said, expected);
}

fn assert_same(offline: &Logs, live: &Logs) {
    for name in ["ssh.log", "conn.log", "notice.log", "weird.log"] {
        let difference = expect::difference(name, &expect::text(offline, name), &expect::text(live, name));
        assert!(difference.is_empty(), "live:\n{difference}");
    }
}

fn secrets() -> Vec<&'static str> {
    let right = PASSWORDS.iter().map(|(_, password)| *password);
    right.chain([scenarios::WRONG]).collect()
}
