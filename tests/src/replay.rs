//! A case in one process, through the real layers: a source in memory, shard, policy, collector, and the logs as files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use std::vec::IntoIter;

use portreeve::capture::filter::HostFilter;
use portreeve::capture::plan::Plan;
use portreeve::capture::{Frame, Gate, Link, Losses, OnFrames, Source, Wait};
use portreeve::collector::{Collector, Order};
use portreeve::config::{PortTable, Settings};
use portreeve::event::EventStream;
use portreeve::flow::shard::Shard;
use portreeve::outbox::{WhenFull, outbox};
use portreeve::policy::Policy;
use portreeve::stats::WorkerStats;
use portreeve::time::Timestamp;
use portreeve::worker::Worker;

use crate::case::Case;
use crate::encode::{self, WireFrame};
use crate::expect::{self, Logs};
use crate::play::{START, Scene};

/// Tables that are made quickly; nothing here needs larger ones.
const SMALL: [&str; 3] = ["limits.connections = 2048", "limits.expectations = 4096", "limits.bypasses = 256"];

/// What a replay gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The logs, comparable.
    pub logs: Logs,
    /// Frames of the scenes.
    pub offered: u64,
    /// Frames that the filter kept out.
    pub filtered: u64,
    /// Frames whose outcome the worker counted: with those filtered, all of them.
    pub explained: u64,
    /// Panics that were caught in an analyzer; must be none.
    pub panics: u64,
    /// What the worker counted.
    pub stats: Arc<WorkerStats>,
}

/// Replays a case.
pub fn case(case: &Case) -> Outcome {
    scenes(&case.scenes, &case.talk.settings)
}

/// Replays scenes under these settings.
pub fn scenes(scenes: &[Scene], sets: &[String]) -> Outcome {
    let (source, stats, logs) = through(sets, |settings| MemorySource::new(scenes, settings));
    let counters = &stats.counters;
    Outcome {
        logs,
        offered: source.offered,
        filtered: source.offered - counters.frames.get(),
        explained: stats.outcomes.snapshot().iter().map(|(_, count)| count).sum(),
        panics: counters.analyzer_panics.get(),
        stats: Arc::clone(&stats),
    }
}

/// What a source shows, through all layers behind it: the source at its end, what was counted, and the logs.
pub fn through<S: Source>(sets: &[String], open: impl FnOnce(&Settings) -> S) -> (S, Arc<WorkerStats>, Logs) {
    let folder = tempfile::tempdir().expect("a folder for the logs");
    let settings = settings(sets, folder.path());
    let mut collector = Collector::new(&settings, Order::PacketTime).expect("a collector");
    let stats = Arc::new(WorkerStats::default());
    let (outbox, inbox) = outbox(settings.output.queue, WhenFull::Wait, Arc::clone(&stats));
    collector.listen_to(inbox);
    let policy = Policy::new(Arc::clone(&settings), Arc::clone(&stats), outbox.clone());
    let events = EventStream::new(policy, Some(outbox));
    let ports = PortTable::new(&settings).expect("a port table");
    let shard = Shard::new(Arc::clone(&settings), &ports, events, Arc::clone(&stats));
    let worker = Worker { source: open(&settings), shard, stats: Arc::clone(&stats) };
    let collector = collector.start(0).expect("a collector's thread");
    let source = worker.run(&AtomicBool::new(false));
    collector.join().expect("the collector lives");
    (source, stats, expect::normalise(&read_logs(folder.path()), START))
}

/// The lines of every log in a folder, and of the event stream.
pub fn read_logs(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut logs = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".log") || name.ends_with(".jsonl") {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            logs.insert(name, text.lines().map(Into::into).collect());
        }
    }
    logs
}

/// The defaults with these changes, and the logs in this folder.
pub fn settings(sets: &[String], folder: &Path) -> Arc<Settings> {
    let all: Vec<String> = SMALL.iter().map(|set| (*set).into()).chain(sets.iter().cloned()).collect();
    let mut settings = Settings::load(None, &all).unwrap_or_else(|why| panic!("{why}"));
    settings.output.log_dir = folder.into();
    settings.output.events = Some(folder.join("events.jsonl"));
    Arc::new(settings)
}

/// Frames in memory, with the silences between them, behind the filter that files and AF_PACKET have.
pub struct MemorySource {
    items: IntoIter<Item>,
    now: Timestamp,
    filter: HostFilter,
    offered: u64,
    ended: bool,
}

/// What a scene is to a source.
#[derive(Debug)]
pub enum Item {
    /// A frame of it.
    Frame(WireFrame),
    /// Nothing, until then, in nanoseconds since 1970.
    Silence(u64),
}

/// What scenes are to a source, in order.
pub fn items(scenes: &[Scene]) -> IntoIter<Item> {
    let mut items = Vec::new();
    for (number, scene) in scenes.iter().enumerate() {
        match scene {
            Scene::Silence(until) => items.push(Item::Silence(*until)),
            Scene::Packet(packet) => {
                items.extend(encode::frames(packet, number as u16).into_iter().map(Item::Frame));
            }
        }
    }
    items.into_iter()
}

impl MemorySource {
    /// A source of these scenes.
    pub fn new(scenes: &[Scene], settings: &Settings) -> Self {
        let filter = HostFilter::new(&Plan::new(settings, 1, 1).expect("a plan"));
        let now = Timestamp::from_nanos(START);
        MemorySource { items: items(scenes), now, filter, offered: 0, ended: false }
    }

    /// Shows one frame.
    pub fn show(&mut self, at: Timestamp, bytes: &[u8], on_frames: &mut OnFrames<'_>) {
        self.show_cut(at, bytes, bytes.len(), on_frames);
    }

    fn show_cut(&mut self, at: Timestamp, bytes: &[u8], wire_len: usize, on_frames: &mut OnFrames<'_>) {
        (self.now, self.offered) = (at, self.offered + 1);
        on_frames(&[Frame::new(at, Link::Ethernet, bytes, wire_len)], &mut self.filter);
    }
}

impl Source for MemorySource {
    fn drain(&mut self, on_frames: &mut OnFrames<'_>) -> usize {
        match self.items.next() {
            None => self.ended = true,
            Some(Item::Silence(until)) => self.now = Timestamp::from_nanos(until),
            Some(Item::Frame(frame)) => {
                self.show_cut(Timestamp::from_nanos(frame.at), &frame.bytes, frame.wire_len, on_frames);
                return 1;
            }
        }
        0
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn wait(&mut self, _limit: Duration) -> Wait {
        if self.ended { Wait::Ended } else { Wait::Ready }
    }

    fn losses(&self) -> Losses {
        Losses::default()
    }

    fn gate(&mut self) -> &mut dyn Gate {
        &mut self.filter
    }
}
