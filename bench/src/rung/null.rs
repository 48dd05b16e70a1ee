//! This sensor's way to a worker, and no further: the kernel program, the sockets, the source; what comes out is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use portreeve::capture::filter::HostFilter;
use portreeve::capture::{Source, afxdp};
use portreeve::config::Settings;
use portreeve::kernel::{Kernel, Plan, Program};
use portreeve::nic::Interface;
use portreeve::sys;
use portreeve_ebpf::Counter;
use portreeve_ebpf::counters::Outcome;

use super::{Received, Receiver, Rung, measure};
use crate::generator::{Pace, Sent};
use crate::lab::Lab;
use crate::latency::Delays;
use crate::load::Load;
use crate::result::{Loss, Trial};
use crate::threads;

const NAP: Duration = Duration::from_millis(100);
/// The threads' names begin like this.
const WORKER: &str = "null-worker";

/// This sensor without what makes it one: frames are filtered and brought to workers, who count them.
#[derive(Debug)]
pub struct NullSensor {
    settings: Settings,
}

impl NullSensor {
    /// With these settings, as `key=value`, beside the defaults.
    ///
    /// # Errors
    /// A setting is not understood.
    pub fn with(sets: &[String]) -> Result<Self> {
        Ok(NullSensor { settings: Settings::load(None, sets).map_err(Error::new)? })
    }
}

impl Rung for NullSensor {
    fn name(&self) -> &'static str {
        "null"
    }

    fn what(&self) -> &'static str {
        "this sensor's kernel program and capture, with a worker that only counts"
    }

    fn trial(&mut self, lab: &mut Lab, load: &Load, pace: Pace, lasting: Duration) -> Result<Trial> {
        let capture = Capture::start(lab, &self.settings)?;
        measure(lab, load, pace, lasting, capture)
    }
}

struct Capture {
    kernel: Kernel,
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Counted>>,
}

/// What a worker has seen; its source is closed only after the kernel program is gone.
struct Counted {
    source: afxdp::AfXdp,
    frames: u64,
    delays: Delays,
}

impl Capture {
    fn start(lab: &Lab, settings: &Settings) -> Result<Self> {
        let interface = Interface::find(&lab.far).map_err(Error::new)?;
        let plan = Plan::new(settings, interface.queues, 1).map_err(Error::new)?;
        let mut kernel = Kernel::load(&plan).map_err(Error::new)?;
        let grid =
            afxdp::open(&interface, &settings.capture, vec![Box::new(HostFilter::new(&plan))]).map_err(Error::new)?;
        for (slot, socket) in grid.sockets() {
            kernel.set_socket(slot, socket).map_err(Error::new)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = Vec::new();
        for (number, source) in grid.sources.into_iter().enumerate() {
            let stop = Arc::clone(&stop);
            let worker = Builder::new().name(format!("{WORKER}-{number}"));
            workers.push(worker.spawn(move || count(number, source, &stop))?);
        }
        kernel.attach_xdp(&interface.name, false).map_err(Error::new)?;
        Ok(Capture { kernel, stop, workers })
    }
}

fn count(number: usize, mut source: afxdp::AfXdp, stop: &AtomicBool) -> Counted {
    // Without a CPU of its own it runs wherever there is one.
    let _ = sys::pin_to_cpu(number);
    let (mut frames, mut delays) = (0, Delays::default());
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        let drained = source.drain(&mut |shown, _| {
            for frame in shown {
                frames += 1;
                delays.see(frame.bytes);
            }
        });
        if drained == 0 {
            if stopping {
                return Counted { source, frames, delays };
            }
            source.wait(NAP);
        }
    }
}

impl Receiver for Capture {
    fn cpu(&self) -> Option<Duration> {
        Some(threads::cpu_of(|name| name.starts_with(WORKER)))
    }

    fn stop(mut self, _: &Sent) -> Result<Received> {
        self.kernel.detach();
        self.stop.store(true, Ordering::Relaxed);
        let counted = self.workers.into_iter().map(JoinHandle::join).collect::<Result<Vec<_>, _>>();
        let counted = counted.map_err(|_| anyhow!("a worker has panicked"))?;
        let counters = self.kernel.counters(Program::Xdp).map_err(Error::new)?;
        let sum = |outcome| -> u64 {
            let all = Counter::ALL.iter().zip(counters);
            all.filter(|(counter, _)| counter.outcome() == outcome).map(|(_, frames)| frames).sum()
        };
        let losses = counted
            .iter()
            .map(|worker| worker.source.losses())
            .fold(Default::default(), portreeve::capture::Losses::plus);
        let delivered: u64 = counted.iter().map(|worker| worker.frames).sum();
        let lost = [
            ("filter.undelivered", sum(Outcome::Lost)),
            ("redirected.fill_ring_empty", losses.fill_ring_empty),
            ("redirected.rx_ring_full", losses.rx_ring_full),
            ("redirected.invalid_descriptors", losses.invalid_descriptors),
        ];
        Ok(Received {
            seen: Some(counters.iter().sum()),
            spun: counted.iter().map(|worker| worker.source.spun()).sum(),
            unexplained: sum(Outcome::Redirected).abs_diff(delivered + losses.total()),
            lost: lost.map(|(stage, frames)| Loss { stage: stage.into(), frames }).into(),
            latency: counted.first().and_then(|worker| worker.delays.until("worker")),
        })
    }
}
