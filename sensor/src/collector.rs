//! The one thread that sees all shards: it takes what the workers tell, runs what counts across them, and writes.

mod delay;
mod health;
mod merge;
mod services;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use delay::Delays;
use health::Health;
use merge::Merge;
use services::LearnedServices;

use crate::config::Settings;
use crate::error::{Error, Result};
use crate::outbox::Inbox;
use crate::policy::{Guessing, NoticesOnce, Scans};
use crate::record::sinks::{Existing, Sinks, Tally};
use crate::record::{Content, Fact, Message, Record, Spoken};
use crate::sys;
use crate::time::Timestamp;
use crate::trace::{Traces, Written};

pub use self::delay::Delay;

/// How long the collector sleeps when there is nothing to do. Workers do not wake it: that would cost them a system call.
const REST: Duration = Duration::from_micros(500);
/// How often what was gathered is written, even if it is little.
const FLUSH: Duration = Duration::from_secs(1);

/// In which order messages of several workers are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Live: as they come.
    Arrival,
    /// Replay: by packet time, then by connection, so that the logs do not depend on the number of workers. This holds if a worker
    /// advances its `clock_nanos` only after it has pushed everything caused before that time, and also while it has no packets.
    PacketTime,
}

/// A detector for what can only be seen across shards.
pub trait Detector: Send {
    /// Sees a fact of packet time `at`; what it makes of it goes into `raised`.
    fn on_fact(&mut self, at: Timestamp, fact: &Fact, raised: &mut Vec<Record>);

    /// What it had to forget before its time, because a table was full.
    fn forgotten(&self) -> u64 {
        0
    }
}

/// The collector before it runs.
pub struct Collector {
    order: Order,
    inboxes: Vec<Inbox>,
    merge: Merge,
    services: LearnedServices,
    detectors: Vec<Box<dyn Detector>>,
    health: Health,
    /// Live, if they are measured: packet time is no other time then.
    delays: Option<Delays>,
    raised: Vec<Record>,
    sinks: Sinks,
    traces: Traces,
    now: Timestamp,
    collected: Collected,
}

/// What the collector did, for the ledger: `offered = lost + received`, `received + raised = facts + written + unwritten`.
#[derive(Clone, Default, Debug)]
pub struct Collected {
    /// Messages that workers wanted to hand over.
    pub offered: u64,
    /// Those that found no room in an outbox.
    pub lost: u64,
    /// Those of them that were notices.
    pub lost_notices: u64,
    /// Messages taken out of the outboxes.
    pub received: u64,
    /// Facts among them.
    pub facts: u64,
    /// What was told of recorded packets.
    pub kept: u64,
    /// What became of it.
    pub recorded: Written,
    /// Records that the collector's own detectors made.
    pub raised: u64,
    /// What detectors had to forget before its time, because a table was full.
    pub forgotten: u64,
    /// Messages written before their turn, because too many waited for a slow worker.
    pub released_early: u64,
    /// Lines written and lines lost, by log.
    pub tally: Tally,
    /// Notices by name.
    pub notices: BTreeMap<&'static str, u64>,
    /// Live: how long records took.
    pub delay: Option<Delay>,
}

impl Collector {
    /// A collector that writes as the settings say.
    ///
    /// # Errors
    /// The folder for the logs cannot be made or written to.
    pub fn new(settings: &Settings, order: Order) -> Result<Self> {
        let (output, limits) = (&settings.output, &settings.limits);
        let existing = match order {
            Order::Arrival => Existing::Continue,
            Order::PacketTime => Existing::Replace,
        };
        let sets = settings.sets();
        Ok(Collector {
            order,
            inboxes: Vec::new(),
            merge: Merge::new(limits.messages_held),
            services: LearnedServices::new(limits),
            detectors: vec![
                Box::new(NoticesOnce::new(limits)),
                Box::new(Guessing::new(settings, sets)),
                Box::new(Scans::new(settings, sets)),
            ],
            health: Health::new(settings),
            delays: None,
            raised: Vec::new(),
            sinks: Sinks::open(output, existing)?,
            traces: Traces::new(&settings.record)?,
            now: Timestamp::ZERO,
            collected: Collected::default(),
        })
    }

    /// Takes what this worker tells.
    pub fn listen_to(&mut self, inbox: Inbox) {
        self.inboxes.push(inbox);
        self.merge.add_feed();
    }

    /// Measures how long records take, until the run is stopped.
    pub fn measure_delays(&mut self, stop: Arc<AtomicBool>) {
        self.delays = Some(Delays::new(stop));
    }

    /// Shows all facts to this detector.
    pub fn add_detector(&mut self, detector: Box<dyn Detector>) {
        self.detectors.push(detector);
    }

