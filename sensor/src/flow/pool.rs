//! Byte buffers that streams borrow and give back, so that nothing is allocated once the sensor has warmed up.

/// Buffers kept for reuse; more are freed.
const KEPT: usize = 1024;
/// A buffer that has grown beyond this is freed, not kept.
const LARGEST_KEPT: usize = 64 * 1024;

/// The buffers of one worker, and the count of what is stored in them out of order.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Vec<u8>>,
    stored: usize,
    limit: usize,
}

impl Pool {
    /// A pool that lets streams store `limit` bytes out of order, all together.
    pub fn new(limit: usize) -> Self {
        Pool { free: Vec::with_capacity(KEPT), stored: 0, limit }
    }

    /// An empty buffer.
    pub fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_default()
    }

    /// Takes a buffer back, and leaves an empty one that owns nothing.
    pub fn give_back(&mut self, buffer: &mut Vec<u8>) {
        let mut buffer = std::mem::take(buffer);
        buffer.clear();
        if (1..=LARGEST_KEPT).contains(&buffer.capacity()) && self.free.len() < KEPT {
            self.free.push(buffer);
        }
    }

    /// Whether so many more bytes may be stored out of order; if so, they are counted.
    pub fn reserve(&mut self, bytes: usize) -> bool {
        let fits = self.stored.saturating_add(bytes) <= self.limit;
        if fits {
            self.stored += bytes;
        }
        fits
    }

    /// Takes back what [`Pool::reserve`] counted.
    pub fn release(&mut self, bytes: usize) {
        self.stored = self.stored.saturating_sub(bytes);
    }

    /// Bytes stored out of order now.
    pub fn stored(&self) -> usize {
        self.stored
    }
}
