//! What a run did: packets, the loss ledger, logs, notices; for a person or as one JSON object.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::capture::BypassReason;
use crate::collector::{Collected, Delay};
use crate::record::LogName;
use crate::stats::WorkerStats;
use crate::trace::Written;

/// The result of a run.
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
pub struct Summary {
    /// Frames that workers were given.
    pub packets: u64,
    /// Where everything went.
    pub ledger: Ledger,
    /// Lines written, by log.
    pub logs: BTreeMap<&'static str, u64>,
    /// Lines that could not be written, by log; and `outbox`, messages that found no room on their way to the collector.
    pub lost: BTreeMap<&'static str, u64>,
    /// What else the workers counted, together; a `wrong_shard` other than 0 says that steering is broken.
    pub counters: BTreeMap<&'static str, u64>,
    /// What was kept out of the capture, by the reason; those that were met.
    pub bypassed: BTreeMap<&'static str, Bypasses>,
    /// Notices, by name.
    pub notices: BTreeMap<&'static str, u64>,
    /// Packets that were recorded.
    pub recorded: Written,
    /// How long it took.
    pub seconds: f64,
    /// Processor time of the whole process.
    pub cpu_seconds: f64,
    /// Live: how long it took from a packet until what it gave was written, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// What the packets came through.
    pub capture: Capture,
}

/// What the packets came through.
#[derive(Clone, PartialEq, Eq, Default, Debug, serde::Serialize)]
pub struct Capture {
    /// `af_xdp`, `af_packet` or `file`.
    pub source: &'static str,
    /// Whether the NIC writes into our memory (AF_XDP only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_copy: Option<bool>,
    /// Whether the driver itself runs the kernel program (XDP only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<bool>,
    /// Queues of the NIC.
    pub queues: u32,
    /// Workers.
    pub workers: u32,
    /// Descriptors of each ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_depth: Option<u32>,
}

/// What was kept out of the capture for one reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize)]
pub struct Bypasses {
    /// Connections whose payload was kept out from some moment on.
    pub connections: u64,
    /// Packets that were kept out.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
}

impl Bypasses {
    /// What workers have counted, by the reason.
    pub fn of<'a>(workers: impl Iterator<Item = &'a WorkerStats>) -> BTreeMap<&'static str, Bypasses> {
        let mut sums = BTreeMap::<_, Bypasses>::new();
        for (why, stats) in workers.flat_map(|stats| BypassReason::ALL.map(|why| (why, stats))) {
            let counted = stats.bypasses.of(why);
            if counted.connections.get() > 0 {
                let sum = sums.entry(why.name()).or_default();
                sum.connections += counted.connections.get();
                sum.packets += counted.packets.get();
                sum.bytes += counted.bytes.get();
            }
        }
        sums
    }
}

/// Stages, each of which must account for all that entered it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Ledger {
    stages: Vec<Stage>,
}

/// One stage: what entered it, and what became of that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// How many entered.
    pub entered: u64,
    /// What became of them: a name for each fate, and how many met it.
    pub became: Vec<(&'static str, u64)>,
}

impl Ledger {
    /// Adds a stage.
    pub fn stage(&mut self, name: &'static str, entered: u64, became: Vec<(&'static str, u64)>) {
        self.stages.push(Stage { name, entered, became });
    }

    /// The stages, in order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// What no stage can account for; 0 if every frame and every record was counted exactly once.
    pub fn unexplained(&self) -> u64 {
        self.stages.iter().map(Stage::unexplained).sum()
    }
}

impl Stage {
    /// The difference between what entered and what became of it.
    pub fn unexplained(&self) -> u64 {
        self.entered.abs_diff(self.became.iter().map(|(_, number)| number).sum())
    }
}

