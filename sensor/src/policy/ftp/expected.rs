//! The manual's `ftp_data_expected`: where data connections are expected, from whom, and what the capture filter is asked because of it.
//!
//! What a client and a server say to each other makes the sensor capture connections. It is therefore bounded in every direction: per
//! session, per server, per client and in all; and of what is captured, the capture filter delivers SYN, FIN and RST.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashMap;

use super::neighbours::{Neighbours, News};
use super::place::{DATA_PORT, Expected, Place};
use super::transfers::{Row, Rows};
use crate::analyzers::Service;
use crate::capture::{ExpectationMode, Gate};
use crate::config::Settings;
use crate::flow::key::{FlowKey, Transport};
use crate::record::ConnId;
use crate::stats::WorkerStats;
use crate::time::Timestamp;

/// The most bytes that an expectation takes: in the table, in the order, and in what is counted of its session and its hosts.
pub const EXPECTED_BYTES: usize = 384;
/// How many that are in use are spared when the oldest has to give way.
const SPARED: usize = 16;

const _: () =
    assert!(size_of::<(Place, Expected)>() + size_of::<(Timestamp, Place)>() <= EXPECTED_BYTES, "see `Limits`");

/// What became of a wish to expect something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is expected.
    Expected,
    /// A bound was reached: it is not.
    TooMany,
}

/// Where this worker expects data connections.
#[derive(Debug)]
pub struct ExpectedData {
    pub(super) places: HashMap<Place, Expected>,
    /// When each place is looked at again, roughly the earliest first.
    order: VecDeque<(Timestamp, Place)>,
    /// How many endpoints sessions with a server, and sessions of a client, have named.
    per_server: HashMap<IpAddr, usize>,
    per_client: HashMap<IpAddr, usize>,
    pub(super) rows: Rows,
    /// Those of them that wait for the end of their data connections, the first to be given up first.
    pub(super) waiting: VecDeque<(Timestamp, Place)>,
    /// Those that wait no longer, and since when.
    pub(super) released: Vec<(Timestamp, Row)>,
    /// Sessions between a client and a server.
    pub(super) sessions: HashMap<(IpAddr, IpAddr), u32>,
    wanted: Vec<Place>,
    unwanted: Vec<Place>,
    /// Hosts between which there are sessions since lately, or are none any more.
    pub(super) met: Vec<([IpAddr; 2], bool)>,
    pub(super) neighbours: Neighbours,
    /// When there is something to settle; at once after a change.
    pub(super) due: Timestamp,
    lifetime: Duration,
    mode: ExpectationMode,
    pub(super) most: Most,
}

#[derive(Debug)]
pub(super) struct Most {
    per_server: usize,
    per_client: usize,
    pub(super) in_all: usize,
}

impl ExpectedData {
    pub fn new(settings: &Settings) -> Self {
        let limits = &settings.limits;
        ExpectedData {
            places: HashMap::new(),
            order: VecDeque::new(),
            per_server: HashMap::new(),
            per_client: HashMap::new(),
            rows: Rows::default(),
            waiting: VecDeque::new(),
            released: Vec::new(),
            sessions: HashMap::new(),
            wanted: Vec::new(),
            unwanted: Vec::new(),
            met: Vec::new(),
            neighbours: Neighbours::default(),
            due: Timestamp::NEVER,
            lifetime: Duration::from_secs(limits.ftp_data_expected_seconds),
            mode: match (limits.ftp_data_payload_bytes, settings.capture.bypass.ftp_data) {
                (0, true) => ExpectationMode::ControlOnly,
                _ => ExpectationMode::Full,
            },
            most: Most {
                per_server: limits.ftp_data_expected_per_server,
                per_client: limits.ftp_data_expected_per_client,
                in_all: limits.ftp_data_expected.max(1),
            },
        }
    }

    /// From now on, what is expected here is told to the other workers, and the other way round.
    pub fn meet(&mut self, neighbours: Neighbours) {
        self.neighbours = neighbours;
    }

