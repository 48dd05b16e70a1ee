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
//! | `dispatch`, `source` | from one reader to the workers |
//! | `report` | what was found, and what was wrong with it |

mod chunk;
mod classic;
mod dispatch;
mod formats;
mod input;
mod open;
mod pcapng;
mod places;
mod progress;
mod reader;
mod report;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use portreeve_ebpf::{Options, shard_of};

pub use self::report::Report;
pub use self::source::FileSource;

use self::dispatch::Feed;
use self::input::Input;
use self::places::Steer;
use self::progress::Progress;
use self::reader::Reader;
use super::filter::{ShardFilter, steering_hash};
use super::plan::Plan;
use crate::error::Result;

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
    let waits = inputs.iter().any(Input::may_wait);
    let total = if waits { 0 } else { inputs.iter().map(|input| input.size).sum() };
    let report = Arc::new(Report::default());
    let filters = ShardFilter::all(plan);
    let workers = filters.len();
    let steer = (workers > 1).then(|| steer(plan.options));
    let reader = Reader::new(inputs, steer, Arc::clone(&report), Progress::new(settings.progress, total));
    // One worker reads for itself, unless it would then sit in a read and see neither its timers nor the signal to stop.
    let feeds =
        if workers > 1 || waits { dispatch::start(reader, workers)? } else { vec![Feed::Reader(reader.into())] };
    let sources = feeds.into_iter().zip(filters).enumerate();
    let sources = sources.map(|(shard, (feed, filter))| FileSource::new(feed, shard, filter)).collect();
    Ok(Capture { sources, report })
}

/// The kernel program's choice of a worker.
fn steer(options: Options) -> Steer {
    Box::new(move |link, bytes| {
        let hash = steering_hash(options.seed, link, bytes);
        (hash, shard_of(hash, options.workers) as usize)
    })
}
