//! `cargo xtask fuzz TARGET [SECONDS]`: cargo-fuzz on a parser, with the cases as its seeds.

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

/// What is fuzzed, and for how long.
#[derive(clap::Args)]
pub struct Args {
    /// The target: a file in tests/fuzz/targets
    #[arg(default_value = "frame")]
    target: String,
    /// How long, in seconds
    #[arg(default_value_t = 60)]
    seconds: u64,
}

/// Seeds the corpus from the cases and runs the target.
pub fn run(shell: &Shell, args: &Args) -> Result<()> {
    if cmd!(shell, "cargo fuzz --version").quiet().ignore_stderr().ignore_stdout().run().is_err() {
        bail!(
            "cargo-fuzz is not installed: `cargo install cargo-fuzz --locked`, and a nightly toolchain: `rustup toolchain install nightly`"
        );
    }
    let target = &args.target;
    let corpus = format!("tests/fuzz/corpus/{target}");
    shell.create_dir(&corpus)?;
    cmd!(shell, "cargo run --quiet -p portreeve-tests --bin talk seeds {target} {corpus}").run()?;
    let limit = format!("-max_total_time={}", args.seconds);
    shell.change_dir("tests/fuzz");
    Ok(cmd!(shell, "cargo +nightly fuzz run --fuzz-dir . {target} -- {limit}").run()?)
}
