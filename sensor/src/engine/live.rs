//! From an interface to logs.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::ledger::Cloning;
use super::{Ended, Finished, Manner, Running, ledger};
use crate::capture::kernel_gate::KernelGate;
use crate::capture::plan::Plan;
use crate::capture::{Gate, Source, afpacket, afxdp};
use crate::config::{CaptureMode, CaptureSource, Settings};
use crate::error::{Error, Result};
use crate::host::PrivateWire;
use crate::kernel::{Attached, Kernel, Program};
use crate::nic::Interface;
use crate::summary::{Capture, Ledger, Summary};

/// How often a live run looks whether it is over.
const LOOK: Duration = Duration::from_millis(20);
/// How long the last clones may take to the tapped end at most, and how often a run looks whether they are there.
const CLONES_ARRIVE: Duration = Duration::from_secs(1);
const CLONES_LOOK: Duration = Duration::from_millis(2);

/// Watches an interface until `stop` is set, `limit` is over, or the interface has vanished.
///
/// # Errors
/// The interface, the kernel or the logs are not as they must be; said with what to do about it.
pub fn run(mut settings: Settings, name: &str, limit: Option<Duration>, stop: &Arc<AtomicBool>) -> Result<Ended> {
    if settings.seed == 0 {
        settings.seed = RandomState::new().hash_one(std::process::id());
    }
    if settings.workers == 0 {
        settings.workers = thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)).max(1);
    }
    let interface = Interface::find(name)?;
    interface.refuse_if_down()?;
    let live = Live { settings: Arc::new(settings), interface, limit, stop: Arc::clone(stop) };
    match live.settings.capture.source {
        CaptureSource::AfXdp => live.by_afxdp()?.watch(&live),
        CaptureSource::AfPacket => live.by_afpacket(),
        CaptureSource::Auto => match live.by_afxdp() {
            Ok(afxdp) => afxdp.watch(&live),
            Err(why) if why.is_refusal() => Err(why),
            Err(why) => {
                tracing::warn!("{why}");
                tracing::warn!("falling back to AF_PACKET: several times the cost per packet");
                live.by_afpacket()
            }
        },
    }
}

/// What a run is asked for.
struct Live {
    settings: Arc<Settings>,
    interface: Interface,
    limit: Option<Duration>,
    stop: Arc<AtomicBool>,
}

/// The kernel program at work, with workers behind it.
struct AfXdp {
    kernel: Kernel,
    attached: Attached,
    granted: afxdp::Running,
    running: Running<afxdp::AfXdp>,
    stop_workers: Arc<AtomicBool>,
    /// Only in host mode.
    wire: Option<PrivateWire>,
}

impl Live {
    fn workers(&self) -> u32 {
        u32::try_from(self.settings.workers).unwrap_or(u32::MAX)
    }

    /// Sockets and their map first, the programs last: no frame is redirected to where nobody listens.
    fn by_afxdp(&self) -> Result<AfXdp> {
        let Live { settings, interface, .. } = self;
        let wire = match settings.capture.mode {
            CaptureMode::Host => Some(PrivateWire::new(interface)?),
            CaptureMode::Tap if settings.capture.take_over => None,
            CaptureMode::Tap => interface.refuse_if_in_use().map(|()| None)?,
        };
        let tapped = wire.as_ref().map_or(interface, |wire| &wire.tapped);
        let mut plan = Plan::new(settings, tapped.queues, self.workers())?;
        plan.options.clone_to = wire.as_ref().map_or(0, |wire| wire.cloned_to.index);
        let mut kernel = Kernel::load(&plan)?;
        let gate = |_| Ok(Box::new(KernelGate::new(kernel.tables()?)) as Box<dyn Gate + Send>);
        let gates = (0..self.workers()).map(gate).collect::<Result<_>>()?;
        let grid = afxdp::open(tapped, &settings.capture, gates)?;
        for (slot, socket) in grid.sockets() {
            kernel.set_socket(slot, socket)?;
        }
        let (granted, stop_workers) = (grid.running, Arc::new(AtomicBool::new(false)));
        let running = super::start(settings, grid.sources, Manner::Live, &stop_workers)?;
        let attached = kernel.attach_xdp(&tapped.name, settings.capture.generic).and_then(|attached| {
            let cloning = if wire.is_some() { kernel.attach_tcx(&interface.name) } else { Ok(()) };
            cloning.map(|()| attached)
        });
        match attached {
            Ok(attached) => Ok(AfXdp { kernel, attached, granted, running, stop_workers, wire }),
            Err(why) => {
                kernel.detach();
                stop_workers.store(true, Ordering::Relaxed);
                running.join()?;
                Err(why)
            }
        }
    }