    /// What is expected to be spoken on a connection: the manual's `is_ftp_data_conn`, which consumes nothing.
    pub fn expected(&mut self, now: Timestamp, key: &FlowKey) -> Option<Service> {
        self.hear(now);
        self.place(now, key).map(|_| Service::FtpData)
    }

    /// The place that makes this a data connection.
    pub fn place(&self, now: Timestamp, key: &FlowKey) -> Option<Place> {
        if self.places.is_empty() || key.transport != Transport::Tcp {
            return None;
        }
        let named = Place::To(key.resp_h, key.resp_p);
        if self.places.get(&named).is_some_and(|expected| expected.holds(now)) {
            return Some(named);
        }
        let active = key.orig_p == DATA_PORT && self.sessions.contains_key(&(key.resp_h, key.orig_h));
        active.then_some(Place::From(key.orig_h))
    }

    /// What is known of a place.
    pub fn get(&self, place: &Place) -> Option<&Expected> {
        self.places.get(place)
    }

    /// What is known of a place, to change it.
    pub fn get_mut(&mut self, place: &Place) -> Option<&mut Expected> {
        self.places.get_mut(place)
    }

    /// A session has named an endpoint, to which `host` should connect.
    pub fn expect(
        &mut self,
        now: Timestamp,
        place: Place,
        host: IpAddr,
        control: &ConnId,
        stats: &WorkerStats,
    ) -> Answer {
        let until = now + self.lifetime;
        let (client, server) = (control.key.orig_h, control.key.resp_h);
        match self.places.get_mut(&place) {
            Some(known) if known.own && known.claims > 0 => {
                if known.control.key.orig_h != client || known.control.key.resp_h != server {
                    count_down(&mut self.per_client, known.control.key.orig_h);
                    count_down(&mut self.per_server, known.control.key.resp_h);
                    *self.per_client.entry(client).or_default() += 1;
                    *self.per_server.entry(server).or_default() += 1;
                }
                (known.host, known.control, known.until, known.used) = (host, *control, until, false);
            }
            _ => {
                let named = |count: &HashMap<IpAddr, usize>, host| count.get(&host).copied().unwrap_or(0);
                let full = named(&self.per_client, client) >= self.most.per_client
                    || named(&self.per_server, server) >= self.most.per_server;
                if full {
                    stats.counters.expectations_refused.inc();
                    return Answer::TooMany;
                }
                *self.per_client.entry(client).or_default() += 1;
                *self.per_server.entry(server).or_default() += 1;
                self.insert(now, place, Expected::new(host, *control, until, true), stats);
            }
        }
        self.ask(place);
        let unheard = self.neighbours.tell(News::Expected { place, host, control: *control, until });
        stats.counters.expectations_refused.add(unheard);
        Answer::Expected
    }

    /// The session that named an endpoint does not expect anything there any more. `true` if nobody had connected.
    pub fn forget(&mut self, now: Timestamp, place: Place, control: &ConnId) -> bool {
        let Some(known) = self.places.get_mut(&place) else { return false };
        if known.claims == 0 || known.control.uid != control.uid {
            return false;
        }
        known.claims = 0;
        let unused = !known.used;
        if known.open == 0 {
            self.released.extend(known.row.take().map(|(_, row)| (now, row)));
        }
        self.count_down(&control.key);
        self.give_up_if_unclaimed(place);
        unused
    }

    /// A data connection has begun.
    pub fn begin_data(&mut self, place: Place) {
        if let Some(known) = self.places.get_mut(&place) {
            (known.open, known.used, known.transferred) = (known.open + 1, true, None);
        }
    }

    /// A data connection has ended.
    pub fn end_data(&mut self, now: Timestamp, place: Place) {
        if let Some(known) = self.places.get_mut(&place) {
            known.open = known.open.saturating_sub(1);
            if known.open == 0 && known.used {
                self.released.extend(known.row.take().map(|(_, row)| (now, row)));
            }
        }
        self.give_up_if_unclaimed(place);
    }

