//! How many frames a second get through, on every rung of the ladder: the highest rate without a loss, with 0.5 % lost, and what comes of
//! more. Without arguments on a veth pair of its own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Parser;
use jiff::Timestamp;
use portreeve_bench::generator::transmit::Transmit;
use portreeve_bench::lab::Lab;
use portreeve_bench::ladder::climb;
use portreeve_bench::load::{Load, capture};
use portreeve_bench::result::Report;
use portreeve_bench::rung;
use portreeve_bench::search::Effort;
use portreeve_bench::{compare, machine, program, refusals, report, scenario};

/// As the sensor itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure drop rates: frames offered against frames received, on every rung from a bare XDP_DROP to the whole sensor
#[derive(Parser)]
#[command(name = "drop-rate", version)]
struct Cli {
    /// Receive on this interface; left out, a veth pair is made
    #[arg(long, value_name = "IF")]
    interface: Option<String>,
    /// Send on this interface, which is cabled to the other; the peer of a veth is found by itself
    #[arg(long, value_name = "IF", requires = "interface")]
    peer: Option<String>,
    /// Less than a minute: short trials, rates found less closely
    #[arg(long)]
    quick: bool,
    /// What to send; can be given several times, and `list` says what there is
    #[arg(long, value_name = "NAME", default_value = "wanted")]
    load: Vec<String>,
    /// Send the frames of this capture file instead, those that the sensor wants, again and again
    #[arg(long, value_name = "FILE", conflicts_with = "load")]
    replay: Option<PathBuf>,
    /// Send through an AF_XDP socket, where the driver takes no redirected frames
    #[arg(long, requires = "interface")]
    transmit: bool,
    /// Only these rungs, the sensor's alone for instance, and a peer whose command is given; can be given several times
    #[arg(long, value_name = "NAME")]
    rung: Vec<String>,
    /// One more rung: a program that listens on `{interface}`, ends on SIGINT and tells what it dropped
    #[arg(long, value_name = "COMMAND")]
    peer_command: Option<String>,
    /// A setting of the sensor that is not the default
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Write the page, the table and the data here
    #[arg(long, value_name = "DIR", default_value = "target/bench/drop-rate")]
    out: PathBuf,
    /// Keep the run, and its first curve: bench/runs/DATE-MACHINE.json and .svg
    #[arg(long)]
    keep: bool,
    /// Say what has changed since this kept run
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,
    /// Measure nothing: show this kept run, or compare it
    #[arg(long, value_name = "RUN.json", conflicts_with_all = ["interface", "quick", "load", "replay", "keep"])]
    kept: Option<PathBuf>,
}

fn main() -> ExitCode {
    program::run(|cli: Cli| run(&cli))
}

fn run(cli: &Cli) -> Result<()> {
    if cli.load.iter().any(|name| name == "list") {
        for load in scenario::loads() {
            println!(
                "{:<18}{} ({:.0} bytes a frame, {:.0} % wanted)",
                load.name,
                load.what,
                load.frame_bytes(),
                100.0 * load.wanted()
            );
        }
        return Ok(());
    }
    // Before minutes are spent: a run that cannot be compared in the end is a pity.
    let old = cli.compare.as_deref().map(report::kept).transpose()?;
    let found = match &cli.kept {
        Some(file) => report::kept(file)?,
        None => measure(cli)?,
    };
    let page = report::write(&found, &cli.out)?;
    for scenario in &found.scenarios {
        println!("\n{}: {}\n\n{}", scenario.name, scenario.what, report::table(scenario));
    }
    if let Some(old) = old {
        println!("{}", compare::differences(&old, &found));
    }
    if cli.keep {
        println!("kept as {}", keep(&found, &cli.out)?.display());
    }
    println!("the page, with curves: {}", page.display());
    Ok(())
}

fn measure(cli: &Cli) -> Result<Report> {
    refusals::refuse_machine()?;
    cli.peer_command.iter().try_for_each(|command| refusals::refuse_peer(command, "{interface}"))?;
    let loads = match &cli.replay {
        Some(file) => vec![capture::read(file)?],
        None => chosen(&cli.load)?,
    };
    let mut lab = match &cli.interface {
        Some(interface) => {
            let ends = refusals::ends(interface, cli.peer.as_deref())?;
            Lab::between(&ends.near, &ends.far, false)?
        }
        None => Lab::veth()?,
    };
    if cli.transmit {
        let socket = Transmit::on(&lab.near)?;
        lab = lab.with(Box::new(socket));
    }
    let (began, clock) = (Timestamp::now(), Instant::now());
    let machine = machine::describe(&lab, command());
    let effort = if cli.quick { Effort::QUICK } else { Effort::FULL };
    let mut rungs = rung::only(&cli.rung, rung::ladder(cli.peer_command.as_deref(), &cli.set)?)?;
    let mut scenarios = Vec::new();
    for load in &loads {
        scenarios.push(climb(&mut lab, load, &mut rungs, effort)?);
    }
    let began = began.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Ok(Report { began, seconds: clock.elapsed().as_secs_f64(), machine, scenarios })
}

fn chosen(names: &[String]) -> Result<Vec<Load>> {
    let all = scenario::loads();
    let mut loads = Vec::new();
    for name in names {
        match all.iter().find(|load| load.name == name) {
            Some(load) => loads.push(load.clone()),
            None => {
                let known = Vec::from_iter(all.iter().map(|load| load.name));
                bail!("there is no load {name}; there are {}", known.join(", "))
            }
        }
    }
    Ok(loads)
}

fn keep(found: &Report, written: &Path) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runs");
    std::fs::create_dir_all(&folder)?;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let host = found.machine.host.replace(|letter| !is_plain(letter), "-");
    let day = found.began.get(..16).unwrap_or_default().replace(':', "");
    let file = folder.join(format!("{day}-{host}.json"));
    report::keep(found, &file)?;
    std::fs::copy(written.join(report::PICTURE), file.with_extension("svg"))?;
    Ok(file)
}

/// The command as a person would give it again.
fn command() -> String {
    let mut words = vec!["cargo xtask bench drop-rate".to_owned()];
    words.extend(std::env::args().skip(1));
    words.join(" ")
}
