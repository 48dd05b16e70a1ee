//! What connections borrow and give back, so that nothing is allocated once the sensor has warmed up.

use super::tcp::Tcp;

/// Buffers, and states of TCP connections, kept for reuse; more are freed.
pub const KEPT: usize = 1024;
/// A buffer that has grown beyond this is freed, not kept: the next stream to borrow it may want a few bytes, and is charged for all.
pub const LARGEST_KEPT: usize = 16 * 1024;

/// What is unused in one worker.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Vec<u8>>,
    #[expect(clippy::vec_box, reason = "it is the box that is lent")]
    tcp: Vec<Box<Tcp>>,
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Self {
        Pool { free: Vec::with_capacity(KEPT), tcp: Vec::with_capacity(KEPT) }
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
    pub(super) fn give_back_tcp(&mut self, tcp: Box<Tcp>) {
        if self.tcp.len() < KEPT {
            self.tcp.push(tcp);
        }
    }
}