    /// Runs in a thread of its own until every worker has dropped its outbox and everything is written. It keeps off the first
    /// processors, to which so many workers are pinned, if there are others; where it has to share one, it has its turn without much delay.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self, pinned_workers: usize) -> Result<JoinHandle<Collected>> {
        let body = move || {
            sys::leave_first_cpus(pinned_workers);
            sys::take_short_turns();
            self.run()
        };
        std::thread::Builder::new()
            .name("collector".to_owned())
            .spawn(body)
            .map_err(|why| Error::new("start the collector's thread", why))
    }

    /// Runs here until every worker has dropped its outbox and everything is written.
    pub fn run(mut self) -> Collected {
        let mut flushed = Instant::now();
        loop {
            let ended = self.inboxes.iter().all(Inbox::is_closed);
            let received = self.round();
            if ended && received == 0 {
                break;
            }
            if flushed.elapsed() >= FLUSH {
                flushed = Instant::now();
                self.look_at_health();
                self.sinks.tick(self.clock());
                self.traces.flush();
            }
            if received == 0 {
                std::thread::park_timeout(REST);
            }
        }
        self.finish()
    }

    /// Takes everything that waits, once. The clocks are read first: what was caused before them is in the queues by then.
    fn round(&mut self) -> u64 {
        let settled = self.inboxes.iter().map(settled).min().unwrap_or(Timestamp::NEVER);
        let mut received = 0;
        for feed in 0..self.inboxes.len() {
            for _ in 0..self.inboxes[feed].waiting() {
                let Some(message) = self.inboxes[feed].pop() else { break };
                received += 1;
                match self.order {
                    Order::Arrival => self.take(feed, message),
                    Order::PacketTime => self.merge.push(feed, message),
                }
            }
        }
        while let Some((feed, message)) = self.merge.next_before(settled) {
            self.take(feed, message);
        }
        self.collected.received += received;
        received
    }

    /// Takes in what a worker has told, and gives it back its place.
    fn take(&mut self, feed: usize, mut message: Box<Message>) {
        self.now = self.now.max(message.at);
        match &mut message.content {
            Content::Record(record) => {
                self.write(message.at, record);
                // What is said of a whole connection comes when its time is over, which is looked at now and then.
                let of_a_packet = !matches!(record, Record::Conn(_) | Record::Login(_) | Record::Ssh(_));
                if let (Some(delays), true) = (&mut self.delays, of_a_packet) {
                    delays.written(message.at);
                }
            }
            Content::Kept(kept) => {
                self.collected.kept += 1;
                self.traces.take(kept);
            }
            Content::Fact(fact) => {
                self.collected.facts += 1;
                self.services.learn(message.at, fact);
                self.detectors.iter_mut().for_each(|detector| detector.on_fact(message.at, fact, &mut self.raised));
                self.write_raised(message.at);
            }
            Content::Nothing => {}
        }
        self.inboxes[feed].give_back(message);
    }

    fn write_raised(&mut self, at: Timestamp) {
        let mut raised = std::mem::take(&mut self.raised);
        self.collected.raised += raised.len() as u64;
        raised.drain(..).for_each(|mut record| self.write(at, &mut record));
        self.raised = raised;
    }

    /// Live: the sensor says of itself what is due.
    fn look_at_health(&mut self) {
        if self.order == Order::Arrival {
            let now = self.clock();
            self.health.look(now, &self.inboxes, &mut self.raised);
            self.write_raised(now);
        }
    }

    fn write(&mut self, at: Timestamp, record: &mut Record) {
        match record {
            Record::Conn(conn) if conn.service.is_none() => {
                let key = &conn.id.key;
                let learned = self.services.name(at, key.resp_h, key.resp_p, key.transport);
                conn.service = learned.cloned().map(Spoken::Learned);
            }
            Record::Notice(notice) => *self.collected.notices.entry(notice.note).or_default() += 1,
            _ => {}
        }
        self.sinks.write(at, record);
    }

    /// The newest packet time that anybody has seen.
    fn clock(&self) -> Timestamp {
        match self.order {
            Order::Arrival => self.inboxes.iter().map(Inbox::clock).fold(self.now, Ord::max),
            Order::PacketTime => self.now,
        }
    }

    fn finish(mut self) -> Collected {
        while let Some((feed, message)) = self.merge.next_before(Timestamp::NEVER) {
            self.take(feed, message);
        }
        if self.order == Order::PacketTime {
            self.health.conclude(&self.inboxes, &mut self.raised);
            self.write_raised(self.now);
        }
        let sum = |count: fn(&Inbox) -> u64| self.inboxes.iter().map(count).sum();
        Collected {
            offered: sum(Inbox::offered),
            lost: sum(Inbox::lost),
            lost_notices: sum(Inbox::lost_notices),
            forgotten: self.detectors.iter().map(|detector| detector.forgotten()).sum(),
            released_early: self.merge.released_early(),
            tally: self.sinks.finish(),
            recorded: self.traces.finish(),
            delay: self.delays.as_ref().and_then(Delays::told),
            ..self.collected
        }
    }
}

