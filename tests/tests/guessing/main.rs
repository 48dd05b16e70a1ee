//! hydra against real FTP, Telnet and SSH servers: one notice at the exact number of guesses, one when it succeeds, and the same from
//! one worker as from two.

mod servers;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use portreeve_tests::expect::{self, Logs};
use portreeve_tests::host;
use portreeve_tests::lab::Lab;
use portreeve_tests::process::{are_installed, are_unpacked};
use portreeve_tests::sensor::{self, Sensor};
use serde_json::Value;

use servers::{PASSWORD, PEERS, SERVICES, Servers, USER};

/// At how many guesses the sensor is told to give notice.
const THRESHOLD: usize = 8;

/// How many wrong passwords somebody tries, and whether the right one comes after them.
const TRIES: [(usize, bool); 3] = [(THRESHOLD - 1, false), (THRESHOLD, false), (THRESHOLD, true)];

/// How long hydra may take, in seconds.
const LONGEST: &str = "150";

#[test]
fn guessers_are_reported_at_the_exact_number_by_one_worker_and_by_two() {
    let tools = ["hydra", "openssl", "ssh-keygen", "unshare", "nsenter", "bash"];
    if !sensor::is_built() || !are_installed(&tools) || !are_unpacked(&PEERS) {
        return;
    }
    let Some(lab) = Lab::enter() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for [one, other] in [["client0", "wire0"], ["server0", "wire1"], ["play0", "tap0"], ["play1", "tap1"]] {
        lab.wire(one, other, 1);
    }
    lab.hub(&["wire0", "wire1", "play0", "play1"]);
    let guessers = guessers();
    let prefixed = |address: fn(&Guesser) -> &String| -> Vec<String> {
        guessers.iter().map(|guesser| format!("{}/24", address(guesser))).collect()
    };
    let [clients, servers] = [prefixed(|guesser| &guesser.source), prefixed(|guesser| &guesser.server)];
    host::connect_here("client0", &clients.iter().map(String::as_str).collect::<Vec<_>>());
    let servers = Servers::start(&lab, &servers.iter().map(String::as_str).collect::<Vec<_>>());
    let logs = [1, 2].map(|workers| folder.path().join(format!("logs{workers}")));
    let sensors = [1, 2].map(|workers| watch(workers, &logs[workers - 1]));
    guess(&lab, folder.path(), &guessers);
    let [one, two] = sensors.map(Sensor::stop);
    for guesser in guessers.iter().filter(|guesser| guesser.service == "ssh") {
        assert_eq!(servers.refused_by_sshd(&guesser.source), guesser.wrong, "hydra tries each password once");
    }
    for (workers, (summary, logs)) in (1..).zip([&one.0, &two.0].into_iter().zip(&logs)) {
        assert_eq!(summary["capture"]["workers"], workers);
        assert_eq!(summary["ledger"]["unexplained"], 0, "the ledger closes");
        assert_eq!(summary["counters"]["wrong_shard"], 0, "both directions in one worker");
        assert_eq!(noticed(logs), expected(&guessers), "{}", logs.display());
    }
    assert_same(&one.1, &two.1);
}

/// A sensor with so many workers on the tap of its own.
fn watch(workers: usize, logs: &Path) -> Sensor {
    let mut settings = vec![format!("workers={workers}")];
    settings.push(format!("policy.replace.report_accounts_tried=[{THRESHOLD},100]"));
    settings.push(format!("policy.replace.password_guessing_success_threshhold={THRESHOLD}"));
    let options: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let tap = format!("tap{}", workers - 1);
    let mut sensor = Sensor::start_in(logs, &tap, &[&["--capture", "af_xdp"], &options[..]].concat());
    sensor.wait_until_watching();
    sensor
}

/// Somebody who tries passwords on one service. Each has a server of his own, because the way there decides where he comes from.
struct Guesser {
    source: String,
    server: String,
    service: &'static str,
    wrong: usize,
    right: bool,
}

