//! This sensor in full, in this process: through AF_XDP, or with the same analyzers behind a packet socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail};
use portreeve::collector::Delay;
use portreeve::config::{CaptureSource, OutputFormat, Settings};
use portreeve::engine::{self, Ended};
use portreeve::summary::{Ledger, Summary};
use portreeve_ebpf::names;
use xshell::{Shell, cmd};

use super::xdp_drop::Attached;
use super::{Received, Receiver, Rung, measure};
use crate::generator::{Pace, Sent};
use crate::lab::Lab;
use crate::load::Load;
use crate::result::{Latency, Loss, Trial};
use crate::threads;

/// How long the sensor may take to start: the kernel verifies its program.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(5);
/// Fates of frames that are losses, by the stage of the sensor's ledger.
const LOSSES: [(&str, &str); 5] = [
    ("offered", "socket_full"),
    ("filter", "undelivered"),
    ("redirected", "fill_ring_empty"),
    ("redirected", "rx_ring_full"),
    ("redirected", "invalid_descriptors"),
];

/// The whole sensor.
#[derive(Debug)]
pub struct Sensor {
    name: &'static str,
    what: &'static str,
    settings: Settings,
    /// What it said of itself after the last trial.
    pub summary: Option<Summary>,
}

impl Sensor {
    /// As it runs by default, but for these settings.
    ///
    /// # Errors
    /// A setting is not understood.
    pub fn full(sets: &[String]) -> Result<Self> {
        let what = "this sensor in full: every analyzer, policy, and records that are counted instead of written";
        Self::with("sensor", what, sets)
    }

    /// The same analyzers, behind AF_PACKET with its ring of blocks.
    ///
    /// # Errors
    /// A setting is not understood.
    pub fn by_af_packet(sets: &[String]) -> Result<Self> {
        let what = "the same analyzers behind AF_PACKET (TPACKET_V3)";
        Self::with("af-packet", what, &[sets, &["capture.source=\"af_packet\"".to_owned()]].concat())
    }

    /// With other settings, as `key=value`.
    ///
    /// # Errors
    /// A setting is not understood.
    pub fn with(name: &'static str, what: &'static str, sets: &[String]) -> Result<Self> {
        let mut settings = Settings::load(None, sets).map_err(Error::new)?;
        if settings.workers == 0 {
            settings.workers = 1;
        }
        settings.output.format = OutputFormat::Null;
        Ok(Sensor { name, what, settings, summary: None })
    }
}

impl Rung for Sensor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn what(&self) -> &'static str {
        self.what
    }

    fn trial(&mut self, lab: &mut Lab, load: &Load, pace: Pace, lasting: Duration) -> Result<Trial> {
        let running = Running::start(lab, &self.settings, &mut self.summary)?;
        measure(lab, load, pace, lasting, running)
    }
}

struct Running<'a> {
    stop: Arc<AtomicBool>,
    engine: JoinHandle<portreeve::error::Result<Ended>>,
    summary: &'a mut Option<Summary>,
    /// On a veth of our own, what lets live frames arrive where the sensor attaches nothing.
    _passing: Option<Attached>,
}

impl<'a> Running<'a> {
    fn start(lab: &Lab, settings: &Settings, summary: &'a mut Option<Summary>) -> Result<Self> {
        let by_afxdp = settings.capture.source != CaptureSource::AfPacket;
        let passing = if by_afxdp || !lab.made { None } else { Some(Attached::new(&lab.far, names::BENCH_PASS)?) };
        let stop = Arc::new(AtomicBool::new(false));
        let engine = thread::Builder::new().name("engine".into()).spawn({
            let (settings, interface, stop) = (settings.clone(), lab.far.clone(), Arc::clone(&stop));
            move || engine::run(settings, &interface, None, &stop)
        })?;
        let begun = Instant::now();
        let works = || cpu_of_sensor() > Duration::ZERO && (!by_afxdp || has_program(&lab.far));
        while !engine.is_finished() && !works() {
            if begun.elapsed() > PATIENCE {
                stop.store(true, Ordering::Relaxed);
                bail!(
                    "the sensor has not begun to listen on {} within {PATIENCE:?}: its kernel program may be of another build (run `cargo xtask \
                     build-ebpf` and build again), or `portreeve doctor {}` says what is in its way",
                    lab.far,
                    lab.far
                );
            }
            thread::sleep(LOOK);
        }
        if engine.is_finished() {
            let ended = engine.join().map_err(|_| anyhow!("the sensor has panicked"))?;
            ended.map_err(Error::new)?;
            bail!("the sensor ended by itself");
        }
        Ok(Running { stop, engine, summary, _passing: passing })
    }
}

/// All threads of the sensor.
fn cpu_of_sensor() -> Duration {
    threads::cpu_of(|name| name.starts_with("worker-") || name == "collector")
}

/// Whether an XDP program is attached.
fn has_program(interface: &str) -> bool {
    let shown = Shell::new().and_then(|shell| cmd!(shell, "ip link show dev {interface}").quiet().read());
    shown.is_ok_and(|link| link.contains("prog/xdp"))
}

impl Receiver for Running<'_> {
    fn cpu(&self) -> Option<Duration> {
        Some(cpu_of_sensor())
    }

    fn stop(self, _: &Sent) -> Result<Received> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.engine.join().map_err(|_| anyhow!("the sensor has panicked"))?.map_err(Error::new)?;
        let ledger = &ended.summary.ledger;
        let lost = LOSSES
            .iter()
            .map(|(stage, fate)| Loss { stage: format!("{stage}.{fate}"), frames: became(ledger, stage, fate) });
        let first = ledger.stages().first().context("the sensor's ledger is empty")?;
        let received = Received {
            seen: Some(first.entered),
            lost: lost.collect(),
            unexplained: ledger.unexplained(),
            spun: Duration::from_nanos(ended.summary.counters.get("spun_nanos").copied().unwrap_or(0)),
            latency: ended.summary.delay.map(until_record),
        };
        *self.summary = Some(ended.summary);
        Ok(received)
    }
}

/// From the kernel program's first sight of a packet: what the generator was held up by shows on the rungs that see its stamps.
fn until_record(delay: Delay) -> Latency {
    let Delay { records, p50, p90, p99, p99_9, max } = delay;
    let points = [(50.0, p50), (90.0, p90), (99.0, p99), (99.9, p99_9), (100.0, max)];
    Latency { until: "record".into(), count: records, points: points.map(|(at, micros)| (at, micros * 1000)).to_vec() }
}

/// How many of what entered a stage met a fate.
fn became(ledger: &Ledger, stage: &str, fate: &str) -> u64 {
    let stages = ledger.stages().iter().filter(|one| one.name == stage);
    stages.flat_map(|stage| &stage.became).filter(|(name, _)| *name == fate).map(|(_, frames)| frames).sum()
}
