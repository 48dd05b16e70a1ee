//! `cargo xtask bench`: the benchmarks, built as they have to be.

use std::ffi::OsString;

use anyhow::Result;
use clap::ValueEnum;
use xshell::{Shell, cmd};

use crate::build_ebpf;

/// Which one, and what to tell it.
#[derive(clap::Args)]
// `--help` after the name is the benchmark's.
#[command(disable_help_flag = true, arg_required_else_help = true)]
pub struct Args {
    #[arg(value_enum)]
    what: What,
    /// Its own arguments; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Offered against received on every rung of the ladder, with a page of curves; about seven minutes, or --quick
    DropRate,
    /// The parts one by one: decoding, flow lookup, analyzers, ...
    Micro,
    /// Captures through the whole sensor, beside a loop that only reads them
    Offline,
    /// A replay in full beside one without analyzers, and two workers beside one
    OfflineRatios,
    /// What the kernel program costs a frame that nobody wants
    FilterCost,
    /// What is promised beside drop rates: costs in turns with what they are compared to, latency, floods and storms
    Scenarios,
    /// What a large copy by SSH costs at 10 Gbit/s, with the bypass and without it
    Bulk,
    /// Whether ten who guess passwords are found among a million sources, and in what memory
    Guessers,
}

impl What {
    /// The program, where it is one of its own.
    fn program(self) -> Option<&'static str> {
        match self {
            What::DropRate => Some("drop_rate"),
            What::Micro => None,
            What::Offline => Some("offline"),
            What::OfflineRatios => Some("offline_ratios"),
            What::FilterCost => Some("filter_cost"),
            What::Scenarios => Some("scenarios"),
            What::Bulk => Some("bulk"),
            What::Guessers => Some("guessers"),
        }
    }
}

/// Builds what is needed, and runs it.
pub fn run(shell: &Shell, args: &Args) -> Result<()> {
    build_ebpf::run(shell, &build_ebpf::Args { release: true, ..Default::default() })?;
    let rest = &args.args;
    match args.what.program() {
        Some(program) => {
            cmd!(shell, "cargo build --release -p portreeve-bench --bin {program}").quiet().run()?;
            let built = shell.current_dir().join("target/release").join(program);
            Ok(cmd!(shell, "{built} {rest...}").quiet().run()?)
        }
        // By name: `--benches` takes in the programs' own tests, whose harness does not know criterion's arguments.
        None => Ok(cmd!(shell, "cargo bench --quiet -p portreeve-bench --bench * -- {rest...}").quiet().run()?),
    }
}
