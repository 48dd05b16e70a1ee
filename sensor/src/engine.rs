//! Start and stop, in order: the only files that know all the parts.

mod ledger;
mod live;
mod replay;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::sync::WaitGroup;

pub use live::run;
pub use replay::read;

use crate::capture::{Losses, Source};
use crate::collector::{Collected, Collector, Order};
use crate::config::{PortTable, Settings, Steering};
use crate::error::{Error, Result};
use crate::event::EventStream;
use crate::flow::shard::Shard;
use crate::outbox::{WhenFull, outbox};
use crate::policy::{Policy, neighbours};
use crate::record::LogName;
use crate::respond::{Requests, Resetter};
use crate::stats::{WorkerStats, is_clock, is_level};
use crate::summary::{Bypasses, Ledger, Took};
use crate::sys;
use crate::trace::Tracer;
use crate::worker::Worker;

/// How a run ended: what it did, and what was wrong all the same (a damaged file, an interface that vanished).
#[derive(Debug)]
pub struct Ended {
    /// What it did.
    pub summary: crate::summary::Summary,
    /// What was wrong, in the order in which it was noticed.
    pub troubles: Vec<Error>,
}

/// The workers and the collector of a run, under way.
struct Running<S> {
    workers: Vec<JoinHandle<S>>,
    collector: JoinHandle<Collected>,
    stats: Vec<Arc<WorkerStats>>,
    since: Instant,
    cpu_before: Duration,
}

/// What is left when all threads have ended. The sources are still open: a kernel program must be gone before they are closed.
struct Finished<S> {
    sources: Vec<S>,
    collected: Collected,
    stats: Vec<Arc<WorkerStats>>,
    took: Took,
}

/// Who sets the pace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// The wire: what comes while a worker is late is lost, and connections can still be terminated.
    Live,
    /// A recording, which can wait.
    Replay,
}

impl Manner {
    fn when_full(self) -> WhenFull {
        match self {
            Manner::Live => WhenFull::Drop,
            Manner::Replay => WhenFull::Wait,
        }
    }

    fn order(self) -> Order {
        match self {
            Manner::Live => Order::Arrival,
            Manner::Replay => Order::PacketTime,
        }
    }

    /// Slots of an outbox. A live worker needs them all in a burst; a replay waits, and fares best with a queue that stays in the cache.
    fn slots(self, wanted: usize) -> usize {
        match self {
            Manner::Live => wanted,
            Manner::Replay => wanted.min(4096),
        }
    }
}

/// Starts one worker per source, and the collector. When it returns, all of them are ready for frames.
fn start<S>(settings: &Arc<Settings>, sources: Vec<S>, manner: Manner, stop: &Arc<AtomicBool>) -> Result<Running<S>>
where
    S: Source + Send + 'static,
{
    let (since, cpu_before) = (Instant::now(), sys::cpu_time());
    sys::keep_freed_memory();
    let ports = PortTable::new(settings)?;
    let live = manner == Manner::Live;
    let mut collector = Collector::new(settings, manner.order())?;
    if live {
        collector.measure_delays(Arc::clone(stop));
    }
    let (mut workers, mut stats) = (Vec::new(), Vec::new());
    let mut prepared = Vec::new();
    let of = sources.len() as u32;
    let mut requests = respond(settings, manner, sources.len(), &mut collector)?.into_iter();
    for (source, neighbours) in sources.into_iter().zip(neighbours(of as usize)) {
        let requests = requests.next();
        let counted = Arc::new(WorkerStats::default());
        let (outbox, inbox) = outbox(manner.slots(settings.output.queue), manner.when_full(), Arc::clone(&counted));
        collector.listen_to(inbox);
        let told = settings.output.events.is_some().then(|| outbox.clone());
        let tracer = Tracer::new(&settings.record, &outbox);
        let policy = Policy::new(Arc::clone(settings), Arc::clone(&counted), outbox);
        let policy = policy.meeting(neighbours).responding(requests.is_some());
        let policy = EventStream::new(policy, told);
        let mut shard = Shard::new(Arc::clone(settings), &ports, policy, Arc::clone(&counted));
        shard = shard.responding(requests).traced(tracer);
        if settings.capture.steering == Steering::Hash {
            shard = shard.numbered(prepared.len() as u32, of);
        }
        stats.push(Arc::clone(&counted));
        prepared.push(Worker { source, shard, stats: counted });
    }
    let collector = collector.start(if live { prepared.len() } else { 0 })?;
    let takes_memory = live && has_memory_for(settings, prepared.len());
    let all_ready = WaitGroup::new();
    for (number, mut worker) in prepared.into_iter().enumerate() {
        let (stop, ready) = (Arc::clone(stop), all_ready.clone());
        let body = move || {
            // First its processor: memory is taken from what is nearest to it.
            if live {
                pin(number);
            }
            let stock = takes_memory.then(|| worker.shard.take_memory());
            // Freed before, it would be what the next worker is given.
            ready.wait();
            drop(stock);
            worker.run(&stop)
        };
        let thread = Builder::new().name(format!("worker-{number}")).spawn(body);
        workers.push(thread.map_err(|why| Error::new(format!("start worker {number}"), why))?);
    }
    all_ready.wait();
    Ok(Running { workers, collector, stats, since, cpu_before })
}

