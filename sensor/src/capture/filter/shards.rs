//! One filter per shard, and how what one of them expects reaches the others.

use std::net::IpAddr;
use std::sync::Arc;

use super::{FilterCounters, HostFilter};
use crate::capture::plan::Plan;
use crate::capture::{BypassReason, Bypassed, Expectation, Frame, Gate};
use crate::flow::key::FlowKey;
use crate::lane::Peers;

/// Requests that may wait for a shard; it looks after every chunk or batch of frames.
const REQUESTS: usize = 4096;

/// The filter of one shard among others. Connections have their bypasses, datagrams their fragment notes in one shard; but who connects
/// to an expected endpoint may belong to another shard than who was told of it, so expectations go to all.
pub struct ShardFilter {
    filter: HostFilter,
    others: Peers<Request>,
}

#[derive(Clone, Copy)]
enum Request {
    Expect(Expectation),
    Unexpect(Expectation),
}

impl ShardFilter {
    /// A filter for each of the plan's workers.
    pub fn all(plan: &Plan) -> Vec<ShardFilter> {
        let shards = plan.options.workers.max(1) as usize;
        let others = Peers::of(shards, REQUESTS);
        others.into_iter().map(|others| ShardFilter { filter: HostFilter::new(plan), others }).collect()
    }

    /// Does what the other shards have asked for since the last time.
    pub fn hear(&mut self) {
        // What comes in meanwhile can wait: a look has an end.
        for _ in 0..self.others.waiting() {
            match self.others.hear() {
                Some(Request::Expect(expectation)) => self.filter.expect(expectation),
                Some(Request::Unexpect(expectation)) => self.filter.unexpect(expectation),
                None => break,
            }
        }
    }

    /// What it counts.
    pub fn counters(&self) -> &Arc<FilterCounters> {
        self.filter.counters()
    }

    /// A request that finds no room costs the other shard one expectation, and nobody waits.
    fn tell_others(&self, request: Request) {
        self.counters().requests_lost.add(self.others.tell(request));
    }
}

impl Gate for ShardFilter {
    fn admits(&mut self, frame: &Frame<'_>) -> bool {
        self.filter.admits(frame)
    }

    fn count_wanted(&mut self, frames: u64) {
        self.filter.count_wanted(frames);
    }

    fn expect(&mut self, expectation: Expectation) {
        self.filter.expect(expectation);
        self.tell_others(Request::Expect(expectation));
    }

    fn unexpect(&mut self, expectation: Expectation) {
        self.filter.unexpect(expectation);
        self.tell_others(Request::Unexpect(expectation));
    }

    fn accompany(&mut self, hosts: [IpAddr; 2]) {
        self.filter.accompany(hosts);
    }

    fn leave(&mut self, hosts: [IpAddr; 2]) {
        self.filter.leave(hosts);
    }

    fn bypass(&mut self, key: &FlowKey, why: BypassReason) {
        self.filter.bypass(key, why);
    }

    fn unbypass(&mut self, key: &FlowKey) -> Option<Bypassed> {
        self.filter.unbypass(key)
    }
}
