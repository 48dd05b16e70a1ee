//! From one reader to several workers: chunks go to all of them, and each has its own list of packets in each chunk.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use super::chunk::Chunk;
use super::reader::Reader;
use crate::error::{Error, Result};

/// Chunks that may wait for a worker. The slowest worker holds the reader back, and this is how much it may lag behind.
const AHEAD: usize = 8;

/// Where a source gets its chunks from.
pub(super) enum Feed {
    /// It reads them itself.
    Reader(Box<Reader>),
    /// A thread reads them for all sources.
    Queue(Receiver<Arc<Chunk>>),
}

/// What came of asking for a chunk.
#[derive(Clone, Copy)]
pub(super) enum Fed {
    /// A new chunk stands in the place of the old one.
    Chunk,
    /// None is there yet.
    NotYet,
    /// There will be no more.
    Ended,
}

impl Feed {
    /// Replaces a chunk by the next; does not wait for another thread.
    pub fn next(&mut self, chunk: &mut Arc<Chunk>) -> Fed {
        match self {
            Feed::Reader(reader) => {
                // Nobody else has this chunk.
                let filled = Arc::get_mut(chunk).is_some_and(|chunk| reader.fill(chunk));
                if filled { Fed::Chunk } else { Fed::Ended }
            }
            Feed::Queue(queue) => match queue.try_recv() {
                Ok(next) => {
                    *chunk = next;
                    Fed::Chunk
                }
                Err(TryRecvError::Empty) => Fed::NotYet,
                Err(TryRecvError::Disconnected) => Fed::Ended,
            },
        }
    }

    /// As [`Feed::next`], but waits up to `limit`.
    pub fn wait(&mut self, chunk: &mut Arc<Chunk>, limit: Duration) -> Fed {
        let Feed::Queue(queue) = self else { return self.next(chunk) };
        match queue.recv_timeout(limit) {
            Ok(next) => {
                *chunk = next;
                Fed::Chunk
            }
            Err(RecvTimeoutError::Timeout) => Fed::NotYet,
            Err(RecvTimeoutError::Disconnected) => Fed::Ended,
        }
    }
}

/// Starts a thread that reads for so many workers. It ends with the input, or when a worker has gone.
pub(super) fn start(reader: Reader, workers: usize) -> Result<Vec<Feed>> {
    let (senders, feeds) = (0..workers)
        .map(|_| {
            let (sender, receiver) = bounded(AHEAD);
            (sender, Feed::Queue(receiver))
        })
        .unzip::<_, _, Vec<_>, Vec<_>>();
    let work = move || distribute(reader, &senders);
    thread::Builder::new()
        .name("reader".into())
        .spawn(work)
        .map_err(|why| Error::new("start a thread that reads the files", why))?;
    Ok(feeds)
}

fn distribute(mut reader: Reader, workers: &[Sender<Arc<Chunk>>]) {
    let mut pool: Vec<Arc<Chunk>> = Vec::new();
    loop {
        // No more than `AHEAD` chunks and the one at hand are with any worker, so the pool stops growing.
        let free = pool.iter_mut().position(|chunk| Arc::get_mut(chunk).is_some());
        let mut chunk = free.map_or_else(|| Arc::new(Chunk::new(workers.len())), |free| pool.swap_remove(free));
        let filled = Arc::get_mut(&mut chunk).is_some_and(|chunk| reader.fill(chunk));
        if !filled || workers.iter().any(|worker| worker.send(Arc::clone(&chunk)).is_err()) {
            return;
        }
        pool.push(chunk);
    }
}
