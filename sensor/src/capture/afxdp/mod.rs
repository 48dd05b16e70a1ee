//! Frames by AF_XDP: one source per worker, which drains that worker's sockets on every receive queue.
//!
//! For every queue `q` and worker `w` there is one socket bound to `q`, found by the XDP program at `q * workers + w` of its socket
//! map. The sockets of one queue share its memory and fill ring (`home`). So a shard is right whatever the NIC's own hash does.
#![allow(unsafe_code, reason = "the AF_XDP door: memory shared with the kernel; every block says why it holds")]

mod home;
mod keeper;
mod plan;
mod socket;

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use self::keeper::Keeper;
use self::plan::Plan;
use self::socket::{Socket, next_turn, take_batches};
use super::clock::Clock;
use super::watch::Watch;
use super::{Gate, Losses, OnFrames, Source, Wait};
use crate::config::{CaptureSettings, Steering};
use crate::error::{Error, Result};
use crate::nic::Interface;
use crate::sys::{PacketSocket, monotonic_nanos};
use crate::time::Timestamp;

/// How long to sleep at most while frames are still to be given back.
const HELD_PAUSE: Duration = Duration::from_millis(1);

/// All sockets on one interface, and what the kernel made of the request.
#[derive(Debug)]
pub struct Grid {
    /// One source per worker.
    pub sources: Vec<AfXdp>,
    /// What runs.
    pub running: Running,
}

/// What the kernel granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Running {
    /// The driver fills our memory itself; otherwise the kernel copies.
    pub zero_copy: bool,
    /// Receive queues.
    pub queues: u32,
    /// Workers.
    pub workers: u32,
    /// Descriptors of each ring.
    pub ring: u32,
    /// Bytes per frame, headroom included.
    pub frame_size: u32,
    /// Frames per queue.
    pub frames: u32,
    /// Whether frames lie in huge pages.
    pub huge_pages: bool,
}

/// Opens the sockets: for every queue of `interface` one per worker, or one in all with [`Steering::Queue`]. There is a worker per
/// gate. No frame comes before the sockets are in the socket map ([`Grid::sockets`]) and the program is attached.
///
/// # Errors
/// If the interface's frames do not fit, or the kernel refuses: no privilege, no AF_XDP, no memory, a queue in use.
pub fn open(interface: &Interface, settings: &CaptureSettings, gates: Vec<Box<dyn Gate + Send>>) -> Result<Grid> {
    interface.refuse_jumbo_frames()?;
    let workers = u32::try_from(gates.len()).unwrap_or(u32::MAX);
    if settings.steering == Steering::Queue && workers != interface.queues {
        let why = format!("{} has {} queues, and there are {workers} workers", interface.name, interface.queues);
        return Err(Error::new("steer by queue", why).hint("Use as many workers as queues, or steering = \"hash\"."));
    }
    let promiscuous = promiscuity(interface, settings)?;
    let mut sources = gates
        .into_iter()
        .map(|gate| AfXdp::new(interface, settings, gate, promiscuous.clone()))
        .collect::<Result<Vec<_>>>()?;
    let mut plan = Plan::new(interface, settings)?;
    let (mut running, mut homes) = (None, Vec::new());
    for queue in 0..interface.queues {
        let owners = match settings.steering {
            Steering::Hash => 0..workers,
            Steering::Queue => queue..queue.saturating_add(1),
        };
        let (home, first) = plan.open(queue)?;
        running.get_or_insert_with(|| plan.running(&first, workers));
        let home = Arc::new(home);
        homes.push(Arc::clone(&home));
        let mut first = Some(first);
        for (worker, source) in owners.clone().zip(sources.iter_mut().skip(owners.start as usize)) {
            let queues = match first.take() {
                Some(queues) => queues,
                None => plan.join(&home, queue)?,
            };
            let index = queue.saturating_mul(workers).saturating_add(worker);
            source.add(Socket::new(index, queues, Arc::clone(&home), source.batch));
        }
    }
    let keeper = Arc::new(Keeper::start(homes, sources.len())?);
    sources.iter_mut().for_each(|source| source.keeper = Some(Arc::clone(&keeper)));
    let running =
        running.ok_or_else(|| Error::new(format!("capture on {}", interface.name), "it has no receive queue"))?;
    Ok(Grid { sources, running })
}

/// What keeps the interface promiscuous as long as there is a source, if the settings ask for it.
fn promiscuity(interface: &Interface, settings: &CaptureSettings) -> Result<Option<Arc<PacketSocket>>> {
    if !settings.promiscuous {
        return Ok(None);
    }
    let failed = |why| {
        Error::new(format!("make {} promiscuous", interface.name), why)
            .hint("Run as root, or with CAP_NET_RAW and CAP_NET_ADMIN.")
    };
    let socket = PacketSocket::silent(interface.index).map_err(failed)?;
    socket.make_promiscuous(interface.index).map_err(failed)?;
    Ok(Some(Arc::new(socket)))
}

impl Grid {
    /// Every socket with its place in the XDP program's socket map.
    pub fn sockets(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        self.sources.iter().flat_map(|source| &source.sockets).map(|socket| {
            // SAFETY: the descriptor stays open as long as the socket that is borrowed for the iterator's lifetime.
            (socket.index, unsafe { BorrowedFd::borrow_raw(socket.fd().as_raw_fd()) })
        })
    }
}