    fn by_afpacket(&self) -> Result<Ended> {
        let Live { settings, interface, .. } = self;
        let plan = Plan::new(settings, 1, self.workers())?;
        let afpacket::Capture { sources, intake } = afpacket::open(interface, &settings.capture, &plan)?;
        let stop_workers = Arc::new(AtomicBool::new(false));
        let running = super::start(settings, sources, Manner::Live, &stop_workers)?;
        tracing::info!("watching {} (AF_PACKET, {} workers)", interface.name, self.workers());
        self.wait(&running, || {});
        intake.shut();
        stop_workers.store(true, Ordering::Relaxed);
        let finished = running.join()?;

        let mut ledger = Ledger::default();
        let counts = ledger::of_filters(finished.sources.iter().map(|source| &**source.filter_counters()));
        let losses = finished.losses();
        let offered = ledger::total(&counts).saturating_add(losses.socket_full);
        let fates = vec![("filter", ledger::total(&counts)), ("socket_full", losses.socket_full)];
        ledger.stage("offered", offered, fates);
        ledger::add_filter_stages(&mut ledger, &counts, &losses, finished.packets());
        finished.add_worker_stage(&mut ledger);
        let what = Capture { source: "af_packet", queues: 1, workers: self.workers(), ..Capture::default() };
        Ok(conclude(&finished, ledger, what))
    }

    /// Waits until the run is over, for whatever reason, and does `meanwhile` again and again.
    fn wait<S>(&self, running: &Running<S>, mut meanwhile: impl FnMut()) {
        let since = Instant::now();
        while !self.stop.load(Ordering::Relaxed) && !running.is_over() {
            if self.limit.is_some_and(|limit| since.elapsed() >= limit) {
                break;
            }
            meanwhile();
            thread::sleep(LOOK);
        }
    }
}

impl AfXdp {
    /// Watches; and at the end the programs go first, the sockets last: a driver may still be filling them.
    fn watch(mut self, live: &Live) -> Result<Ended> {
        self.announce(live);
        live.wait(&self.running, || self.kernel.flush_trace());
        let cloning = self.wire.as_ref().map(|wire| stop_cloning(&mut self.kernel, wire)).transpose()?;
        self.kernel.detach();
        self.kernel.flush_trace();
        self.stop_workers.store(true, Ordering::Relaxed);
        let finished = self.running.join()?;

        let mut ledger = Ledger::default();
        let counts = self.kernel.counters(Program::Xdp)?;
        if let Some(cloning) = cloning {
            cloning.add_stages(&mut ledger, ledger::total(&counts));
        }
        ledger::add_filter_stages(&mut ledger, &counts, &finished.losses(), finished.packets());
        finished.add_worker_stage(&mut ledger);
        let what = Capture {
            source: "af_xdp",
            zero_copy: Some(self.granted.zero_copy),
            native: Some(self.attached.native),
            queues: self.granted.queues,
            workers: self.granted.workers,
            ring_depth: Some(self.granted.ring),
        };
        Ok(conclude(&finished, ledger, what))
    }

    fn announce(&self, live: &Live) {
        let how = if self.attached.native { "native" } else { "generic" };
        let copy = if self.granted.zero_copy { "zero-copy" } else { "copy" };
        let beside = if self.wire.is_some() { ", beside the host's own traffic" } else { "" };
        tracing::info!("watching {} ({how} XDP, {copy}, {} workers{beside})", live.interface.name, live.workers());
        if !self.attached.by_link {
            tracing::warn!("this kernel has no XDP links: a sensor that is killed leaves its program behind");
        }
    }
}

/// Ends the cloning, and waits for the clones that are still on the private wire.
fn stop_cloning(kernel: &mut Kernel, wire: &PrivateWire) -> Result<Cloning> {
    kernel.detach_tcx();
    let counts = kernel.counters(Program::Tcx)?;
    let further_segments = kernel.further_segments(Program::Tcx)?;
    let since = Instant::now();
    loop {
        let tapped = ledger::total(&kernel.counters(Program::Xdp)?);
        let cloning = Cloning { counts, further_segments, dropped: wire.dropped() };
        if tapped.saturating_add(cloning.dropped) >= cloning.cloned() || since.elapsed() >= CLONES_ARRIVE {
            return Ok(cloning);
        }
        thread::sleep(CLONES_LOOK);
    }
}

fn conclude<S: Source>(finished: &Finished<S>, ledger: Ledger, what: Capture) -> Ended {
    let vanished = finished.sources.iter().find_map(Source::why_ended);
    let mut troubles: Vec<Error> = vanished.map(|why| Error::new("go on capturing", why)).into_iter().collect();
    troubles.extend(finished.troubles());
    let summary = Summary::new(finished.packets(), ledger, &finished.collected, finished.took, what);
    Ended { summary: Summary { counters: finished.counters(), bypassed: finished.bypassed(), ..summary }, troubles }
}
