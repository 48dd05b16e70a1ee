//! RPC calls that wait for their reply: one in place, more in a bounded queue, oldest first.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};
use std::thread::LocalKey;

use smallvec::SmallVec;

use crate::flow::key::Direction;
use crate::spare::{Lend, Spare};
use crate::time::Timestamp;

/// Bytes of a call that are kept: the longest header and the longest arguments but for those that are forwarded.
const KEPT: usize = 2048;
/// Bytes of a call that are kept in place: any call that a normal client makes.
const IN_PLACE: usize = 120;
/// A queue that has grown beyond this is given back when it is empty.
const QUEUE_KEPT: usize = 8;

/// A call that waits for its reply.
#[derive(Debug)]
pub struct Call {
    /// Pairs the reply with it.
    pub xid: u32,
    /// How often it was sent again.
    pub retransmissions: u32,
    /// Bytes after xid and message type.
    pub length: u32,
    /// Who sent it.
    pub direction: Direction,
    /// Whether the arguments decoded.
    pub valid: bool,
    /// When it was first sent.
    pub start: Timestamp,
    /// When it is given up.
    pub deadline: Timestamp,
    /// Of what is not kept.
    rest: u64,
    bytes: SmallVec<[u8; IN_PLACE]>,
}

/// The calls of one connection that wait. Most connections have none most of the time.
#[derive(Default, Debug)]
pub struct Calls {
    /// Never younger than any in the queue: it is only taken into use when the queue is empty.
    first: Option<Call>,
    queue: VecDeque<Call>,
    /// Bytes kept of all of them.
    bytes: usize,
    /// Bytes of those that are not kept in place.
    spilled: usize,
}

impl Call {
    /// A call of `direction`; `body` is the message after xid and message type.
    pub fn new(xid: u32, direction: Direction, body: &[u8], start: Timestamp, deadline: Timestamp) -> Self {
        let (kept, rest) = body.split_at_checked(KEPT).unwrap_or((body, b""));
        Call {
            xid,
            retransmissions: 0,
            length: u32::try_from(body.len()).unwrap_or(u32::MAX),
            direction,
            valid: false,
            start,
            deadline,
            rest: digest(rest),
            bytes: SmallVec::from_slice(kept),
        }
    }

    /// Its bytes after xid and message type, as far as they were kept.
    pub fn body(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes that are not kept in place.
    fn spilled(&self) -> usize {
        spilled(self.bytes.len())
    }

    /// Whether the same call is sent again.
    fn is(&self, direction: Direction, body: &[u8]) -> bool {
        let (kept, rest) = body.split_at_checked(KEPT).unwrap_or((body, b""));
        self.direction == direction && self.bytes.as_slice() == kept && self.rest == digest(rest)
    }
}

impl Calls {
    /// Whether the same call waits already, which is then counted; or another one under the same number.
    pub fn again(&mut self, xid: u32, direction: Direction, body: &[u8]) -> Again {
        let mut known = Again::No;
        for call in self.iter_mut().filter(|call| call.xid == xid && call.direction == direction) {
            if call.is(direction, body) {
                call.retransmissions = call.retransmissions.saturating_add(1);
                return Again::Same;
            }
            known = Again::Different;
        }
        known
    }

    /// Adds the youngest call.
    pub fn push(&mut self, call: Call) {
        self.bytes = self.bytes.saturating_add(call.bytes.len());
        self.spilled = self.spilled.saturating_add(call.spilled());
        match self.first {
            None if self.queue.is_empty() => self.first = Some(call),
            _ => self.queue.push_back(call),
        }
    }

    /// Takes the oldest call that `from` may answer under this number.
    pub fn answered(&mut self, xid: u32, from: Direction) -> Option<Call> {
        let waits = |call: &Call| call.xid == xid && call.direction == from.reverse();
        let call = self.first.take_if(|call| waits(call)).or_else(|| {
            let at = self.queue.iter().position(waits)?;
            self.queue.remove(at)
        });
        self.without(call)
    }

    /// Takes the oldest call.
    pub fn pop(&mut self) -> Option<Call> {
        let call = self.first.take().or_else(|| self.queue.pop_front());
        self.without(call)
    }

    /// When the oldest call is given up.
    pub fn deadline(&self) -> Timestamp {
        self.first.as_ref().or_else(|| self.queue.front()).map_or(Timestamp::NEVER, |call| call.deadline)
    }

    /// Bytes kept of those that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        self.queue.capacity().saturating_mul(size_of::<Call>()).saturating_add(self.spilled)
    }

    /// Bytes on the heap that one more call with this body takes.
    pub fn cost(&self, body: &[u8]) -> usize {
        let in_place = self.first.is_none() && self.queue.is_empty();
        let queued = !in_place && self.queue.len() == self.queue.capacity();
        // A queue that is full doubles.
        let more = if queued { self.queue.capacity().max(1) } else { 0 };
        more.saturating_mul(size_of::<Call>()).saturating_add(spilled(body.len().min(KEPT)))
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.queue.len().saturating_add(usize::from(self.first.is_some()))
    }

    fn without(&mut self, call: Option<Call>) -> Option<Call> {
        let call = call?;
        self.bytes = self.bytes.saturating_sub(call.bytes.len());
        self.spilled = self.spilled.saturating_sub(call.spilled());
        if self.queue.is_empty() && self.queue.capacity() > QUEUE_KEPT {
            self.queue = VecDeque::new();
        }
        Some(call)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Call> {
        self.first.iter_mut().chain(self.queue.iter_mut())
    }
}

thread_local! {
    static SPARE: Spare<Calls> = const { Spare::new() };
}

impl Lend for Calls {
    fn spare() -> &'static LocalKey<Spare<Self>> {
        &SPARE
    }

    fn clear(&mut self) {
        let queue = std::mem::take(&mut self.queue);
        *self = Calls::default();
        if queue.capacity() <= QUEUE_KEPT {
            self.queue = queue;
            self.queue.clear();
        }
    }
}

/// What is known of a call's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    /// Nothing.
    No,
    /// A retransmission.
    Same,
    /// Another call under the same number still waits.
    Different,
}

fn spilled(length: usize) -> usize {
    if length > IN_PLACE { length } else { 0 }
}

fn digest(bytes: &[u8]) -> u64 {
    if bytes.is_empty() {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
