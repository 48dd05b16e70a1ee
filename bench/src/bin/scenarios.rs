//! What is promised beyond drop rates, measured on a veth pair: ratios in one run, in turns, and what an attack does.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use portreeve::config::Settings;
use portreeve::sys::{peak_bytes, resident_bytes};
use portreeve_bench::generator::Pace;
use portreeve_bench::lab::Lab;
use portreeve_bench::load::Load;
use portreeve_bench::result::{Figure, Trial};
use portreeve_bench::rung::{BareXsk, NullSensor, Rung, Sensor, XdpDrop};
use portreeve_bench::scenario::{self, IMIX_10GBE};
use portreeve_bench::{program, refusals};

/// As the sensor itself has it: the records cross from one thread to another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a trial of a ratio sends, and how often each side has its turn.
const SHORT: Duration = Duration::from_secs(1);
const TURNS: usize = 7;
/// A pace that everything here keeps up with, for costs per frame.
const GENTLE: Pace = Pace::PerSecond(150_000.0);
/// What share of the most that AF_PACKET receives both have to take when their costs are compared.
const BUSY: f64 = 0.7;
/// The table of the flood, and how many times as many connections it gets.
const TABLE: u32 = 65_536;
const TIMES: u32 = 10;
/// What a lookup is reported as.
const NOTICE: &str = "SensitivePortmapperAccess";

/// One measurement: what it is called, and what makes it.
type Measurement = (&'static str, fn() -> Result<()>);

const ALL: [Measurement; 10] = [
    ("filter", filter),
    ("transport", transport),
    ("af-packet", af_packet),
    ("imix", imix),
    ("latency", latency),
    ("alert-storm", alert_storm),
    ("syn-flood", syn_flood),
    ("bulk", bulk),
    ("hostile", hostile),
    ("workers", workers),
];

/// Measure what is promised beside drop rates: costs in turns with what they are compared to, latency, floods and storms
#[derive(Parser)]
#[command(name = "scenarios", version)]
struct Cli {
    /// Which; left out, all of them
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(ALL.map(|(name, _)| name)))]
    names: Vec<String>,
}

fn main() -> ExitCode {
    program::run(|cli: Cli| run(&cli.names))
}

fn run(names: &[String]) -> Result<()> {
    refusals::refuse_machine()?;
    for (name, measure) in ALL.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|one| one == name)) {
        // Each in a thread of its own: a network namespace belongs to a thread.
        let outcome = std::thread::scope(|scope| scope.spawn(measure).join());
        outcome.unwrap_or_else(|_| bail!("it has panicked")).with_context(|| format!("measuring {name}"))?;
    }
    Ok(())
}

/// The whole filter beside a program that only drops, with nothing that is wanted.
fn filter() -> Result<()> {
    let [bare, ours] = in_turns("unwanted", Pace::FlatOut, [&mut XdpDrop, &mut NullSensor::with(&[])?])?;
    ratio("filter: XDP_DROP / full program, CPU per frame", &bare, &ours, 0.90);
    Ok(())
}

/// The way to a worker beside the barest loop that takes frames.
fn transport() -> Result<()> {
    let [bare, ours] = in_turns("wanted", GENTLE, [&mut BareXsk, &mut NullSensor::with(&[])?])?;
    ratio("transport: bare AF_XDP loop / null analyzers, CPU per frame", &bare, &ours, 0.92);
    let [bare, ours] = in_turns("wanted", Pace::FlatOut, [&mut BareXsk, &mut NullSensor::with(&[])?])?;
    let rate = |trials: &[Trial]| Figure::median(trials.iter().map(Trial::received_rate).collect());
    let (bare, ours) = (rate(&bare).context("no trials")?.value, rate(&ours).context("no trials")?.value);
    println!(
        "  received flat out: {:.0} and {:.0} thousand a second, ratio {:.2}",
        bare / 1e3,
        ours / 1e3,
        ours / bare
    );
    Ok(())
}

