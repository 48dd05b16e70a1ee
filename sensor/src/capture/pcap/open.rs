//! A capture file while it is being read: where the reader stands, what it keeps from chunk to chunk, and how it complains.

use std::io::{self, Read};

use super::chunk::Chunk;
use super::formats::{Format, link_name};
use super::input::Input;
use super::reader::Walked;
use super::report::Report;
use crate::error::Error;

/// The file that is being read.
pub(super) struct Open {
    name: String,
    /// Found in a folder: no complaint if it is not a capture.
    found: bool,
    /// Whether each read waits until the chunk is full. A pipe's packets are wanted as they come.
    fill: bool,
    bytes: Box<dyn Read + Send>,
    /// `None` before the header.
    pub format: Option<Format>,
    /// Where the next record starts in the chunk.
    pub used: usize,
    /// Bytes to leave out before the next record.
    pub skip: u64,
    /// Where the chunk begins in the (uncompressed) file.
    position: u64,
    /// The end of the last chunk, which is no whole record yet.
    rest: Vec<u8>,
    flawed: bool,
    /// There were packets of a link type that is not analysed.
    foreign: bool,
}

impl Open {
    /// At the start of `bytes`.
    pub fn new(input: &Input, bytes: Box<dyn Read + Send>) -> Self {
        Open {
            name: input.name(),
            found: input.found,
            fill: !input.may_wait(),
            bytes,
            format: None,
            used: 0,
            skip: 0,
            position: 0,
            rest: Vec::new(),
            flawed: false,
            foreign: false,
        }
    }

    /// Puts what the last chunk left over at the start of this one.
    pub fn restore(&mut self, chunk: &mut Chunk) {
        chunk.make_room(self.rest.len());
        if let Some(start) = chunk.bytes.get_mut(..self.rest.len()) {
            start.copy_from_slice(&self.rest);
        }
        chunk.filled = self.rest.len();
        self.used = 0;
    }

    /// Keeps what is no whole record for the next chunk.
    pub fn keep(&mut self, chunk: &Chunk) {
        self.rest.clear();
        self.rest.extend_from_slice(chunk.bytes.get(self.used..chunk.filled).unwrap_or_default());
        self.position = self.position.saturating_add(self.used as u64);
    }

    /// Reads into the chunk until it holds at least `need` bytes. Returns how the file ended, if it did.
    pub fn read(&mut self, chunk: &mut Chunk, need: usize) -> Option<io::Result<()>> {
        chunk.make_room(need);
        let enough = if self.fill { chunk.bytes.len() } else { need.max(chunk.filled.saturating_add(1)) };
        while chunk.filled < enough {
            match self.bytes.read(chunk.bytes.get_mut(chunk.filled..).unwrap_or_default()) {
                Ok(0) => return Some(Ok(())),
                Ok(n) => chunk.filled = chunk.filled.saturating_add(n),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Some(Err(why)),
            }
        }
        None
    }

    /// Leaves out as much of what is to be skipped as the chunk holds.
    pub fn skip_some(&mut self, chunk: &Chunk) {
        let here = chunk.filled.saturating_sub(self.used).min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.used = self.used.saturating_add(here);
        self.skip = self.skip.saturating_sub(here as u64);
    }

    /// Reads the file's header. `None`: records follow.
    pub fn start(&mut self, head: &[u8], report: &Report) -> Option<Walked> {
        if head.len() < Format::HEAD {
            return Some(Walked::Need { bytes: Format::HEAD });
        }
        let Some((format, header)) = Format::recognise(head) else {
            self.not_a_capture(report);
            return Some(Walked::Finished);
        };
        if let Some(number) = format.unsupported_link() {
            let why = format!("its packets are of {}, which is not analysed", link_name(number));
            report.tell(Error::new(format!("read {}", self.name), why));
            return Some(Walked::Finished);
        }
        self.used = self.used.saturating_add(header);
        self.format = Some(format);
        None
    }

    /// The file has no more bytes: complains unless that is where a record ends.
    pub fn end(&mut self, ended: Option<io::Result<()>>, chunk: &Chunk, report: &Report) {
        let left = chunk.filled.saturating_sub(self.used);
        match ended {
            Some(Err(why)) => self.damage(&why.to_string(), report),
            _ if self.skip > 0 => self.damage("the file ends inside a block", report),
            _ if self.format.is_some() && left == 0 => {}
            _ if self.format.is_some() => {
                self.damage(&format!("the file ends inside a record, of which it has {left} bytes"), report);
            }
            _ if left == 0 => self.damage("the file is empty", report),
            _ if Format::may_start(chunk.bytes.get(..chunk.filled).unwrap_or_default()) => {
                self.damage("the file ends inside its header", report);
            }
            _ => self.not_a_capture(report),
        }
    }

    /// Tells that reading stops here.
    pub fn damage(&self, why: &str, report: &Report) {
        let error = Error::new(format!("read {} beyond byte {}", self.name, self.offset()), why)
            .hint("What stands before it was analysed.")
            .status(Error::DAMAGED_INPUT);
        report.tell(error);
    }

    /// Tells of the first record that cannot be read although those after it can.
    pub fn flaw(&mut self, why: &str, report: &Report) {
        report.flawed_records.inc();
        if self.flawed {
            return;
        }
        self.flawed = true;
        let error = Error::new(format!("read a record of {} at byte {}", self.name, self.offset()), why)
            .hint("It was left out, and everything else was analysed.")
            .status(Error::DAMAGED_INPUT);
        report.tell(error);
    }

    /// Counts packets of link types that are not analysed, and tells of the first.
    pub fn other_link(&mut self, number: u32, packets: u64, report: &Report) {
        report.unsupported_link.add(packets);
        if self.foreign {
            return;
        }
        self.foreign = true;
        let why = format!("they are of {}", link_name(number));
        let error = Error::new(format!("analyse some packets of {}", self.name), why)
            .hint("They were left out, and everything else was analysed.")
            .status(Error::DAMAGED_INPUT);
        report.tell(error);
    }

    fn not_a_capture(&self, report: &Report) {
        if self.found {
            report.not_captures.inc();
            return;
        }
        let error = Error::new(format!("read {}", self.name), "it is neither a pcap nor a pcapng file")
            .hint("Both may be compressed with gzip or zstd.");
        report.tell(error);
    }

    /// Where the reader stands in the (uncompressed) file.
    fn offset(&self) -> u64 {
        self.position.saturating_add(self.used as u64)
    }
}
