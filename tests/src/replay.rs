//! A case in one process, through the real layers: a source in memory, shard, policy, collector, and the logs as files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portreeve::capture::filter::HostFilter;
use portreeve::capture::{Frame, Gate, Link, Losses, Source, Wait};
use portreeve::collector::{Collector, Order};
use portreeve::config::{PortTable, Settings};
use portreeve::flow::shard::Shard;
use portreeve::outbox::{WhenFull, outbox};
use portreeve::policy::Policy;
use portreeve::stats::WorkerStats;
use portreeve::time::Timestamp;
use portreeve_ebpf::{Address, pair_hash, shard_of};

use crate::case::Case;
use crate::encode::{self, WireFrame};
use crate::expect::{self, Logs};
use crate::play::{START, Scene};

/// What a replay gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The logs, comparable.
    pub logs: Logs,
    /// Frames that the workers saw.
    pub frames: u64,
    /// Frames whose outcome was counted; must be the same.
    pub explained: u64,
    /// Panics that were caught in an analyzer; must be none.
    pub panics: u64,
}

/// Replays a case with so many workers.
pub fn case(case: &Case, workers: usize) -> Outcome {
    scenes(&case.scenes, &case.talk.settings, workers)
}

/// Replays scenes under these settings.
pub fn scenes(scenes: &[Scene], sets: &[String], workers: usize) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder for the logs");
    let settings = settings(sets, folder.path());
    let mut collector = Collector::new(&settings.output, &settings.limits, Order::PacketTime).expect("a collector");
    let mut all_stats = Vec::new();
    let mut threads = Vec::new();
    for worker in 0..workers {
        let stats = Arc::new(WorkerStats::default());
        let (out, inbox) = outbox(settings.output.queue, WhenFull::Wait);
        collector.listen_to(inbox, Arc::clone(&stats));
        let source = MemorySource::new(scenes, worker, workers, &settings);
        let policy = Policy::new(Arc::clone(&settings), Arc::clone(&stats), out);
        let shard = Shard::new(
            Arc::clone(&settings),
            &PortTable::new(&settings).expect("a port table"),
            policy,
            Arc::clone(&stats),
        );
        all_stats.push(Arc::clone(&stats));
        threads.push(std::thread::spawn(move || work(source, shard, &stats)));
    }
    collector.run();
    threads.into_iter().for_each(|thread| thread.join().expect("the worker lives"));
    let sum = |count: fn(&WorkerStats) -> u64| all_stats.iter().map(|stats| count(stats)).sum();
    Outcome {
        logs: expect::normalise(&read_logs(folder.path()), START),
        frames: sum(|stats| stats.counters.frames.get()),
        explained: sum(|stats| stats.outcomes.snapshot().iter().map(|(_, count)| count).sum()),
        panics: sum(|stats| stats.counters.analyzer_panics.get()),
    }
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

fn settings(sets: &[String], folder: &Path) -> Arc<Settings> {
    let mut settings = Settings::load(None, sets).unwrap_or_else(|why| panic!("{why}"));
    settings.output.log_dir = folder.into();
    settings.output.events = Some(folder.join("events.jsonl"));
    Arc::new(settings)
}

/// What a worker does, without its thread's pinning and waiting.
fn work(mut source: MemorySource, mut shard: Shard<Policy>, stats: &WorkerStats) {
    loop {
        let batch = source.drain(&mut |frame, gate| shard.on_frame(frame, gate));
        let now = source.now();
        shard.tick(now, source.gate());
        stats.counters.clock_nanos.set(now.as_nanos());
        if batch == 0 && source.wait(Duration::ZERO) == Wait::Ended {
            break;
        }
    }
    shard.close_all(source.now(), source.gate());
}

/// Frames in memory, with the silences between them.
pub struct MemorySource {
    items: std::vec::IntoIter<Item>,
    now: Timestamp,
    filter: HostFilter,
    ended: bool,
}

enum Item {
    Frame(WireFrame),
    Silence(u64),
}

impl MemorySource {
    /// What worker `worker` of `workers` sees of these scenes.
    pub fn new(scenes: &[Scene], worker: usize, workers: usize, settings: &Settings) -> Self {
        let mut items = Vec::new();
        for (number, scene) in scenes.iter().enumerate() {
            match scene {
                Scene::Silence(until) => items.push(Item::Silence(*until)),
                Scene::Packet(packet) => {
                    let pair = packet.endpoints.map(|(from, to)| (Address::from(from.ip()), Address::from(to.ip())));
                    let hash = pair.map_or(0, |(from, to)| pair_hash(settings.seed, from, to));
                    if shard_of(hash, workers as u32) as usize == worker {
                        items.extend(encode::frames(packet, number as u16).into_iter().map(Item::Frame));
                    }
                }
            }
        }
        let now = Timestamp::from_nanos(START);
        MemorySource { items: items.into_iter(), now, filter: HostFilter::default(), ended: false }
    }
}

impl Source for MemorySource {
    fn drain(&mut self, on_frame: &mut dyn FnMut(Frame<'_>, &mut dyn Gate)) -> usize {
        match self.items.next() {
            None => self.ended = true,
            Some(Item::Silence(until)) => self.now = Timestamp::from_nanos(until),
            Some(Item::Frame(frame)) => {
                self.now = Timestamp::from_nanos(frame.at);
                let WireFrame { bytes, wire_len, .. } = &frame;
                let link = Link::Ethernet;
                on_frame(Frame { at: self.now, link, bytes, wire_len: *wire_len, hash: None }, &mut self.filter);
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