/// The same analyzers behind AF_PACKET.
fn af_packet() -> Result<()> {
    let (mut packet, mut ours) = (Sensor::by_af_packet(&[])?, Sensor::full(&[])?);
    let most = packet.trial(&mut Lab::veth()?, &load("conversations")?, Pace::FlatOut, SHORT)?.received_rate();
    let pace = Pace::PerSecond(most * BUSY);
    let [bare, packet, ours] = in_turns("conversations", pace, [&mut XdpDrop, &mut packet, &mut ours])?;
    let sending = least(&bare, |trial| trial.cpu.generator);
    let cost = |trials: &[Trial]| {
        let kernel = least(trials, |trial| trial.cpu.generator) - sending;
        (kernel, least(trials, |trial| trial.cpu.workers.unwrap_or(0.0)))
    };
    let (packet_cost, our_cost) = (cost(&packet), cost(&ours));
    println!(
        "AF_PACKET / AF_XDP, same analyzers, at {:.0} thousand a second: {:.0} + {:.0} and {:.0} + {:.0} ns in the kernel and in the worker, \
         ratio {:.2} (must: at least 2.0); without {sending:.0} ns for sending, and without spinning; of the kernel alone {:.2}",
        most * BUSY / 1e3,
        packet_cost.0,
        packet_cost.1,
        our_cost.0,
        our_cost.1,
        (packet_cost.0 + packet_cost.1) / (our_cost.0 + our_cost.1),
        packet_cost.0 / our_cost.0
    );
    let lost = |trials: &[Trial]| trials.iter().map(|trial| trial.offered - trial.received).sum::<u64>();
    println!("  lost {} and {}", lost(&packet), lost(&ours));
    Ok(())
}

/// 10GbE full of IMIX, a tenth of it wanted, for a minute.
fn imix() -> Result<()> {
    let mut lab = Lab::veth()?;
    let load = load("imix")?;
    let trial = Sensor::full(&[])?.trial(&mut lab, &load, Pace::PerSecond(IMIX_10GBE), Duration::from_secs(60))?;
    println!(
        "imix: {:.2} of 3.34 million a second could be offered for {:.0} s; lost {} of {} ({:?}), unexplained {} (must: 0 lost)",
        trial.offered_rate() / 1e6,
        trial.seconds,
        trial.offered - trial.received,
        trial.offered,
        trial.lost,
        trial.unexplained
    );
    Ok(())
}

/// From intended send times to a worker, and from the kernel program to a record, at half of what each can take.
fn latency() -> Result<()> {
    latency_of(&mut NullSensor::with(&[])?, "wanted")?;
    latency_of(&mut Sensor::full(&[])?, "conversations")
}

fn latency_of(rung: &mut dyn Rung, name: &str) -> Result<()> {
    let (mut lab, load) = (Lab::veth()?, load(name)?);
    let most = rung.trial(&mut lab, &load, Pace::FlatOut, SHORT)?.received_rate();
    let trial = rung.trial(&mut lab, &load, Pace::PerSecond(most / 2.0), 5 * SHORT)?;
    let latency = trial.latency.as_ref().context("nothing was measured")?;
    let at = |percentile| latency.at(percentile).unwrap_or(0) as f64 / 1e3;
    println!(
        "latency to the {} at {:.0} thousand a second: p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us, ratio p99/p50 {:.1} (must: at most 10)",
        latency.until,
        trial.offered_rate() / 1e3,
        at(50.0),
        at(99.0),
        at(99.9),
        at(99.0) / at(50.0)
    );
    Ok(())
}

/// A notice in a hundred frames, beside none.
fn alert_storm() -> Result<()> {
    let mut lab = Lab::veth()?;
    let loads = [load("alert-quiet")?, load("alert-storm")?];
    let mut trials = [Vec::new(), Vec::new()];
    let (mut notices, mut lost) = (0, 0);
    for turn in 0..TURNS * 2 {
        let mut sensor = Sensor::full(&[])?;
        trials[turn % 2].push(sensor.trial(&mut lab, &loads[turn % 2], GENTLE, SHORT)?);
        let summary = sensor.summary.context("no summary")?;
        notices += summary.notices.get(NOTICE).copied().unwrap_or(0);
        lost += summary.lost.get("outbox").copied().unwrap_or(0);
    }
    let [quiet, storm] = trials;
    ratio("alert storm: quiet / storm, CPU per frame", &quiet, &storm, 0.95);
    println!("  {notices} notices told, {lost} records lost (must: no notice lost)");
    Ok(())
}

