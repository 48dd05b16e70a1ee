//! `cargo xtask bless [NAME]`: what the cases give now becomes what they must give. The diff is then for reading.

use anyhow::Result;
use xshell::{Shell, cmd};

/// Which cases.
#[derive(clap::Args)]
pub struct Args {
    /// Part of the names of the cases; all of them if left out
    name: Option<String>,
}

/// Rewrites the expected lines.
pub fn run(shell: &Shell, args: &Args) -> Result<()> {
    let name = args.name.iter();
    let _update = shell.push_env("UPDATE_EXPECT", "1");
    cmd!(shell, "cargo test --quiet -p portreeve-tests --test golden -- {name...}").run()?;
    Ok(cmd!(shell, "git status --short -- tests/cases").run()?)
}
