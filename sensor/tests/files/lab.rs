//! Reads files through the public entry point, and keeps what came out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portreeve::capture::pcap::{self, FileSource, Report};
use portreeve::capture::plan::Plan;
use portreeve::capture::{Gate, Link, Source, Wait, each};
use portreeve::config::Settings;
use portreeve::error::Error;
use tempfile::TempDir;

/// A frame, kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Kept {
    pub nanos: u64,
    pub bytes: Vec<u8>,
    pub wire_len: usize,
    pub link: String,
    pub hash: Option<u32>,
}

/// What came out.
pub struct Outcome {
    /// By shard.
    pub shards: Vec<Vec<Kept>>,
    /// The clock after each batch, by shard.
    pub clocks: Vec<Vec<u64>>,
    pub report: Arc<Report>,
    pub errors: Vec<Error>,
    /// Frames counted by the filters.
    pub filtered: u64,
}

impl Outcome {
    pub fn frames(&self) -> &[Kept] {
        &self.shards[0]
    }

    pub fn times(&self) -> Vec<u64> {
        self.frames().iter().map(|frame| frame.nanos).collect()
    }

    pub fn complaint(&self) -> String {
        self.errors.iter().map(|error| format!("{error} [{}]\n", error.exit_status())).collect()
    }
}

pub fn plan(workers: u32) -> Plan {
    Plan { expectations: 1024, bypasses: 1024, ..Plan::new(&Settings::default(), 1, workers).unwrap() }
}

/// A folder with one file.
pub fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

pub fn read(bytes: &[u8]) -> Outcome {
    let (_folder, path) = file("some.pcap", bytes);
    read_paths(&[&path], 1)
}

pub fn read_paths(paths: &[&Path], workers: u32) -> Outcome {
    read_with(paths, workers, &mut |_, _, _| {})
}

/// Reads with all workers in turn; `also` may talk to the gate.
pub fn read_with(paths: &[&Path], workers: u32, also: &mut dyn FnMut(usize, &Kept, &mut dyn Gate)) -> Outcome {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    let capture = pcap::open(&paths, &plan(workers), &pcap::Settings::default()).unwrap();
    let (mut sources, report) = (capture.sources, capture.report);
    let mut shards = vec![Vec::new(); sources.len()];
    let mut clocks = vec![Vec::new(); sources.len()];
    let mut running = sources.len();
    while running > 0 {
        running = 0;
        for (shard, source) in sources.iter_mut().enumerate() {
            running += usize::from(turn(source, &mut |kept, gate| {
                also(shard, &kept, gate);
                shards[shard].push(kept);
            }));
            // 0: the first chunk is not there yet.
            clocks[shard].extend(Some(source.now().as_nanos()).filter(|&nanos| nanos > 0));
        }
    }
    let filtered = sources.iter().map(|source| source.filter_counters().snapshot().iter().sum::<u64>()).sum();
    assert!(report.is_complete());
    let errors = report.errors();
    clocks.iter_mut().for_each(Vec::dedup);
    Outcome { shards, clocks, report, errors, filtered }
}

/// One batch of one source. Returns whether there may be more.
fn turn(source: &mut FileSource, keep: &mut dyn FnMut(Kept, &mut dyn Gate)) -> bool {
    let before = source.now();
    let shown = source.drain(&mut each(|frame, gate| {
        let kept = Kept {
            nanos: frame.at.as_nanos(),
            bytes: frame.bytes.to_vec(),
            wire_len: frame.wire_len,
            link: link_name(frame.link).to_owned(),
            hash: frame.hash,
        };
        keep(kept, gate);
    }));
    assert!(source.now() >= before, "the clock steps back");
    shown > 0 || source.wait(Duration::from_millis(5)) != Wait::Ended
}

fn link_name(link: Link) -> &'static str {
    match link {
        Link::Ethernet => "ethernet",
        Link::RawIp => "raw",
        Link::LinuxSll => "sll",
        Link::LinuxSll2 => "sll2",
        Link::Null => "null",
    }
}