/// Ten times as many half-open connections as the table holds, and lookups among them, of which each is to be found.
fn syn_flood() -> Result<()> {
    let load = load("syn-flood")?;
    let sets = [format!("limits.connections={TABLE}")];
    for times in [1, TIMES] {
        let mut lab = Lab::veth()?;
        let mut sensor = Sensor::with("sensor", "", &sets)?;
        let seconds = f64::from(TABLE * times) * 1.05 / 200_000.0;
        let pace = Pace::PerSecond(200_000.0);
        let trial = sensor.trial(&mut lab, &load, pace, Duration::from_secs_f64(seconds))?;
        let summary = sensor.summary.context("no summary")?;
        let attacks = load.talks_in(trial.offered);
        let found = summary.notices.get(NOTICE).copied().unwrap_or(0);
        println!(
            "syn flood: {} SYNs at {:.0} thousand a second for a table of {TABLE}; {found} of {attacks} attacks found; lost {:?}, \
             unexplained {}, evicted {}; {:.0} MB resident",
            trial.offered - 2 * attacks,
            trial.offered_rate() / 1e3,
            trial.lost,
            trial.unexplained,
            summary.counters.get("connections_evicted").copied().unwrap_or(0),
            resident_bytes() as f64 / 1e6,
        );
    }
    let settings = Settings::load(None, &sets).map_err(Error::new)?;
    let rings = u64::from(settings.capture.ring_depth) * 2048;
    let tables = settings.limits.worker_bytes(&settings.output) + settings.limits.collector_bytes();
    let (most, bound) = (peak_bytes() as f64 / 1e6, (tables as u64 + rings) as f64 / 1e6);
    println!(
        "  memory of the whole process at most {most:.0} MB; these limits promise at most {bound:.0} MB (worker, collector, frames): ratio {:.2} \
         (must: at most 1.05)",
        most / bound
    );
    Ok(())
}

/// What policy has finished with stays in the kernel.
fn bulk() -> Result<()> {
    let mut sensor = Sensor::full(&[])?;
    let trial = sensor.trial(&mut Lab::veth()?, &load("bulk")?, Pace::PerSecond(100_000.0), 3 * SHORT)?;
    let summary = sensor.summary.context("no summary")?;
    println!(
        "bulk: of {} frames {} came to the worker; lost {:?}, unexplained {}, ns {:.0} + {:.0} per frame",
        trial.offered,
        summary.packets,
        trial.lost,
        trial.unexplained,
        trial.cpu.generator,
        trial.cpu.workers.unwrap_or(0.0)
    );
    Ok(())
}

/// One pair of hosts, fragments, and conversations: the books must close.
fn hostile() -> Result<()> {
    for name in ["heavy-pair", "fragments", "conversations-10"] {
        let trial = Sensor::full(&[])?.trial(&mut Lab::veth()?, &load(name)?, GENTLE, 2 * SHORT)?;
        let (lost, unexplained) = (trial.offered - trial.received, trial.unexplained);
        println!("{name}: offered {}, lost {lost} ({:?}), unexplained {unexplained}", trial.offered, trial.lost);
    }
    Ok(())
}

/// Two workers, on one queue and on two.
fn workers() -> Result<()> {
    for queues in [1, 2] {
        let mut sensor = Sensor::with("sensor", "", &["workers=2".to_owned()])?;
        let trial = sensor.trial(&mut Lab::veth_with(queues)?, &load("conversations")?, GENTLE, 2 * SHORT)?;
        let summary = sensor.summary.context("no summary")?;
        println!(
            "two workers on {queues} queues: offered {}, lost {:?}, unexplained {}, in the wrong shard {}",
            trial.offered,
            trial.lost,
            trial.unexplained,
            summary.counters.get("wrong_shard").copied().unwrap_or(0)
        );
    }
    Ok(())
}

fn load(name: &str) -> Result<Load> {
    scenario::load(name).with_context(|| format!("there is no load {name}"))
}

/// Trials of several rungs, in turns.
fn in_turns<const N: usize>(name: &str, pace: Pace, mut rungs: [&mut dyn Rung; N]) -> Result<[Vec<Trial>; N]> {
    let (mut lab, load, mut trials) = (Lab::veth()?, load(name)?, [const { Vec::new() }; N]);
    for _ in 0..TURNS {
        for (rung, trials) in rungs.iter_mut().zip(&mut trials) {
            trials.push(rung.trial(&mut lab, &load, pace, SHORT)?);
        }
    }
    Ok(trials)
}

/// Of the trial that was disturbed least.
fn least(trials: &[Trial], of: impl Fn(&Trial) -> f64) -> f64 {
    trials.iter().map(of).fold(f64::INFINITY, f64::min)
}

/// Prints the ratio of costs: of the trials that were disturbed least, and of the medians.
fn ratio(what: &str, one: &[Trial], other: &[Trial], least: f64) {
    let costs = |trials: &[Trial]| {
        Figure::median(trials.iter().map(|trial| trial.cpu.generator + trial.cpu.workers.unwrap_or(0.0)).collect())
    };
    let unexplained: u64 = one.iter().chain(other).map(|trial| trial.unexplained).sum();
    if let (Some(one), Some(other)) = (costs(one), costs(other)) {
        println!(
            "{what}: {:.1} and {:.1} ns, ratio {:.2} (medians {:.2}; must: at least {least}); unexplained {unexplained}",
            one.low,
            other.low,
            one.low / other.low,
            one.value / other.value
        );
    }
}
