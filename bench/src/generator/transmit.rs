//! AF_XDP the other way round: frames are written into a socket's memory and sent by the NIC, without copying where its driver can.

use std::time::{Duration, Instant};

use anyhow::Result;
use portreeve::sys::monotonic_nanos;

use super::{Generator, Pace, Sent};
use crate::load::Load;
use crate::load::played::Played;
use crate::threads::thread_cpu;
use crate::xsk::{BareSocket, Use};

/// Frames that wait for the NIC at most.
const DEPTH: u32 = 4096;
/// How long the last of them may take.
const LAST: Duration = Duration::from_secs(1);

/// Sends through an AF_XDP socket on the first queue of an interface.
pub struct Transmit {
    socket: BareSocket,
}

impl Transmit {
    /// Opens the socket.
    ///
    /// # Errors
    /// No AF_XDP on this interface, no privilege, no memory.
    pub fn on(interface: &str) -> Result<Self> {
        Ok(Transmit { socket: BareSocket::open(interface, 0, Use::Send(DEPTH))? })
    }

    /// Puts in what is due and finds room; whether there was anything.
    fn put(&mut self, played: &mut Played<'_>) -> Result<bool> {
        let (room, now) = (self.socket.room(), monotonic_nanos());
        let mut any = false;
        for _ in 0..room {
            let Some(frame) = played.next(now) else { break };
            any |= self.socket.put(frame);
        }
        self.socket.flush()?;
        Ok(any)
    }
}

impl Generator for Transmit {
    fn send(&mut self, load: &Load, pace: Pace, lasting: Duration) -> Result<Sent> {
        let mut played = Played::new(load, pace);
        let (begun, before) = (Instant::now(), thread_cpu()?);
        let mut waited = Duration::ZERO;
        while begun.elapsed() < lasting {
            let turn = Instant::now();
            if !self.put(&mut played)? {
                waited += turn.elapsed();
            }
        }
        let (wall, cpu) = (begun.elapsed(), thread_cpu()?.saturating_sub(before));
        let ended = Instant::now();
        while !self.socket.is_idle() && ended.elapsed() < LAST {
            self.socket.flush()?;
        }
        let counted = played.counted();
        let (frames, wanted, missed) = (counted.sent, counted.wanted, counted.missed);
        Ok(Sent { frames, wanted, missed, wall, cpu: cpu.saturating_sub(waited) })
    }
}
