//! From a worker to the collector: a bounded queue that never makes a live worker wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::queue::ArrayQueue;

use crate::record::Message;

/// Slots kept free for notices: they are the last to be lost.
const RESERVED_FOR_NOTICES: usize = 1024;

/// What a worker does when the collector has fallen behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenFull {
    /// Live: drop the record and count it; a packet is never lost for a record.
    Drop,
    /// Replay: wait; a file can be read more slowly, and nothing may be missing from its logs.
    Wait,
}

/// The worker's end.
#[derive(Clone, Debug)]
pub struct Outbox {
    queue: Arc<ArrayQueue<Message>>,
    lost: Arc<AtomicU64>,
    when_full: WhenFull,
}

/// The collector's end.
#[derive(Debug)]
pub struct Inbox {
    queue: Arc<ArrayQueue<Message>>,
    lost: Arc<AtomicU64>,
}

/// A queue of `slots` messages.
pub fn outbox(slots: usize, when_full: WhenFull) -> (Outbox, Inbox) {
    let queue = Arc::new(ArrayQueue::new(slots.max(2 * RESERVED_FOR_NOTICES)));
    let lost = Arc::new(AtomicU64::new(0));
    (Outbox { queue: Arc::clone(&queue), lost: Arc::clone(&lost), when_full }, Inbox { queue, lost })
}

impl Outbox {
    /// Hands a message over, or counts it as lost.
    pub fn push(&self, message: Message) {
        match self.when_full {
            WhenFull::Wait => {
                let mut message = message;
                while let Err(back) = self.queue.push(message) {
                    message = back;
                    std::thread::yield_now();
                }
            }
            WhenFull::Drop => {
                let room = self.queue.capacity().saturating_sub(self.queue.len());
                let admitted = message.is_notice() || room > RESERVED_FOR_NOTICES;
                if !admitted || self.queue.push(message).is_err() {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Inbox {
    /// The oldest message, if there is one.
    pub fn pop(&self) -> Option<Message> {
        self.queue.pop()
    }

    /// Messages that found no room.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
