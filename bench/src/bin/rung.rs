//! One trial of each rung: `rung LOAD [RATE|max [SECONDS [RUNG]]]`. For looking at the ladder itself.

use std::time::Duration;

use anyhow::{Context, Result};
use portreeve_bench::generator::Pace;
use portreeve_bench::lab::Lab;
use portreeve_bench::rung::ladder;
use portreeve_bench::scenario;

/// As the sensor itself has it: the records cross from one thread to another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |place: usize| words.get(place).map(String::as_str);
    let load = scenario::load(word(0).unwrap_or("wanted")).context("there is no such load")?;
    let pace = word(1).and_then(|rate| rate.parse().ok()).map_or(Pace::FlatOut, Pace::PerSecond);
    let seconds = word(2).map_or(Ok(2.0), str::parse)?;
    let mut lab = Lab::veth()?;
    println!("{}: {:.1} bytes, {:.1} % wanted", load.name, load.frame_bytes(), 100.0 * load.wanted());
    for mut rung in ladder(None)?.into_iter().filter(|rung| word(3).is_none_or(|name| name == rung.name())) {
        let trial = rung.trial(&mut lab, &load, pace, Duration::from_secs_f64(seconds))?;
        println!(
            "{:10} offered {:>10} ({:.3} M/s), received {:>10}, lost {:?}, unexplained {}, ns {:.1} + {:.1}, latency {:?}",
            rung.name(),
            trial.offered,
            trial.offered_rate() / 1e6,
            trial.received,
            trial.lost,
            trial.unexplained,
            trial.cpu.generator,
            trial.cpu.workers.unwrap_or(0.0),
            trial.latency.map(|latency| latency.points),
        );
    }
    Ok(())
}
