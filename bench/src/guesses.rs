//! A capture of accounts tried over FTP: very many sources that try one each, and a few among them that try many.

use std::io::{Error, Result};
use std::path::Path;

use etherparse::PacketBuilder;

use crate::capture_file::CaptureFile;

/// Sources that try many accounts.
pub const GUESSERS: u32 = 10;
/// How many each of them tries: the first number that is reported.
pub const GUESSES: u32 = 20;
/// Microseconds between packets.
const PACE: u64 = 20;
/// Servers that are tried.
const SERVERS: u32 = 250;

/// Address of a guesser; no other source has one like it.
pub const fn guesser(number: u32) -> [u8; 4] {
    [192, 0, 2, number as u8]
}

/// Writes a pcap in which so many sources try one account each, and the guessers, evenly spread over all of it, one by one.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, sources: u32) -> Result<()> {
    let mut file = CaptureFile::create(path, PACE)?;
    let turns = GUESSERS * GUESSES;
    for number in 0..sources {
        // From 11.0.0.0 on: a million addresses in a row.
        let source = (0x0b00_0000 + number).to_be_bytes();
        attempt(&mut file, source, number % SERVERS, &format!("root{number}"))?;
        let (before, after) = (turn(number, turns, sources), turn(number + 1, turns, sources));
        for turn in before..after {
            attempt(&mut file, guesser(turn % GUESSERS), turn % SERVERS, &format!("guess{}", turn / GUESSERS))?;
        }
    }
    file.finish()
}

/// How many of all guesses have been made when so many sources have had their turn.
fn turn(number: u32, turns: u32, sources: u32) -> u32 {
    (u64::from(number) * u64::from(turns) / u64::from(sources)) as u32
}

/// One connection: a name, a password, a refusal.
fn attempt(file: &mut CaptureFile, client: [u8; 4], server: u32, password: &str) -> Result<()> {
    let mut session = Session { ends: [client, [10, 0, 0, server as u8 + 1]], sent: [1_000, 2_000] };
    for (from, flags) in [(0, "S"), (1, "SA"), (0, "A")] {
        session.segment(file, from, flags, b"")?;
    }
    let pass = format!("PASS {password}\r\n");
    let lines: [(usize, &[u8]); 5] = [
        (1, b"220 harbour\r\n"),
        (0, b"USER root\r\n"),
        (1, b"331 Password required\r\n"),
        (0, pass.as_bytes()),
        (1, b"530 Login incorrect\r\n"),
    ];
    for (from, line) in lines {
        session.segment(file, from, "PA", line)?;
    }
    for (from, flags) in [(0, "FA"), (1, "FA"), (0, "A")] {
        session.segment(file, from, flags, b"")?;
    }
    Ok(())
}

struct Session {
    ends: [[u8; 4]; 2],
    sent: [u32; 2],
}

impl Session {
    fn segment(&mut self, file: &mut CaptureFile, from: usize, flags: &str, payload: &[u8]) -> Result<()> {
        let ports = [40_021, 21];
        let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(self.ends[from], self.ends[1 - from], 64);
        let mut tcp = ip.tcp(ports[from], ports[1 - from], self.sent[from], 8192);
        for flag in flags.bytes() {
            tcp = match flag {
                b'S' => tcp.syn(),
                b'F' => tcp.fin(),
                b'P' => tcp.psh(),
                _ => tcp.ack(self.sent[1 - from]),
            };
        }
        self.sent[from] += payload.len() as u32 + u32::from(flags.starts_with(['S', 'F']));
        let mut frame = Vec::with_capacity(128);
        tcp.write(&mut frame, payload).map_err(Error::other)?;
        file.frame(&frame)
    }
}
