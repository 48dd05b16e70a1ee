//! Portreeve's chores: `cargo xtask <command>`. One file per command; this one only chooses.

mod bench;
mod bless;
mod build_ebpf;
mod demo;
mod fuzz;
mod peers;
mod pgo;
mod setup;
mod test;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xshell::Shell;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Portreeve's chores")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what building and testing need; quiet when nothing is missing
    Setup,
    /// Build the kernel program into target/ebpf/portreeve.o, where the sensor's build finds it
    BuildEbpf(build_ebpf::Args),
    /// See the sensor at work: sample conversations on a wire of its own, with notices, a summary and logs
    Demo,
    /// Run everything that is tested, with and without privileges; what is skipped is listed
    Test,
    /// Accept what the cases of tests/cases give now as what they must give
    Bless(bless::Args),
    /// Fuzz a parser
    Fuzz(fuzz::Args),
    /// Build the sensor by profile, slowly, for a seventh fewer instructions a packet; into target/pgo/release/portreeve
    Pgo,
    /// Measure: drop rates on every rung of the ladder, and others
    Bench(bench::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    match command {
        Command::Setup => setup::run(&shell, setup::Scope::Everything),
        Command::BuildEbpf(args) => build_ebpf::run(&shell, &args),
        Command::Demo => demo::run(&shell),
        Command::Test => test::run(&shell),
        Command::Bless(args) => bless::run(&shell, &args),
        Command::Fuzz(args) => fuzz::run(&shell, &args),
        Command::Pgo => pgo::run(&shell),
        Command::Bench(args) => bench::run(&shell, &args),
    }
}
