//! Frames by packet sockets, for interfaces that must not be taken over: the host's own packets go on, the sensor gets copies.
//!
//! Every worker has a socket with a ring of its own, and the kernel fans the frames out to them (`fanout`). What is not wanted is
//! sorted out here, by the kernel program's likeness on the host.
#![allow(unsafe_code, reason = "the packet socket door: memory shared with the kernel; every block says why it holds")]

mod fanout;
mod ring;

use std::cell::Cell;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use self::ring::Ring;
use super::filter::{FilterCounters, ShardFilter};
use super::plan::Plan;
use super::watch::Watch;
use super::{Frame, Gate, Link, Losses, OnFrames, Source, TOGETHER, Wait, together};
use crate::config::CaptureSettings;
use crate::error::{Error, Result};
use crate::nic::Interface;
use crate::sys::{PacketSocket, monotonic_nanos, realtime_nanos};
use crate::time::Timestamp;

/// The frames of one worker.
pub struct AfPacket {
    // The ring goes before its socket.
    ring: Ring,
    socket: PacketSocket,
    link: Link,
    /// On the loopback interface every packet passes twice: sent, and received.
    ignore_outgoing: bool,
    batch: usize,
    filter: ShardFilter,
    watch: Watch,
    ended: Option<String>,
    /// The kernel's count begins anew whenever it is read.
    dropped: Cell<u64>,
}

/// The sources of one interface.
#[derive(Debug)]
pub struct Capture {
    /// One per worker.
    pub sources: Vec<AfPacket>,
    /// Ends what comes in, while the workers have the sources.
    pub intake: Intake,
}

/// The way in, for whoever starts and stops.
#[derive(Debug)]
pub struct Intake(Vec<PacketSocket>);

impl Intake {
    /// Lets no more frames in. Afterwards the workers find all that came before in their rings: the kernel hands over the last blocks
    /// while this waits for a moment.
    pub fn shut(&self) {
        for socket in &self.0 {
            if let Err(why) = fanout::shut(socket) {
                tracing::warn!("a packet socket cannot be shut: {why}");
            }
        }
        sleep(Duration::from_millis(4 * u64::from(ring::RETIRE_MILLIS)));
    }
}

/// Opens a source for each worker of the plan. Both directions of a pair of hosts come to the same.
///
/// # Errors
/// If the interface is of a kind that is not understood, or the kernel refuses: no privilege, no memory.
pub fn open(interface: &Interface, settings: &CaptureSettings, plan: &Plan) -> Result<Capture> {
    let failed = |why: io::Error| {
        let error = Error::new(format!("open a packet socket on {}", interface.name), &why);
        match why.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => error.hint("Run as root, or with CAP_NET_RAW."),
            Some(libc::ENOMEM) => error.hint("Make the ring smaller: capture.socket_bytes."),
            _ => error,
        }
    };
    let link = link_of(interface)?;
    let filters = ShardFilter::all(plan);
    let count = filters.len().max(1);
    let mut sources = Vec::with_capacity(count);
    for filter in filters {
        let socket = PacketSocket::unbound().map_err(failed)?;
        let ring = Ring::new(&socket, settings.socket_bytes / count).map_err(failed)?;
        // Nothing comes before all the sockets stand in their order: what came earlier would go to the wrong one.
        fanout::shut(&socket).map_err(failed)?;
        if settings.promiscuous {
            socket.make_promiscuous(interface.index).map_err(failed)?;
        }
        socket.bind(interface.index, libc::ETH_P_ALL as u16).map_err(failed)?;
        sources.push(AfPacket {
            ring,
            socket,
            link,
            ignore_outgoing: interface.loopback,
            batch: settings.batch.clamp(1, 4096) as usize,
            filter,
            watch: Watch::new(interface)?,
            ended: None,
            dropped: Cell::new(0),
        });
    }
    let sockets: Vec<&PacketSocket> = sources.iter().map(|source| &source.socket).collect();
    fanout::join(&sockets).map_err(failed)?;
    let intake = sockets.iter().map(|socket| socket.try_clone()).collect::<io::Result<_>>().map_err(failed)?;
    for socket in sockets {
        fanout::unshut(socket).map_err(failed)?;
    }
    Ok(Capture { sources, intake: Intake(intake) })
}

/// What frames begin with on this kind of interface.
fn link_of(interface: &Interface) -> Result<Link> {
    match interface.hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Ok(Link::Ethernet),
        libc::ARPHRD_NONE | libc::ARPHRD_TUNNEL | libc::ARPHRD_TUNNEL6 | libc::ARPHRD_SIT => Ok(Link::RawIp),
        other => Err(Error::new(
            format!("capture on {}", interface.name),
            format!("its link type (ARPHRD {other}) is not understood; Ethernet and plain IP are"),
        )),
    }
}

/// Frames since the last call: those that came, and those that found the ring full.
fn statistics(socket: &PacketSocket) -> io::Result<libc::tpacket_stats_v3> {
    let mut counts = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
    let mut length = size_of_val(&counts) as libc::socklen_t;
    // SAFETY: `counts` and `length` are valid for writing, and `length` says how much of `counts` may be written.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut counts).cast(),
            &raw mut length,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(counts) }
}

impl AfPacket {
    /// What its filter counts.
    pub fn filter_counters(&self) -> &Arc<FilterCounters> {
        self.filter.counters()
    }

    fn sleep(&self, limit: Duration) -> bool {
        let mut polled = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let timeout = libc::timespec {
            tv_sec: limit.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        // SAFETY: one pollfd, alive through the call, of a socket that is open; no signal mask is given.
        let ready = unsafe { libc::ppoll(&raw mut polled, 1, &raw const timeout, std::ptr::null()) };
        ready > 0 && polled.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0
    }
}

impl Source for AfPacket {
    /// The number returned includes the frames that the filter kept back: 0 means that the ring is empty.
    fn drain(&mut self, on_frames: &mut OnFrames<'_>) -> usize {
        let AfPacket { ring, filter, link, ignore_outgoing, .. } = self;
        filter.hear();
        ring.show(self.batch, |packets| {
            let wanted = packets.iter().filter(|packet| !(*ignore_outgoing && packet.outgoing));
            let frames = wanted.map(|packet| Frame::new(packet.at, *link, packet.bytes, packet.wire_len));
            on_frames(together(&mut [Frame::EMPTY; TOGETHER], frames), filter);
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(realtime_nanos())
    }

    fn wait(&mut self, limit: Duration) -> Wait {
        if self.ring.has_frames() {
            return Wait::Ready;
        }
        if self.ended.is_some() {
            return Wait::Ended;
        }
        let failed = self.sleep(limit);
        if self.ring.has_frames() {
            return Wait::Ready;
        }
        self.ended = self.watch.trouble(monotonic_nanos(), failed);
        if self.ended.is_some() { Wait::Ended } else { Wait::Idle }
    }

    fn losses(&self) -> Losses {
        if let Ok(counts) = statistics(&self.socket) {
            self.dropped.set(self.dropped.get().saturating_add(u64::from(counts.tp_drops)));
        }
        Losses { socket_full: self.dropped.get(), ..Losses::default() }
    }

    fn why_ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    fn gate(&mut self) -> &mut dyn Gate {
        &mut self.filter
    }
}

impl std::fmt::Debug for AfPacket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AfPacket").field("socket", &self.socket).field("ended", &self.ended).finish_non_exhaustive()
    }
}
