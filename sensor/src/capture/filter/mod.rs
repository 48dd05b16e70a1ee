//! The kernel program's likeness for files and AF_PACKET: the same decision, the same tables, the same counters.

mod cache;
mod shards;
mod view;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use portreeve_ebpf as contract;
use portreeve_ebpf::tables::{BYPASS_SLOTS, bypass_slot};
use portreeve_ebpf::{Connection, Endpoint, FragmentKey, Interest, Note, Options, Ports, Rules, Tables, Traffic};

pub use self::shards::ShardFilter;

use self::cache::Cache;
use super::{BypassReason, Bypassed, Expectation, Frame, Gate, Link};
use crate::capture::plan::Plan;
use crate::flow::key::FlowKey;
use crate::stats::Counter;
use crate::time::Timestamp;

/// Notes about datagrams whose first fragment has been seen: as many as the kernel program keeps.
const FRAGMENT_NOTES: usize = 16_384;
/// How long a note is believed, as in the kernel program: identifications come round again.
const NOTE_LIFETIME: Duration = Duration::from_secs(30);

/// Decides about frames as the kernel program does. Its tables are as large as they ever get from the start.
pub struct HostFilter {
    tables: HostTables,
    counters: Arc<FilterCounters>,
}

impl HostFilter {
    /// A filter with the plan that the kernel program would be loaded with.
    pub fn new(plan: &Plan) -> Self {
        HostFilter { tables: HostTables::new(plan), counters: Arc::default() }
    }

    /// What it counts.
    pub fn counters(&self) -> &Arc<FilterCounters> {
        &self.counters
    }
}

impl HostFilter {
    fn company(&self, hosts: [IpAddr; 2]) -> Endpoint {
        let [a, b] = hosts.map(Into::into);
        Endpoint::company(contract::pair_hash(self.tables.options.seed, a, b))
    }

    fn begin(&mut self, endpoint: Endpoint, wanted: contract::Expectation) {
        match self.tables.expectations.insert(endpoint, wanted) {
            Some((old, _)) if old == endpoint => return,
            Some((old, _)) => {
                self.counters.expectations_evicted.inc();
                self.tables.expect_port(&old, -1);
            }
            None => {}
        }
        self.tables.expect_port(&endpoint, 1);
    }

    fn end(&mut self, endpoint: &Endpoint) {
        if self.tables.expectations.remove(endpoint).is_some() {
            self.tables.expect_port(endpoint, -1);
        }
    }
}

impl Gate for HostFilter {
    /// It is counted under the reason.
    fn admits(&mut self, frame: &Frame<'_>) -> bool {
        self.tables.now = frame.at;
        let counter = view::decide(frame, &mut self.tables).counter;
        self.counters.count(counter, 1);
        counter.redirects()
    }

    fn count_wanted(&mut self, frames: u64) {
        self.counters.count(contract::Counter::Port, frames);
    }

    fn expect(&mut self, expectation: Expectation) {
        self.begin(expectation.endpoint(), expectation.wanted());
    }

    fn unexpect(&mut self, expectation: Expectation) {
        self.end(&expectation.endpoint());
    }

    fn accompany(&mut self, hosts: [IpAddr; 2]) {
        let mode = contract::Expectation::CONTROL_ONLY;
        self.begin(self.company(hosts), contract::Expectation { why: contract::Expectation::FTP_DATA, mode });
    }

    fn leave(&mut self, hosts: [IpAddr; 2]) {
        self.end(&self.company(hosts));
    }

    fn bypass(&mut self, key: &FlowKey, why: BypassReason) {
        let connection = key.connection();
        if self.tables.bypass.get_mut(&connection).is_some() {
            return;
        }
        if let Some((old, _)) = self.tables.bypass.insert(connection, contract::Bypassed::new(why)) {
            self.tables.guard(&old, -1);
        }
        self.tables.guard(&connection, 1);
    }

    fn unbypass(&mut self, key: &FlowKey) -> Option<Bypassed> {
        let connection = key.connection();
        let account = self.tables.bypass.remove(&connection)?;
        self.tables.guard(&connection, -1);
        Some(account.into())
    }
}

/// The hash of the addresses that choose a frame's shard: the kernel program's. 0 if it has none that can be read.
#[inline]
pub fn steering_hash(seed: u64, link: Link, bytes: &[u8]) -> u32 {
    view::steering(link, bytes).map_or(0, |[source, destination]| contract::pair_hash(seed, source, destination))
}

/// What the filter of one shard counts. One thread writes, anybody reads.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct FilterCounters {
    /// Frames, by the number of their [`contract::Counter`]; their sum is the number of frames.
    pub frames: [Counter; contract::Counter::COUNT],
    /// Expectations that gave way to newer ones because the table was full.
    pub expectations_evicted: Counter,
    /// Expectations, begun or ended, that found no room on their way to another shard.
    pub requests_lost: Counter,
}

impl FilterCounters {
    /// The frames under one counter.
    pub fn get(&self, counter: contract::Counter) -> u64 {
        self.frames.get(counter as usize).map_or(0, Counter::get)
    }

    fn count(&self, counter: contract::Counter, frames: u64) {
        self.frames.get(counter as usize).into_iter().for_each(|count| count.add(frames));
    }

