//! How fast captures go through the whole sensor with one worker, beside a loop that only reads the file. Without arguments: lookups over
//! lasting flows, lookups of which each opens one, and people who type.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Result;
use portreeve::capture::plan::Plan;
use portreeve::capture::{Source, Wait, pcap};
use portreeve::config::Settings;
use portreeve::engine;
use portreeve_bench::keystrokes;
use portreeve_bench::lookups::{self, Flows};
use portreeve_bench::threads;

/// As the sensor itself has it: the records cross from one thread to another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LOOKUPS: u32 = 2_000_000;
const KEYS: u32 = 1_500_000;
const TURNS: usize = 3;

fn main() -> Result<()> {
    println!(
        "{:>24}{:>12}{:>9}{:>12}{:>12}{:>10}",
        "ns of a processor per", "read only", "worker", "collector", "Mpps wall", "of read"
    );
    let captures = Vec::from_iter(std::env::args_os().skip(1).map(PathBuf::from));
    for capture in &captures {
        measure(&capture.file_name().unwrap_or_default().to_string_lossy(), capture)?;
    }
    if !captures.is_empty() {
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
    let settings = Settings::load(None, &["output.format=\"null\"".to_owned()]).map_err(anyhow::Error::new)?;
    for _ in 0..TURNS {
        let (read, _) = threads::watch(|| only_read(&settings, capture))?;
        let (ended, used) = threads::watch(|| {
            let (started, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
            let ended =
                engine::read(settings.clone(), &[capture.to_owned()], false, &stop).map_err(anyhow::Error::new)?;
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

/// Reads, and does nothing with what was read.
fn only_read(settings: &Settings, capture: &Path) -> Result<Duration> {
    let plan = Plan::new(settings, 1, 1).map_err(anyhow::Error::new)?;
    let opened =
        pcap::open(&[capture.to_owned()], &plan, &pcap::Settings { progress: false }).map_err(anyhow::Error::new)?;
    let (started, mut bytes) = (Instant::now(), 0_u64);
    for mut source in opened.sources {
        while source.wait(Duration::ZERO) != Wait::Ended {
            source.drain(&mut |frame, _| bytes += frame.bytes.len() as u64);
        }
    }
    let took = started.elapsed();
    anyhow::ensure!(bytes > 0, "nothing was read");
    Ok(took)
}
