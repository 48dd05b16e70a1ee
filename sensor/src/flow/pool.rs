//! What connections borrow and give back, so that nothing is allocated once the sensor has warmed up.

use super::stream::Kept;
use super::tcp::Tcp;

/// Buffers, and states of TCP connections, kept for reuse; more are freed.
pub const KEPT: usize = 1024;
/// A buffer that has grown beyond this is freed, not kept: the next stream to borrow it may want a few bytes, and is charged for all.
pub const LARGEST_KEPT: usize = 16 * 1024;
/// Places of pieces above holes that are kept with what held them.
const PIECES_KEPT: usize = 4;

/// What is unused in one worker.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Vec<u8>>,
    #[expect(clippy::vec_box, reason = "it is the box that is lent")]
    tcp: Vec<Box<Tcp>>,
    #[expect(clippy::vec_box, reason = "it is the box that is lent")]
    kept: Vec<Box<Kept>>,
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Self {
        Pool { free: Vec::with_capacity(KEPT), tcp: Vec::with_capacity(KEPT), kept: Vec::with_capacity(KEPT) }
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

    /// The state of a new TCP connection.
    pub(super) fn take_tcp(&mut self, watched: bool) -> Box<Tcp> {
        match self.tcp.pop() {
            Some(mut tcp) => {
                *tcp = Tcp::new(watched);
                tcp
            }
            None => Box::new(Tcp::new(watched)),
        }
    }

    /// Takes the state of a connection back that is over.
    pub(super) fn give_back_tcp(&mut self, mut tcp: Box<Tcp>) {
        if self.tcp.len() < KEPT {
            tcp.rest();
            self.tcp.push(tcp);
        }
    }

    /// Where a stream keeps what it cannot hand on yet.
    #[inline]
    pub(super) fn take_kept(&mut self) -> Box<Kept> {
        self.kept.pop().unwrap_or_default()
    }

    /// Takes that back; there is nothing in it.
    #[inline]
    pub(super) fn give_back_kept(&mut self, mut kept: Box<Kept>) {
        if self.kept.len() < KEPT {
            kept.shrink(PIECES_KEPT, LARGEST_KEPT);
            self.kept.push(kept);
        }
    }
}
