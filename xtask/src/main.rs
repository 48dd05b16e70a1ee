//! Portreeve's chores: `cargo xtask <command>`. One file per command; this one only chooses.

mod build_ebpf;
mod setup;

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
    }
}