    /// The frames under each counter, by its number: what [`crate::kernel::Kernel::counters`] gives for the kernel program.
    pub fn snapshot(&self) -> [u64; contract::Counter::COUNT] {
        std::array::from_fn(|number| self.frames.get(number).map_or(0, Counter::get))
    }
}

/// The kernel program's maps, in the memory of one worker.
struct HostTables {
    options: Options,
    ports: Ports,
    /// How many expectations there are at a port; the port's bit is set while there are any.
    expected: Vec<u32>,
    expectations: Cache<Endpoint, contract::Expectation>,
    bypass: Cache<Connection, contract::Bypassed>,
    /// How many bypasses there are between the hosts of a slot.
    guards: Vec<u32>,
    notes: Cache<FragmentKey, DatedNote>,
    /// The time of the frame at hand.
    now: Timestamp,
}

#[derive(Clone, Copy)]
struct DatedNote {
    note: Note,
    since: Timestamp,
}

impl HostTables {
    fn new(plan: &Plan) -> Self {
        let seed = plan.options.seed;
        HostTables {
            options: plan.options,
            ports: plan.ports.clone(),
            expected: always_expected(&plan.ports),
            expectations: Cache::new(plan.expectations as usize, seed, "expectations"),
            bypass: Cache::new(plan.bypasses as usize, seed, "bypasses"),
            guards: vec![0; BYPASS_SLOTS],
            notes: Cache::new(FRAGMENT_NOTES, seed, "fragment notes"),
            now: Timestamp::ZERO,
        }
    }

    fn expect_port(&mut self, endpoint: &Endpoint, change: i32) {
        let transport = endpoint.transport();
        let base = if transport == contract::Transport::Udp { 1 << 16 } else { 0 };
        if let Some(count) = self.expected.get_mut(base | usize::from(endpoint.port)) {
            *count = count.saturating_add_signed(change);
            self.ports.expect(transport, endpoint.port, *count > 0);
        }
    }

    /// Whether there are bypasses between the hosts of this hash, or of others that share their slot.
    #[inline]
    fn is_guarded(&self, hash: u32) -> bool {
        self.guards.get(bypass_slot(hash) as usize).is_some_and(|&count| count > 0)
    }

    fn guard(&mut self, connection: &Connection, change: i32) {
        let [a, b] = connection.addresses;
        let slot = bypass_slot(contract::pair_hash(self.options.seed, a, b));
        if let Some(count) = self.guards.get_mut(slot as usize) {
            *count = count.saturating_add_signed(change);
        }
    }
}

/// How many expectations there are at each port when there is none yet: one that never ends at those that the plan expects.
fn always_expected(ports: &Ports) -> Vec<u32> {
    let bits = |word: u64| (0..64).map(move |bit| u32::from(word >> bit & 1 != 0));
    ports.words().iter().flat_map(|word| bits(word.expected)).collect()
}

impl Tables for HostTables {
    #[inline]
    fn rules(&self) -> Rules {
        self.options.rules
    }

    #[inline]
    fn seed(&self) -> u64 {
        self.options.seed
    }

    #[inline]
    fn interest(&mut self, transport: contract::Transport, port: u16) -> Interest {
        self.ports.interest(transport, port)
    }

    fn expectation(&mut self, endpoint: &Endpoint) -> Option<contract::Expectation> {
        self.expectations.get_mut(endpoint).copied()
    }

    #[inline]
    fn may_bypass(&mut self, hash: u32) -> bool {
        self.bypass.len() > 0 && self.is_guarded(hash)
    }

    fn bypass(&mut self, connection: &Connection, side: usize, traffic: Traffic) -> Option<BypassReason> {
        let account = self.bypass.get_mut(connection)?;
        if let Some(sum) = account.traffic.get_mut(side) {
            sum.packets = sum.packets.saturating_add(traffic.packets);
            sum.bytes = sum.bytes.saturating_add(traffic.bytes);
            sum.payload = sum.payload.saturating_add(traffic.payload);
        }
        Some(BypassReason::of(account.reason))
    }

    fn note(&mut self, key: &FragmentKey) -> Option<Note> {
        let dated = self.notes.get_mut(key)?;
        (self.now.since(dated.since) <= NOTE_LIFETIME).then_some(dated.note)
    }

    fn leave_note(&mut self, key: &FragmentKey, note: Note) {
        if note == Note::Follow || self.note(key).is_none() {
            self.notes.insert(*key, DatedNote { note, since: self.now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{ExpectationMode, ExpectationReason};
    use crate::flow::key::Transport;

    #[test]
    fn an_expectation_at_a_tunnels_port_leaves_the_tunnel() {
        let (options, ports) = (Options::DEFAULT, Ports::new(Rules::DEFAULT));
        let mut filter = HostFilter::new(&Plan { options, ports, queues: 1, expectations: 8, bypasses: 8 });
        let vxlan = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 9, 0x12, 0xb5, 0, 8, 0, 0];
        let frame = Frame::new(Timestamp::ZERO, Link::RawIp, &vxlan, vxlan.len());
        let (transport, addr) = (Transport::Udp, [10, 0, 0, 2].into());
        let (why, mode) = (ExpectationReason::RpcService, ExpectationMode::Full);
        let expectation = Expectation { transport, addr, port: 4789, why, mode };
        filter.expect(expectation);
        assert!(filter.admits(&frame));
        filter.unexpect(expectation);
        assert!(filter.admits(&frame));
        assert_eq!(filter.counters().get(contract::Counter::Tunnel), 2);
    }
}