/// Nothing caused before this time is still to come.
fn settled(inbox: &Inbox) -> Timestamp {
    if inbox.is_closed() { Timestamp::NEVER } else { inbox.clock() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OutputSettings;
    use crate::outbox::{WhenFull, outbox};
    use crate::record::{ConnRecord, LogName, samples};
    use crate::text::Text;

    fn read(dir: &tempfile::TempDir, log: &str) -> Vec<String> {
        let text = std::fs::read_to_string(dir.path().join(log)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn settings(dir: &tempfile::TempDir) -> Settings {
        let output = OutputSettings {
            log_dir: dir.path().join("logs"),
            events: Some(dir.path().join("events.json")),
            ..OutputSettings::default()
        };
        Settings { output, ..Settings::default() }
    }

    #[test]
    fn every_record_reaches_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(&settings(&dir), Order::PacketTime).unwrap();
        let (sender, inbox) = outbox(0, WhenFull::Wait, Arc::default());
        collector.listen_to(inbox);
        let server = samples::id().key.resp_h;
        let (transport, program, name) = (crate::flow::key::Transport::Udp, 100_003, Text::from("nfs"));
        sender.push(Message::record(samples::AT, samples::conn()));
        sender.push(Message::record(samples::AT, samples::portmap()));
        sender.push(Message::record(samples::AT, samples::ftp()));
        sender.push(Message::record(samples::AT, Box::new(samples::login())));
        sender.push(Message::record(samples::AT, Box::new(samples::ssh())));
        sender.push(Message::record(samples::AT, samples::notice()));
        sender.push(Message::record(samples::AT, samples::weird()));
        sender.push(Message::record(samples::AT, samples::respond()));
        sender.push(Message::record(samples::AT, Box::new(samples::stats())));
        sender.push(Message::record(samples::AT, samples::capture_loss()));
        sender.push(Message::record(samples::AT, Box::new(samples::event())));
        sender.push(Message::fact(samples::AT, Fact::ServiceLearned { server, port: 3344, transport, program, name }));
        drop(sender);
        let collected = collector.start(0).unwrap().join().unwrap();

        assert_eq!((collected.offered, collected.received, collected.facts, collected.lost), (12, 12, 1, 0));
        assert!(LogName::ALL.iter().all(|log| collected.tally.written(*log) == 1 && collected.tally.lost(*log) == 0));
        assert_eq!(collected.notices, BTreeMap::from([("SensitivePortmapperAccess", 1)]));
        assert_eq!(read(&dir, "events.json").len(), 1);
        for log in ["logs/conn.log", "logs/portmap.log", "logs/notice.log", "logs/weird.log", "logs/respond.log"] {
            assert_eq!(read(&dir, log).len(), 1, "{log}");
        }
        let conn = &read(&dir, "logs/conn.log")[0];
        assert!(conn.contains(r#""service":"nfs""#), "a fact of the same instant comes first: {conn}");
    }

    /// Two hundred connections that all end at one of three moments.
    fn conn(number: u64) -> (Timestamp, ConnRecord) {
        let mut conn = samples::conn();
        conn.id.uid.0 = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (Timestamp::from_parts(1 + number % 3, 0), conn)
    }

    #[test]
    fn the_number_of_workers_does_not_show() {
        let logs = [1, 2, 5].map(|workers| {
            let dir = tempfile::tempdir().unwrap();
            let mut collector = Collector::new(&settings(&dir), Order::PacketTime).unwrap();
            let senders = Vec::from_iter((0..workers).map(|_| {
                let (sender, inbox) = outbox(0, WhenFull::Wait, Arc::default());
                collector.listen_to(inbox);
                sender
            }));
            for number in 0..200 {
                let (at, conn) = conn(number);
                senders[number as usize * 7 % workers].push(Message::record(at, conn));
            }
            drop(senders);
            assert_eq!(collector.run().tally.written(LogName::Conn), 200);
            read(&dir, "logs/conn.log")
        });
        assert_eq!(logs[0].len(), 200);
        assert_eq!(logs[0], logs[1]);
        assert_eq!(logs[0], logs[2]);
    }
}
