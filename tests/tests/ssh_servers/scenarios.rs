//! What people do with SSH clients.

use std::path::Path;
use std::process::Command;

use portreeve_tests::process::run;

use crate::servers::{CARELESS, IMPATIENT, INTERACTIVE, ORDINARY, PASSWORDS, STRICT, TALKATIVE};

/// A password that is wrong, and that nobody may find anywhere either.
pub const WRONG: &str = "Nettle-66-ditch";

const RIGHT: &str = PASSWORDS[0].1;

/// How long a client may take, in seconds.
const LONGEST: &str = "20";

/// Somebody who comes with ssh.
struct Scenario {
    name: &'static str,
    server: &'static str,
    user: &'static str,
    options: &'static str,
    /// What is typed when a password is asked for.
    answers: &'static [&'static str],
    let_in: bool,
}

const fn alice(
    name: &'static str,
    server: &'static str,
    options: &'static str,
    answers: &'static [&'static str],
    let_in: bool,
) -> Scenario {
    Scenario { name, server, user: "alice", options, answers, let_in }
}

/// Ciphers whose packets have other lengths than those of the one that is chosen otherwise.
const GCM: &str = "-c aes128-gcm@openssh.com";
const CTR: &str = "-c aes256-ctr -m hmac-sha2-256";
/// Two kinds of weak algorithms.
const OLD: &str = "-c 3des-cbc -m hmac-md5 -o KexAlgorithms=diffie-hellman-group1-sha1 -o HostKeyAlgorithms=ssh-rsa -o RequiredRSASize=1024";
const OLDISH: &str =
    "-c aes128-cbc -m hmac-sha1 -o KexAlgorithms=diffie-hellman-group14-sha1 -o HostKeyAlgorithms=ssh-rsa";
const PASSWORDS_ONLY: &str = "-o PreferredAuthentications=password";

const SCENARIOS: [Scenario; 32] = [
    alice("password", ORDINARY, "", &[RIGHT], true),
    alice("password, wrong twice", ORDINARY, "", &[WRONG, WRONG, RIGHT], true),
    alice("password, wrong once, gcm", ORDINARY, GCM, &[WRONG, RIGHT], true),
    alice("password, wrong once, ctr", ORDINARY, CTR, &[WRONG, RIGHT], true),
    alice("password, always wrong", ORDINARY, "", &[WRONG; 3], false),
    alice("password, always wrong, gcm", ORDINARY, GCM, &[WRONG; 3], false),
    Scenario { user: "mallory", ..alice("nobody of that name", ORDINARY, "", &[WRONG; 3], false) },
    alice("key", ORDINARY, "-i key", &[], true),
    alice("key, after another", ORDINARY, "-i other -i key", &[], true),
    alice("password, after another key", ORDINARY, "-i other", &[WRONG, RIGHT], true),
    alice("nothing but another key", ORDINARY, "-i other -o PreferredAuthentications=publickey", &[], false),
    alice("challenge", INTERACTIVE, "", &[RIGHT], true),
    alice("challenge, gcm", INTERACTIVE, GCM, &[RIGHT], true),
    alice("challenge, wrong twice", INTERACTIVE, "", &[WRONG, WRONG, RIGHT], true),
    alice("challenge, wrong twice, gcm", INTERACTIVE, GCM, &[WRONG, WRONG, RIGHT], true),
    alice("challenge, wrong twice, ctr", INTERACTIVE, CTR, &[WRONG, WRONG, RIGHT], true),
    alice("challenge, always wrong", INTERACTIVE, "", &[WRONG; 3], false),
    alice("challenge, always wrong, gcm", INTERACTIVE, GCM, &[WRONG; 3], false),
    Scenario { user: "mallory", ..alice("challenge, nobody", INTERACTIVE, GCM, &[WRONG; 3], false) },
    alice("two tries, challenge", IMPATIENT, "", &[WRONG; 2], false),
    alice("two tries, password", IMPATIENT, PASSWORDS_ONLY, &[WRONG; 2], false),
    alice("two tries, keys", IMPATIENT, "-i other -i third -i key", &[], false),
    Scenario { user: "bob", ..alice("nothing is asked for", CARELESS, "", &[], true) },
    Scenario { user: "bob", ..alice("nothing is asked for, gcm", CARELESS, GCM, &[], true) },
    alice("password, after a banner", TALKATIVE, "", &[WRONG, RIGHT], true),
    alice("key, after a banner", TALKATIVE, "-i other -i key", &[], true),
    alice("key and password", STRICT, "-i key", &[RIGHT], true),
    alice("key and password, wrong once", STRICT, "-i key", &[WRONG, RIGHT], true),
    alice("old algorithms", ORDINARY, OLD, &[WRONG, RIGHT], true),
    alice("not quite so old algorithms", ORDINARY, OLDISH, &[WRONG, RIGHT], true),
    alice("compressed", ORDINARY, "-C", &[WRONG, RIGHT], true),
    alice("nobody is asked", ORDINARY, "-o PreferredAuthentications=hostbased", &[], false),
];

/// How many connections are compressed.
pub const COMPRESSED: usize = 1;

/// Prints the next answer.
const ASKPASS: &str = "#!/bin/sh\nhead -n 1 answers; sed -i 1d answers\n";

/// Makes the client's keys in a folder; returns the one that Alice is known by.
pub fn prepare(folder: &Path) -> String {
    let script = "for key in key other third; do ssh-keygen -q -t ed25519 -N '' -f $key; done; chmod +x askpass";
    std::fs::write(folder.join("askpass"), ASKPASS).expect("a script");
    let mut command = Command::new("sh");
    command.args(["-e", "-c", script]).current_dir(folder);
    run(command);
    std::fs::read_to_string(folder.join("key.pub")).expect("the key is there")
}

/// Carries everything out, one after the other, in a folder of their own.
pub fn play(folder: &Path) {
    let only = std::env::var("SCENARIO").unwrap_or_default();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.name.contains(&only)) {
        carry_out(folder, scenario);
    }
    // Another implementation of the protocol, libssh2, which pads nothing.
    for (password, status) in [(RIGHT, 0), (WRONG, 67)] {
        let url = format!("sftp://{ORDINARY}/etc/hostname");
        let mut curl = Command::new("timeout");
        curl.args([LONGEST, "curl", "-sSk", "-u", &format!("alice:{password}"), &url]);
        let output = curl.output().expect("curl is there");
        assert_eq!(output.status.code(), Some(status), "{output:?}");
    }
}

/// ssh with what every scenario wants of it, in a folder with its keys and the answers to what it asks.
pub fn ssh(folder: &Path, answers: &[&str]) -> Command {
    std::fs::write(folder.join("answers"), answers.join("\n") + "\n").expect("a file for the answers");
    let mut command = Command::new("timeout");
    command.args([LONGEST, "ssh", "-F", "none", "-n", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]);
    command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]).current_dir(folder);
    command.env("SSH_ASKPASS", folder.join("askpass")).env("SSH_ASKPASS_REQUIRE", "force");
    command
}

fn carry_out(folder: &Path, scenario: &Scenario) {
    let mut command = ssh(folder, scenario.answers);
    if !scenario.options.contains("-i ") {
        command.args(["-o", "IdentityFile=none"]);
    }
    command.args(scenario.options.split_whitespace()).args(["-l", scenario.user, scenario.server, "true"]);
    let output = command.output().expect("ssh is there");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), scenario.let_in, "{}: {}\n{told}", scenario.name, output.status);
}
