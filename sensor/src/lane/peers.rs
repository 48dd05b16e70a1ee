//! Threads of which each tells all others, with a lane between each two of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

use super::{Giver, Taker, lane};

/// Room in a lane, however many there are.
const LEAST: usize = 64;

/// One thread's ways to and from the others.
#[derive(Debug)]
pub struct Peers<T> {
    from: Vec<Taker<T>>,
    to: Vec<Peer<T>>,
    /// What the others have told it, or are about to: one look says that there is nothing.
    told: Arc<CachePadded<AtomicU64>>,
    /// What of that it has heard.
    heard: u64,
    /// Whose lane is looked into next.
    turn: usize,
}

/// The way to one of the others.
#[derive(Debug)]
struct Peer<T> {
    lane: Giver<T>,
    told: Arc<CachePadded<AtomicU64>>,
}

impl<T> Default for Peers<T> {
    /// Alone.
    fn default() -> Self {
        Peers { from: Vec::new(), to: Vec::new(), told: Arc::default(), heard: 0, turn: 0 }
    }
}

impl<T: Copy> Peers<T> {
    /// The ways between so many threads, for each of which about so much may wait.
    pub fn of(threads: usize, waiting: usize) -> Vec<Self> {
        let mut all: Vec<Self> = (0..threads).map(|_| Peers::default()).collect();
        let slots = (waiting / threads.saturating_sub(1).max(1)).max(LEAST);
        for one in 1..threads {
            let (before, after) = all.split_at_mut(one);
            let Some(own) = after.first_mut() else { break };
            for other in before {
                own.join(other, slots);
                other.join(own, slots);
            }
        }
        all
    }

    fn join(&mut self, other: &mut Self, slots: usize) {
        let (lane, taker) = lane(slots);
        self.to.push(Peer { lane, told: Arc::clone(&other.told) });
        other.from.push(taker);
    }

    /// Tells the others, and never waits: how many of them had no room for it.
    pub fn tell(&self, item: T) -> u64 {
        self.to.iter().filter(|peer| !peer.tell(item)).count() as u64
    }

    /// Whether no other has told anything.
    #[inline]
    pub fn are_quiet(&self) -> bool {
        self.waiting() == 0
    }

    /// How much was told that is not heard yet.
    #[inline]
    pub fn waiting(&self) -> u64 {
        self.told.load(Ordering::Acquire).saturating_sub(self.heard)
    }

    /// What another has told; of each of them, the oldest first.
    pub fn hear(&mut self) -> Option<T> {
        if self.are_quiet() {
            return None;
        }
        for _ in 0..self.from.len() {
            if let Some(item) = self.from.get(self.turn).and_then(Taker::take) {
                self.heard = self.heard.saturating_add(1);
                return Some(item);
            }
            self.turn = self.turn.saturating_add(1) % self.from.len().max(1);
        }
        None
    }
}

impl<T> Peer<T> {
    /// Counts first: what is counted late would keep from being heard what others have told meanwhile.
    fn tell(&self, item: T) -> bool {
        self.told.fetch_add(1, Ordering::Release);
        let told = self.lane.give(item).is_ok();
        if !told {
            self.told.fetch_sub(1, Ordering::Release);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hears_all_others_and_not_itself() {
        let mut peers = Peers::of(3, 100);
        for (number, peer) in peers.iter().enumerate() {
            assert_eq!((peer.tell(number), peer.tell(number + 10)), (0, 0));
        }
        for (number, peer) in peers.iter_mut().enumerate() {
            assert_eq!((peer.are_quiet(), peer.waiting()), (false, 4));
            let mut heard: Vec<_> = std::iter::from_fn(|| peer.hear()).collect();
            assert!((0..3).filter(|&other| other != number).all(|other| {
                let places = [other, other + 10].map(|item| heard.iter().position(|&heard| heard == item));
                places[0].is_some() && places[0] < places[1]
            }));
            heard.retain(|item| item % 10 == number);
            assert_eq!((heard.len(), peer.are_quiet(), peer.hear()), (0, true, None));
        }
    }

    #[test]
    fn one_that_does_not_listen_costs_the_others_nothing() {
        let mut peers = Peers::of(3, 2 * LEAST);
        let lost: u64 = (0..LEAST + 5).map(|number| peers[0].tell(number) - u64::from(peers[1].hear().is_none())).sum();
        assert_eq!((lost, peers[2].waiting()), (5, LEAST as u64));
        assert_eq!(std::iter::from_fn(|| peers[2].hear()).count(), LEAST);
        assert!(peers[2].are_quiet());
    }

    #[test]
    fn what_is_under_way_keeps_nobody_waiting() {
        let mut peers = Peers::of(3, 100);
        peers[2].to[0].told.fetch_add(1, Ordering::Release);
        assert_eq!((peers[0].are_quiet(), peers[0].hear()), (false, None), "counted, and not there yet");
        assert_eq!((peers[1].tell(7), peers[0].hear(), peers[0].hear()), (0, Some(7), None));
        assert!(peers[2].to[0].lane.give(8).is_ok());
        assert_eq!((peers[0].hear(), peers[0].are_quiet()), (Some(8), true));
    }

    #[test]
    fn alone_there_is_nothing_to_hear() {
        let mut alone = Peers::of(1, 100).remove(0);
        assert_eq!((alone.tell(1), alone.are_quiet(), alone.hear()), (0, true, None));
        assert_eq!(Peers::<u8>::of(0, 1).len(), 0);
    }
}
