//! Other programs in a test: found, run to their end, waited for.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::skip::skip;

/// How long anything may take to begin or to end.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Runs something that has to succeed.
pub fn run(mut command: Command) {
    let output = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Waits until something holds.
pub fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20));
    }
}

/// Whether these programs are installed; if one is not, the test is noted as skipped.
pub fn are_installed(tools: &[&str]) -> bool {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let missing = tools.iter().find(|tool| !folders.iter().any(|folder| Path::new(folder).join(tool).exists()));
    if let Some(tool) = missing {
        skip(&format!("{tool} is not installed: run `cargo xtask setup`"));
    }
    missing.is_none()
}

/// A program that setup has unpacked and not installed, by its path on a system that has it installed.
pub fn peer(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers").join(path)
}

/// Whether these are unpacked; if one is not, the test is noted as skipped.
pub fn are_unpacked(paths: &[&str]) -> bool {
    let missing = paths.iter().find(|path| !peer(path).exists());
    if let Some(path) = missing {
        skip(&format!("{path} is not in target/peers: run `cargo xtask setup`"));
    }
    missing.is_none()
}

/// tcpdump, writing every frame at once, with room for bursts: 64 MiB.
#[derive(Debug)]
pub struct Tcpdump(Child);

impl Tcpdump {
    /// Writes what passes an interface into a file.
    pub fn start(interface: &str, file: &Path) -> Tcpdump {
        let mut command = Command::new("tcpdump");
        command
            .args(["-i", interface, "--immediate-mode", "-U", "-s", "0", "-B", "65536", "-Z", "root", "-w"])
            .arg(file)
            .stderr(Stdio::piped());
        let tcpdump = Tcpdump(command.spawn().expect("tcpdump is there"));
        wait_for("tcpdump's file", || file.metadata().is_ok_and(|file| file.len() >= 24));
        tcpdump
    }

    /// Ends it; the file is whole then.
    ///
    /// # Panics
    /// If it has lost a frame: nothing can be compared with such a file.
    pub fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it can be asked to end");
        let mut told = String::new();
        self.0.stderr.take().expect("stderr is piped").read_to_string(&mut told).expect("it tells what it did");
        self.0.wait().expect("it ends");
        assert!(told.contains("\n0 packets dropped by kernel"), "tcpdump: {told}");
    }
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
