//! Scans of what is watched: the manual's `check_scan`, and sweeps over portmappers. A worker says which contacts count, and what it
//! has not said lately; they are counted where those of all workers meet.

mod detector;
#[cfg(test)]
mod tests;

pub use self::detector::Scans;

use std::net::IpAddr;
use std::time::Duration;

use super::hot::{judged, once};
use super::memory::Memory;
use super::{Policy, Seen};
use crate::analyzers::Service;
use crate::config::{PortSpec, Settings};
use crate::flow::EndpointState;
use crate::flow::key::{FlowKey, Transport};
use crate::record::{Fact, Message};
use crate::time::Timestamp;

/// What a worker has told lately.
#[derive(Debug)]
pub(super) struct Contacts {
    /// By who contacts whom on which port; what was told of them, until when.
    told: Memory<(IpAddr, IpAddr, u16), [Timestamp; KINDS]>,
    keep: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Contact { transport: Transport, established: bool },
    PortmapperCall,
}

const KINDS: usize = 5;

impl Kind {
    fn place(self) -> usize {
        match self {
            Kind::Contact { transport, established } => transport as usize * 2 + usize::from(established),
            Kind::PortmapperCall => KINDS - 1,
        }
    }
}

impl Contacts {
    pub fn new(settings: &Settings) -> Self {
        let keep = Duration::from_secs(settings.scan.retell_seconds);
        Contacts { told: Memory::new(settings.limits.policy_hosts, settings.seed), keep }
    }

    pub fn forgotten(&self) -> u64 {
        self.told.forgotten()
    }
}

/// Who contacts whom, and for which service.
#[derive(Clone, Copy)]
struct Contact {
    source: IpAddr,
    peer: IpAddr,
    transport: Transport,
    port: u16,
    /// From where: the manual's `rev_service`, if the contact is reverse.
    from: u16,
}

impl Contact {
    fn new(key: &FlowKey, reverse: bool) -> Self {
        if reverse {
            let (source, peer, port, from) = (key.resp_h, key.orig_h, key.orig_p, key.resp_p);
            Contact { source, peer, transport: key.transport, port, from }
        } else {
            let (source, peer, port, from) = (key.orig_h, key.resp_h, key.resp_p, key.orig_p);
            Contact { source, peer, transport: key.transport, port, from }
        }
    }
}

impl Policy {
    /// The manual's `check_scan`. Its `reverse` says that the responder is the one who scans.
    pub(super) fn check_scan(&mut self, seen: &mut Seen<'_>, established: bool, reverse: bool) {
        let contact = Contact::new(&seen.conn.id.key, reverse);
        // An FTP data connection goes where both sides agreed that it goes: the manual takes it for an allowed service.
        let expected = seen.conn.service == Some(Service::FtpData);
        let kind = Kind::Contact { transport: contact.transport, established };
        if !expected && self.are_news(seen, contact, [kind]) == [true] {
            self.tell_contact(seen, contact, established, reverse);
        }
    }

    fn tell_contact(&self, seen: &Seen<'_>, contact: Contact, established: bool, reverse: bool) {
        if !self.is_no_scan(contact, established) {
            let outbound = self.is_local_addr(contact.source);
            let fact = Fact::PeerContacted { id: seen.conn.id, established, reverse, outbound };
            self.outbox.push(Message::fact(seen.now, fact));
        }
    }

    /// The same when a TCP connection comes about, is refused or gets no answer. An originator in the state `reverse` says that the
    /// responder is the one who scans.
    pub(super) fn check_scan_of_connection(
        &mut self,
        seen: &mut Seen<'_>,
        established: bool,
        reverse: Option<EndpointState>,
    ) {
        if seen.conn.id.key.transport == Transport::Tcp {
            self.check_scan(seen, established, reverse == Some(seen.conn.orig.state));
        }
    }

    /// The same when a portmapper was asked something, over UDP (connections over TCP have been counted), and a sweep over portmappers.
    pub(super) fn check_scan_of_portmapper(&mut self, seen: &mut Seen<'_>, answered: bool) {
        if !once(seen.conn, if answered { judged::ANSWERED_CALL } else { judged::FAILED_CALL }) {
            return;
        }
        let contact = Contact::new(&seen.conn.id.key, false);
        let is_call = if contact.transport == Transport::Udp {
            let kind = Kind::Contact { transport: contact.transport, established: answered };
            let [is_contact, is_call] = self.are_news(seen, contact, [kind, Kind::PortmapperCall]);
            if is_contact {
                self.tell_contact(seen, contact, answered, false);
            }
            is_call
        } else {
            self.are_news(seen, contact, [Kind::PortmapperCall]) == [true]
        };
        let trusted = || self.sets.suppress_scan_checks || self.sets.RPC_okay_nets.contains(contact.source);
        if is_call && !trusted() {
            self.outbox.push(Message::fact(seen.now, Fact::PortmapperAsked { id: seen.conn.id }));
        }
    }

    /// Whether the sets say that this is nothing to count.
    fn is_no_scan(&self, contact: Contact, established: bool) -> bool {
        let Contact { source, peer, transport, port, .. } = contact;
        let sets = &self.sets;
        let allowed = sets.allow_services.contains(transport, port);
        let outbound = || self.is_local_addr(source);
        let is_service = |spec: &PortSpec| spec.0 == (transport, port);
        sets.suppress_scan_checks
            || (sets.suppress_UDP_scan_checks && transport == Transport::Udp)
            || (established && allowed)
            || sets.skip_services.contains(transport, port)
            || ((allowed || sets.skip_outbound_services.contains(transport, port)) && outbound())
            || !(sets.analyze_all_services || sets.analyze_services.contains(transport, port))
            || sets.skip_scan_sources.contains(source)
            || sets.skip_scan_nets.contains(source)
            || sets.skip_dest_server_ports.any(peer, is_service)
    }

    /// Which of these were not told lately; from now on, they were. One look for all of them: every flow to a portmapper asks.
    fn are_news<const N: usize>(&mut self, seen: &Seen<'_>, contact: Contact, kinds: [Kind; N]) -> [bool; N] {
        let Contacts { told, keep } = &mut self.contacts;
        let key = (contact.source, contact.peer, contact.port);
        let told = told.renew(seen.now, key, *keep, || [Timestamp::ZERO; KINDS]);
        kinds.map(|kind| {
            let Some(until) = told.get_mut(kind.place()) else { return false };
            let is_news = *until <= seen.now;
            if is_news {
                *until = seen.now + *keep;
            }
            is_news
        })
    }
}
