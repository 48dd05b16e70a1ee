//! What a large copy by SSH costs the sensor at 10 Gbit/s, with the bypass and without it: packets that the worker is given, processor time
//! that it takes, and whether every frame is accounted for.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, ensure};
use clap::Parser;
use portreeve::config::Settings;
use portreeve::engine;
use portreeve::summary::{Stage, Summary};
use portreeve_bench::generator::{Pace, Sent};
use portreeve_bench::lab::{FAR, Lab, NEAR};
use portreeve_bench::ssh_bulk::{SEGMENT, SshBulk, WIRE_BYTES};
use portreeve_bench::{program, refusals, threads};
use portreeve_tests::inject;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is asked for: bits of the server's frames a second, and shares of packets and of one processor.
const BITS: f64 = 10e9;
const PACKETS: f64 = 0.01;
const PROCESSOR: f64 = 0.05;
/// How long the sensor may take to start, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Until the worker has looked at what has been sent.
const SETTLE: Duration = Duration::from_millis(300);

/// What a run gave.
struct Measured {
    sent: Sent,
    worker: Duration,
    summary: Summary,
    /// What conn.log says that the server has sent.
    copied: u64,
}

/// Measure what a large copy by SSH costs at 10 Gbit/s, with the bypass and without it
#[derive(Parser)]
#[command(name = "bulk", version)]
struct Cli {
    /// How long each of the two copies
    #[arg(default_value_t = 10)]
    seconds: u64,
}

fn main() -> ExitCode {
    program::run(|cli: Cli| both(cli.seconds))
}

fn both(seconds: u64) -> Result<()> {
    refusals::refuse_machine()?;
    let mut lab = Lab::veth()?;
    let bulk = SshBulk::new()?;
    println!(
        "{:8}{:>8}{:>12}{:>14}{:>24}{:>16}{:>13}",
        "bypass", "Gbit/s", "frames", "lost", "given to the worker", "of a processor", "unexplained"
    );
    let with = measure(&mut lab, &bulk, true, Duration::from_secs(seconds))?;
    println!("{:8}{with}", "on");
    let without = measure(&mut lab, &bulk, false, Duration::from_secs(seconds))?;
    println!("{:8}{without}", "off");
    println!("\nwith the bypass:\n{}\n", with.summary);
    with.judge(&bulk)?;
    ensure!(without.summary.ledger.unexplained() == 0, "the ledger does not close:\n{}", without.summary);
    Ok(())
}

impl Measured {
    fn bits(&self) -> f64 {
        SshBulk::segments(self.sent.frames) as f64 * (WIRE_BYTES * 8) as f64 / self.sent.wall.as_secs_f64()
    }

    fn share_of_packets(&self) -> f64 {
        self.summary.packets as f64 / self.sent.frames as f64
    }

    fn share_of_processor(&self) -> f64 {
        self.worker.as_secs_f64() / self.sent.wall.as_secs_f64()
    }

    /// Frames that were to reach the worker, and for which it was too slow.
    fn lost(&self) -> u64 {
        let redirected = |stage: &&Stage| stage.name == "redirected";
        self.summary.ledger.stages().iter().find(redirected).map_or(0, |stage| stage.entered - self.summary.packets)
    }

    /// Says what was asked and what was reached.
    fn judge(&self, bulk: &SshBulk) -> Result<()> {
        let (bits, packets, processor) = (self.bits(), self.share_of_packets(), self.share_of_processor());
        let exact = bulk.login_bytes + SshBulk::segments(self.sent.frames) * SEGMENT as u64;
        let unexplained = self.summary.ledger.unexplained();
        println!("asked: {:.0} Gbit/s, reached {:.2}", BITS / 1e9, bits / 1e9);
        println!("asked: < {} % of the packets, reached {:.4} %", PACKETS * 100.0, packets * 100.0);
        println!("asked: < {} % of a processor, reached {:.2} %", PROCESSOR * 100.0, processor * 100.0);
        println!("asked: 0 frames unexplained, reached {unexplained}");
        println!("asked: {exact} bytes in conn.log, reached {}", self.copied);
        let reached = packets < PACKETS && processor < PROCESSOR && unexplained == 0 && self.copied == exact;
        ensure!(reached, "not reached");
        ensure!(bits > 0.98 * BITS, "the generator was held up: this machine is busy, or too slow");
        Ok(())
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (packets, unexplained) = (self.summary.packets, self.summary.ledger.unexplained());
        let (share, processor) = (self.share_of_packets() * 100.0, self.share_of_processor() * 100.0);
        write!(f, "{:>8.2}{:>12}{:>14}", self.bits() / 1e9, self.sent.frames, self.lost())?;
        write!(f, "{packets:>14} {share:>8.4}%{processor:>15.2}%{unexplained:>13}")
    }
}

/// One run of the sensor: login, copy, end.
fn measure(lab: &mut Lab, bulk: &SshBulk, bypass: bool, lasting: Duration) -> Result<Measured> {
    let logs = tempfile::tempdir()?;
    let settings = settings(logs.path(), bypass)?;
    let stop = Arc::new(AtomicBool::new(false));
    let sensor = thread::spawn({
        let stop = Arc::clone(&stop);
        move || engine::run(settings, FAR, None, &stop)
    });
    wait_for(|| is_attached() || sensor.is_finished())?;
    send(&bulk.login)?;
    thread::sleep(SETTLE);
    let before = worker_time();
    let frames = BITS / (WIRE_BYTES * 8) as f64 * 1.5;
    let sent = lab.send(&bulk.load()?, Pace::PerSecond(frames), lasting)?;
    let worker = worker_time().saturating_sub(before);
    thread::sleep(SETTLE);
    send(&bulk.close(SshBulk::segments(sent.frames))?)?;
    thread::sleep(SETTLE);
    stop.store(true, Ordering::Relaxed);
    let ended = sensor.join().map_err(|_| anyhow!("the sensor has panicked"))?.map_err(Error::new)?;
    let copied = copied(&logs.path().join("conn.log"))?;
    Ok(Measured { sent, worker, summary: ended.summary, copied })
}

fn settings(logs: &Path, bypass: bool) -> Result<Settings> {
    let changes = [
        format!("output.log_dir={:?}", logs.display().to_string()),
        "workers=1".to_owned(),
        "capture.source=\"af_xdp\"".to_owned(),
        format!("capture.bypass.ssh_authenticated={bypass}"),
    ];
    Settings::load(None, &changes).map_err(Error::new)
}

fn send(frames: &[portreeve_tests::encode::WireFrame]) -> Result<()> {
    inject::send(NEAR, frames, Duration::from_millis(1)).map_err(|why| anyhow!(why))
}

/// Whether the kernel program runs: frames that come earlier are nobody's.
fn is_attached() -> bool {
    let shown = std::process::Command::new("ip").args(["-details", "link", "show", FAR]).output();
    shown.is_ok_and(|shown| String::from_utf8_lossy(&shown.stdout).contains("prog/xdp"))
}

fn worker_time() -> Duration {
    threads::cpu_of(|name| name == "worker-0")
}

fn wait_for(holds: impl Fn() -> bool) -> Result<()> {
    let since = Instant::now();
    while !holds() {
        ensure!(since.elapsed() < PATIENCE, "the sensor does not start");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn copied(log: &Path) -> Result<u64> {
    let text = fs::read_to_string(log)?;
    let line: serde_json::Value = serde_json::from_str(text.lines().next().context("conn.log is empty")?)?;
    line["resp_bytes"].as_u64().context("conn.log has no size")
}
