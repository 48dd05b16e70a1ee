//! What is counted of contacts: hosts, ports, low ports, portmappers.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::Contact;
use crate::collector::Detector;
use crate::config::Settings;
use crate::config::sets::{NetSet, PolicySets, PortSet, Thresholds};
use crate::flow::key::Transport;
use crate::keyed::Keyed;
use crate::policy::memory::Memory;
use crate::policy::notice::{About, Note, Notices};
use crate::policy::tally::{Rule, Source, Tally};
use crate::policy::words::put;
use crate::record::{ConnId, Fact, Record};
use crate::time::Timestamp;

/// The first port that needs no privilege.
const UNPRIVILEGED: u16 = 1024;
/// How long a scanner that was reported often enough is ignored: the manual's `ignored_scanners`.
const IGNORED: Duration = Duration::from_secs(86_400);

/// Counts the contacts that all workers have seen.
#[derive(Debug)]
pub struct Scans {
    tally: Tally,
    rules: Rules,
    ignored: Memory<Source, ()>,
    policy: ScanPolicy,
    notices: Notices,
    keyed: Keyed,
}

#[derive(Debug)]
struct Rules {
    /// Hosts by source: elsewhere, and ours.
    hosts: [Rule; 2],
    /// Ports on whatever hosts.
    all_ports: Rule,
    ports: Rule,
    /// The same, of a source that is not suspected yet.
    unsuspected_ports: Rule,
    low_ports: Rule,
    landmines: Rule,
    backscatter: Rule,
    portmappers: Rule,
}

/// What else the sets and settings say.
#[derive(Debug)]
struct ScanPolicy {
    report_peer_scan: Thresholds,
    shut_down_thresh: u32,
    possible_port_scan_thresh: u32,
    low_ports: bool,
    troll_skip_service: PortSet,
    landmines: Option<NetSet>,
    backscatter_ports: PortSet,
    ignore_scanners_threshold: u32,
    neighbor_nets: Vec<IpNet>,
    ipv6_prefix: u8,
}

/// By what contacts are counted. The hash of each is a subject of its own.
#[derive(Clone, Copy, Hash)]
enum By {
    Hosts(Source),
    AllPorts(Source),
    Ports(Source, IpAddr),
    LowPorts(Source),
    Landmines(Source),
    Backscatter(Source),
    Portmappers(Source),
}

/// The contact that is being counted.
struct Seen<'a> {
    at: Timestamp,
    id: &'a ConnId,
    contact: Contact,
    source: Source,
    /// Whether the source is ours.
    outbound: bool,
}

impl<'a> Seen<'a> {
    fn reached(&self, contact: Contact, n: u32) -> Reached<'a> {
        Reached { at: self.at, id: self.id, contact, n }
    }
}

/// What reached a threshold.
struct Reached<'a> {
    at: Timestamp,
    id: &'a ConnId,
    contact: Contact,
    n: u32,
}

impl Rules {
    fn new(window: Duration, sets: &PolicySets) -> Self {
        let rule = |thresholds: &Thresholds| Rule { window, thresholds: thresholds.clone(), up_to: 0 };
        let once = |number: u32| rule(&vec![number].into());
        let up_to = |number: u32| Rule { up_to: number, ..rule(&Thresholds::default()) };
        Rules {
            hosts: [rule(&sets.report_peer_scan.with(sets.shut_down_thresh)), rule(&sets.report_outbound_peer_scan)],
            all_ports: up_to(sets.possible_port_scan_thresh),
            ports: rule(&sets.report_port_scan),
            unsuspected_ports: up_to(sets.report_port_scan.highest()),
            low_ports: once(sets.priv_scan_trigger),
            landmines: once(sets.landmine_thresh_trigger),
            backscatter: rule(&sets.report_backscatter),
            portmappers: rule(&sets.report_portmapper_sweep),
        }
    }
}

