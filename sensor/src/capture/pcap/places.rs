//! Where the packets of a chunk are: each in the list of its shard, under its step of the clock.

use std::time::Duration;

use super::chunk::Located;
use super::formats::Packet;
use crate::capture::Link;
use crate::time::Timestamp;

/// Chooses the shard of a frame; the steering hash comes first.
pub(crate) type Steer = Box<dyn FnMut(Link, &[u8]) -> (u32, usize) + Send>;

/// The lists of a chunk while packets are entered into them.
pub(super) struct Places<'a> {
    /// The records.
    pub bytes: &'a [u8],
    /// Where the one at hand starts among them.
    pub record: usize,
    /// Where the first of them starts in the chunk.
    pub first: usize,
    pub shards: &'a mut [Vec<Located>],
    pub clocks: &'a mut Vec<Timestamp>,
    pub clock: &'a mut StepClock,
    /// `None`: there is one shard.
    pub steer: Option<&'a mut Steer>,
    pub found: Found,
}

/// What was found in so many records, to be counted when they have been read.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// How many of them are of a link type that is not analysed,
    pub other_links: u64,
    /// and the number of the first one's.
    pub other_link: Option<u32>,
}

impl Places<'_> {
    /// Enters the packet of the record at hand.
    #[inline(always)]
    pub fn enter(&mut self, packet: &Packet) {
        self.found.packets = self.found.packets.wrapping_add(1);
        self.found.bytes = self.found.bytes.wrapping_add(packet.wire_len as u64);
        let at = packet.at.unwrap_or(self.clock.newest);
        let step = self.clock.step(at, self.clocks);
        let link = match packet.link {
            Ok(link) => link,
            Err(number) => {
                self.found.other_links += 1;
                self.found.other_link.get_or_insert(number);
                return;
            }
        };
        let start = self.record.saturating_add(packet.start);
        let (hash, shard) = match &mut self.steer {
            None => (0, 0),
            Some(steer) => {
                let end = start.saturating_add(packet.captured);
                steer(link, self.bytes.get(start..end).unwrap_or_default())
            }
        };
        let located = Located {
            at,
            // Chunks are a few MiB at most, so places in them fit; lengths are clamped.
            start: self.first.saturating_add(start) as u32,
            captured: packet.captured as u32,
            wire_len: u32::try_from(packet.wire_len).unwrap_or(u32::MAX),
            hash,
            step,
            link,
        };
        if let Some(list) = self.shards.get_mut(shard) {
            list.push(located);
        }
    }
}

/// Divides the packets into steps of the clock. The borders depend on nothing but the packets, so the timers of all workers fire between
/// the same packets, however many workers there are.
#[derive(Default)]
pub(super) struct StepClock {
    /// The time at which the step began.
    pub at: Timestamp,
    /// The newest packet time.
    pub newest: Timestamp,
    /// Packets in this step.
    packets: u32,
}

impl StepClock {
    /// A step ends when packet time has moved on by this much,
    const TIME: Duration = Duration::from_millis(100);
    /// or after this many packets.
    const PACKETS: u32 = 256;

    /// Counts a packet; returns the number of its step in this chunk.
    #[inline]
    fn step(&mut self, at: Timestamp, clocks: &mut Vec<Timestamp>) -> u32 {
        self.newest = self.newest.max(at);
        if self.packets >= Self::PACKETS || self.newest >= self.at + Self::TIME {
            self.at = self.newest;
            self.packets = 0;
            clocks.push(self.at);
        }
        self.packets = self.packets.wrapping_add(1);
        clocks.len().saturating_sub(1) as u32
    }
}
