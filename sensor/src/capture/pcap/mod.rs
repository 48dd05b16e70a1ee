//! Capture files as a source of frames.
//!
//! The two formats are read by code of this folder instead of by a library, because nothing but a few fixed fields is wanted of a record,
//! at the speed of memory, with the exact place of whatever is wrong, and without giving up a packet for an option that cannot be read.
//! A test holds it to `pcap-parser`.
//!
//! | module | subject |
//! |---|---|
//! | `input` | files, folders, standard input, compression |
//! | `formats`, `classic`, `pcapng` | one record: where its packet is, when, and of what link type |
//! | `open`, `reader` | from file to file and from record to record |
//! | `chunk` | a piece of a file in memory with the places of its packets |
//! | `report` | what was found, and what was wrong with it |

mod chunk;
mod classic;
mod formats;
mod input;
mod open;
mod pcapng;
mod progress;
mod reader;
mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use report::Report;

use self::chunk::Chunk;
use self::input::Input;
use self::progress::Progress;
use self::reader::Reader;
use super::filter::{FilterCounters, HostFilter};
use super::{Frame, Gate, Losses, Source, Wait};
use crate::error::Result;
use crate::kernel::Plan;
use crate::time::Timestamp;

/// How capture files are read.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether a progress bar may be shown; it is shown on a terminal only.
    pub progress: bool,
}

/// The capture files of one run, opened.
pub struct Capture {
    /// One source per worker.
    pub sources: Vec<FileSource>,
    /// What the reader finds.
    pub report: Arc<Report>,
}

/// Prepares to read `paths` in the order given: files, folders (their files by name) and `-`, standard input. There is one source for
/// each of the plan's workers, and each filters its frames as the kernel program would with this plan.
///
/// # Errors
/// If a path does not exist, or there is nothing to read. Whatever else is wrong with a file is told by the [`Report`], when the sources
/// have ended.
pub fn open(paths: &[PathBuf], plan: &Plan, settings: &Settings) -> Result<Capture> {
    let inputs = Input::list(paths)?;
    let known = inputs.iter().all(|input| input.size > 0);
    let total = if known { inputs.iter().map(|input| input.size).sum() } else { 0 };
    let report = Arc::new(Report::default());
    let progress = Progress::new(settings.progress, total);
    let reader = Reader::new(inputs, None, Arc::clone(&report), progress);
    let sources = vec![FileSource::new(reader, HostFilter::new(plan))];
    Ok(Capture { sources, report })
}

/// The frames of capture files, for one worker.
pub struct FileSource {
    reader: Reader,
    chunk: Chunk,
    shard: usize,
    /// The next packet of the shard's list.
    next: usize,
    /// The step of the clock that is under way.
    step: u32,
    now: Timestamp,
    state: Wait,
    filter: HostFilter,
}

impl FileSource {
    fn new(reader: Reader, filter: HostFilter) -> Self {
        let chunk = Chunk::new(1);
        FileSource { reader, chunk, shard: 0, next: 0, step: 0, now: Timestamp::ZERO, state: Wait::Ready, filter }
    }

    /// What its filter counts; all the sources' together are the packets of the report, but for those of unsupported link types.
    pub fn filter_counters(&self) -> &Arc<FilterCounters> {
        self.filter.counters()
    }

    /// Makes sure that there is a chunk with steps left.
    fn ready(&mut self) -> bool {
        if (self.step as usize) < self.chunk.clocks.len() {
            return true;
        }
        if !self.reader.fill(&mut self.chunk) {
            self.state = Wait::Ended;
            return false;
        }
        (self.next, self.step) = (0, 0);
        true
    }
}

impl Source for FileSource {
    /// A batch is a step of the clock. Afterwards [`Source::now`] is the time of the first frame of the next step, so that all timers up to
    /// it fire before it is seen.
    fn drain(&mut self, on_frame: &mut dyn FnMut(Frame<'_>, &mut dyn Gate)) -> usize {
        if !self.ready() {
            return 0;
        }
        let mut shown = 0_usize;
        let packets = self.chunk.shards.get(self.shard).map(Vec::as_slice).unwrap_or_default();
        let packets = packets.get(self.next..).unwrap_or_default();
        for packet in packets.iter().take_while(|packet| packet.step == self.step) {
            self.next = self.next.saturating_add(1);
            let frame = self.chunk.frame(packet);
            if self.filter.admits(&frame) {
                shown = shown.saturating_add(1);
                on_frame(frame, &mut self.filter);
            }
        }
        self.step = self.step.saturating_add(1);
        if let Some(&clock) = self.chunk.clocks.get(self.step as usize) {
            self.now = clock;
        }
        shown
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn wait(&mut self, _limit: Duration) -> Wait {
        self.state
    }

    fn losses(&self) -> Losses {
        Losses::default()
    }

    fn gate(&mut self) -> &mut dyn Gate {
        &mut self.filter
    }
}
