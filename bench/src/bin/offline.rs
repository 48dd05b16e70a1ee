//! How fast captures go through the whole sensor with one worker, beside a loop that only reads the file, and beside another program.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use clap::Parser;
use portreeve::capture::plan::Plan;
use portreeve::capture::{Source, Wait, pcap};
use portreeve::config::Settings;
use portreeve::engine;
use portreeve::sys::cpu_time;
use portreeve_bench::file_peer::{self, TSHARK};
use portreeve_bench::keystrokes;
use portreeve_bench::lookups::{self, Flows};
use portreeve_bench::{program, refusals, threads};

/// As the sensor itself has it: the records cross from one thread to another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LOOKUPS: u32 = 2_000_000;
const KEYS: u32 = 1_500_000;
const TURNS: usize = 3;

/// Measure how fast captures go through the whole sensor with one worker, beside a loop that only reads the file
#[derive(Parser)]
#[command(name = "offline", version)]
struct Cli {
    /// Captures; without any: lookups over lasting flows, lookups of which each opens one, and people who type
    #[arg(value_name = "FILE")]
    captures: Vec<PathBuf>,
    /// Compare processor time with this program, which reads `{file}`; the sensor then writes its logs
    #[arg(long, value_name = "COMMAND", requires = "captures")]
    peer_command: Option<String>,
    /// Compare with tshark, which is to print what the sensor's logs are about
    #[arg(long, requires = "captures", conflicts_with = "peer_command")]
    tshark: bool,
}

fn main() -> ExitCode {
    program::run(|cli: Cli| run(&cli))
}

fn run(cli: &Cli) -> Result<()> {
    let peer = cli.peer_command.as_deref().or_else(|| cli.tshark.then_some(TSHARK));
    if let Some(command) = peer {
        refusals::refuse_peer(command, "{file}")?;
        return cli.captures.iter().try_for_each(|capture| beside_peer(command, capture));
    }
    println!(
        "{:>24}{:>12}{:>9}{:>12}{:>12}{:>10}",
        "ns of a processor per", "read only", "worker", "collector", "Mpps wall", "of read"
    );
    for capture in &cli.captures {
        measure(&capture.file_name().unwrap_or_default().to_string_lossy(), capture)?;
    }
    if !cli.captures.is_empty() {
        return Ok(());
    }
    let folder = std::env::temp_dir().join(format!("portreeve-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = measure_made(&folder.join("made.pcap"));
    std::fs::remove_dir_all(&folder)?;
    outcome
}

fn measure_made(capture: &Path) -> Result<()> {
    for (label, flows) in [("packet, lasting flows", Flows::Lasting), ("packet, ever new flows", Flows::EverNew)] {
        lookups::write(capture, LOOKUPS, flows)?;
        measure(label, capture)?;
    }
    keystrokes::write(capture, KEYS)?;
    measure("packet, keystrokes", capture)
}

fn measure(label: &str, capture: &Path) -> Result<()> {
    let settings = Settings::load(None, &["output.format=\"null\"".to_owned()]).map_err(Error::new)?;
    for _ in 0..TURNS {
        let (read, _) = threads::watch(|| only_read(&settings, capture))?;
        let (ended, used) = threads::watch(|| {
            let (started, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
            let ended = engine::read(settings.clone(), &[capture.to_owned()], false, &stop).map_err(Error::new)?;
            Ok((ended, started.elapsed()))
        })?;
        let (ended, elapsed) = ended;
        anyhow::ensure!(ended.summary.ledger.unexplained() == 0, "the ledger does not close");
        let packets = ended.summary.packets as f64;
        let per_packet = |time: Duration| time.as_secs_f64() * 1e9 / packets;
        let of = |thread: &str| per_packet(used.get(thread).copied().unwrap_or_default());
        println!(
            "{label:>24}{:>12.0}{:>9.0}{:>12.0}{:>12.2}{:>10.2}",
            per_packet(read),
            of("worker-0"),
            of("collector"),
            packets / elapsed.as_secs_f64() / 1e6,
            read.as_secs_f64() / elapsed.as_secs_f64(),
        );
    }
    Ok(())
}

/// All threads of the sensor, logs written, against all of the other program, in turns.
fn beside_peer(command: &str, capture: &Path) -> Result<()> {
    println!("{}: ns of processors per packet, everything counted", capture.display());
    let mut best = [f64::MAX; 2];
    for _ in 0..TURNS {
        let logs = tempfile::tempdir()?;
        let log_dir = format!("output.log_dir={:?}", logs.path().display().to_string());
        let settings = Settings::load(None, &[log_dir, "workers=1".to_owned()]).map_err(Error::new)?;
        let before = cpu_time();
        let ended = engine::read(settings, &[capture.to_owned()], false, &Arc::default()).map_err(Error::new)?;
        let ours = cpu_time().saturating_sub(before);
        let theirs = file_peer::processor_time(command, capture)?;
        let per_packet = |time: Duration| time.as_secs_f64() * 1e9 / ended.summary.packets as f64;
        println!("  portreeve, logs written: {:>8.0}    peer: {:>8.0}", per_packet(ours), per_packet(theirs));
        best.iter_mut().zip([ours, theirs]).for_each(|(best, time)| *best = best.min(per_packet(time)));
    }
    let [ours, theirs] = best;
    let rate = |nanos: f64| 1e6 / nanos;
    println!("  peer: {command}");
    println!(
        "  thousand packets per core-second: {:.0} and {:.1}, ratio {:.0}",
        rate(ours),
        rate(theirs),
        theirs / ours
    );
    Ok(())
}

/// Reads, and does nothing with what was read.
fn only_read(settings: &Settings, capture: &Path) -> Result<Duration> {
    let plan = Plan::new(settings, 1, 1).map_err(Error::new)?;
    let opened = pcap::open(&[capture.to_owned()], &plan, &pcap::Settings { progress: false }).map_err(Error::new)?;
    let (started, mut bytes) = (Instant::now(), 0_u64);
    for mut source in opened.sources {
        while source.wait(Duration::ZERO) != Wait::Ended {
            source.drain(&mut |frames, _| bytes += frames.iter().map(|frame| frame.bytes.len() as u64).sum::<u64>());
        }
    }
    let took = started.elapsed();
    anyhow::ensure!(bytes > 0, "nothing was read");
    Ok(took)
}
