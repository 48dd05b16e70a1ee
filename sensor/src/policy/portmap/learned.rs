//! Ports that portmappers gave out: the manual's `RPC_server_map`, and what the capture filter is asked because of it.
//!
//! A portmapper's answer is a datagram that anybody can forge. What it makes the sensor capture is therefore bounded in every
//! direction: per server, per client, in all, and never on ports that carry other people's bulk.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use smallvec::SmallVec;

use crate::capture::{Expectation, ExpectationMode, ExpectationReason, Gate};
use crate::config::Settings;
use crate::flow::key::Transport;
use crate::policy::memory::Memory;
use crate::stats::WorkerStats;
use crate::time::Timestamp;

/// Programs remembered of one port: several versions share a port, several programs hardly ever.
const PROGRAMS_PER_PORT: usize = 4;
/// The most bytes of a service that is remembered.
pub const SERVICE_BYTES: usize = 64;
/// The interval in which one client may cause so many expectations.
const CLIENT_INTERVAL: Duration = Duration::from_secs(3600);

/// A port on a server, as a portmapper gives it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Endpoint {
    pub server: IpAddr,
    pub port: u16,
    pub transport: Transport,
}

/// What became of something to be learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lesson {
    /// It is new, or was about to expire.
    New,
    /// It is known.
    Known,
    /// The server has named as many ports as are kept of one server: the oldest gave way.
    TooMany,
}

/// What portmappers have told this worker.
#[derive(Debug)]
pub(super) struct Learned {
    servers: Memory<IpAddr, Server>,
    clients: Memory<IpAddr, u32>,
    /// What was asked of the capture filter and not taken back, the oldest first.
    outstanding: VecDeque<(Timestamp, Expectation)>,
    wanted: Vec<Expectation>,
    unwanted: Vec<Expectation>,
    /// When there is something to tell the capture filter; at once after a change.
    due: Timestamp,
    lifetime: Duration,
    services_per_server: usize,
    per_server: usize,
    per_client: u32,
    in_all: usize,
}

#[derive(Clone, Default, Debug)]
struct Server {
    services: SmallVec<[Service; 4]>,
}

#[derive(Clone, Debug)]
struct Service {
    port: u16,
    transport: Transport,
    programs: SmallVec<[u32; PROGRAMS_PER_PORT]>,
    until: Timestamp,
    expected: bool,
    control_only: bool,
}

const _: () = assert!(size_of::<Service>() <= SERVICE_BYTES, "see `Limits`");

impl Service {
    fn is_at(&self, endpoint: Endpoint) -> bool {
        (self.port, self.transport) == (endpoint.port, endpoint.transport)
    }
}

impl Learned {
    pub fn new(settings: &Settings) -> Self {
        let limits = &settings.limits;
        let in_all = limits.rpc_expectations.max(1);
        Learned {
            servers: Memory::new(limits.learned_servers, settings.seed),
            clients: Memory::new(limits.policy_hosts, settings.seed),
            outstanding: VecDeque::with_capacity(in_all),
            wanted: Vec::with_capacity(64),
            unwanted: Vec::with_capacity(64),
            due: Timestamp::NEVER,
            lifetime: Duration::from_secs(limits.learned_service_seconds),
            services_per_server: limits.learned_services_per_server.max(1),
            per_server: limits.rpc_expectations_per_server,
            per_client: limits.rpc_expectations_per_client,
            in_all,
        }
    }

    /// The programs that a portmapper has put on this port.
    pub fn programs(&self, now: Timestamp, server: IpAddr, port: u16, transport: Transport) -> &[u32] {
        let endpoint = Endpoint { server, port, transport };
        let services = self.servers.peek(now, &server).map_or(&[][..], |server| &server.services);
        let known = services.iter().find(|service| service.is_at(endpoint) && service.until > now);
        known.map_or(&[], |service| &service.programs)
    }

    /// Whether the payload of this endpoint's connections is kept out: what is missing there was not lost.
    pub fn is_control_only(&self, now: Timestamp, endpoint: Endpoint) -> bool {
        let server = self.servers.peek(now, &endpoint.server);
        server
            .is_some_and(|server| server.services.iter().any(|service| service.is_at(endpoint) && service.control_only))
    }

    /// Remembers that a program answers at an endpoint.
    pub fn learn(&mut self, now: Timestamp, endpoint: Endpoint, program: u32) -> Lesson {
        let (lifetime, most) = (self.lifetime, self.services_per_server);
        let server = self.servers.renew(now, endpoint.server, lifetime, Server::default);
        if let Some(known) = server.services.iter_mut().find(|service| service.is_at(endpoint)) {
            let fresh = known.until > now && known.until.since(now) > lifetime / 2;
            if known.until <= now {
                known.programs.clear();
            }
            known.until = now + lifetime;
            if known.programs.contains(&program) || known.programs.len() >= PROGRAMS_PER_PORT {
                return if fresh { Lesson::Known } else { Lesson::New };
            }
            known.programs.push(program);
            return Lesson::New;
        }
        let full = server.services.len() >= most;
        if full {
            let oldest = server.services.iter().enumerate().min_by_key(|(_, service)| service.until).map(|(at, _)| at);
            oldest.map(|at| server.services.swap_remove(at));
        }
        let programs = SmallVec::from_slice(&[program]);
        let (port, transport) = (endpoint.port, endpoint.transport);
        let until = now + lifetime;
        server.services.push(Service { port, transport, programs, until, expected: false, control_only: false });
        if full { Lesson::TooMany } else { Lesson::New }
    }

