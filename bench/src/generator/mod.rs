//! Where frames come from: made by the kernel, sent through a socket, or out of a file.

pub mod live;
pub mod transmit;

use std::time::Duration;

use anyhow::Result;
use portreeve_ebpf::load::Run;

use crate::load::Load;

/// How many frames are sent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// As many as the generator can make.
    FlatOut,
    /// So many a second, evenly.
    PerSecond(f64),
}

/// What was sent.
#[derive(Clone, Copy, Default, Debug)]
pub struct Sent {
    /// Frames.
    pub frames: u64,
    /// Those of them that the sensor is there for.
    pub wanted: u64,
    /// Frames that were given up because the generator was held up; not among `frames`.
    pub missed: u64,
    /// From the first to the last.
    pub wall: Duration,
    /// On the generator's CPU, without what it took to wait. On veth, receiving happens in the sender's context: this covers both ends.
    pub cpu: Duration,
}

impl Sent {
    /// What two generators sent at the same time.
    #[must_use]
    pub fn plus(self, other: Sent) -> Sent {
        Sent {
            frames: self.frames + other.frames,
            wanted: self.wanted + other.wanted,
            missed: self.missed + other.missed,
            wall: self.wall.max(other.wall),
            cpu: self.cpu + other.cpu,
        }
    }
}

/// Something that sends. It ends by itself.
pub trait Generator {
    /// Sends a load at a pace for some time.
    ///
    /// # Errors
    /// What the kernel says.
    fn send(&mut self, load: &Load, pace: Pace, lasting: Duration) -> Result<Sent>;
}

impl Pace {
    /// Between two frames, in parts of a nanosecond; 0 if as many are sent as can be.
    pub fn interval(self) -> u64 {
        match self {
            Pace::FlatOut => 0,
            Pace::PerSecond(rate) => ((1e9 * Run::PARTS as f64 / rate.max(1e-3)) as u64).max(1),
        }
    }

    /// Frames a second, if there is a limit.
    pub fn rate(self) -> Option<f64> {
        match self {
            Pace::FlatOut => None,
            Pace::PerSecond(rate) => Some(rate),
        }
    }
}