/// The frames of one worker.
pub struct AfXdp {
    sockets: Vec<Socket>,
    batch: usize,
    clock: Clock,
    spin: Duration,
    /// Nanoseconds spent so, in all.
    spun: u64,
    polled: Vec<libc::pollfd>,
    watch: Watch,
    ended: Option<String>,
    gate: Box<dyn Gate + Send>,
    /// Looks after the fill rings until the last source is gone.
    keeper: Option<Arc<Keeper>>,
    /// Keeps the interface promiscuous.
    _promiscuous: Option<Arc<PacketSocket>>,
}

impl AfXdp {
    fn new(
        interface: &Interface,
        settings: &CaptureSettings,
        gate: Box<dyn Gate + Send>,
        promiscuous: Option<Arc<PacketSocket>>,
    ) -> Result<Self> {
        Ok(AfXdp {
            sockets: Vec::new(),
            batch: settings.batch.clamp(1, 4096) as usize,
            clock: Clock::start(),
            spin: Duration::from_micros(settings.spin_micros),
            spun: 0,
            polled: Vec::new(),
            watch: Watch::new(interface)?,
            ended: None,
            gate,
            keeper: None,
            _promiscuous: promiscuous,
        })
    }

    fn add(&mut self, socket: Socket) {
        self.polled.push(libc::pollfd { fd: socket.fd().as_raw_fd(), events: libc::POLLIN, revents: 0 });
        self.sockets.push(socket);
    }

    /// Frames that this source has not given back: after a drain that shows nothing, 0 unless another worker was giving some back just then.
    pub fn frames_held(&self) -> usize {
        self.sockets.iter().map(Socket::frames_held).sum()
    }

    fn refill(&mut self) {
        for socket in &mut self.sockets {
            socket.refill();
        }
    }

    fn has_frames(&mut self) -> bool {
        self.sockets.iter_mut().any(Socket::has_frames)
    }

    /// Sleeps in the kernel; whether a socket is in an error state.
    fn sleep(&mut self, limit: Duration) -> bool {
        let timeout = libc::timespec {
            tv_sec: limit.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        // SAFETY: pointer and count describe `polled`; the descriptors are those of the sockets beside it; no signal mask is given.
        let ready = unsafe {
            libc::ppoll(
                self.polled.as_mut_ptr(),
                self.polled.len() as libc::nfds_t,
                &raw const timeout,
                std::ptr::null(),
            )
        };
        let failed = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
        ready > 0 && self.polled.iter().any(|polled| polled.revents & failed != 0)
    }
}

impl Source for AfXdp {
    /// The frames of several queues are shown in the order in which the kernel program saw them, so that an answer does not come
    /// before its question because it came through another queue.
    fn drain(&mut self, on_frames: &mut OnFrames<'_>) -> usize {
        let AfXdp { sockets, clock, gate, .. } = self;
        let mut shown = 0_usize;
        let mut now = clock.tick();
        take_batches(sockets, now);
        while let Some(turn) = next_turn(sockets, now) {
            let Some(socket) = sockets.get_mut(turn.socket) else { break };
            if socket.head().is_some_and(|first| first > turn.until) {
                if shown > 0 {
                    break;
                }
                // A frame is never left behind by a drain that shows nothing: whoever drains for the last time must get it.
                std::hint::spin_loop();
                now = clock.tick();
                take_batches(sockets, now);
                continue;
            }
            shown = shown.saturating_add(socket.show(turn.until, clock, |frames| on_frames(frames, &mut **gate)));
            if socket.head().is_none() {
                break;
            }
        }
        shown
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn wait(&mut self, limit: Duration) -> Wait {
        if self.ended.is_some() {
            return Wait::Ended;
        }
        self.refill();
        let spin = self.spin.min(limit);
        let began = monotonic_nanos();
        let until = began.saturating_add(u64::try_from(spin.as_nanos()).unwrap_or(u64::MAX));
        let mut now = began;
        let mut ready = self.has_frames();
        while !ready && now < until {
            std::hint::spin_loop();
            now = monotonic_nanos();
            ready = self.has_frames();
        }
        // What is beyond was not spun: meanwhile, others had this processor.
        self.spun = self.spun.saturating_add(now.min(until).saturating_sub(began));
        if ready {
            return Wait::Ready;
        }
        let rest = limit.saturating_sub(spin);
        let rest = if self.frames_held() > 0 { rest.min(HELD_PAUSE) } else { rest };
        let failed = self.sleep(rest);
        if self.has_frames() {
            return Wait::Ready;
        }
        self.ended = self.watch.trouble(self.clock.tick(), failed);
        if self.ended.is_some() { Wait::Ended } else { Wait::Idle }
    }

    fn losses(&self) -> Losses {
        let mut losses = Losses::default();
        for socket in &self.sockets {
            let Ok(counts) = socket.fd().xdp_statistics() else { continue };
            // `rx_fill_ring_empty_descs` is the same event again when the kernel copies; and it belongs to the fill ring, so that each
            // socket of a queue would report it for all of them.
            losses.fill_ring_empty = losses.fill_ring_empty.saturating_add(counts.rx_dropped());
            losses.rx_ring_full = losses.rx_ring_full.saturating_add(counts.rx_ring_full());
            losses.invalid_descriptors = losses.invalid_descriptors.saturating_add(counts.rx_invalid_descs());
        }
        losses
    }

    fn why_ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    fn spun(&self) -> Duration {
        Duration::from_nanos(self.spun)
    }

    fn gate(&mut self) -> &mut dyn Gate {
        &mut *self.gate
    }
}

impl std::fmt::Debug for AfXdp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AfXdp")
            .field("sockets", &self.sockets.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
