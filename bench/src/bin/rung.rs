//! One trial of each rung, for looking at the ladder itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use portreeve_bench::generator::Pace;
use portreeve_bench::lab::Lab;
use portreeve_bench::load::capture;
use portreeve_bench::result::Trial;
use portreeve_bench::rung::{ladder, only};
use portreeve_bench::{program, refusals, scenario};

/// As the sensor itself has it: the records cross from one thread to another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Make one trial of each rung of the ladder
#[derive(Parser)]
#[command(name = "rung", version)]
struct Cli {
    /// What to send; `drop-rate --load list` says what there is
    #[arg(default_value = "wanted")]
    load: String,
    /// Send the frames of this capture file instead, those that the sensor wants
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Frames a second; left out, as many as can be sent
    #[arg(long)]
    rate: Option<f64>,
    /// How long
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Only these rungs
    #[arg(long, value_name = "NAME")]
    rung: Vec<String>,
    /// How often, all rungs in turns
    #[arg(long, default_value_t = 1)]
    turns: usize,
    /// A setting of the sensor that is not the default
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

fn main() -> ExitCode {
    program::run(|cli: Cli| run(&cli))
}

fn run(cli: &Cli) -> Result<()> {
    refusals::refuse_machine()?;
    let load = match &cli.replay {
        Some(file) => capture::read(file)?,
        None => scenario::load(&cli.load).with_context(|| format!("there is no load {}", cli.load))?,
    };
    let pace = cli.rate.map_or(Pace::FlatOut, Pace::PerSecond);
    let mut lab = Lab::veth()?;
    println!("{}: {:.1} bytes, {:.1} % wanted", load.name, load.frame_bytes(), 100.0 * load.wanted());
    let mut rungs = only(&cli.rung, ladder(None, &cli.set)?)?;
    for _ in 0..cli.turns {
        for rung in &mut rungs {
            show(rung.name(), &rung.trial(&mut lab, &load, pace, Duration::from_secs_f64(cli.seconds))?);
        }
    }
    Ok(())
}

fn show(name: &str, trial: &Trial) {
    let lost = Vec::from_iter(trial.lost.iter().map(|loss| format!("{} {}", loss.frames, loss.stage)));
    let latency = trial.latency.as_ref();
    let micros = |percentile| latency.and_then(|latency| latency.at(percentile)).unwrap_or(0) as f64 / 1e3;
    println!(
        "{name:10} offered {:>10} ({:.3} M/s), received {:>10}, lost [{}], unexplained {}, ns {:.1} + {:.1}, p50 {:.0} us, p99 {:.0} us",
        trial.offered,
        trial.offered_rate() / 1e6,
        trial.received,
        lost.join(", "),
        trial.unexplained,
        trial.cpu.generator,
        trial.cpu.workers.unwrap_or(0.0),
        micros(50.0),
        micros(99.0),
    );
}
