//! A capture of people at terminals: Telnet sessions in which each key is a segment, and its echo another.

use std::io::Result;
use std::path::Path;

use etherparse::PacketBuilder;

use crate::capture_file::CaptureFile;

/// Sessions at a time, from 250 clients.
const SESSIONS: u32 = 1000;
/// Microseconds between packets.
const PACE: u64 = 20;
/// What the server begins with: it echoes, and asks for a name.
const GREETING: &[u8] = b"\xff\xfb\x01\xff\xfb\x03\r\nharbour login: ";
/// What is typed to get in, and again and again from then on; DEL erases.
const NAME: &[u8] = b"smith\r";
const PASSWORD: &[u8] = b"Tulip-93\r";
const COMMANDS: &[u8] = b"cd /usr/srx\x7fc\rls -l\rmake testt\x7f\rexit\x7f\x7f\x7f\x7fdate\r";

/// One session: its ends' ports and numbers, and how much was typed.
struct Session {
    client: [u8; 4],
    port: u16,
    sent: [u32; 2],
    typed: usize,
}

/// Writes a pcap of sessions in which so many keys are pressed, over all.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, keys: u32) -> Result<()> {
    let mut file = CaptureFile::create(path, PACE)?;
    let mut sessions: Vec<Session> = (0..SESSIONS).map(Session::new).collect();
    for session in &mut sessions {
        session.begin(&mut file)?;
    }
    for key in 0..keys {
        sessions[(key % SESSIONS) as usize].press(&mut file)?;
    }
    file.finish()
}

impl Session {
    fn new(number: u32) -> Self {
        let client = [198, 18, 1, (number % 250) as u8];
        Session { client, port: 20_000 + (number / 250) as u16, sent: [1_000_000, 2_000_000], typed: 0 }
    }

    fn begin(&mut self, file: &mut CaptureFile) -> Result<()> {
        for (from, flags) in [(0, "S"), (1, "SA"), (0, "A")] {
            self.segment(file, from, flags, b"")?;
        }
        self.segment(file, 1, "PA", GREETING)
    }

    /// A key, and what the server shows of it.
    fn press(&mut self, file: &mut CaptureFile) -> Result<()> {
        let (name, password) = (NAME.len(), NAME.len() + PASSWORD.len());
        let hidden = (name..password).contains(&self.typed);
        let key = [NAME, PASSWORD].concat().get(self.typed).copied();
        let key = key.unwrap_or_else(|| COMMANDS[(self.typed - password) % COMMANDS.len()]);
        self.typed += 1;
        self.segment(file, 0, "PA", &[key])?;
        match key {
            b'\r' if self.typed == name => self.segment(file, 1, "PA", b"\r\nPassword: "),
            b'\r' if self.typed == password => self.segment(file, 1, "PA", b"\r\nLast login: Mon Nov 16\r\n$ "),
            b'\r' => self.segment(file, 1, "PA", b"\r\nMakefile  README  main.c\r\n$ "),
            _ if hidden => self.segment(file, 1, "A", b""),
            0x7f => self.segment(file, 1, "PA", b"\x08 \x08"),
            _ => self.segment(file, 1, "PA", &[key]),
        }
    }

    fn segment(&mut self, file: &mut CaptureFile, from: usize, flags: &str, payload: &[u8]) -> Result<()> {
        let ends = [(self.client, self.port), ([198, 19, 1, 1], 23)];
        let (sender, receiver) = (ends[from], ends[1 - from]);
        let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(sender.0, receiver.0, 64);
        let mut tcp = ip.tcp(sender.1, receiver.1, self.sent[from], 8192);
        for flag in flags.bytes() {
            tcp = match flag {
                b'S' => tcp.syn(),
                b'A' => tcp.ack(self.sent[1 - from]),
                _ => tcp.psh(),
            };
        }
        self.sent[from] += payload.len() as u32 + u32::from(flags.starts_with('S'));
        let mut frame = Vec::with_capacity(128);
        tcp.write(&mut frame, payload).map_err(std::io::Error::other)?;
        file.frame(&frame)
    }
}