impl Summary {
    /// Puts the parts together; the collector's own stages (`messages`, `records`) are added to the ledger.
    pub fn new(packets: u64, mut ledger: Ledger, collected: &Collected, took: Took, capture: Capture) -> Self {
        let by_log = |count: &dyn Fn(LogName) -> u64| {
            let counts = LogName::ALL.iter().map(|log| (log.path(), count(*log)));
            counts.filter(|(_, number)| *number > 0).collect::<BTreeMap<_, _>>()
        };
        let logs = by_log(&|log| collected.tally.written(log));
        let mut lost = by_log(&|log| collected.tally.lost(log));
        let outcomes = vec![("received", collected.received), ("outbox_full", collected.lost)];
        ledger.stage("messages", collected.offered, outcomes);
        let (written, unwritten) = (logs.values().sum(), lost.values().sum());
        let outcomes = vec![
            ("facts", collected.facts),
            ("written", written),
            ("write_failed", unwritten),
            ("packets", collected.kept),
        ];
        ledger.stage("records", collected.received.saturating_add(collected.raised), outcomes);
        if collected.lost > 0 {
            lost.insert("outbox", collected.lost);
        }
        let (seconds, cpu_seconds) = (took.elapsed.as_secs_f64(), took.cpu.as_secs_f64());
        let notices = collected.notices.clone();
        let (counters, bypassed) = (BTreeMap::new(), BTreeMap::new());
        let Collected { recorded, delay, .. } = *collected;
        Summary {
            packets,
            ledger,
            logs,
            lost,
            counters,
            bypassed,
            notices,
            recorded,
            seconds,
            cpu_seconds,
            delay,
            capture,
        }
    }

    /// Records that are missing from the logs: a replay with any of them has failed.
    pub fn records_lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// One JSON object, without a newline.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// How long a run took.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Took {
    /// On the wall.
    pub elapsed: Duration,
    /// Of all processors together.
    pub cpu: Duration,
}

/// `"<stage>": entered`, `"<stage>.<fate>": number`, and `"unexplained"`.
impl Serialize for Ledger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for stage in &self.stages {
            map.serialize_entry(stage.name, &stage.entered)?;
            for (fate, number) in &stage.became {
                map.serialize_entry(&format!("{}.{fate}", stage.name), number)?;
            }
        }
        map.serialize_entry("unexplained", &self.unexplained())?;
        map.end()
    }
}

/// The table for a person. Fates that nothing met are left out.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = if self.seconds > 0.0 { self.packets as f64 / self.seconds } else { 0.0 };
        writeln!(f, "{:<24} {:>12}", "packets", grouped(self.packets))?;
        writeln!(
            f,
            "{:<24} {:>12.3}  cpu {:.3}, {} packets/s",
            "seconds",
            self.seconds,
            self.cpu_seconds,
            grouped(rate as u64)
        )?;
        writeln!(f, "{:<24} {:>12}  {}", "capture", self.capture.source, self.capture)?;
        if let Some(Delay { p50, p99, max, .. }) = self.delay {
            let [p50, p99, max] = [p50, p99, max].map(grouped);
            writeln!(
                f,
                "{:<24} {p50:>12}  microseconds from packet to record; 99 % within {p99}, all within {max}",
                "delay"
            )?;
        }
        section(f, "logs", &self.logs)?;
        section(f, "notices", &self.notices)?;
        section(f, "lost records", &self.lost)?;
        self.write_bypassed(f)?;
        writeln!(f, "ledger")?;
        for stage in self.ledger.stages() {
            writeln!(f, "  {:<22} {:>12}", stage.name, grouped(stage.entered))?;
            for (fate, number) in stage.became.iter().filter(|(_, number)| *number > 0) {
                writeln!(f, "    {:<20} {:>12}", fate, grouped(*number))?;
            }
        }
        write!(f, "  {:<22} {:>12}", "unexplained", grouped(self.ledger.unexplained()))
    }
}

