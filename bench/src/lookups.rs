//! A capture of portmapper lookups: many hosts, one call and one answer each, as small as such packets are.

use std::io::Result;
use std::path::Path;

use etherparse::PacketBuilder;

use crate::capture_file::CaptureFile;

/// The program that is looked up: NFS, so that the answer teaches the sensor nothing sensitive.
const CALL: [u32; 13] = [0, 2, 100_000, 2, 3, 0, 0, 0, 0, 100_003, 3, 17, 0];
const ANSWER: [u32; 6] = [1, 0, 0, 0, 0, 2049];

/// How long the flows are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flows {
    /// Each client keeps its port.
    Lasting,
    /// Each lookup comes from a port of its own.
    EverNew,
}

/// Writes a pcap of so many lookups, from 250 clients to 4 servers: each pair is reported once, and then goes on looking up. 200
/// microseconds between packets: the flows that live at a time fit the table.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, lookups: u32, flows: Flows) -> Result<()> {
    let mut file = CaptureFile::create(path, 200)?;
    for lookup in 0..lookups {
        let client = [198, 18, 0, (lookup % 250) as u8];
        let server = [198, 19, 0, (lookup / 250 % 4) as u8];
        let turn = if flows == Flows::EverNew { lookup / 1000 % 40_000 } else { 0 };
        let port = 20_000 + turn as u16;
        packet(&mut file, (client, port), (server, 111), &message(lookup, &CALL))?;
        packet(&mut file, (server, 111), (client, port), &message(lookup, &ANSWER))?;
    }
    file.finish()
}

fn message(xid: u32, words: &[u32]) -> Vec<u8> {
    std::iter::once(xid).chain(words.iter().copied()).flat_map(u32::to_be_bytes).collect()
}

fn packet(file: &mut CaptureFile, from: ([u8; 4], u16), to: ([u8; 4], u16), payload: &[u8]) -> Result<()> {
    let mut frame = Vec::with_capacity(128);
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from.0, to.0, 64).udp(from.1, to.1);
    builder.write(&mut frame, payload).map_err(std::io::Error::other)?;
    file.frame(&frame)
}
