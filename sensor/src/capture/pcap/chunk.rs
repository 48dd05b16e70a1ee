//! A piece of a capture file in memory, with the places of its packets, sorted by shard.

use crate::capture::{Frame, Link};
use crate::time::Timestamp;

/// Bytes read at once; more only if one record is longer.
pub(crate) const CHUNK: usize = 1 << 18;

/// A piece of a file. Chunks are filled by the reader, read by one worker or shared by several, and used again.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The bytes; only the first `filled` are this chunk's.
    pub bytes: Vec<u8>,
    /// How many bytes are valid.
    pub filled: usize,
    /// The packets of each shard, in the order of the file.
    pub shards: Vec<Vec<Located>>,
    /// The clock at the start of each step.
    pub clocks: Vec<Timestamp>,
    /// Whether the packets carry a steering hash.
    pub steered: bool,
}

/// Where a packet is, and what its record says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    /// When it was on the wire.
    pub at: Timestamp,
    /// Where it starts in the chunk.
    pub start: u32,
    /// Captured bytes.
    pub captured: u32,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// The steering hash.
    pub hash: u32,
    /// The step of the clock that it belongs to.
    pub step: u32,
    /// What it begins with.
    pub link: Link,
}

impl Chunk {
    /// An empty chunk for so many shards.
    pub fn new(shards: usize) -> Self {
        let shards = vec![Vec::new(); shards.max(1)];
        Chunk { bytes: vec![0; CHUNK], filled: 0, shards, clocks: Vec::new(), steered: false }
    }

    /// Whether it holds no packets.
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(Vec::is_empty)
    }

    /// Makes it large enough for so many bytes.
    pub fn make_room(&mut self, bytes: usize) {
        if self.bytes.len() < bytes {
            self.bytes.resize(bytes, 0);
        }
    }

    /// Forgets what was in it, and keeps the memory.
    pub fn clear(&mut self) {
        self.filled = 0;
        self.shards.iter_mut().for_each(Vec::clear);
        self.clocks.clear();
    }

    /// The frame at a place.
    #[inline]
    pub fn frame(&self, located: &Located) -> Frame<'_> {
        let start = located.start as usize;
        let end = start.saturating_add(located.captured as usize);
        let bytes = self.bytes.get(start..end).unwrap_or_default();
        let frame = Frame::new(located.at, located.link, bytes, located.wire_len as usize);
        frame.steered(self.steered.then_some(located.hash))
    }
}
