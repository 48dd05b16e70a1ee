//! What the workers tell each other of expected data connections: who connects to an endpoint may belong to another worker than the
//! session that named it.

use std::net::IpAddr;

use super::expected::ExpectedData;
use super::place::{Expected, Place};
use crate::lane::Peers;
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

/// One worker's ways to the others.
pub type Neighbours = Peers<News>;

/// The ways between so many workers, one worker's each.
pub fn neighbours(workers: usize) -> Vec<Neighbours> {
    Peers::of(workers, NEWS)
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
