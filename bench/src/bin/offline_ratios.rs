//! What the layers above the flows cost in a replay, and what a second worker gains: each beside the other, in turns. Takes captures; without
//! any, people who type.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use clap::Parser;
use portreeve::analyzers::Service;
use portreeve::capture::plan::Plan;
use portreeve::capture::{BypassReason, Bypassed, Expectation, Frame, Gate, Losses, OnFrames, Source, Wait, pcap};
use portreeve::config::{PortTable, Settings};
use portreeve::engine;
use portreeve::event::{ConnectionEvent, Event, Handler, Verdict};
use portreeve::flow::Conn;
use portreeve::flow::key::FlowKey;
use portreeve::flow::shard::Shard;
use portreeve::outbox::{Inbox, WhenFull, outbox};
use portreeve::policy::Policy;
use portreeve::stats::WorkerStats;
use portreeve::time::Timestamp;
use portreeve::worker::Worker;
use portreeve_bench::{keystrokes, program, threads};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: u32 = 1_000_000;
const TURNS: usize = 3;

/// Measure a replay in full beside one whose connections have no analyzer, and two workers beside one
#[derive(Parser)]
#[command(name = "offline-ratios", version)]
struct Cli {
    /// Captures to replay; without any, people who type
    #[arg(value_name = "FILE")]
    captures: Vec<PathBuf>,
}

fn main() -> ExitCode {
    program::run(|cli: Cli| run(&cli.captures))
}

fn run(captures: &[PathBuf]) -> Result<()> {
    if !captures.is_empty() {
        return captures.iter().try_for_each(|capture| compare(capture));
    }
    let folder = tempfile::tempdir()?;
    let capture = folder.path().join("keystrokes.pcap");
    keystrokes::write(&capture, KEYS)?;
    compare(&capture)
}

fn compare(capture: &Path) -> Result<()> {
    println!("{}", capture.display());
    let mut best = [f64::MAX; 4];
    for _ in 0..TURNS {
        let (one, two) = (replay(capture, 1)?, replay(capture, 2)?);
        let turn = [alone(capture, false)?, alone(capture, true)?, one.busiest, two.busiest];
        best.iter_mut().zip(turn).for_each(|(best, turn)| *best = best.min(turn));
        println!("  by the wall clock, two workers / one: {:.2}", one.wall.as_secs_f64() / two.wall.as_secs_f64());
    }
    let [full, null, one, two] = best;
    println!("  ns of the worker per packet: {full:.0} in full, {null:.0} without analyzers");
    println!("  full analysis / null analyzers: {:.2}", null / full);
    println!("  ns of the busiest worker per packet: {one:.0} of one, {two:.0} of two");
    println!("  two workers / one, by processor time: {:.2}", one / two);
    Ok(())
}

/// A replay as users have it, with nothing written.
struct Replay {
    wall: Duration,
    /// Nanoseconds of the busiest worker per packet of the file.
    busiest: f64,
}

fn replay(capture: &Path, workers: usize) -> Result<Replay> {
    let settings = settings(workers)?;
    let started = Instant::now();
    let (ended, used): (_, BTreeMap<_, _>) =
        threads::watch(|| engine::read(settings, &[capture.to_owned()], false, &Arc::default()).map_err(Error::new))?;
    let wall = started.elapsed();
    let busiest = used.iter().filter(|(name, _)| name.starts_with("worker-")).map(|(_, time)| *time).max();
    let packets = ended.summary.packets as f64;
    Ok(Replay { wall, busiest: busiest.unwrap_or_default().as_nanos() as f64 / packets })
}

fn settings(workers: usize) -> Result<Settings> {
    let sets = ["output.format=\"null\"".to_owned(), format!("workers={workers}")];
    Settings::load(None, &sets).map_err(Error::new)
}