    /// Forgets a program that was unregistered.
    pub fn forget(&mut self, now: Timestamp, server: IpAddr, program: u32) {
        let Some(known) = self.servers.get(now, &server) else { return };
        self.due = Timestamp::ZERO;
        for service in &mut known.services {
            service.programs.retain(|known| *known != program);
        }
        known.services.retain(|service| {
            let over = service.programs.is_empty();
            if over && service.expected {
                self.unwanted.push(expectation(server, service.port, service.transport, ExpectationMode::Full));
            }
            !over
        });
        self.outstanding.retain(|(_, expectation)| !self.unwanted.iter().any(|gone| same(gone, expectation)));
    }

    /// Asks for an endpoint that was just learned, on behalf of the client that looked it up.
    pub fn expect(
        &mut self,
        now: Timestamp,
        client: IpAddr,
        endpoint: Endpoint,
        mode: ExpectationMode,
        stats: &WorkerStats,
    ) {
        let Some(server) = self.servers.get(now, &endpoint.server) else { return };
        let asked = server.services.iter().filter(|service| service.expected && service.until > now).count();
        let Some(service) = server.services.iter_mut().find(|service| service.is_at(endpoint)) else { return };
        service.control_only = mode == ExpectationMode::ControlOnly;
        // A datagram has no SYN, FIN or RST: of UDP, nothing would be captured.
        if service.expected || (service.control_only && endpoint.transport == Transport::Udp) {
            return;
        }
        let used = self.clients.get(now, &client).copied().unwrap_or(0);
        if asked >= self.per_server || used >= self.per_client {
            stats.counters.expectations_refused.inc();
            return;
        }
        service.expected = true;
        match self.clients.get(now, &client) {
            Some(used) => *used += 1,
            None => drop(self.clients.put(now, client, 1, CLIENT_INTERVAL)),
        }
        let expectation = expectation(endpoint.server, endpoint.port, endpoint.transport, mode);
        if self.outstanding.len() >= self.in_all
            && let Some((_, oldest)) = self.outstanding.pop_front()
        {
            stats.counters.expectations_evicted.inc();
            self.give_up(now, oldest);
        }
        self.due = Timestamp::ZERO;
        self.outstanding.push_back((now + self.lifetime, expectation));
        self.wanted.push(expectation);
    }

    /// Whether there is anything to settle. Asked after every frame: mostly, there is not.
    #[inline]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due <= now
    }

    /// Takes back what has expired, and tells the capture filter.
    pub fn settle(&mut self, now: Timestamp, gate: &mut dyn Gate, stats: &WorkerStats) {
        while let Some(&(until, expectation)) = self.outstanding.front()
            && until <= now
        {
            self.outstanding.pop_front();
            match self.renewed(now, &expectation) {
                Some(until) => self.outstanding.push_back((until, expectation)),
                None => self.unwanted.push(expectation),
            }
        }
        stats.counters.expectations.add(self.wanted.len() as u64);
        self.unwanted.drain(..).for_each(|expectation| gate.unexpect(expectation));
        self.wanted.drain(..).for_each(|expectation| gate.expect(expectation));
        self.due = self.outstanding.front().map_or(Timestamp::NEVER, |(until, _)| *until);
    }

    /// Entries that had to give way before they expired.
    pub fn forgotten(&self) -> u64 {
        self.servers.forgotten() + self.clients.forgotten()
    }

    /// Until when an expectation holds by now, if its endpoint was named again since it was made.
    fn renewed(&mut self, now: Timestamp, expectation: &Expectation) -> Option<Timestamp> {
        let server = self.servers.get(now, &expectation.addr)?;
        let service = server
            .services
            .iter_mut()
            .find(|service| (service.port, service.transport) == (expectation.port, expectation.transport))?;
        service.expected = service.until > now;
        service.expected.then_some(service.until)
    }

    fn give_up(&mut self, now: Timestamp, expectation: Expectation) {
        if let Some(server) = self.servers.get(now, &expectation.addr) {
            let of =
                |service: &&mut Service| (service.port, service.transport) == (expectation.port, expectation.transport);
            server.services.iter_mut().filter(of).for_each(|service| service.expected = false);
        }
        self.unwanted.push(expectation);
    }
}

fn expectation(addr: IpAddr, port: u16, transport: Transport, mode: ExpectationMode) -> Expectation {
    Expectation { transport, addr, port, why: ExpectationReason::RpcService, mode }
}

