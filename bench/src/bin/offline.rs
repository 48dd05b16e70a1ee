//! How fast a capture of portmapper lookups goes through the whole sensor on one core, beside a loop that only reads the file.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::time::{ClockId, clock_gettime};
use portreeve::capture::plan::Plan;
use portreeve::capture::{Source, Wait, pcap};
use portreeve::config::Settings;
use portreeve::engine;
use portreeve_bench::lookups;

const LOOKUPS: u32 = 2_000_000;
const TURNS: usize = 5;

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("portreeve-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let capture = folder.join("lookups.pcap");
    lookups::write(&capture, LOOKUPS)?;
    let outcome = measure(&capture);
    std::fs::remove_dir_all(&folder)?;
    outcome
}

fn measure(capture: &std::path::Path) -> Result<()> {
    let sets = ["output.format=\"null\"".to_owned()];
    let settings = Settings::load(None, &sets).map_err(anyhow::Error::new)?;
    println!("{:>8}{:>22}{:>22}{:>10}", "packets", "only read", "whole sensor", "ratio");
    for _ in 0..TURNS {
        let read = only_read(&settings, capture)?;
        let before = cpu()?;
        let stop = Arc::new(AtomicBool::new(false));
        let ended = engine::read(settings.clone(), &[capture.to_owned()], false, &stop).map_err(anyhow::Error::new)?;
        let whole = cpu()? - before;
        let packets = ended.summary.packets as f64;
        println!(
            "{packets:>8}{:>13.2} million/s{:>13.2} million/s{:>10.2}",
            packets / read.as_secs_f64() / 1e6,
            packets / whole.as_secs_f64() / 1e6,
            read.as_secs_f64() / whole.as_secs_f64(),
        );
        anyhow::ensure!(ended.summary.ledger.unexplained() == 0, "the ledger does not close");
    }
    println!("packets per second of processor time, all threads together");
    Ok(())
}

/// Reads, and does nothing with what was read.
fn only_read(settings: &Settings, capture: &std::path::Path) -> Result<Duration> {
    let plan = Plan::new(settings, 1, 1).map_err(anyhow::Error::new)?;
    let opened =
        pcap::open(&[capture.to_owned()], &plan, &pcap::Settings { progress: false }).map_err(anyhow::Error::new)?;
    let (before, started, mut bytes) = (cpu()?, Instant::now(), 0_u64);
    for mut source in opened.sources {
        while source.wait(Duration::ZERO) != Wait::Ended {
            source.drain(&mut |frame, _| bytes += frame.bytes.len() as u64);
        }
    }
    anyhow::ensure!(bytes > 0, "nothing was read in {:?}", started.elapsed());
    Ok(cpu()? - before)
}

fn cpu() -> Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?))
}
