//! Writes the captures that a build guided by profiles is trained with: what a sensor sees most.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use portreeve_bench::lookups::Flows;
use portreeve_bench::{conversations, keystrokes, lookups, program};

/// Packets, keys and lookups: so that each capture keeps the sensor busy for about a second.
const CONVERSATIONS: u32 = 1_000_000;
const KEYS: u32 = 200_000;
const LOOKUPS: u32 = 200_000;

/// Writes captures of conversations, of people who type, and of lookups.
#[derive(Parser)]
#[command(name = "training")]
struct Args {
    /// The folder to write them into; it must be there
    folder: PathBuf,
}

fn main() -> ExitCode {
    program::run(|Args { folder }| write(&folder))
}

fn write(folder: &Path) -> Result<()> {
    conversations::write(&folder.join("conversations.pcap"), CONVERSATIONS)?;
    keystrokes::write(&folder.join("keystrokes.pcap"), KEYS)?;
    lookups::write(&folder.join("lookups.pcap"), LOOKUPS, Flows::EverNew)?;
    Ok(())
}
