//! From an interface to logs.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Ended, Finished, Manner, Running, ledger};
use crate::capture::plan::Plan;
use crate::capture::{Gate, Source, afxdp};
use crate::collector::Order;
use crate::config::{CaptureMode, CaptureSource, Settings};
use crate::error::{Error, Result};
use crate::kernel::{Attached, Kernel, Program};
use crate::nic::Interface;
use crate::outbox::WhenFull;
use crate::summary::{Capture, Ledger, Summary};

/// How often a live run looks whether it is over.
const LOOK: Duration = Duration::from_millis(20);

const LIVE: Manner = Manner { when_full: WhenFull::Drop, order: Order::Arrival, pinned: true };

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
    let run = Live { settings: Arc::new(settings), interface, limit, stop: Arc::clone(stop) };
    match run.settings.capture.source {
        CaptureSource::AfXdp => run.by_afxdp(),
        CaptureSource::AfPacket => run.by_afpacket(),
        CaptureSource::Auto => run.by_afxdp(),
    }
}

struct Live {
    settings: Arc<Settings>,
    interface: Interface,
    limit: Option<Duration>,
    stop: Arc<AtomicBool>,
}

impl Live {
    /// Sockets and their map first, the program last; and at the end the program first, the sockets last: a driver may still be
    /// filling them.
    fn by_afxdp(&self) -> Result<Ended> {
        let Live { settings, interface, .. } = self;
        if settings.capture.mode == CaptureMode::Tap && !settings.capture.take_over {
            interface.refuse_if_in_use()?;
        }
        let workers = u32::try_from(settings.workers).unwrap_or(u32::MAX);
        let mut kernel = Kernel::load(&Plan::new(settings, interface.queues, workers)?)?;
        let gates =
            (0..workers).map(|_| Ok(Box::new(kernel.tables()?) as Box<dyn Gate + Send>)).collect::<Result<_>>()?;
        let grid = afxdp::open(interface, &settings.capture, gates)?;
        for (slot, socket) in grid.sockets() {
            kernel.set_socket(slot, socket)?;
        }
        let granted = grid.running;
        let running = super::start(settings, grid.sources, LIVE, &self.stop)?;
        let attached = kernel.attach_xdp(&interface.name, settings.capture.generic)?;
        self.announce(&attached);
        self.wait(&running);
        kernel.detach();
        self.stop.store(true, Ordering::Relaxed);
        let finished = running.join()?;

        let mut ledger = Ledger::default();
        ledger::add_filter_stages(&mut ledger, &kernel.counters(Program::Xdp)?, &finished.losses(), finished.packets());
        finished.add_worker_stage(&mut ledger);
        let what = Capture {
            source: "af_xdp",
            zero_copy: Some(granted.zero_copy),
            native: Some(attached.native),
            queues: granted.queues,
            workers: granted.workers,
            ring_depth: Some(granted.ring),
        };
        Ok(conclude(&finished, ledger, what))
    }

    fn by_afpacket(&self) -> Result<Ended> {
        Err(Error::new("capture by AF_PACKET", "not yet"))
    }

    fn announce(&self, attached: &Attached) {
        let how = if attached.native { "native" } else { "generic" };
        tracing::info!("watching {} ({how} XDP, {} workers)", self.interface.name, self.settings.workers);
        if !attached.by_link {
            tracing::warn!("this kernel has no XDP links: a sensor that is killed leaves its program behind");
        }
    }

    fn wait<S>(&self, running: &Running<S>) {
        let since = Instant::now();
        while !self.stop.load(Ordering::Relaxed) && !running.is_over() {
            if self.limit.is_some_and(|limit| since.elapsed() >= limit) {
                break;
            }
            thread::sleep(LOOK);
        }
    }
}

fn conclude<S: Source>(finished: &Finished<S>, ledger: Ledger, what: Capture) -> Ended {
    let vanished = finished.sources.iter().find_map(Source::why_ended);
    let mut troubles: Vec<Error> = vanished.map(|why| Error::new("go on capturing", why)).into_iter().collect();
    troubles.extend(finished.troubles());
    Ended { summary: Summary::new(finished.packets(), ledger, &finished.collected, finished.took, what), troubles }
}
