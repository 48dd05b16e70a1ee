//! What is counted of contacts: hosts, ports, low ports, portmappers.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Contact;
use crate::collector::Detector;
use crate::config::Settings;
use crate::config::sets::{PolicySets, PortSet, Thresholds};
use crate::flow::key::Transport;
use crate::policy::memory::{hash_of, keys};
use crate::policy::notice::{About, Note, Notices};
use crate::policy::tally::{Rule, Source, Tally};
use crate::policy::words::put;
use crate::record::{ConnId, Fact, Record};
use crate::time::Timestamp;

/// The first port that needs no privilege.
const UNPRIVILEGED: u16 = 1024;

/// Counts the contacts that all workers have seen.
#[derive(Debug)]
pub struct Scans {
    tally: Tally,
    /// Hosts by source: elsewhere, and ours.
    hosts: [Rule; 2],
    ports: Rule,
    low_ports: Rule,
    portmappers: Rule,
    troll_skip_service: PortSet,
    ipv6_prefix: u8,
    notices: Notices,
    keys: (u64, u64),
}

/// By what contacts are counted. The hash of each is a subject of its own.
#[derive(Clone, Copy, Hash)]
enum By {
    Hosts(Source),
    Ports(Source, IpAddr),
    LowPorts(Source),
    Portmappers(Source),
}

/// What reached a threshold.
struct Reached<'a> {
    at: Timestamp,
    id: &'a ConnId,
    contact: Contact,
    n: u32,
}

impl Scans {
    /// Nothing contacted yet.
    pub fn new(settings: &Settings, sets: &PolicySets) -> Self {
        let window = Duration::from_secs(settings.scan.window_seconds.max(1));
        let rule = |thresholds: &Thresholds| Rule { window, thresholds: thresholds.clone(), up_to: 0 };
        Scans {
            tally: Tally::new(&settings.limits),
            hosts: [rule(&sets.report_peer_scan), rule(&sets.report_outbound_peer_scan)],
            ports: rule(&sets.report_port_scan),
            low_ports: rule(&vec![sets.priv_scan_trigger].into()),
            portmappers: rule(&sets.report_portmapper_sweep),
            troll_skip_service: sets.troll_skip_service.clone(),
            ipv6_prefix: settings.scan.ipv6_prefix,
            notices: Notices::new(settings, Arc::default()),
            keys: keys(settings.seed),
        }
    }
}

impl Detector for Scans {
    fn on_fact(&mut self, at: Timestamp, fact: &Fact, raised: &mut Vec<Record>) {
        match fact {
            Fact::PeerContacted { id, reverse, outbound } => {
                let contact = Contact::new(&id.key, *reverse);
                self.address_scan(at, id, contact, *outbound, raised);
                self.port_scan(at, id, contact, raised);
                self.low_port_trolling(at, id, contact, raised);
            }
            Fact::PortmapperAsked { id } => self.portmapper_sweep(at, id, raised),
            _ => {}
        }
    }

    fn forgotten(&self) -> u64 {
        self.tally.forgotten()
    }
}

impl Scans {
    fn address_scan(&mut self, at: Timestamp, id: &ConnId, contact: Contact, outbound: bool, raised: &mut Vec<Record>) {
        let source = self.source(contact);
        let (subject, thing) = (self.digest(&By::Hosts(source)), self.digest(&contact.peer));
        if let Some(n) = self.tally.count(at, &self.hosts[usize::from(outbound)], subject, thing) {
            self.raise(Note::AddressScan, &Reached { at, id, contact, n }, raised, |out| {
                let (port, transport) = (contact.port, contact.transport.name());
                put(out, format_args!("{source} has scanned {n} hosts ({port}/{transport})"));
            });
        }
    }

    fn port_scan(&mut self, at: Timestamp, id: &ConnId, contact: Contact, raised: &mut Vec<Record>) {
        let (source, peer) = (self.source(contact), contact.peer);
        let subject = self.digest(&By::Ports(source, peer));
        let thing = self.digest(&(contact.transport, contact.port));
        if let Some(n) = self.tally.count(at, &self.ports, subject, thing) {
            self.raise(Note::PortScan, &Reached { at, id, contact, n }, raised, |out| {
                put(out, format_args!("{source} has scanned {n} ports of {peer}"));
            });
        }
    }

    fn low_port_trolling(&mut self, at: Timestamp, id: &ConnId, contact: Contact, raised: &mut Vec<Record>) {
        let Contact { transport, port, .. } = contact;
        let low = transport == Transport::Tcp && port < UNPRIVILEGED;
        if !low || self.troll_skip_service.contains(transport, port) {
            return;
        }
        let source = self.source(contact);
        let (subject, thing) = (self.digest(&By::LowPorts(source)), self.digest(&port));
        if let Some(n) = self.tally.count(at, &self.low_ports, subject, thing) {
            self.raise(Note::LowPortTrolling, &Reached { at, id, contact, n }, raised, |out| {
                put(out, format_args!("low port trolling {source} {port}/{}", transport.name()));
            });
        }
    }

    fn portmapper_sweep(&mut self, at: Timestamp, id: &ConnId, raised: &mut Vec<Record>) {
        let contact = Contact::new(&id.key, false);
        let (source, peer) = (self.source(contact), contact.peer);
        let (subject, thing) = (self.digest(&By::Portmappers(source)), self.digest(&peer));
        if let Some(n) = self.tally.count(at, &self.portmappers, subject, thing) {
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

    fn source(&self, contact: Contact) -> Source {
        Source::of(contact.source, self.ipv6_prefix)
    }

    fn digest(&self, what: &impl Hash) -> u64 {
        hash_of(self.keys, what)
    }
}