    /// Whether there is anything to settle. Asked after every frame: mostly, there is not.
    #[inline]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due <= now || !self.released.is_empty() || !self.neighbours.are_quiet()
    }

    /// Lets expire what has, and tells the capture filter.
    pub fn settle(&mut self, now: Timestamp, gate: &mut dyn Gate, stats: &WorkerStats) {
        self.hear(now);
        self.give_up_waiting(now);
        while let Some(&(until, place)) = self.order.front()
            && until <= now
        {
            self.order.pop_front();
            self.look_at(now, place);
        }
        stats.counters.expectations.add(self.wanted.len() as u64);
        for (hosts, begin) in self.met.drain(..) {
            if begin {
                gate.accompany(hosts);
            } else {
                gate.leave(hosts);
            }
        }
        let mode = self.mode;
        self.unwanted.drain(..).for_each(|place| gate.unexpect(place.expectation(mode)));
        self.wanted.drain(..).for_each(|place| gate.expect(place.expectation(mode)));
        let fronts = [self.order.front(), self.waiting.front()].into_iter().flatten();
        self.due = fronts.map(|(until, _)| *until).min().unwrap_or(Timestamp::NEVER);
    }

    /// The time has come at which a place may not be expected any more.
    fn look_at(&mut self, now: Timestamp, place: Place) {
        let Some(known) = self.places.get(&place) else { return };
        if known.open > 0 || known.holds(now) {
            let later = now + self.lifetime;
            self.order.push_back((if known.open > 0 { later } else { known.until.min(later) }, place));
            return;
        }
        self.remove(now, place);
    }

    pub(super) fn insert(&mut self, now: Timestamp, place: Place, mut expected: Expected, stats: &WorkerStats) {
        if let Some(known) = self.places.remove(&place) {
            // It was over, or another worker's; the connections that are there are still ours.
            (expected.open, expected.asked, expected.row) = (known.open, known.asked, known.row);
        } else {
            self.make_room(now, stats);
            self.due = Timestamp::ZERO;
            self.order.push_back((now + self.lifetime, place));
        }
        self.places.insert(place, expected);
    }

    /// The oldest gives way; those in use are spared, but not without end.
    fn make_room(&mut self, now: Timestamp, stats: &WorkerStats) {
        let mut spared = 0;
        while self.order.len() >= self.most.in_all
            && let Some((until, place)) = self.order.pop_front()
        {
            let in_use = self.places.get(&place).is_some_and(|known| known.open > 0 || known.until == Timestamp::NEVER);
            if in_use && spared < SPARED {
                spared += 1;
                self.order.push_back((until, place));
                continue;
            }
            stats.counters.expectations_evicted.inc();
            self.remove(now, place);
        }
    }

    fn remove(&mut self, now: Timestamp, place: Place) {
        let Some(known) = self.places.remove(&place) else { return };
        if known.own && known.claims > 0 && matches!(place, Place::To(..)) {
            self.count_down(&known.control.key);
        }
        self.released.extend(known.row.map(|(_, row)| (now, row)));
        if known.asked {
            self.give_up(place);
        }
    }

    pub(super) fn give_up_if_unclaimed(&mut self, place: Place) {
        if let Some(known) = self.places.get_mut(&place)
            && known.claims == 0
            && known.open == 0
            && std::mem::take(&mut known.asked)
        {
            self.give_up(place);
        }
    }

    fn give_up(&mut self, place: Place) {
        self.wanted.retain(|wanted| *wanted != place);
        self.due = Timestamp::ZERO;
        self.unwanted.push(place);
        self.neighbours.tell(News::Over(place));
    }

    pub(super) fn ask(&mut self, place: Place) {
        if let Some(known) = self.places.get_mut(&place)
            && !std::mem::replace(&mut known.asked, true)
        {
            self.unwanted.retain(|unwanted| *unwanted != place);
            self.due = Timestamp::ZERO;
            self.wanted.push(place);
        }
    }

    fn count_down(&mut self, control: &FlowKey) {
        count_down(&mut self.per_client, control.orig_h);
        count_down(&mut self.per_server, control.resp_h);
    }
}

fn count_down(counts: &mut HashMap<IpAddr, usize>, host: IpAddr) {
    if let Some(count) = counts.get_mut(&host) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&host);
        }
    }
}

#[cfg(test)]
mod tests;
