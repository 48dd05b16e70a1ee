//! A capture of conversations of every protocol, between ever new clients and one server.

use std::io::{Error, Result};
use std::path::Path;

use crate::capture_file::CaptureFile;
use crate::generator::Pace;
use crate::load::played::Played;
use crate::scenario;

/// Microseconds between packets.
const PACE: u64 = 10;

/// Writes a pcap of so many packets of the load `conversations`, and ends in the middle of some of them.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, packets: u32) -> Result<()> {
    let mut file = CaptureFile::create(path, PACE)?;
    let load = scenario::load("conversations").ok_or_else(|| Error::other("there is no load of that name"))?;
    let mut played = Played::new(&load, Pace::FlatOut);
    for _ in 0..packets {
        if let Some(frame) = played.next(1) {
            file.frame(frame)?;
        }
    }
    file.finish()
}