/// Nanoseconds of one worker per packet. Without analyzers, packets are still decoded and counted for their connections, and conn.log's
/// records are made.
fn alone(capture: &Path, without_analyzers: bool) -> Result<f64> {
    let settings = Arc::new(settings(1)?);
    let plan = Plan::new(&settings, 1, 1).map_err(Error::new)?;
    let opened = pcap::open(&[capture.to_owned()], &plan, &pcap::Settings { progress: false }).map_err(Error::new)?;
    let ports = PortTable::new(&settings).map_err(Error::new)?;
    let (report, mut used) = (opened.report, BTreeMap::new());
    for source in opened.sources {
        let stats = Arc::new(WorkerStats::default());
        let (outbox, inbox) = outbox(4096, WhenFull::Wait, Arc::clone(&stats));
        let policy = Policy::new(Arc::clone(&settings), Arc::clone(&stats), outbox);
        let handler = Above { policy, without_analyzers };
        let shard = Shard::new(Arc::clone(&settings), &ports, handler, Arc::clone(&stats));
        let source = Ungated { source, gate: Open(|_| true), ungated: without_analyzers };
        let worker = Worker { source, shard, stats };
        let collector = std::thread::spawn(move || drain(&inbox));
        let name = "worker-alone".to_owned();
        used = threads::watch(|| {
            let thread = std::thread::Builder::new().name(name).spawn(|| worker.run(&AtomicBool::new(false)))?;
            thread.join().map(drop).map_err(|_| Error::msg("the worker has panicked"))
        })?
        .1;
        collector.join().map_err(|_| Error::msg("the collector has panicked"))?;
    }
    let time = used.get("worker-alone").copied().unwrap_or_default();
    Ok(time.as_nanos() as f64 / report.packets.get() as f64)
}

/// Takes every message away.
fn drain(inbox: &Inbox) {
    loop {
        let closed = inbox.is_closed();
        while let Some(message) = inbox.pop() {
            inbox.give_back(message);
        }
        if closed {
            return;
        }
        std::thread::yield_now();
    }
}

/// Policy, which may dismiss the analyzer of each connection when it opens.
struct Above {
    policy: Policy,
    without_analyzers: bool,
}

impl Handler for Above {
    fn handle(&mut self, now: Timestamp, conn: &mut Conn, event: &Event<'_>) -> Verdict {
        let verdict = self.policy.handle(now, conn, event);
        let opens = matches!(event, Event::Connection(ConnectionEvent::NewConnection));
        if opens && self.without_analyzers { verdict | Verdict::SKIP } else { verdict }
    }

    fn expected(&mut self, now: Timestamp, key: &FlowKey) -> Option<Service> {
        self.policy.expected(now, key)
    }

    fn flow_weird(&mut self, now: Timestamp, hosts: Option<(IpAddr, IpAddr)>, name: &'static str) {
        self.policy.flow_weird(now, hosts, name);
    }

    fn settle(&mut self, now: Timestamp, gate: &mut dyn Gate) {
        self.policy.settle(now, gate);
    }

    fn tick(&mut self) {
        self.policy.tick();
    }
}

/// A source whose filter may be kept from hearing what the worker asks for: it would keep out what nobody analyses.
struct Ungated<S> {
    source: S,
    gate: Open<fn(&Frame<'_>) -> bool>,
    ungated: bool,
}

impl<S: Source> Source for Ungated<S> {
    fn drain(&mut self, on_frames: &mut OnFrames<'_>) -> usize {
        let ungated = self.ungated;
        let source = &mut self.source;
        source.drain(&mut |frames, gate| {
            if ungated {
                on_frames(frames, &mut Open(|frame: &Frame<'_>| gate.admits(frame)));
            } else {
                on_frames(frames, gate);
            }
        })
    }

    fn now(&self) -> Timestamp {
        self.source.now()
    }

    fn wait(&mut self, limit: Duration) -> Wait {
        self.source.wait(limit)
    }

    fn losses(&self) -> Losses {
        self.source.losses()
    }

    fn gate(&mut self) -> &mut dyn Gate {
        if self.ungated { &mut self.gate } else { self.source.gate() }
    }
}

/// Does nothing of what it is asked for, but lets the filter beneath decide.
struct Open<F>(F);

impl<F: FnMut(&Frame<'_>) -> bool> Gate for Open<F> {
    fn admits(&mut self, frame: &Frame<'_>) -> bool {
        (self.0)(frame)
    }

    fn expect(&mut self, _expectation: Expectation) {}

    fn unexpect(&mut self, _expectation: Expectation) {}

    fn accompany(&mut self, _hosts: [IpAddr; 2]) {}

    fn leave(&mut self, _hosts: [IpAddr; 2]) {}

    fn bypass(&mut self, _key: &FlowKey, _why: BypassReason) {}

    fn unbypass(&mut self, _key: &FlowKey) -> Option<Bypassed> {
        None
    }
}
