//! A bounded queue from one thread to another, neither of which ever waits for the other.
//!
//! Alone, `ArrayQueue` has one end spin while the other is in the middle of a step; and should the system have taken its processor away just
//! then, that lasts until it has one again: milliseconds. Here each end says how many of its steps are over, and the other touches nothing else.

mod peers;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;

pub use self::peers::Peers;

use crate::stats::Counter;

/// So many are published together at most.
const TOGETHER: u64 = 16;

/// What both ends share. Each count is written by one of them, and has a line of memory of its own.
#[derive(Debug)]
struct Lane<T> {
    queue: ArrayQueue<T>,
    /// How many are in the queue since the start, with those that the other end does not touch yet.
    put: CachePadded<Counter>,
    given: CachePadded<Counter>,
    taken: CachePadded<Counter>,
}

/// The end that gives. Its clones are the same thread's.
#[derive(Debug)]
pub struct Giver<T> {
    lane: Arc<Lane<T>>,
    /// How many were taken when that was last asked: the answer is in the other thread's memory.
    taken: Cell<u64>,
}

/// The end that takes. Its clones are the same thread's.
#[derive(Debug)]
pub struct Taker<T> {
    lane: Arc<Lane<T>>,
    /// How many were given when that was last asked.
    given: Cell<u64>,
}

/// A lane with room for so many.
pub fn lane<T>(slots: usize) -> (Giver<T>, Taker<T>) {
    let [put, given, taken] = Default::default();
    let lane = Arc::new(Lane { queue: ArrayQueue::new(slots), put, given, taken });
    (Giver { lane: Arc::clone(&lane), taken: Cell::default() }, Taker { lane, given: Cell::default() })
}

impl<T> Giver<T> {
    /// Whether there is room for so many.
    pub fn has_room(&self, slots: usize) -> bool {
        let put = self.lane.put.get();
        let fits = |taken| put.saturating_sub(taken).saturating_add(slots as u64) <= self.lane.queue.capacity() as u64;
        if !fits(self.taken.get()) {
            self.taken.set(self.lane.taken.get());
        }
        fits(self.taken.get())
    }

    /// Gives one over, or back if there is no room.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn give(&self, item: T) -> Result<(), T> {
        self.put(item)?;
        self.publish();
        Ok(())
    }

    /// The same of one that need not be there at once: it is with others, after a few or by [`Giver::publish`]. For every one alone, both
    /// ends would take the same lines of memory from each other.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn put(&self, item: T) -> Result<(), T> {
        if !self.has_room(1) {
            return Err(item);
        }
        self.lane.queue.push(item)?;
        self.lane.put.inc();
        if self.lane.put.get().wrapping_sub(self.lane.given.get()) >= TOGETHER {
            self.publish();
        }
        Ok(())
    }

    /// All that was put there is there for the other end. If that is nothing new, the line that the other end looks at is left to it.
    pub fn publish(&self) {
        let put = self.lane.put.get();
        if put != self.lane.given.get() {
            self.lane.given.set(put);
        }
    }
}

impl<T> Taker<T> {
    /// The oldest, if there is one.
    pub fn take(&self) -> Option<T> {
        let taken = self.lane.taken.get();
        // A clone may have taken more than this one has asked about.
        if taken >= self.given.get() {
            self.given.set(self.lane.given.get());
        }
        if taken >= self.given.get() {
            return None;
        }
        let item = self.lane.queue.pop()?;
        self.lane.taken.set(taken.wrapping_add(1));
        Some(item)
    }

    /// Whether the other end is gone. What it gave before may still be there: ask this first, then take.
    pub fn is_alone(&self) -> bool {
        let alone = Arc::strong_count(&self.lane) == 1;
        fence(Ordering::Acquire);
        alone
    }

    /// How many there are now.
    pub fn waiting(&self) -> usize {
        usize::try_from(self.lane.given.get().saturating_sub(self.lane.taken.get())).unwrap_or(usize::MAX)
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        self.publish();
    }
}

impl<T> Clone for Giver<T> {
    fn clone(&self) -> Self {
        Giver { lane: Arc::clone(&self.lane), taken: self.taken.clone() }
    }
}

impl<T> Clone for Taker<T> {
    fn clone(&self) -> Self {
        Taker { lane: Arc::clone(&self.lane), given: self.given.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken_in_order_and_room_comes_back() {
        let (giver, taker) = lane(2);
        let twin = giver.clone();
        assert_eq!((taker.take(), taker.waiting(), giver.has_room(2), giver.has_room(3)), (None, 0, true, false));
        assert_eq!((giver.give(1), twin.give(2), giver.give(3), twin.give(3)), (Ok(()), Ok(()), Err(3), Err(3)));
        assert_eq!((taker.waiting(), taker.take(), taker.clone().take(), taker.take()), (2, Some(1), Some(2), None));
        assert_eq!((giver.has_room(2), giver.give(4), taker.take(), taker.waiting()), (true, Ok(()), Some(4), 0));
        drop(giver);
        assert!(!taker.is_alone());
        drop(twin);
        assert!(taker.is_alone());
    }

    #[test]
    fn what_is_put_there_is_there_when_it_is_published() {
        let (giver, taker) = lane(100);
        let twin = giver.clone();
        assert_eq!((giver.put(1), twin.put(2), taker.take(), taker.waiting()), (Ok(()), Ok(()), None, 0));
        twin.publish();
        assert_eq!((taker.take(), taker.take(), taker.take()), (Some(1), Some(2), None));
        (0..TOGETHER).for_each(|number| assert_eq!(giver.put(number), Ok(())));
        assert_eq!((taker.waiting() as u64, giver.put(7), twin.has_room(84)), (TOGETHER, Ok(()), false));
        drop(giver);
        assert_eq!(taker.waiting() as u64, TOGETHER + 1, "whoever goes leaves nothing behind");
    }

    #[test]
    fn a_clone_knows_what_the_other_did() {
        let (giver, taker) = lane(2);
        let (also_gives, also_takes) = (giver.clone(), taker.clone());
        for number in 0..10 {
            assert_eq!((giver.give(number), also_gives.give(-number)), (Ok(()), Ok(())));
            assert_eq!((also_takes.take(), also_takes.take(), taker.take()), (Some(number), Some(-number), None));
        }
        assert_eq!((giver.give(1), taker.take(), taker.waiting()), (Ok(()), Some(1), 0));
    }

    /// What an end has not said is not touched, although it is in the queue already or still.
    #[test]
    fn a_step_under_way_is_none_yet() {
        let (giver, taker) = lane(1);
        assert!(giver.lane.queue.push(1).is_ok());
        assert_eq!((taker.take(), taker.waiting()), (None, 0), "not given yet");
        giver.lane.put.set(1);
        giver.publish();
        assert_eq!(taker.lane.queue.pop(), Some(1));
        assert_eq!((giver.give(2), giver.has_room(1)), (Err(2), false), "not taken yet");
        taker.lane.taken.set(1);
        assert_eq!((giver.give(2), taker.take()), (Ok(()), Some(2)));
    }

    #[test]
    fn nothing_is_lost_between_two_threads() {
        let (giver, taker) = lane(3);
        let gives = std::thread::spawn(move || {
            for number in 0..100_000 {
                while giver.give(number).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut next = 0;
        while next < 100_000 {
            match taker.take() {
                Some(number) => {
                    assert_eq!(number, next);
                    next += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        gives.join().unwrap();
        assert_eq!(taker.take(), None);
    }
}
