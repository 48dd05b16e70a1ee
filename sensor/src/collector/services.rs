//! The manual's `RPC_server_map`: which program answers on a port that a portmapper named.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashMap;

use crate::config::limits::Limits;
use crate::flow::key::Transport;
use crate::record::Fact;
use crate::text::Text;
use crate::time::Timestamp;

/// Bytes of a port's name: several programs on one port are joined with `/`, as the manual does, but not without end.
const NAME_BYTES: usize = 64;

/// What portmappers have told of their hosts' services. Bounded in servers and in services of each; what is learned last stays.
pub struct LearnedServices {
    servers: HashMap<IpAddr, VecDeque<Learned>>,
    /// The servers in the order in which they were met.
    met: VecDeque<IpAddr>,
    max_servers: usize,
    max_services: usize,
    lifetime: Duration,
}

struct Learned {
    port: u16,
    transport: Transport,
    programs: Vec<u32>,
    name: Text,
    at: Timestamp,
}

impl LearnedServices {
    /// An empty map with its bounds.
    pub fn new(limits: &Limits) -> Self {
        LearnedServices {
            servers: HashMap::new(),
            met: VecDeque::new(),
            max_servers: limits.learned_servers.max(1),
            max_services: limits.learned_services_per_server.max(1),
            lifetime: Duration::from_secs(limits.learned_service_seconds),
        }
    }

    /// Takes in what a portmapper answer or an UNSET told at packet time `at`.
    pub fn learn(&mut self, at: Timestamp, fact: &Fact) {
        match fact {
            // Port 0 is the portmapper's "not registered".
            Fact::ServiceLearned { port: 0, .. } => {}
            Fact::ServiceLearned { server, port, transport, program, name } => {
                let oldest = at - self.lifetime;
                let max_services = self.max_services;
                let services = self.services_of(*server);
                services.retain(|learned| learned.at >= oldest);
                match services.iter_mut().find(|learned| learned.is_at(*port, *transport)) {
                    Some(known) => known.also(at, *program, name),
                    None => {
                        if services.len() >= max_services {
                            services.pop_front();
                        }
                        let (port, transport, name) = (*port, *transport, name.clone());
                        services.push_back(Learned { port, transport, programs: vec![*program], name, at });
                    }
                }
            }
            Fact::ServiceForgotten { server, program } => {
                if let Some(services) = self.servers.get_mut(server) {
                    services.retain(|learned| !learned.programs.contains(program));
                }
            }
            _ => {}
        }
    }

    /// What answers there, as far as is known at packet time `at`.
    pub fn name(&self, at: Timestamp, server: IpAddr, port: u16, transport: Transport) -> Option<&Text> {
        let services = self.servers.get(&server)?;
        let learned = services.iter().find(|learned| learned.is_at(port, transport))?;
        (at.since(learned.at) <= self.lifetime).then_some(&learned.name)
    }

    fn services_of(&mut self, server: IpAddr) -> &mut VecDeque<Learned> {
        if !self.servers.contains_key(&server) {
            if self.met.len() >= self.max_servers
                && let Some(oldest) = self.met.pop_front()
            {
                self.servers.remove(&oldest);
            }
            self.met.push_back(server);
        }
        self.servers.entry(server).or_default()
    }
}

impl Learned {
    fn is_at(&self, port: u16, transport: Transport) -> bool {
        self.port == port && self.transport == transport
    }

    /// The port was named again, perhaps for another program.
    fn also(&mut self, at: Timestamp, program: u32, name: &Text) {
        self.at = at;
        let joined = [self.name.as_bytes(), b"/", name.as_bytes()].concat();
        if !self.programs.contains(&program) && joined.len() <= NAME_BYTES {
            self.programs.push(program);
            self.name = Text::new(&joined, NAME_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    fn learned(server: [u8; 4], port: u16, program: u32, name: &'static str) -> Fact {
        Fact::ServiceLearned { server: server.into(), port, transport: Transport::Udp, program, name: Text::from(name) }
    }

    fn name(services: &LearnedServices, now: u64, server: [u8; 4], port: u16) -> String {
        let name = services.name(at(now), server.into(), port, Transport::Udp);
        name.map_or_else(String::new, |name| String::from_utf8_lossy(name.as_bytes()).into_owned())
    }

    #[test]
    fn a_service_is_learned_joined_forgotten_and_expires() {
        let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let mut services = LearnedServices::new(&Limits::default());
        services.learn(at(0), &learned(a, 2049, 100_003, "nfs"));
        services.learn(at(0), &learned(a, 2049, 100_227, "nfs_acl"));
        services.learn(at(0), &learned(a, 2049, 100_003, "nfs"));
        services.learn(at(0), &learned(a, 0, 100_005, "mountd"));
        services.learn(at(5), &learned(b, 900, 100_024, "status"));
        assert_eq!(name(&services, 1, a, 2049), "nfs/nfs_acl");
        assert_eq!(name(&services, 1, a, 0), "", "port 0 is no port");
        assert_eq!(services.name(at(1), a.into(), 2049, Transport::Tcp), None);
        assert_eq!(name(&services, DAY, a, 2049), "nfs/nfs_acl");
        assert_eq!(name(&services, DAY + 1, a, 2049), "");
        services.learn(at(6), &Fact::ServiceForgotten { server: b.into(), program: 100_024 });
        assert_eq!(name(&services, 7, b, 900), "");
    }

    #[test]
    fn the_newest_is_never_refused() {
        let limits = Limits { learned_servers: 2, learned_services_per_server: 2, ..Limits::default() };
        let mut services = LearnedServices::new(&limits);
        for host in 1..=3 {
            for port in 1..=3 {
                services.learn(at(0), &learned([10, 0, 0, host], port, 100_000 + u32::from(port), "x"));
            }
        }
        assert_eq!(services.servers.len(), 2);
        assert!(services.servers.values().all(|services| services.len() == 2));
        assert_eq!(name(&services, 0, [10, 0, 0, 3], 3), "x");
        assert_eq!(name(&services, 0, [10, 0, 0, 1], 3), "");
    }
}