impl Summary {
    fn write_bypassed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bypassed.is_empty() {
            return Ok(());
        }
        writeln!(f, "{:<24} {:>12} {:>16} {:>20}", "bypassed", "connections", "packets", "bytes of payload")?;
        for (why, Bypasses { connections, packets, bytes }) in &self.bypassed {
            let [connections, packets, bytes] = [connections, packets, bytes].map(|number| grouped(*number));
            writeln!(f, "  {why:<22} {connections:>12} {packets:>16} {bytes:>20}")?;
        }
        match self.counters.get("bypasses_evicted") {
            None | Some(0) => Ok(()),
            Some(number) => writeln!(f, "  {:<22} {:>12}", "gave way to newer ones", grouped(*number)),
        }
    }
}

impl fmt::Display for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} queues, {} workers", self.queues, self.workers)?;
        if let Some(depth) = self.ring_depth {
            write!(f, ", rings of {depth}")?;
        }
        if let Some(zero_copy) = self.zero_copy {
            write!(f, ", {}", if zero_copy { "zero-copy" } else { "copy" })?;
        }
        match self.native {
            Some(true) => write!(f, ", native XDP"),
            Some(false) => write!(f, ", generic XDP"),
            None => Ok(()),
        }
    }
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, counts: &BTreeMap<&'static str, u64>) -> fmt::Result {
    if counts.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}")?;
    counts.iter().try_for_each(|(name, number)| writeln!(f, "  {name:<28} {:>6}", grouped(*number)))
}

/// A number with a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Summary {
        let mut ledger = Ledger::default();
        ledger.stage("frames", 1234, vec![("udp", 1200), ("truncated", 33), ("malformed", 0)]);
        let collected = Collected {
            offered: 10,
            lost: 1,
            received: 9,
            facts: 9,
            notices: BTreeMap::from([("SensitivePortmapperAccess", 2)]),
            ..Collected::default()
        };
        let took = Took { elapsed: Duration::from_millis(1500), cpu: Duration::from_secs(2) };
        let capture = Capture { source: "file", queues: 1, workers: 1, ..Capture::default() };
        let bypasses = Bypasses { connections: 1, packets: 2000, bytes: 3_000_000 };
        let bypassed = BTreeMap::from([("encrypted", bypasses)]);
        Summary { bypassed, ..Summary::new(1234, ledger, &collected, took, capture) }
    }

    #[test]
    fn the_ledger_tells_what_is_missing() {
        let summary = sample();
        assert_eq!(summary.ledger.unexplained(), 1);
        assert_eq!(summary.records_lost(), 1);
        let expected = concat!(
            r#"{"packets":1234,"ledger":{"frames":1234,"frames.udp":1200,"frames.truncated":33,"frames.malformed":0,"#,
            r#""messages":10,"messages.received":9,"messages.outbox_full":1,"#,
            r#""records":9,"records.facts":9,"records.written":0,"records.write_failed":0,"records.packets":0,"unexplained":1},"#,
            r#""logs":{},"lost":{"outbox":1},"counters":{},"bypassed":{"encrypted":{"connections":1,"packets":2000,"bytes":3000000}},"notices":{"SensitivePortmapperAccess":2},"#,
            r#""recorded":{"files":0,"packets":0,"lines":0,"bytes":0,"over_budget":0,"failed":0},"seconds":1.5,"cpu_seconds":2.0,"#,
            r#""capture":{"source":"file","queues":1,"workers":1}}"#
        );
        assert_eq!(summary.to_json(), expected);
    }

    #[test]
    fn a_person_gets_a_table() {
        let table = sample().to_string();
        assert!(table.starts_with("packets                         1,234\n"), "{table}");
        assert!(table.contains("  SensitivePortmapperAccess         2\n"), "{table}");
        assert!(
            table.contains("  encrypted                         1            2,000            3,000,000\n"),
            "{table}"
        );
        assert!(!table.contains("malformed"), "{table}");
        assert!(table.ends_with("  unexplained                       1"), "{table}");
    }
}
