//! The ceiling of AF_XDP: every frame goes to a socket, and the loop that takes it drops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use aya::maps::XskMap;
use portreeve::sys;
use portreeve_ebpf::names;

use super::xdp_drop::Attached;
use super::{Received, Receiver, Rung, measure};
use crate::generator::{Pace, Sent};
use crate::lab::Lab;
use crate::latency::Delays;
use crate::load::Load;
use crate::result::{Loss, Trial};
use crate::threads;
use crate::xsk::{BareSocket, Use};

/// As the sensor has it by default.
const DEPTH: u32 = 32_768;
const SPIN: Duration = Duration::from_micros(50);
const NAP_MILLIS: i32 = 100;
/// The thread's name.
const WORKER: &str = "bare-worker";

/// Takes every frame through an AF_XDP socket, and does nothing with it.
#[derive(Debug)]
pub struct BareXsk;

impl Rung for BareXsk {
    fn name(&self) -> &'static str {
        "xsk-drop"
    }

    fn what(&self) -> &'static str {
        "every frame to an AF_XDP socket, and a loop that drops it: what AF_XDP can carry here"
    }

    fn trial(&mut self, lab: &mut Lab, load: &Load, pace: Pace, lasting: Duration) -> Result<Trial> {
        let loops = Loop::start(lab)?;
        measure(lab, load, pace, lasting, loops)
    }
}

struct Loop {
    attached: Attached,
    stop: Arc<AtomicBool>,
    worker: JoinHandle<Taken>,
}

/// What the loop has taken, and how long it looked for frames that had not come.
struct Taken {
    socket: BareSocket,
    frames: u64,
    delays: Delays,
    spun: Duration,
}

impl Loop {
    fn start(lab: &Lab) -> Result<Self> {
        let socket = BareSocket::open(&lab.far, 0, Use::Receive(DEPTH))?;
        let mut attached = Attached::load(names::BENCH_SOCKET)?;
        let map = attached.ebpf.take_map(names::XSKS).context("the kernel object has no socket map")?;
        XskMap::try_from(map)?.set(0, socket.fd(), 0)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let worker = Builder::new().name(WORKER.into()).spawn(move || take(socket, &stopping))?;
        attached.attach(&lab.far)?;
        Ok(Loop { attached, stop, worker })
    }
}

fn take(mut socket: BareSocket, stop: &AtomicBool) -> Taken {
    // Without a CPU of its own it runs wherever there is one.
    let _ = sys::pin_to_cpu(0);
    let (mut frames, mut delays, mut busy) = (0, Delays::default(), Instant::now());
    let (mut spun, mut waited) = (Duration::ZERO, Duration::ZERO);
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        let taken = socket.drain(|frame| delays.see(frame));
        frames += taken as u64;
        if taken == 0 && stopping {
            return Taken { socket, frames, delays, spun };
        }
        if taken == 0 {
            waited = busy.elapsed().min(SPIN);
        }
        if taken > 0 || waited == SPIN {
            spun += std::mem::take(&mut waited);
            if taken == 0 {
                socket.wait(NAP_MILLIS);
            }
            busy = Instant::now();
        }
    }
}

impl Receiver for Loop {
    fn cpu(&self) -> Option<Duration> {
        Some(threads::cpu_of(|name| name == WORKER))
    }

    fn stop(self, _: &Sent) -> Result<Received> {
        drop(self.attached);
        self.stop.store(true, Ordering::Relaxed);
        let Taken { socket, frames, delays, spun } =
            self.worker.join().map_err(|_| anyhow!("the loop has panicked"))?;
        let losses = socket.losses()?;
        let lost: Vec<Loss> =
            losses.iter().map(|(stage, frames)| Loss { stage: (*stage).to_owned(), frames: *frames }).collect();
        let seen = frames + lost.iter().map(|loss| loss.frames).sum::<u64>();
        Ok(Received { seen: Some(seen), lost, spun, latency: delays.until("worker"), ..Received::default() })
    }
}
