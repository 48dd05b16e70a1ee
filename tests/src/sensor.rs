//! The real binary as a child process: started, watched, stopped, killed, and its logs made comparable between runs.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::expect::{self, Logs};
use crate::replay::read_logs;
use crate::skip::skip;

/// How long anything may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Fields that differ from run to run, because they are times.
const TIMES: [&str; 5] = ["ts", "rtt", "duration", "start_time", "conn"];

/// `target/release/portreeve`, or what `PORTREEVE_BINARY` names.
fn binary() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/portreeve");
    std::env::var_os("PORTREEVE_BINARY").map_or(built, PathBuf::from)
}

/// Whether the binary is there; if not, the test is noted as skipped.
pub fn is_built() -> bool {
    let built = binary().exists();
    if !built {
        skip("the binary is not built: run `cargo build --release`");
    }
    built
}

/// A sensor at work on an interface of this thread's network. It is killed when dropped.
#[derive(Debug)]
pub struct Sensor {
    child: Child,
    logs: PathBuf,
    said: tempfile::NamedTempFile,
    /// Removed with the sensor.
    folder: Option<tempfile::TempDir>,
}

impl Sensor {
    /// Starts `portreeve run` on an interface.
    pub fn start(interface: &str, options: &[&str]) -> Sensor {
        let folder = tempfile::tempdir().expect("a folder for the logs");
        let mut sensor = Sensor::start_in(folder.path(), interface, options);
        sensor.folder = Some(folder);
        sensor
    }

    /// The same, with its logs in this folder.
    pub fn start_in(logs: &Path, interface: &str, options: &[&str]) -> Sensor {
        let mut command = command(interface, options, logs, &[]);
        let said = tempfile::NamedTempFile::new().expect("a file for what it says");
        let stderr = said.reopen().expect("the file can be written");
        let child = command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("the sensor starts");
        Sensor { child, logs: logs.into(), said, folder: None }
    }

    /// Runs it where it has to fail, by way of `prefix`; returns what it said.
    pub fn fails(interface: &str, options: &[&str], prefix: &[&str]) -> String {
        let logs = tempfile::tempdir().expect("a folder for the logs");
        let output = command(interface, options, logs.path(), prefix).args(["--for", "5"]).output().expect("it runs");
        assert!(!output.status.success(), "it should have failed: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Waits until it says that it is watching: everything is attached by then, however long the kernel took to verify it.
    pub fn wait_until_watching(&mut self) {
        self.wait_until("it was watching", |sensor| sensor.errors().contains("watching"));
    }

    /// Memory that it has in use now.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says");
        let kib = line.split_ascii_whitespace().next().expect("a number");
        kib.parse::<u64>().expect("a number") * 1024
    }

    fn wait_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the sensor ended ({status}) before {what}:\n{}", self.errors());
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
            sleep(Duration::from_millis(10));
        }
    }

    /// Lets it take what is on its way, asks it to end, and returns its summary and its logs without times.
    pub fn stop(mut self) -> (Value, Logs) {
        let (status, summary) = self.interrupt();
        assert!(status.success(), "it ended with {status}:\n{}", self.errors());
        (summary, timeless(&self.logs))
    }

    /// The same where something was wrong: its summary, and what it said.
    pub fn stop_in_trouble(mut self) -> (Value, String) {
        let (status, summary) = self.interrupt();
        assert!(!status.success(), "trouble is told by the exit status");
        (summary, self.errors())
    }

    fn interrupt(&mut self) -> (ExitStatus, Value) {
        sleep(Duration::from_millis(500));
        let interrupt = nix::sys::signal::Signal::SIGINT;
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, interrupt).expect("it can be asked to end");
        let mut summary = String::new();
        self.child.stdout.take().expect("stdout is piped").read_to_string(&mut summary).expect("a summary");
        let status = self.child.wait().expect("it ends");
        let told = serde_json::from_str(&summary);
        (status, told.unwrap_or_else(|why| panic!("the summary: {why}\n{summary}\n{}", self.errors())))
    }

    /// Waits until it ends by itself; returns how, what it said, and its logs.
    pub fn ends(mut self) -> (ExitStatus, String, Logs) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return (status, self.errors(), timeless(&self.logs));
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            sleep(Duration::from_millis(20));
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// What it has said so far.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.said.path()).unwrap_or_default()
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Analyses a capture file; returns the logs without times.
pub fn read(file: &Path, options: &[&str]) -> Logs {
    let logs = tempfile::tempdir().expect("a folder for the logs");
    read_in(logs.path(), file, options)
}

