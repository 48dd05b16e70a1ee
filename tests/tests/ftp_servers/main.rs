//! Real FTP servers and clients: what the sensor says happened is what the servers' own logs say happened.

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

use facts::Fact;
use servers::{PASSWORDS, Servers};

/// One way of the wire.
const DELAY: Duration = Duration::from_millis(5);

#[test]
fn logins_and_transfers_are_those_of_the_servers_logs() {
    let tools = ["curl", "lftp", "tnftp", "python3", "tcpdump", "openssl", "unshare", "nsenter"];
    if !sensor::is_built() || !are_installed(&tools) || !are_unpacked(&["usr/sbin/vsftpd"]) {
        return;
    }
    let Some(lab) = Lab::enter() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (seen, servers) = tapped::watch(
        &lab,
        folder.path(),
        (DELAY, &["10.77.0.9/24", "fd77::9/64"]),
        || Servers::start(&lab),
        || scenarios::play(folder.path()),
    );
    let said = servers.facts();

    for logs in &seen.folders {
        sensor::assert_nowhere(logs, &secrets());
        assert_told(&said, &facts::of_the_sensor(logs), logs);
    }
    assert_same(&seen.offline, &seen.live);
}

/// Everything that the servers say, and nothing else; what was encrypted is not seen.
fn assert_told(said: &[Fact], told: &[Fact], logs: &Path) {
    let (encrypted, clear): (Vec<Fact>, Vec<Fact>) = said.iter().cloned().partition(Fact::is_encrypted);
    assert!(!encrypted.is_empty() && clear.len() > 50, "there was enough to see");
    let difference = expect::difference("the servers' logs", &facts::listed(&clear), &facts::listed(told));
    assert!(difference.is_empty(), "{}:\n{difference}", logs.display());
}

fn assert_same(offline: &Logs, live: &Logs) {
    for name in ["ftp.log", "conn.log", "notice.log", "weird.log"] {
        let [offline, live] = [offline, live].map(|logs| expect::text(logs, name));
        let difference = expect::difference(name, &comparable(&offline), &comparable(&live));
        assert!(difference.is_empty(), "live:\n{difference}");
    }
}

/// Without the sizes of transfers that were broken off (426): what the server sends after the client's RST is on its way while the
/// sensor hears of it, and how much of that is told depends on the moment at which it looks.
fn comparable(log: &str) -> String {
    let cut = |line: &str| match line.split_once("\"file_size\":") {
        Some((before, after)) if after.contains("\"reply_code\":426") => {
            format!("{before}{}\n", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ => format!("{line}\n"),
    };
    log.lines().map(cut).collect()
}

fn secrets() -> Vec<&'static str> {
    let right = PASSWORDS.iter().map(|(_, password)| *password);
    right.chain([scenarios::WRONG]).collect()
}