impl Scans {
    /// Nothing contacted yet.
    pub fn new(settings: &Settings, sets: &PolicySets) -> Self {
        Scans {
            tally: Tally::new(&settings.limits),
            rules: Rules::new(Duration::from_secs(settings.scan.window_seconds.max(1)), sets),
            ignored: Memory::new(settings.limits.policy_hosts, settings.seed),
            policy: ScanPolicy {
                report_peer_scan: sets.report_peer_scan.clone(),
                shut_down_thresh: sets.shut_down_thresh,
                possible_port_scan_thresh: sets.possible_port_scan_thresh,
                low_ports: sets.activate_priv_port_check,
                troll_skip_service: sets.troll_skip_service.clone(),
                landmines: sets.activate_landmine_check.then(|| sets.landmine_address.clone()),
                backscatter_ports: sets.backscatter_ports.clone(),
                ignore_scanners_threshold: sets.ignore_scanners_threshold,
                neighbor_nets: settings.site.neighbor_nets.clone(),
                ipv6_prefix: settings.scan.ipv6_prefix,
            },
            notices: Notices::new(settings, Arc::default()),
            keyed: Keyed::new(settings.seed, "scan"),
        }
    }
}

impl Detector for Scans {
    fn on_fact(&mut self, at: Timestamp, fact: &Fact, raised: &mut Vec<Record>) {
        match fact {
            Fact::PeerContacted { id, established, reverse, outbound } => {
                let contact = Contact::new(&id.key, *reverse);
                let seen = Seen { at, id, contact, source: self.source(contact), outbound: *outbound };
                self.check_scan(&seen, *established, *reverse, raised);
            }
            Fact::PortmapperAsked { id } => self.portmapper_sweep(at, id, raised),
            _ => {}
        }
    }

    fn forgotten(&self) -> u64 {
        self.tally.forgotten() + self.ignored.forgotten()
    }
}

impl Scans {
    /// What is counted of a contact. An established connection says nothing of ports: whoever serves many of them means it.
    fn check_scan(&mut self, seen: &Seen<'_>, established: bool, reverse: bool, raised: &mut Vec<Record>) {
        if self.ignored.contains(seen.at, &seen.source) {
            return;
        }
        let Contact { transport, port, from, .. } = seen.contact;
        if reverse && port >= UNPRIVILEGED && self.policy.backscatter_ports.contains(transport, from) {
            return self.backscatter(seen, raised);
        }
        self.address_scan(seen, raised);
        self.landmine(seen, raised);
        if !established {
            self.port_scan(seen, raised);
            self.low_port_trolling(seen, raised);
        }
    }

    fn backscatter(&mut self, seen: &Seen<'_>, raised: &mut Vec<Record>) {
        let (source, Contact { peer, transport, from, .. }) = (seen.source, seen.contact);
        let (subject, thing) = (self.digest(&By::Backscatter(source)), self.digest(&peer));
        if let Some(n) = self.tally.count(seen.at, &self.rules.backscatter, subject, thing) {
            let contact = Contact { port: from, ..seen.contact };
            self.raise(Note::BackscatterSeen, &seen.reached(contact, n), raised, |out| {
                put(out, format_args!("backscatter seen from {source} ({n} hosts; {from}/{})", transport.name()));
            });
            self.ignore(seen, n);
        }
    }

    fn address_scan(&mut self, seen: &Seen<'_>, raised: &mut Vec<Record>) {
        let (source, contact) = (seen.source, seen.contact);
        let (subject, thing) = (self.digest(&By::Hosts(source)), self.digest(&contact.peer));
        let rule = &self.rules.hosts[usize::from(seen.outbound)];
        let Some(n) = self.tally.count(seen.at, rule, subject, thing) else { return };
        if !seen.outbound && n == self.policy.shut_down_thresh && !self.is_neighbor(contact) {
            self.raise(Note::ShutdownThresh, &seen.reached(contact, n), raised, |out| {
                put(out, format_args!("shutdown threshold reached for {source}"));
            });
        }
        if seen.outbound || self.policy.report_peer_scan.contains(n) {
            self.raise(Note::AddressScan, &seen.reached(contact, n), raised, |out| {
                let (port, transport) = (contact.port, contact.transport.name());
                put(out, format_args!("{source} has scanned {n} hosts ({port}/{transport})"));
            });
            self.ignore(seen, n);
        }
    }

    fn landmine(&mut self, seen: &Seen<'_>, raised: &mut Vec<Record>) {
        let (source, contact) = (seen.source, seen.contact);
        if !self.policy.landmines.as_ref().is_some_and(|landmines| landmines.contains(contact.peer)) {
            return;
        }
        let (subject, thing) = (self.digest(&By::Landmines(source)), self.digest(&contact.peer));
        if let Some(n) = self.tally.count(seen.at, &self.rules.landmines, subject, thing) {
            self.raise(Note::Landmine, &seen.reached(contact, n), raised, |out| {
                let (port, transport) = (contact.port, contact.transport.name());
                put(out, format_args!("landmine address trigger {source} {port}/{transport}"));
            });
        }
    }