fn guessers() -> Vec<Guesser> {
    let each = SERVICES.iter().flat_map(|service| TRIES.map(|tries| (*service, tries)));
    each.zip(1..)
        .map(|((service, (wrong, right)), number)| {
            let [source, server] = [format!("10.77.0.{}", 100 + number), format!("10.77.0.{number}")];
            Guesser { source, server, service, wrong, right }
        })
        .collect()
}

/// All try at the same time. Acknowledgments are not delayed: telnetd's prompts would wait for them, and hydra waits for 20 ms at most.
fn guess(lab: &Lab, folder: &Path, guessers: &[Guesser]) {
    let hydra = |guesser: &Guesser| {
        lab.ip(&format!("route replace {}/32 dev client0 src {} quickack 1", guesser.server, guesser.source));
        hydra(folder, guesser)
    };
    let hydras: Vec<Child> = guessers.iter().map(hydra).collect();
    for (hydra, guesser) in hydras.into_iter().zip(guessers) {
        let output = hydra.wait_with_output().expect("hydra ends");
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(told.contains(&format!("password: {PASSWORD}")), guesser.right, "{}: {told}", guesser.service);
    }
}

/// hydra with a list of passwords. Over Telnet it loses count once the server has refused one, so that it gets each for itself; and where the
/// server's prompt is late it looks at the wrong lines, so that the right one is tried until it has seen that it is. The same pair again is
/// no other guess.
fn hydra(folder: &Path, guesser: &Guesser) -> Child {
    // In it, hydra leaves what it would take up again.
    let working = tempfile::tempdir_in(folder).expect("a folder").keep();
    let wrong = (0..guesser.wrong).map(|number| format!("Nettle-{number}-ditch\n"));
    let passwords: String = wrong.chain(guesser.right.then(|| format!("{PASSWORD}\n"))).collect();
    std::fs::write(working.join("list"), passwords).expect("a list");
    let script = match guesser.service {
        "telnet" => {
            "while read -r password; do
                until hydra -I -t 1 -l $1 -p $password $2 | tee told
                    [ $password != $3 ] || grep --quiet 'password: ' told
                do :; done
            done <list"
        }
        _ => "hydra -I -t 1 -l $1 -P list $2",
    };
    let target = format!("{}://{}", guesser.service, guesser.server);
    let mut hydra = Command::new("timeout");
    hydra.args([LONGEST, "bash", "-c", script, "bash", USER, &target, PASSWORD]).current_dir(working);
    hydra.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    hydra.spawn().expect("a shell is there")
}

/// The notices about guessing: who, where, what, and how many.
fn noticed(logs: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(logs.join("notice.log")).unwrap_or_default();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    let guessing = records.filter(|record| record["note"].as_str().is_some_and(|note| note.contains("Guessing")));
    let mut noticed: Vec<String> = guessing
        .map(|record| format!("{} {} {} {}", record["src"], record["dst"], record["note"], record["n"]))
        .collect();
    noticed.sort();
    noticed
}

fn expected(guessers: &[Guesser]) -> Vec<String> {
    let mut expected = Vec::new();
    for guesser in guessers.iter().filter(|guesser| guesser.wrong >= THRESHOLD) {
        let about = format!("\"{}\" \"{}\"", guesser.source, guesser.server);
        expected.push(format!("{about} \"PasswordGuessing\" {THRESHOLD}"));
        // Of SSH only failures are seen: the right password is none that was tried.
        let tried = guesser.wrong + usize::from(guesser.service != "ssh");
        expected.extend(guesser.right.then(|| format!("{about} \"SuccessfulPasswordGuessing\" {tried}")));
    }
    expected.sort();
    expected
}

fn assert_same(one: &Logs, two: &Logs) {
    for name in ["notice.log", "ftp.log", "login.log", "ssh.log", "weird.log"] {
        let difference = expect::difference(name, &expect::text(one, name), &expect::text(two, name));
        assert!(difference.is_empty(), "two workers:\n{difference}");
    }
}
