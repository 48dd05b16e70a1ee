//! Fills chunks from the inputs, one after the other, and finds the packets in them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::chunk::Chunk;
use super::formats::Stop;
use super::input::Input;
use super::open::Open;
use super::places::{Found, Places, Steer, StepClock};
use super::progress::Progress;
use super::report::Report;
use crate::error::Error;

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
            let (shards, clocks) = (&mut *chunk.shards, &mut chunk.clocks);
            let clock = &mut self.clock;
            let mut places = Places {
                bytes,
                record: 0,
                first: open.used,
                shards,
                clocks,
                clock,
                steer: self.steer.as_mut(),
                found: Found::default(),
            };
            let (len, stop) = format.walk(bytes, &mut places);
            let found = places.found;
            open.used = open.used.saturating_add(len);
            self.report.packets.add(found.packets);
            self.report.bytes.add(found.bytes);
            if let Some(number) = found.other_link {
                open.other_link(number, found.other_links, &self.report);
            }
            match stop {
                Stop::Skip(len) => open.skip = len,
                Stop::Need(bytes) => return Walked::Need { bytes },
                Stop::Flawed { len, why } => {
                    open.flaw(&why, &self.report);
                    open.used = open.used.saturating_add(len);
                }
                Stop::Damaged(why) => {
                    open.damage(&why, &self.report);
                    return Walked::Finished;
                }
            }
        }
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
