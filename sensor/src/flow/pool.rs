//! Byte buffers that streams borrow and give back, so that nothing is allocated once the sensor has warmed up.

/// Buffers kept for reuse; more are freed.
pub const KEPT: usize = 1024;
/// A buffer that has grown beyond this is freed, not kept.
pub const LARGEST_KEPT: usize = 64 * 1024;

/// The unused buffers of one worker.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Vec<u8>>,
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Self {
        Pool { free: Vec::with_capacity(KEPT) }
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
}
