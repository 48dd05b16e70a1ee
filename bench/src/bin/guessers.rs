//! Whether ten who guess passwords are found among a million sources that try one account each, and what memory those sources take.
//! Each run is a process of its own, so that what one has taken is not lent to the other.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::{env, fs, thread};

use anyhow::{Context, Error, Result, anyhow, ensure};
use clap::Parser;
use nix::sys::stat::Mode;
use portreeve::config::Settings;
use portreeve::engine;
use portreeve_bench::guesses::{self, GUESSERS};
use portreeve_bench::program;
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SOURCES: u32 = 1_000_000;
/// What the growth is measured against: enough sources that everything else has its size.
const FEW: u32 = 2_000;
const MIB: f64 = (1 << 20) as f64;

/// What one run found.
#[derive(Serialize, Deserialize)]
struct Found {
    resident: u64,
    packets: u64,
    seconds: f64,
    guessers: u32,
    others: u64,
    forgotten: u64,
}

/// See whether ten who guess passwords are found among many sources that try one account each, and in what memory
#[derive(Parser)]
#[command(name = "guessers", version)]
struct Cli {
    /// How many sources
    #[arg(default_value_t = SOURCES)]
    sources: u32,
    /// One run, in this process, whose outcome is printed as JSON
    #[arg(long, hide = true)]
    one: bool,
}

fn main() -> ExitCode {
    program::run(|cli: Cli| if cli.one { one(cli.sources) } else { compare(cli.sources) })
}

fn one(sources: u32) -> Result<()> {
    println!("{}", serde_json::to_string(&run(sources)?)?);
    Ok(())
}

fn compare(sources: u32) -> Result<()> {
    println!(
        "{:>10}{:>12}{:>10}{:>12}{:>12}{:>12}{:>12}",
        "sources", "packets", "seconds", "MiB", "guessers", "others", "forgotten"
    );
    let (few, many) = (in_a_process(FEW)?, in_a_process(sources)?);
    let growth = many.resident.saturating_sub(few.resident) as f64 / MIB;
    let bound = Settings::default().limits.collector_bytes() as f64 / MIB;
    println!("asked: {GUESSERS} guessers reported and nobody else, reached {} and {}", many.guessers, many.others);
    println!("asked: at most {bound:.0} MiB more than for {FEW} sources, reached {growth:.0}");
    ensure!(many.guessers == GUESSERS && many.others == 0 && growth <= bound, "not reached");
    Ok(())
}

fn in_a_process(sources: u32) -> Result<Found> {
    let output = Command::new(env::current_exe()?).args(["--one", &sources.to_string()]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Found = serde_json::from_slice(&output.stdout)?;
    println!(
        "{sources:>10}{:>12}{:>10.1}{:>12.0}{:>12}{:>12}{:>12}",
        found.packets,
        found.seconds,
        found.resident as f64 / MIB,
        found.guessers,
        found.others,
        found.forgotten
    );
    Ok(found)
}

/// The capture goes from the thread that makes it to the sensor through a named pipe, and never to a disk.
fn run(sources: u32) -> Result<Found> {
    let folder = tempfile::tempdir()?;
    let (pipe, logs) = (folder.path().join("made.pcap"), folder.path().join("logs"));
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU)?;
    fs::create_dir(&logs)?;
    let settings = settings(&logs)?;
    let made = thread::spawn({
        let pipe = pipe.clone();
        move || guesses::write(&pipe, sources)
    });
    let ended = engine::read(settings, &[pipe], false, &Arc::new(AtomicBool::new(false))).map_err(Error::new)?;
    made.join().map_err(|_| anyhow!("the generator has panicked"))??;
    let summary = ended.summary;
    ensure!(summary.ledger.unexplained() == 0 && summary.records_lost() == 0, "the ledger does not close:\n{summary}");
    let (guessers, others) = reported(&logs.join("notice.log"))?;
    Ok(Found {
        resident: portreeve::sys::peak_bytes(),
        packets: summary.packets,
        seconds: summary.seconds,
        guessers,
        others,
        forgotten: summary.counters.get("detectors_forgotten").copied().unwrap_or(0),
    })
}

fn settings(logs: &Path) -> Result<Settings> {
    Settings::load(None, &[format!("output.log_dir={:?}", logs.display().to_string())]).map_err(Error::new)
}

/// How many of the guessers were reported for their guesses, and how many others.
fn reported(log: &Path) -> Result<(u32, u64)> {
    let (mut guessers, mut others) = ([false; GUESSERS as usize], 0);
    for line in fs::read_to_string(log).unwrap_or_default().lines() {
        let notice: serde_json::Value = serde_json::from_str(line)?;
        if notice["note"] != "PasswordGuessing" {
            continue;
        }
        let source: std::net::Ipv4Addr = notice["src"].as_str().context("no source")?.parse()?;
        match (0..GUESSERS).position(|number| source.octets() == guesses::guesser(number)) {
            Some(number) => guessers[number] = true,
            None => others += 1,
        }
    }
    Ok((guessers.iter().map(|found| u32::from(*found)).sum(), others))
}
