//! Hosts with sessions between them: until the last one ends, every connection between the two may be a data connection.

use super::expected::ExpectedData;
use super::place::{Expected, Place};
use crate::record::ConnId;
use crate::stats::WorkerStats;
use crate::time::Timestamp;

impl ExpectedData {
    /// A session begins: from now on its server may connect from its data port. `false` if there is no room to remember that.
    pub fn begin_session(&mut self, now: Timestamp, control: &ConnId, stats: &WorkerStats) -> bool {
        let pair = (control.key.orig_h, control.key.resp_h);
        if self.sessions.len() >= self.most.in_all && !self.sessions.contains_key(&pair) {
            stats.counters.expectations_refused.inc();
            return false;
        }
        let sessions = self.sessions.entry(pair).or_default();
        *sessions += 1;
        if *sessions == 1 {
            self.due = Timestamp::ZERO;
            self.met.push(([pair.0, pair.1], true));
        }
        let place = Place::From(pair.1);
        if let Some(known) = self.places.get_mut(&place) {
            known.claims += 1;
        } else {
            self.insert(now, place, Expected::new(pair.0, *control, Timestamp::NEVER, true), stats);
        }
        self.ask(place);
        true
    }

    /// A session that has begun is over.
    pub fn end_session(&mut self, control: &ConnId) {
        let pair = (control.key.orig_h, control.key.resp_h);
        let Some(sessions) = self.sessions.get_mut(&pair) else { return };
        *sessions -= 1;
        if *sessions == 0 {
            self.sessions.remove(&pair);
            self.due = Timestamp::ZERO;
            self.met.push(([pair.0, pair.1], false));
        }
        let place = Place::From(pair.1);
        if let Some(known) = self.places.get_mut(&place) {
            known.claims = known.claims.saturating_sub(1);
        }
        self.give_up_if_unclaimed(place);
    }
}
