//! Fills chunks from the inputs, one after the other, and finds the packets in them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::chunk::{Chunk, Located};
use super::formats::{Packet, Step};
use super::input::Input;
use super::open::Open;
use super::progress::Progress;
use super::report::Report;
use crate::capture::Link;
use crate::error::Error;
use crate::time::Timestamp;

/// Chooses the shard of a frame; the steering hash comes first.
pub(crate) type Steer = Box<dyn FnMut(Link, &[u8]) -> (u32, usize) + Send>;

/// Reads the inputs one after the other.
pub(crate) struct Reader {
    inputs: VecDeque<Input>,
    open: Option<Open>,
    /// `None`: there is one shard.
    steer: Option<Steer>,
    clock: StepClock,
    report: Arc<Report>,
    progress: Progress,
    ended: bool,
}

impl Reader {
    /// A reader of `inputs`, in that order.
    pub fn new(inputs: Vec<Input>, steer: Option<Steer>, report: Arc<Report>, progress: Progress) -> Self {
        let clock = StepClock::default();
        Reader { inputs: inputs.into(), open: None, steer, clock, report, progress, ended: false }
    }

    /// Fills a chunk with the next packets; `false` after the end of the last input. What is wrong with a file goes to the report.
    pub fn fill(&mut self, chunk: &mut Chunk) -> bool {
        if self.ended {
            return false;
        }
        chunk.clear();
        chunk.steered = self.steer.is_some();
        chunk.clocks.push(self.clock.at);
        while let Some(mut open) = self.open.take().or_else(|| self.next_file()) {
            if !self.fill_from(&mut open, chunk) {
                self.open = Some(open);
            }
            self.progress.update();
            if !chunk.is_empty() {
                return true;
            }
        }
        // One last chunk without packets takes the clock to the newest packet.
        chunk.clocks.push(self.clock.newest);
        self.ended = true;
        self.progress.finish();
        self.report.complete();
        true
    }

    fn next_file(&mut self) -> Option<Open> {
        loop {
            let input = self.inputs.pop_front()?;
            let name = input.name();
            self.progress.start(&name);
            self.report.files.inc();
            match input.open(self.progress.counter()) {
                Ok(bytes) => return Some(Open::new(&input, bytes)),
                Err(why) => self.report.tell(Error::new(format!("read {name}"), why)),
            }
        }
    }

    /// Reads from one file until the chunk holds packets. Returns whether the file is finished.
    fn fill_from(&mut self, open: &mut Open, chunk: &mut Chunk) -> bool {
        open.restore(chunk);
        let mut need = 1;
        loop {
            let ended = open.read(chunk, need);
            match self.walk(open, chunk) {
                Walked::Finished => return true,
                Walked::Need { .. } if ended.is_some() => {
                    open.end(ended, chunk, &self.report);
                    return true;
                }
                Walked::Need { .. } if !chunk.is_empty() => {
                    open.keep(chunk);
                    return false;
                }
                Walked::Need { bytes } => {
                    open.keep(chunk);
                    open.restore(chunk);
                    need = bytes;
                }
            }
        }
    }

    /// Finds the whole records in the chunk.
    fn walk(&mut self, open: &mut Open, chunk: &mut Chunk) -> Walked {
        loop {
            open.skip_some(chunk);
            let bytes = chunk.bytes.get(open.used..chunk.filled).unwrap_or_default();
            let Some(format) = &mut open.format else {
                match open.start(bytes, &self.report) {
                    Some(walked) => return walked,
                    None => continue,
                }
            };
            if bytes.is_empty() {
                return Walked::Need { bytes: 1 };
            }
            match format.step(bytes) {
                Step::Packet { len, packet } => {
                    if let Err(number) = self.place(packet, open.used, chunk) {
                        open.other_link(number, &self.report);
                    }
                    open.used = open.used.saturating_add(len);
                }
                Step::Skip(len) => open.skip = len,
                Step::Need(bytes) => return Walked::Need { bytes },
                Step::Flawed { len, why } => {
                    open.flaw(&why, &self.report);
                    open.used = open.used.saturating_add(len);
                }
                Step::Damaged(why) => {
                    open.damage(&why, &self.report);
                    return Walked::Finished;
                }
            }
        }
    }

    /// Enters a packet into its shard's list; fails with the number of a link type that is not analysed.
    #[inline]
    fn place(&mut self, packet: Packet, record: usize, chunk: &mut Chunk) -> Result<(), u32> {
        self.report.packets.inc();
        self.report.bytes.add(packet.wire_len as u64);
        let at = packet.at.unwrap_or(self.clock.newest);
        let step = self.clock.step(at, &mut chunk.clocks);
        let link = packet.link?;
        let start = record.saturating_add(packet.start);
        let (hash, shard) = match &mut self.steer {
            None => (0, 0),
            Some(steer) => {
                let end = start.saturating_add(packet.captured);
                steer(link, chunk.bytes.get(start..end).unwrap_or_default())
            }
        };
        let located = Located {
            at,
            // Chunks are a few MiB at most, so places in them fit; lengths are clamped.
            start: start as u32,
            captured: packet.captured as u32,
            wire_len: u32::try_from(packet.wire_len).unwrap_or(u32::MAX),
            hash,
            step,
            link,
        };
        if let Some(list) = chunk.shards.get_mut(shard) {
            list.push(located);
        }
        Ok(())
    }
}

/// How far the records of a chunk could be read.
pub(super) enum Walked {
    /// The rest is no whole record; it needs at least so many bytes.
    Need {
        /// From where the reader stands.
        bytes: usize,
    },
    /// There is nothing more to read in this file.
    Finished,
}

/// Divides the packets into steps of the clock. The borders depend on nothing but the packets, so the timers of all workers fire between
/// the same packets, however many workers there are.
#[derive(Default)]
struct StepClock {
    /// The time at which the step began.
    at: Timestamp,
    /// The newest packet time.
    newest: Timestamp,
    /// Packets in this step.
    packets: u32,
}

impl StepClock {
    /// A step ends when packet time has moved on by this much,
    const TIME: Duration = Duration::from_millis(100);
    /// or after this many packets.
    const PACKETS: u32 = 256;

    /// Counts a packet; returns the number of its step in this chunk.
    #[inline]
    fn step(&mut self, at: Timestamp, clocks: &mut Vec<Timestamp>) -> u32 {
        self.newest = self.newest.max(at);
        if self.packets >= Self::PACKETS || self.newest.since(self.at) >= Self::TIME {
            self.at = self.newest;
            self.packets = 0;
            clocks.push(self.at);
        }
        self.packets = self.packets.saturating_add(1);
        clocks.len().saturating_sub(1) as u32
    }
}