fn same(a: &Expectation, b: &Expectation) -> bool {
    (a.addr, a.port, a.transport) == (b.addr, b.port, b.transport)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{BypassReason, Bypassed};
    use crate::flow::key::FlowKey;

    #[derive(Default)]
    struct Notebook {
        expected: Vec<u16>,
        gone: Vec<u16>,
    }

    impl Gate for Notebook {
        fn expect(&mut self, expectation: Expectation) {
            self.expected.push(expectation.port);
        }

        fn unexpect(&mut self, expectation: Expectation) {
            self.gone.push(expectation.port);
        }

        fn accompany(&mut self, _hosts: [IpAddr; 2]) {}

        fn leave(&mut self, _hosts: [IpAddr; 2]) {}

        fn bypass(&mut self, _key: &FlowKey, _why: BypassReason) {}

        fn unbypass(&mut self, _key: &FlowKey) -> Option<Bypassed> {
            None
        }
    }

    fn learned(change: impl FnOnce(&mut Settings)) -> Learned {
        let mut settings = Settings::default();
        (settings.limits.learned_servers, settings.limits.policy_hosts) = (8, 8);
        change(&mut settings);
        Learned::new(&settings)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    fn port(server: u8, port: u16) -> Endpoint {
        Endpoint { server: [10, 0, 0, server].into(), port, transport: Transport::Udp }
    }

    /// Learns and asks, and says what the capture filter was told.
    fn told(learned: &mut Learned, now: u64, client: u8, endpoints: &[Endpoint]) -> Notebook {
        let (mut gate, stats) = (Notebook::default(), WorkerStats::default());
        for endpoint in endpoints {
            learned.learn(at(now), *endpoint, 100_232);
            learned.expect(at(now), [10, 9, 9, client].into(), *endpoint, ExpectationMode::Full, &stats);
        }
        learned.settle(at(now), &mut gate, &stats);
        gate
    }

    #[test]
    fn one_server_and_one_client_get_so_much_and_no_more() {
        let many: Vec<Endpoint> = (1..=20).map(|n| port(1, 1000 + n)).collect();
        let mut learned = learned(|settings| {
            (settings.limits.rpc_expectations_per_server, settings.limits.rpc_expectations_per_client) = (4, 6);
        });
        assert_eq!(told(&mut learned, 1, 1, &many).expected, [1001, 1002, 1003, 1004]);
        let others: Vec<Endpoint> = (2..=6).map(|server| port(server, 900)).collect();
        assert_eq!(told(&mut learned, 2, 1, &others).expected.len(), 2, "the client's hour is used up");
        assert_eq!(told(&mut learned, 3, 2, &others[3..]).expected.len(), 2, "another client's is not");
        assert_eq!(told(&mut learned, 3700, 1, &[port(7, 1)]).expected.len(), 1, "nor the next hour");
    }

    #[test]
    fn the_oldest_gives_way_and_what_is_not_renewed_ends() {
        let mut learned = learned(|settings| {
            (settings.limits.rpc_expectations, settings.limits.learned_service_seconds) = (2, 100);
        });
        let gate = told(&mut learned, 1, 1, &[port(1, 1), port(1, 2), port(1, 3)]);
        assert_eq!((gate.expected, gate.gone), (vec![1, 2, 3], vec![1]));
        assert!(told(&mut learned, 50, 1, &[port(1, 3)]).expected.is_empty(), "known already");
        let gate = told(&mut learned, 101, 1, &[]);
        assert_eq!((gate.expected, gate.gone), (vec![], vec![2]), "3 was named again at 50");
        assert_eq!(told(&mut learned, 150, 1, &[]).gone, [3]);
    }

    #[test]
    fn an_unset_takes_the_port_back() {
        let mut learned = learned(|_| {});
        told(&mut learned, 1, 1, &[port(1, 700)]);
        assert_eq!(learned.programs(at(2), [10, 0, 0, 1].into(), 700, Transport::Udp), [100_232]);
        learned.forget(at(2), [10, 0, 0, 1].into(), 100_232);
        assert_eq!(told(&mut learned, 2, 1, &[]).gone, [700]);
        assert!(learned.programs(at(2), [10, 0, 0, 1].into(), 700, Transport::Udp).is_empty());
        assert!(learned.outstanding.is_empty());
    }

    #[test]
    fn a_server_that_names_ports_without_end_keeps_the_newest() {
        let mut learned = learned(|settings| settings.limits.learned_services_per_server = 3);
        for n in 1..=10 {
            assert_eq!(learned.learn(at(n.into()), port(1, n), 7) == Lesson::TooMany, n > 3);
        }
        let known = |n| !learned.programs(at(10), [10, 0, 0, 1].into(), n, Transport::Udp).is_empty();
        assert_eq!((1..=10).filter(|&n| known(n)).collect::<Vec<_>>(), [8, 9, 10]);
    }
}