    /// Ports count from the first on; the manual begins when the source is suspected, and misses those before.
    fn port_scan(&mut self, seen: &Seen<'_>, raised: &mut Vec<Record>) {
        let (source, contact) = (seen.source, seen.contact);
        let (peer, thing) = (contact.peer, self.digest(&(contact.transport, contact.port)));
        let subject = self.digest(&By::AllPorts(source));
        self.tally.count(seen.at, &self.rules.all_ports, subject, thing);
        let ports = self.tally.number(seen.at, &self.rules.all_ports, subject);
        let suspected = ports >= self.policy.possible_port_scan_thresh;
        let rule = if suspected { &self.rules.ports } else { &self.rules.unsuspected_ports };
        let subject = self.digest(&By::Ports(source, peer));
        if let Some(n) = self.tally.count(seen.at, rule, subject, thing) {
            self.raise(Note::PortScan, &seen.reached(contact, n), raised, |out| {
                put(out, format_args!("{source} has scanned {n} ports of {peer}"));
            });
        }
    }

    fn low_port_trolling(&mut self, seen: &Seen<'_>, raised: &mut Vec<Record>) {
        let (source, contact) = (seen.source, seen.contact);
        let Contact { transport, port, .. } = contact;
        let low = transport == Transport::Tcp && port < UNPRIVILEGED;
        let counts = self.policy.low_ports && low && !self.policy.troll_skip_service.contains(transport, port);
        if !counts || seen.outbound {
            return;
        }
        let (subject, thing) = (self.digest(&By::LowPorts(source)), self.digest(&port));
        let reached = self.tally.count(seen.at, &self.rules.low_ports, subject, thing);
        if let Some(n) = reached.filter(|_| !self.is_neighbor(contact)) {
            self.raise(Note::LowPortTrolling, &seen.reached(contact, n), raised, |out| {
                put(out, format_args!("low port trolling {source} {port}/{}", transport.name()));
            });
            self.ignore(seen, n);
        }
    }

    fn portmapper_sweep(&mut self, at: Timestamp, id: &ConnId, raised: &mut Vec<Record>) {
        let contact = Contact::new(&id.key, false);
        let (source, peer) = (self.source(contact), contact.peer);
        let (subject, thing) = (self.digest(&By::Portmappers(source)), self.digest(&peer));
        if let Some(n) = self.tally.count(at, &self.rules.portmappers, subject, thing) {
            self.raise(Note::PortmapperSweep, &Reached { at, id, contact, n }, raised, |out| {
                put(out, format_args!("{source} has asked the portmappers of {n} hosts (latest: {peer})"));
            });
        }
    }

    fn raise(&mut self, note: Note, reached: &Reached<'_>, raised: &mut Vec<Record>, words: impl FnOnce(&mut Vec<u8>)) {
        let Reached { at, contact, n, .. } = *reached;
        let about = About { src: Some(contact.source), dst: Some(contact.peer), detail: (u64::from(n), 0) };
        let Some(mut record) = self.notices.due(at, note, about, Some(reached.id), words) else { return };
        (record.src, record.dst, record.p) = (Some(contact.source), Some(contact.peer), Some(contact.port));
        record.n = Some(u64::from(n));
        raised.push(Record::Notice(record));
    }

    /// The manual's `ignore_scanners_threshold`: a source that was reported with more than that has been reported often enough.
    fn ignore(&mut self, seen: &Seen<'_>, n: u32) {
        let most = self.policy.ignore_scanners_threshold;
        if most > 0 && n > most {
            self.ignored.put(seen.at, seen.source, (), IGNORED);
        }
    }

    fn is_neighbor(&self, contact: Contact) -> bool {
        self.policy.neighbor_nets.iter().any(|net| net.contains(&contact.source))
    }

    fn source(&self, contact: Contact) -> Source {
        Source::of(contact.source, self.policy.ipv6_prefix)
    }

    fn digest(&self, what: &impl Hash) -> u64 {
        self.keyed.of(what)
    }
}