fn pin(worker: usize) {
    if sys::pin_to_cpu(worker).is_err() {
        tracing::warn!("worker {worker} has no processor of its own: it runs wherever there is one");
    }
}

/// Whether workers can take the memory of their connections before the first frame; else it comes as it is needed.
fn has_memory_for(settings: &Settings, workers: usize) -> bool {
    let needed = Shard::<Policy>::memory(&settings.limits).saturating_mul(workers) as u64;
    let available = sys::available_bytes();
    let enough = needed <= available / 2;
    if !enough {
        let [needed, available] = [needed, available].map(|bytes| bytes >> 20);
        tracing::warn!(
            "connections may take {needed} MiB, and {available} are available: lower `limits.connections`, or `workers`"
        );
    }
    enough
}

/// Starts the thread that resets connections, if they are terminated at all: what each worker asks it by.
fn respond(settings: &Settings, manner: Manner, workers: usize, collector: &mut Collector) -> Result<Vec<Requests>> {
    if manner == Manner::Replay || !settings.terminates() {
        return Ok(Vec::new());
    }
    let (outbox, inbox) = outbox(settings.limits.responses_waiting, WhenFull::Drop, Arc::default());
    collector.listen_to(inbox);
    Resetter::open(settings, outbox)?.start(workers, settings.limits.responses_waiting)
}

impl<S> Running<S> {
    /// Whether every worker has ended by itself.
    fn is_over(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }

    /// Waits for the workers, which drop their outboxes, and then for the collector, which drains them.
    fn join(self) -> Result<Finished<S>> {
        let broken = |_| Error::new("finish the run", "a thread has panicked: this is a defect, please report it");
        let sources = self.workers.into_iter().map(JoinHandle::join).collect::<std::result::Result<Vec<_>, _>>();
        let collected = self.collector.join().map_err(broken)?;
        let took = Took { elapsed: self.since.elapsed(), cpu: sys::cpu_time().saturating_sub(self.cpu_before) };
        Ok(Finished { sources: sources.map_err(broken)?, collected, stats: self.stats, took })
    }
}

impl<S: Source> Finished<S> {
    /// Frames that the workers were given.
    fn packets(&self) -> u64 {
        self.stats.iter().map(|stats| stats.counters.frames.get()).sum()
    }

    /// What the workers counted besides their frames' fates, together; levels and clocks are no sums.
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::from([("detectors_forgotten", self.collected.forgotten)]);
        for (name, number) in self.stats.iter().flat_map(|stats| stats.counters.snapshot()) {
            if !is_level(name) && !is_clock(name) {
                *sums.entry(name).or_default() += number;
            }
        }
        sums
    }

    /// What was kept out of the capture, by the reason.
    fn bypassed(&self) -> BTreeMap<&'static str, Bypasses> {
        Bypasses::of(self.stats.iter().map(|stats| &**stats))
    }

    /// What was lost between the gate and the workers.
    fn losses(&self) -> Losses {
        self.sources.iter().map(Source::losses).fold(Losses::default(), Losses::plus)
    }

    /// The stage that every run has: each frame that reached a worker met exactly one of these fates.
    fn add_worker_stage(&self, ledger: &mut Ledger) {
        let mut fates: Vec<(&'static str, u64)> = Vec::new();
        for (place, (name, number)) in
            self.stats.iter().flat_map(|stats| stats.outcomes.snapshot().into_iter().enumerate())
        {
            match fates.get_mut(place) {
                Some((_, sum)) => *sum = sum.saturating_add(number),
                None => fates.push((name, number)),
            }
        }
        ledger.stage("worker", self.packets(), fates);
    }

    /// What a person should hear of, besides the source's own troubles.
    fn troubles(&self) -> Vec<Error> {
        let lost: u64 = LogName::ALL.iter().map(|log| self.collected.tally.lost(*log)).sum();
        if lost == 0 {
            return Vec::new();
        }
        let why = format!("{lost} records could not be written");
        vec![Error::new("keep the logs whole", why).hint("see whether the disk is full; the summary says which logs")]
    }
}