/// The same, with its logs in this folder.
pub fn read_in(logs: &Path, file: &Path, options: &[&str]) -> Logs {
    let output = Command::new(binary())
        .args(["read", "--summary", "json", "--log-dir"])
        .arg(logs)
        .args(options)
        .arg(file)
        .output()
        .expect("the sensor starts");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    timeless(logs)
}

/// Asserts that bytes which have to stay secret are in no file of a folder, and in no file's name.
pub fn assert_nowhere(folder: &Path, secrets: &[&str]) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_nowhere(&path, secrets);
            continue;
        }
        let name = path.as_os_str().as_encoded_bytes();
        let bytes = fs::read(&path).expect("the file can be read");
        for secret in secrets {
            let found = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found(&bytes) && !found(name), "{}: a password is in it", path.display());
        }
    }
}

/// What `ip` says of an interface.
pub fn link(interface: &str) -> String {
    let output = Command::new("ip").args(["link", "show", interface]).output().expect("iproute2 is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The same endpoint on another host of the same net, unless it is the server's.
pub fn renumber(endpoint: SocketAddr, number: u8) -> SocketAddr {
    match endpoint {
        SocketAddr::V4(v4) if v4.port() != 111 => {
            let [a, b, c, d] = v4.ip().octets();
            SocketAddr::from(([a, b, c, d + number], v4.port()))
        }
        other => other,
    }
}

fn command(interface: &str, options: &[&str], logs: &Path, prefix: &[&str]) -> Command {
    let mut words: Vec<&std::ffi::OsStr> = prefix.iter().map(std::ffi::OsStr::new).collect();
    let binary = binary();
    words.push(binary.as_os_str());
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["run", "--interface", interface, "--summary", "json", "--log-dir"]);
    command.arg(logs).args(options);
    command
}

/// The logs of a folder without what differs from run to run.
fn timeless(folder: &Path) -> Logs {
    let logs = expect::normalise(&read_logs(folder), 0);
    let ends = |line: &String| {
        let (_, rest) = line.split_once("\"conn\":\"C").unwrap_or(("", ""));
        rest.split_once('"')
            .and_then(|(conn, _)| conn.split_once(' '))
            .map_or_else(String::new, |(_, ends)| ends.into())
    };
    let keys: Vec<(String, Vec<String>)> =
        logs.iter().map(|(log, lines)| (log.clone(), lines.iter().map(ends).collect())).collect();
    let stripped = expect::without(&logs, &TIMES);
    keys.into_iter()
        .map(|(log, ends)| {
            let mut lines: Vec<String> = ends
                .iter()
                .zip(&stripped[&log])
                .map(|(ends, line)| format!("{ends} {}", without_seconds(line)))
                .collect();
            lines.sort();
            (log, lines)
        })
        .collect()
}

/// A line without the words that say how long a connection has lasted: `1.5s`.
fn without_seconds(line: &str) -> String {
    let is_time = |word: &&str| {
        let seconds = word.strip_suffix('s').and_then(|number| number.split_once('.'));
        seconds.is_some_and(|(whole, part)| whole.parse::<u64>().is_ok() && part.parse::<u64>().is_ok())
    };
    line.split(' ').filter(|word| !is_time(word)).collect::<Vec<_>>().join(" ")
}
