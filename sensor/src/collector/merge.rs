//! Messages of several workers, in one order that does not depend on how many there are.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::net::IpAddr;

use crate::record::{Content, Message, Record};
use crate::time::Timestamp;

/// Merges by packet time, then by connection, then in the order in which a worker told them.
pub struct Merge {
    /// Of each worker, what came in order: nearly everything.
    runs: Vec<VecDeque<Held>>,
    /// What came out of order: timers, and records of the same instant.
    strays: BinaryHeap<Held>,
    /// Messages held back for a worker whose clock lags. Beyond it the earliest is let go before its turn: order is lost, not a record.
    most: usize,
    arrivals: u64,
    released_early: u64,
}

/// Facts come before records of the same instant, so that what they teach already holds.
type Key = (Timestamp, u128, u64);

/// A message, and its worker. In a heap, the first to be written is the greatest.
struct Held {
    key: Key,
    feed: usize,
    message: Box<Message>,
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Held {}

impl Merge {
    /// Holds at most so many messages.
    pub fn new(most: usize) -> Self {
        Merge { runs: Vec::new(), strays: BinaryHeap::new(), most, arrivals: 0, released_early: 0 }
    }

    /// One more worker.
    pub fn add_feed(&mut self) {
        self.runs.push(VecDeque::new());
    }

    /// Holds a message of a worker.
    pub fn push(&mut self, feed: usize, message: Box<Message>) {
        let key = (message.at, tie(&message.content), self.arrivals);
        self.arrivals += 1;
        let (run, held) = (&mut self.runs[feed], Held { key, feed, message });
        match run.back() {
            Some(last) if last.key > key => self.strays.push(held),
            _ => run.push_back(held),
        }
    }

    /// The first message and its worker, if its turn has come: nothing caused before `settled` is still on its way.
    pub fn next_before(&mut self, settled: Timestamp) -> Option<(usize, Box<Message>)> {
        let front = self.runs.iter().filter_map(VecDeque::front).max();
        let stray = self.strays.peek().filter(|stray| front.is_none_or(|front| *stray > front));
        let (first, is_stray) = (stray.or(front)?, stray.is_some());
        let (at, feed) = (first.key.0, first.feed);
        let early = at >= settled && settled != Timestamp::NEVER;
        if early && self.held() <= self.most {
            return None;
        }
        self.released_early += u64::from(early);
        let first = if is_stray { self.strays.pop() } else { self.runs[feed].pop_front() };
        first.map(|held| (held.feed, held.message))
    }

    /// Messages let go before their turn.
    pub fn released_early(&self) -> u64 {
        self.released_early
    }

    fn held(&self) -> usize {
        self.strays.len() + self.runs.iter().map(VecDeque::len).sum::<usize>()
    }
}

/// What orders messages of the same instant. Records of one connection come from one worker and keep their order.
fn tie(content: &Content) -> u128 {
    const RECORD: u128 = 1 << 96;
    const WITHOUT_CONNECTION: u128 = 1 << 97;
    let record = match content {
        Content::Record(record) => record,
        Content::Fact(fact) => return fact.conn_id().map_or(0, |id| id.uid.0),
        Content::Kept(_) | Content::Nothing => return 0,
    };
    if let Some(id) = record.conn_id() {
        return RECORD | id.uid.0;
    }
    let hosts = match record {
        Record::Notice(notice) => [notice.src, notice.dst],
        Record::Weird(weird) => [weird.src, weird.dst],
        _ => [None, None],
    };
    let [src, dst] = hosts.map(|host| host.map_or(0, bits));
    WITHOUT_CONNECTION | ((src ^ dst.rotate_left(64)) >> 32)
}

fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 64 | u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples;

    fn message(seconds: u64, uid: u128) -> Box<Message> {
        let mut conn = samples::conn();
        conn.id.uid.0 = uid;
        Box::new(Message::record(Timestamp::from_parts(seconds, 0), conn))
    }

    fn drain(merge: &mut Merge, settled: Timestamp) -> Vec<u64> {
        let next = || merge.next_before(settled).map(|(_, message)| message.at.as_nanos() / 1_000_000_000);
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn what_is_not_settled_is_held_back() {
        let mut merge = Merge::new(100);
        merge.add_feed();
        merge.add_feed();
        [5, 7, 6, 9].into_iter().for_each(|seconds| merge.push(0, message(seconds, 1)));
        [1, 8].into_iter().for_each(|seconds| merge.push(1, message(seconds, 2)));
        assert_eq!(drain(&mut merge, Timestamp::from_parts(7, 0)), [1, 5, 6]);
        assert_eq!(drain(&mut merge, Timestamp::NEVER), [7, 8, 9]);
        assert_eq!(merge.released_early(), 0);
    }

    #[test]
    fn too_much_is_let_go_before_its_turn_and_counted() {
        let mut merge = Merge::new(100);
        merge.add_feed();
        (0..103).for_each(|number| merge.push(0, message(number, 1)));
        assert_eq!(drain(&mut merge, Timestamp::ZERO), [0, 1, 2]);
        assert_eq!(merge.released_early(), 3);
    }
}
