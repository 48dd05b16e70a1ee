//! The command line: parse, do one thing, say what went wrong.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use portreeve::cli::{Cli, Command, Configuration, Output, SummaryFormat};
use portreeve::config::{Settings, sets};
use portreeve::doctor;
use portreeve::engine::{self, Ended};
use portreeve::error::{Error, Result};

/// Connections come and go on several threads, and records cross from one to another: mimalloc frees what another thread has allocated
/// at a fraction of the system allocator's price.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::typed();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("PORTREEVE_LOG").unwrap_or_else(|_| "info".into()))
        .with_target(false)
        .init();
    match execute(cli.command) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("portreeve: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

fn execute(command: Command) -> Result<u8> {
    match command {
        Command::Read(args) => {
            let settings = settings(&args.output, [])?;
            let progress = !args.output.quiet && args.output.summary.is_none() && std::io::stderr().is_terminal();
            report(&args.output, &engine::read(settings, &args.files, progress, &stop_on_signal()?)?)
        }
        Command::Run(args) => {
            let settings = settings(&args.output, args.sets())?;
            report(&args.output, &engine::run(settings, &args.interface, args.duration, &stop_on_signal()?)?)
        }
        Command::Check(configuration) => {
            load(&configuration)?;
            println!("the configuration is good");
            Ok(0)
        }
        Command::Policy(args) => {
            print!("{}", sets::policy_text(&load(&args.configuration)?.policy, args.name.as_deref())?);
            Ok(0)
        }
        Command::Doctor(args) => {
            print!("{}", doctor::examine(&args.interface)?);
            Ok(0)
        }
    }
}

fn load(configuration: &Configuration) -> Result<Settings> {
    Settings::load(configuration.config.as_deref(), &configuration.sets)
}

/// The settings: the file, `--set`, and then the options that have names of their own.
fn settings(output: &Output, own: impl IntoIterator<Item = String>) -> Result<Settings> {
    let mut configuration = output.configuration.clone();
    configuration.sets.extend(output.sets());
    configuration.sets.extend(own);
    load(&configuration)
}

/// The first signal stops the run in order; a second one ends the process at once.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|why| Error::new("watch for signals", why))?;
    }
    Ok(stop)
}

/// Prints what was done, and what was wrong; returns the exit status.
fn report(output: &Output, ended: &Ended) -> Result<u8> {
    match output.summary {
        Some(SummaryFormat::Json) => println!("{}", ended.summary.to_json()),
        None if output.quiet => {}
        None => println!("{}", ended.summary),
    }
    ended.troubles.iter().for_each(|trouble| eprintln!("portreeve: {trouble}"));
    Ok(ended.troubles.iter().map(Error::exit_status).max().unwrap_or(0))
}
