//! From a worker to the collector: a bounded queue that never makes a live worker wait.

use std::cell::Cell;
use std::sync::Arc;

use crate::lane::{Giver, Taker, lane};
use crate::record::{Content, Message};
use crate::stats::{Counter, WorkerStats};
use crate::sys;
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

/// The worker's end; all clones of it are that worker's. When the last is dropped, the collector knows that nothing more will come.
///
/// A message is large: it is written once, into a place that goes through the queue, and comes back empty. It is for the collector to see
/// together with a few others, or by [`Outbox::publish`].
#[derive(Clone, Debug)]
pub struct Outbox {
    messages: Giver<Box<Message>>,
    places: Places,
    told: Arc<Told>,
    when_full: WhenFull,
    stats: Arc<WorkerStats>,
}

/// Where the next messages are written. The collector has had that memory, which may be far away: one place is asked for ahead of time.
struct Places {
    back: Taker<Box<Message>>,
    next: Cell<Option<Box<Message>>>,
}

/// The collector's end.
#[derive(Debug)]
pub struct Inbox {
    messages: Taker<Box<Message>>,
    places: Giver<Box<Message>>,
    told: Arc<Told>,
    stats: Arc<WorkerStats>,
}

/// What the worker's end counts.
#[derive(Default, Debug)]
struct Told {
    offered: Counter,
    lost: Counter,
    lost_notices: Counter,
}

/// A queue of `slots` messages from the worker that counts in `stats`.
pub fn outbox(slots: usize, when_full: WhenFull, stats: Arc<WorkerStats>) -> (Outbox, Inbox) {
    let (messages, coming) = lane(slots.max(2 * RESERVED_FOR_NOTICES));
    let (back, places) = lane(SPARE);
    let told = Arc::new(Told::default());
    let places = Places { back: places, next: Cell::default() };
    let outbox = Outbox { messages, places, told: Arc::clone(&told), when_full, stats: Arc::clone(&stats) };
    (outbox, Inbox { messages: coming, places: back, told, stats })
}

impl Outbox {
    /// Hands a message over, or counts it as lost.
    ///
    /// A capture may step back in time, a message may not: it is of the worker's clock at the earliest, so that whatever was caused
    /// before that clock can be written.
    pub fn push(&self, mut message: Message) {
        message.at = message.at.max(Timestamp::from_nanos(self.stats.counters.clock_nanos.get()));
        self.told.offered.inc();
        let is_notice = message.is_notice();
        if self.when_full == WhenFull::Drop && !is_notice && !self.messages.has_room(RESERVED_FOR_NOTICES + 1) {
            self.told.lost.inc();
            return;
        }
        let mut place = self.places.next();
        // An assignment would read the place, to drop what is there: nothing is.
        std::mem::forget(std::mem::replace(&mut *place, message));
        while let Err(back) = self.messages.put(place) {
            self.publish();
            if self.when_full == WhenFull::Drop {
                self.told.lost.inc();
                self.told.lost_notices.add(u64::from(is_notice));
                return;
            }
            place = back;
            std::thread::yield_now();
        }
        self.places.look_ahead();
    }

    /// All that was pushed is there for the collector. A worker calls it before it waits, and before its clock goes on.
    pub fn publish(&self) {
        self.messages.publish();
    }
}

impl Places {
    /// A place with nothing in it.
    fn next(&self) -> Box<Message> {
        self.next.take().or_else(|| self.back.take()).unwrap_or_default()
    }

    /// Asks for the memory of the next place.
    fn look_ahead(&self) {
        let place = self.back.take();
        place.iter().for_each(|place| sys::prefetch_to_write(&**place));
        self.next.set(place);
    }
}

impl Clone for Places {
    fn clone(&self) -> Self {
        Places { back: self.back.clone(), next: Cell::default() }
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("back", &self.back).finish_non_exhaustive()
    }
}

impl Inbox {
    /// The oldest message, if there is one.
    pub fn pop(&self) -> Option<Box<Message>> {
        self.messages.take()
    }

    /// Gives back a message that is done with.
    pub fn give_back(&self, mut message: Box<Message>) {
        message.content = Content::Nothing;
        let _ = self.places.put(message);
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
        self.messages.waiting()
    }

    /// Whether the worker is gone. What it pushed before may still be there: ask this first, then drain.
    pub fn is_closed(&self) -> bool {
        self.messages.is_alone()
    }

    /// Messages that the worker wanted to hand over, with those that found no room.
    pub fn offered(&self) -> u64 {
        self.told.offered.get()
    }

    /// Messages that found no room.
    pub fn lost(&self) -> u64 {
        self.told.lost.get()
    }

    /// Those of them that were notices.
    pub fn lost_notices(&self) -> u64 {
        self.told.lost_notices.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples;

    #[test]
    fn messages_come_in_order_and_their_places_come_back() {
        let (outbox, inbox) = outbox(0, WhenFull::Drop, Arc::default());
        let twin = outbox.clone();
        for round in 0..100 {
            for (number, outbox) in [&outbox, &twin, &outbox].into_iter().enumerate() {
                outbox.push(Message::record(Timestamp::from_parts(round + number as u64, 0), samples::conn()));
            }
            assert!(round > 0 || inbox.pop().is_none(), "not published yet");
            outbox.publish();
            for number in 0..3 {
                let message = inbox.pop().unwrap();
                let expected = Message::record(Timestamp::from_parts(round + number, 0), samples::conn());
                assert_eq!(*message, expected);
                inbox.give_back(message);
            }
        }
        assert_eq!((inbox.offered(), inbox.lost(), inbox.waiting()), (300, 0, 0));
        drop(inbox);
        let places = outbox.places.back.waiting();
        assert!((1..=32).contains(&places), "{places} places for 300 messages, of which three were there together");
    }
}
