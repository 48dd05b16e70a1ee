//! What the workers tell each other of expected data connections: who connects to an endpoint may belong to another worker than the
//! session that named it.

use std::net::IpAddr;
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use super::expected::ExpectedData;
use super::place::{Expected, Place};
use crate::record::ConnId;
use crate::stats::WorkerStats;
use crate::time::Timestamp;

/// News that may wait for a worker; it looks after every frame and tick.
const NEWS: usize = 4096;

/// What one worker tells the others.
#[derive(Clone, Copy, Debug)]
pub enum News {
    /// A session expects a connection from `host` to `place`.
    Expected { place: Place, host: IpAddr, control: ConnId, until: Timestamp },
    /// Nobody expects anything there any more, as far as this worker knows.
    Over(Place),
}

/// One worker's way to the others.
#[derive(Clone, Default, Debug)]
pub struct Neighbours {
    own: Option<Arc<ArrayQueue<News>>>,
    others: Vec<Arc<ArrayQueue<News>>>,
}

impl Neighbours {
    /// The ways between so many workers, one for each.
    pub fn of(workers: usize) -> Vec<Neighbours> {
        if workers < 2 {
            return vec![Neighbours::default(); workers];
        }
        let queues: Vec<_> = (0..workers).map(|_| Arc::new(ArrayQueue::new(NEWS))).collect();
        let others = |own: usize| {
            let others = queues.iter().enumerate().filter(|&(other, _)| other != own);
            others.map(|(_, queue)| Arc::clone(queue)).collect()
        };
        let neighbours =
            |(own, queue): (usize, &Arc<_>)| Neighbours { own: Some(Arc::clone(queue)), others: others(own) };
        queues.iter().enumerate().map(neighbours).collect()
    }

    /// Tells the others, and never waits: how many of them had no room for it.
    pub fn tell(&self, news: News) -> u64 {
        self.others.iter().filter(|other| other.push(news).is_err()).count() as u64
    }

    /// Whether no other worker has told anything.
    #[inline]
    pub fn are_quiet(&self) -> bool {
        self.own.as_ref().is_none_or(|own| own.is_empty())
    }

    /// What another worker has told, the oldest first.
    pub fn hear(&self) -> Option<News> {
        self.own.as_ref().filter(|own| !own.is_empty())?.pop()
    }
}

impl ExpectedData {
    /// Takes in what the other workers have told.
    pub(super) fn hear(&mut self, now: Timestamp) {
        while let Some(news) = self.neighbours.hear() {
            match news {
                News::Expected { place, host, control, until } => {
                    if !self.places.get(&place).is_some_and(|known| known.own && known.holds(now)) {
                        let expected = Expected { claims: 1, ..Expected::new(host, control, until, false) };
                        self.insert(now, place, expected, &WorkerStats::default());
                    }
                }
                News::Over(place) => {
                    let Some(known) = self.places.get_mut(&place) else { continue };
                    if !known.own {
                        known.claims = 0;
                    }
                    // The capture filter is one for all: what is still in use here is asked for again.
                    if known.open > 0 || known.own && known.claims > 0 {
                        known.asked = false;
                        self.ask(place);
                    }
                }
            }
        }
    }
}
