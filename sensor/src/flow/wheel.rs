//! The timer wheel: when to look at a connection again. It decides only when memory is freed; deadlines themselves are exact.

use std::time::Duration;

use super::table::SlotId;
use crate::sys;
use crate::time::Timestamp;

/// Width of one bucket.
const TICK: u64 = 100_000_000;
/// Number of buckets: a revolution takes 409.6 s of packet time. What is due later is looked at once a revolution.
const BUCKETS: usize = 4096;
/// How far the wheel stays behind the newest packet, so that packets that arrive slightly out of order find their connections.
const LAG: Duration = Duration::from_secs(1);

const NONE: SlotId = SlotId::MAX;

/// One list of slots per tick, linked through an array beside the table.
#[derive(Debug)]
pub struct Wheel {
    heads: Box<[SlotId]>,
    links: Vec<Link>,
    /// The next tick to be looked at.
    cursor: u64,
    horizon: u64,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    next: SlotId,
    previous: SlotId,
    /// The tick it is listed under; `u64::MAX`: not listed.
    tick: u64,
}

const UNLISTED: Link = Link { next: NONE, previous: NONE, tick: u64::MAX };

impl Wheel {
    /// A wheel for `capacity` slots.
    pub fn new(capacity: usize) -> Self {
        Wheel {
            heads: vec![NONE; BUCKETS].into_boxed_slice(),
            links: Vec::with_capacity(capacity),
            cursor: 0,
            horizon: 0,
        }
    }

    /// Moves the clock. A step back (the next capture file) puts the wheel back too; whatever is listed is found again within
    /// one revolution.
    pub fn set_clock(&mut self, now: Timestamp) {
        let horizon = (now - LAG).as_nanos() / TICK;
        if horizon < self.horizon {
            self.cursor = self.cursor.min(horizon);
        }
        self.horizon = horizon;
        self.cursor = self.cursor.max(horizon.saturating_sub(BUCKETS as u64));
    }

    /// Deadlines up to here have come, as far as the wheel is concerned.
    pub fn horizon(&self) -> Timestamp {
        Timestamp::from_nanos(self.horizon * TICK)
    }

    /// Sees to it that the slot is looked at no later than its deadline; a later deadline than before costs nothing.
    pub fn schedule(&mut self, id: SlotId, deadline: Timestamp) {
        let index = id as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, UNLISTED);
        }
        let latest = self.cursor + BUCKETS as u64 - 1;
        let tick = (deadline.as_nanos() / TICK).clamp(self.cursor, latest);
        let listed = self.links.get(index).map_or(u64::MAX, |link| link.tick);
        if listed <= tick {
            return;
        }
        if listed != u64::MAX {
            self.remove(id);
        }
        self.push(id, tick);
    }

    /// Forgets a slot.
    pub fn remove(&mut self, id: SlotId) {
        let Some(link) = self.links.get_mut(id as usize) else { return };
        let Link { next, previous, tick } = std::mem::replace(link, UNLISTED);
        if tick == u64::MAX {
            return;
        }
        match self.links.get_mut(previous as usize) {
            Some(link) => link.next = next,
            None => {
                if let Some(head) = self.heads.get_mut(bucket(tick)) {
                    *head = next;
                }
            }
        }
        if let Some(link) = self.links.get_mut(next as usize) {
            link.previous = previous;
        }
    }

    /// The next slot whose time has come, already forgotten: whoever is not yet due is scheduled again.
    pub fn next_due(&mut self) -> Option<SlotId> {
        while self.cursor < self.horizon {
            let head = self.heads.get(bucket(self.cursor)).copied().unwrap_or(NONE);
            if head != NONE {
                self.remove(head);
                return Some(head);
            }
            self.cursor += 1;
        }
        None
    }

    /// The two slots that [`Wheel::next_due`] will name next, if they are due at the same tick.
    pub fn upcoming(&self) -> [Option<SlotId>; 2] {
        let link = |id: SlotId| self.links.get(id as usize);
        let first = self.heads.get(bucket(self.cursor)).copied().filter(|&id| id != NONE);
        let second = first.and_then(link).map(|link| link.next).filter(|&id| id != NONE);
        second.and_then(link).into_iter().for_each(sys::prefetch);
        [first, second]
    }

    fn push(&mut self, id: SlotId, tick: u64) {
        let Some(head) = self.heads.get_mut(bucket(tick)) else { return };
        let next = std::mem::replace(head, id);
        if let Some(link) = self.links.get_mut(next as usize) {
            link.previous = id;
        }
        if let Some(link) = self.links.get_mut(id as usize) {
            *link = Link { next, previous: NONE, tick };
        }
    }
}

fn bucket(tick: u64) -> usize {
    (tick % BUCKETS as u64) as usize
}
