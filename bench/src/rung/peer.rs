//! Another program on the same wire, by the command that the user gives: Suricata, Zeek, or what else tells at its end how much it dropped.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use portreeve_ebpf::names;
use tempfile::NamedTempFile;

use super::xdp_drop::Attached;
use super::{Received, Receiver, Rung, measure};
use crate::generator::{Pace, Sent};
use crate::lab::Lab;
use crate::load::Load;
use crate::result::{Loss, Trial};
use crate::threads;

/// How long a program may take to start and to end.
const START: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// It has started when it was idle for so long.
const QUIET: Duration = Duration::from_millis(600);

/// A program of somebody else's.
#[derive(Debug)]
pub struct Peer {
    name: &'static str,
    what: &'static str,
    command: String,
}

impl Peer {
    /// A shell command, in which `{interface}` stands for the interface to listen on. It is asked to end by SIGINT.
    pub fn new(name: &'static str, what: &'static str, command: &str) -> Self {
        Peer { name, what, command: command.to_owned() }
    }
}

impl Rung for Peer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn what(&self) -> &'static str {
        self.what
    }

    fn trial(&mut self, lab: &mut Lab, load: &Load, pace: Pace, lasting: Duration) -> Result<Trial> {
        let process = Process::start(&self.command.replace("{interface}", &lab.far), lab)?;
        measure(lab, load, pace, lasting, process)
    }
}

/// The program at work. It is killed when dropped.
struct Process {
    child: Child,
    said: NamedTempFile,
    /// On a veth of our own, what lets live frames arrive where nothing else is attached.
    _passing: Option<Attached>,
}

impl Process {
    fn start(command: &str, lab: &Lab) -> Result<Self> {
        let passing = if lab.made { Some(Attached::new(&lab.far, names::BENCH_PASS)?) } else { None };
        let said = NamedTempFile::new()?;
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {command}")]).process_group(0).stdin(Stdio::null());
        shell.stdout(said.reopen()?).stderr(said.reopen()?);
        let child = shell.spawn().with_context(|| format!("start `{command}`"))?;
        let mut process = Process { child, said, _passing: passing };
        process.wait_until_ready(command)?;
        Ok(process)
    }

    /// Nobody tells when another program is ready: it is, once it has said something and rests.
    fn wait_until_ready(&mut self, command: &str) -> Result<()> {
        let begun = Instant::now();
        let mut last = (Duration::MAX, Instant::now());
        while begun.elapsed() < START {
            if let Some(status) = self.child.try_wait()? {
                bail!("`{command}` ended ({status}):\n{}", self.said()?);
            }
            let used = threads::cpu_of_process(self.child.id());
            if used.abs_diff(last.0) > QUIET / 20 {
                last = (used, Instant::now());
            } else if last.1.elapsed() > QUIET && used > Duration::ZERO {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        bail!("`{command}` is still busy after {START:?}, with nothing to do")
    }

    fn said(&self) -> Result<String> {
        let mut said = Vec::new();
        File::open(self.said.path())?.read_to_end(&mut said)?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    fn signal(&self, signal: Signal) {
        // It may have ended meanwhile.
        let _ = killpg(Pid::from_raw(self.child.id() as i32), signal);
    }
}

impl Receiver for Process {
    fn cpu(&self) -> Option<Duration> {
        Some(threads::cpu_of_process(self.child.id()))
    }

    fn stop(mut self, _: &Sent) -> Result<Received> {
        self.signal(Signal::SIGINT);
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > END {
                bail!("it did not end within {END:?}");
            }
            thread::sleep(LOOK);
        }
        let said = self.said()?;
        let frames = dropped(&said).with_context(|| format!("it does not tell what it dropped:\n{said}"))?;
        Ok(Received { lost: vec![Loss { stage: "dropped".into(), frames }], ..Received::default() })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// What a program says that it dropped: tcpdump's "N packets dropped by kernel", Zeek's "N packets received ..., N (0.0%) dropped",
/// Suricata's "packets: N, drop: N". The last number before the word "dropped", or the first behind "drops:" or "drop:"; of several
/// lines their sum, as there is one for each thread.
pub(super) fn dropped(said: &str) -> Option<u64> {
    said.lines().filter_map(dropped_in_line).reduce(u64::saturating_add)
}

fn dropped_in_line(line: &str) -> Option<u64> {
    let digits = |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    for mark in ["drops:", "drop:"] {
        if let Some((_, behind)) = line.split_once(mark) {
            return digits(behind.split_whitespace().next()?);
        }
    }
    let (before, _) = line.split_once("dropped")?;
    before.split_whitespace().rev().filter(|word| !word.contains('%')).find_map(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_tell_what_they_dropped_in_their_own_words() {
        let tcpdump = "10 packets captured\n12 packets received by filter\n2 packets dropped by kernel\n";
        assert_eq!(dropped(tcpdump), Some(2));
        assert_eq!(dropped("5 packets received on interface pb1, 3 (37.50%) dropped, 0 not processed"), Some(3));
        let suricata = "Notice: device: pb1: packets: 100, drops: 7 (7.00%), invalid chksum: 0\n\
                        Notice: device: pb1: packets: 100, drops: 5 (5.00%), invalid chksum: 0";
        assert_eq!(dropped(suricata), Some(12));
        assert_eq!(dropped("ended"), None);
    }
}
