//! From a worker to the collector: a bounded queue that never makes a live worker wait.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crossbeam::queue::ArrayQueue;

use crate::record::{Content, Message};
use crate::stats::{Counter, WorkerStats};
use crate::time::Timestamp;

/// Slots kept free for notices: they are the last to be lost.
const RESERVED_FOR_NOTICES: usize = 1024;
/// Places for messages that are kept while nothing is in them; what a burst needed beyond them is freed.
const SPARE: usize = 4096;

/// What a worker does when the collector has fallen behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenFull {
    /// Live: drop the record and count it; a packet is never lost for a record.
    Drop,
    /// Replay: wait; a file can be read more slowly, and nothing may be missing from its logs.
    Wait,
}

/// The worker's end. When the last clone of it is dropped, the collector knows that nothing more will come.
#[derive(Clone, Debug)]
pub struct Outbox {
    shared: Arc<Shared>,
    when_full: WhenFull,
    stats: Arc<WorkerStats>,
}

/// The collector's end.
#[derive(Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
    stats: Arc<WorkerStats>,
}

/// A message is large: it is written once, into a place that goes through the queue, and comes back empty.
#[derive(Debug)]
struct Shared {
    queue: ArrayQueue<Box<Message>>,
    spare: ArrayQueue<Box<Message>>,
    offered: Counter,
    lost: Counter,
    lost_notices: Counter,
}

/// A queue of `slots` messages from the worker that counts in `stats`.
pub fn outbox(slots: usize, when_full: WhenFull, stats: Arc<WorkerStats>) -> (Outbox, Inbox) {
    let shared = Arc::new(Shared {
        queue: ArrayQueue::new(slots.max(2 * RESERVED_FOR_NOTICES)),
        spare: ArrayQueue::new(SPARE),
        offered: Counter::default(),
        lost: Counter::default(),
        lost_notices: Counter::default(),
    });
    (Outbox { shared: Arc::clone(&shared), when_full, stats: Arc::clone(&stats) }, Inbox { shared, stats })
}

impl Outbox {
    /// Hands a message over, or counts it as lost.
    ///
    /// A capture may step back in time, a message may not: it is of the worker's clock at the earliest, so that whatever was caused
    /// before that clock can be written.
    pub fn push(&self, mut message: Message) {
        message.at = message.at.max(Timestamp::from_nanos(self.stats.counters.clock_nanos.get()));
        self.shared.offered.inc();
        let is_notice = message.is_notice();
        if self.when_full == WhenFull::Drop && !is_notice && self.shared.room() <= RESERVED_FOR_NOTICES {
            self.shared.lost.inc();
            return;
        }
        let mut place = self.shared.spare.pop().unwrap_or_default();
        // An assignment would move the message twice, once out of the way while what was there is dropped.
        std::mem::swap(&mut *place, &mut message);
        while let Err(back) = self.shared.queue.push(place) {
            if self.when_full == WhenFull::Drop {
                self.shared.lost.inc();
                self.shared.lost_notices.add(u64::from(is_notice));
                self.shared.empty(back);
                return;
            }
            place = back;
            std::thread::yield_now();
        }
    }
}

impl Shared {
    fn room(&self) -> usize {
        self.queue.capacity().saturating_sub(self.queue.len())
    }

    /// The message is done with, and its place free for another.
    fn empty(&self, mut place: Box<Message>) {
        place.content = Content::Nothing;
        let _ = self.spare.push(place);
    }
}

impl Inbox {
    /// The oldest message, if there is one.
    pub fn pop(&self) -> Option<Box<Message>> {
        self.shared.queue.pop()
    }

    /// Gives back a message that is done with.
    pub fn give_back(&self, message: Box<Message>) {
        self.shared.empty(message);
    }

    /// The worker's clock: nothing caused before it is still to come.
    pub fn clock(&self) -> Timestamp {
        Timestamp::from_nanos(self.stats.counters.clock_nanos.get())
    }

    /// The time of the worker's first frame; zero if there was none.
    pub fn began(&self) -> Timestamp {
        Timestamp::from_nanos(self.stats.counters.began_nanos.get())
    }

    /// What the worker has counted, and what became of its messages.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let messages = [("messages", self.offered()), ("messages_lost", self.lost())];
        self.stats.counters.snapshot().into_iter().chain(self.stats.bypasses.snapshot()).chain(messages)
    }

    /// How many messages are there now.
    pub fn waiting(&self) -> usize {
        self.shared.queue.len()
    }

    /// Whether the worker is gone. What it pushed before may still be there: ask this first, then drain.
    pub fn is_closed(&self) -> bool {
        let closed = Arc::strong_count(&self.shared) == 1;
        fence(Ordering::Acquire);
        closed
    }

    /// Messages that the worker wanted to hand over, with those that found no room.
    pub fn offered(&self) -> u64 {
        self.shared.offered.get()
    }

    /// Messages that found no room.
    pub fn lost(&self) -> u64 {
        self.shared.lost.get()
    }

    /// Those of them that were notices.
    pub fn lost_notices(&self) -> u64 {
        self.shared.lost_notices.get()
    }
}
