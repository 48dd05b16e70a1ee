//! The decision: whether a frame is handed to a worker, and under which counter it goes.

use crate::parse::{self, protocol};
use crate::ports::TUNNELS;
use crate::segments::tcp_header;
use crate::{
    Address, BypassReason, Bytes, Connection, Counter, Endpoint, Expectation, Fragment, FragmentKey, Network, Note,
    Packet, Rules, Status, Tables, Traffic, Transport, pair_hash,
};

/// What was found in a frame and what is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was found.
    pub packet: Packet,
    /// The counter that this frame goes under; [`Counter::redirects`] is the verdict.
    pub counter: Counter,
    /// The shard hash: of the quoted packet's addresses for [`Counter::IcmpError`], else of [`parse::steering`]'s; 0 when there are
    /// none, or when the verdict was clear without it.
    pub hash: u32,
}

/// TCP flags that always come up: FIN, SYN, RST.
const CONTROL: u8 = 0b111;

/// Decides about one frame.
#[inline(always)]
pub fn classify<B: Bytes + ?Sized, T: Tables>(frame: &B, tables: &mut T) -> Decision {
    match glance(frame, tables) {
        Some(decision) => decision,
        None => examine(frame, tables),
    }
}

/// The decision about nearly all traffic of a network, on the shortest way: untagged IPv4 without options, TCP or UDP, in one piece,
/// between ports that nobody watches, or between hosts of which certainly nothing is bypassed. `None` for every other frame; [`examine`]
/// would decide the same.
#[inline(always)]
pub fn glance<B: Bytes + ?Sized, T: Tables>(frame: &B, tables: &mut T) -> Option<Decision> {
    let (packet, transport) = plain(frame)?;
    let from = tables.interest(transport, packet.ports[0]);
    let to = tables.interest(transport, packet.ports[1]);
    if from.watched | to.watched {
        let [source, destination] = parse::ipv4_addresses(frame, packet.l3)?;
        let hash = pair_hash(tables.seed(), source, destination);
        return (!tables.may_bypass(hash)).then_some(Decision { packet, counter: Counter::Port, hash });
    }
    if from.expected | to.expected {
        return None;
    }
    if matches!(transport, Transport::Tcp) && is_control(frame, &packet) && has_company(tables) {
        return None;
    }
    Some(Decision { packet, counter: Counter::NoMatch, hash: 0 })
}

/// Untagged IPv4 without options, TCP or UDP, in one piece.
#[inline(always)]
fn plain<B: Bytes + ?Sized>(frame: &B) -> Option<(Packet, Transport)> {
    let &[_, _, _, _, _, _, _, _, _, _, _, _, k0, k1, first, _, l0, l1, i0, i1, f0, f1, _, protocol, ref rest @ ..] =
        frame.part::<38>(0)?;
    let &[_, _, _, _, _, _, _, _, _, _, s0, s1, d0, d1] = rest;
    let total = usize::from(u16::from_be_bytes([l0, l1]));
    if k0 != 0x08 || k1 != 0 || first != 0x45 || f0 & 0x3f != 0 || f1 != 0 || total < 24 {
        return None;
    }
    let transport = match protocol {
        protocol::TCP => Transport::Tcp,
        protocol::UDP => Transport::Udp,
        _ => return None,
    };
    let packet = Packet {
        status: Status::Complete,
        network: Network::V4,
        vlan: 0,
        l3: 14,
        l4: 34,
        end: 14 + total,
        protocol,
        fragment: Fragment::Whole,
        datagram: u32::from_be_bytes([0, protocol, i0, i1]),
        ports: [u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])],
    };
    Some((packet, transport))
}

/// The decision about any frame, header by header.
#[inline(always)]
pub fn examine<B: Bytes + ?Sized, T: Tables>(frame: &B, tables: &mut T) -> Decision {
    let packet = parse::parse(frame);
    let ports = Ends::of(frame, &packet, tables);
    if let Some(counter) = at_a_glance(&packet, &ports, tables.rules()) {
        return Decision { packet, counter, hash: 0 };
    }
    // A frame that could not be read to the end goes to the worker of its addresses, if it has any: the rest of a datagram whose
    // first fragment was cut short must meet it there.
    let Some(pair) = parse::addresses(frame, &packet) else {
        return Decision { packet, counter: refusal(packet.status), hash: 0 };
    };
    let [a, b] = parse::steering(frame, &packet, pair);
    let mut found = Found { packet, pair, ports, hash: pair_hash(tables.seed(), a, b) };
    let counter = match packet.status {
        Status::Complete => found.decide(frame, tables),
        status => refusal(status),
    };
    found.leave_note(tables, counter);
    Decision { packet, counter, hash: found.hash }
}

/// What the port table says about a packet's ports; nothing, if it has none.
#[derive(Clone, Copy)]
struct Ends {
    any: bool,
    transport: Transport,
    watched: bool,
    expected: [bool; 2],
    /// It opens or closes a connection, and there are hosts of which all such segments are wanted.
    accompanied: bool,
}

impl Ends {
    #[inline(always)]
    fn of<B: Bytes + ?Sized, T: Tables>(frame: &B, packet: &Packet, tables: &mut T) -> Self {
        let mut ends =
            Ends { any: false, transport: Transport::Tcp, watched: false, expected: [false; 2], accompanied: false };
        if packet.status != Status::Complete || packet.fragment == Fragment::Later {
            return ends;
        }
        match packet.protocol {
            protocol::TCP => {}
            protocol::UDP => ends.transport = Transport::Udp,
            _ => return ends,
        }
        let [from, to] = packet.ports;
        let (from, to) = (tables.interest(ends.transport, from), tables.interest(ends.transport, to));
        ends.any = true;
        ends.watched = from.watched | to.watched;
        ends.expected = [from.expected, to.expected];
        ends.accompanied = matches!(ends.transport, Transport::Tcp) && is_control(frame, packet) && has_company(tables);
        ends
    }
}

/// A packet with addresses, and what was learned about it on the way to a decision.
struct Found {
    packet: Packet,
    pair: [Address; 2],
    ports: Ends,
    hash: u32,
}

impl Found {
    #[inline(always)]
    fn decide<B: Bytes + ?Sized, T: Tables>(&mut self, frame: &B, tables: &mut T) -> Counter {
        if is_tunnel(&self.packet, tables.rules()) && !self.ports.watched {
            return Counter::Tunnel;
        }
        if self.packet.fragment == Fragment::Later {
            return self.follow_note(tables);
        }
        if self.ports.any {
            return self.by_port(frame, tables);
        }
        match quoted(frame, tables, &self.packet) {
            Some(hash) => {
                self.hash = hash;
                Counter::IcmpError
            }
            None => Counter::OtherProtocol,
        }
    }

    #[inline(always)]
    fn by_port<B: Bytes + ?Sized, T: Tables>(&self, frame: &B, tables: &mut T) -> Counter {
        let wanted = if self.ports.watched { Counter::Port } else { self.expected(frame, tables) };
        // What is not wanted of an expected connection is still counted, where somebody keeps an account of it.
        let accounted = wanted.redirects() || matches!(wanted, Counter::ControlOnly);
        if accounted && tables.may_bypass(self.hash) {
            return self.bypassed(frame, tables).unwrap_or(wanted);
        }
        wanted
    }

    #[inline(always)]
    fn expected<B: Bytes + ?Sized, T: Tables>(&self, frame: &B, tables: &mut T) -> Counter {
        // One key for all lookups: the kernel program's stack has no room for more.
        let mut key = Endpoint::company(self.hash);
        if self.ports.accompanied && tables.expectation(&key).is_some() {
            return Counter::Expected;
        }
        let mut mode = None;
        for ((expected, address), port) in self.ports.expected.iter().zip(self.pair).zip(self.packet.ports) {
            if mode.is_none() && *expected {
                key = Endpoint::new(self.ports.transport, address, port);
                mode = tables.expectation(&key).map(|expectation| expectation.mode);
            }
        }
        match mode {
            None => Counter::NoMatch,
            Some(Expectation::FULL) => Counter::Expected,
            Some(_) if self.is_control(frame) => Counter::Expected,
            Some(_) => Counter::ControlOnly,
        }
    }

    #[inline(always)]
    fn bypassed<B: Bytes + ?Sized, T: Tables>(&self, frame: &B, tables: &mut T) -> Option<Counter> {
        if self.is_control(frame) {
            return None;
        }
        let traffic = traffic(frame, &self.packet);
        // One key for both lookups, as above.
        let mut key = Connection::new(self.ports.transport, self.pair, self.packet.ports);
        let mut reason = tables.bypass(&key, 0, traffic);
        if reason.is_none() {
            key = key.swapped();
            reason = tables.bypass(&key, 1, traffic);
        }
        reason.map(BypassReason::counter)
    }

    #[inline(always)]
    fn is_control<B: Bytes + ?Sized>(&self, frame: &B) -> bool {
        self.ports.transport == Transport::Tcp && is_control(frame, &self.packet)
    }

    #[inline(always)]
    fn follow_note<T: Tables>(&self, tables: &mut T) -> Counter {
        match tables.note(&self.key()) {
            Some(Note::Follow) => Counter::Fragment,
            Some(Note::Skip) => Counter::FragmentNoMatch,
            Some(Note::Bypass) => Counter::BypassedFragment,
            None if tables.rules().has(Rules::UNKNOWN_FRAGMENTS) => Counter::Fragment,
            None => Counter::FragmentUnknown,
        }
    }

    #[inline(always)]
    fn leave_note<T: Tables>(&self, tables: &mut T, counter: Counter) {
        if self.packet.fragment == Fragment::First {
            let note = match counter {
                counter if counter.bypasses() => Note::Bypass,
                counter if counter.redirects() => Note::Follow,
                _ => Note::Skip,
            };
            tables.leave_note(&self.key(), note);
        }
    }

    #[inline(always)]
    const fn key(&self) -> FragmentKey {
        FragmentKey { source: self.pair[0], destination: self.pair[1], id: self.packet.datagram }
    }
}

/// The verdicts that need neither addresses nor tables: nearly all traffic of a network ends here.
#[inline(always)]
fn at_a_glance(packet: &Packet, ports: &Ends, rules: Rules) -> Option<Counter> {
    match packet.status {
        Status::NotIp => return Some(Counter::NotIp),
        Status::Complete => {}
        _ if rules.has(Rules::UNPARSED) => return None,
        status => return Some(dropped(status)),
    }
    if is_tunnel(packet, rules) || ports.watched | ports.expected[0] | ports.expected[1] | ports.accompanied {
        return None;
    }
    if ports.any {
        return (packet.fragment == Fragment::Whole).then_some(Counter::NoMatch);
    }
    (!may_matter(packet, rules)).then_some(Counter::OtherProtocol)
}

/// Whether a packet without ports may be wanted: an ICMP error, or part of a datagram that has ports in another part. In IPv4 the
/// header of each fragment names its protocol, in IPv6 only the last header of the first fragment does.
#[inline(always)]
fn may_matter(packet: &Packet, rules: Rules) -> bool {
    match (packet.network, packet.fragment) {
        (_, Fragment::Whole) => {
            rules.has(Rules::ICMP_ERRORS) && matches!(packet.protocol, protocol::ICMP | protocol::ICMPV6)
        }
        (Network::V4, _) => matches!(packet.protocol, protocol::TCP | protocol::UDP | protocol::AUTHENTICATION),
        _ => true,
    }
}

/// Whether a TCP segment opens or closes its connection. One whose flags are cut off is taken for such a segment: it comes up.
#[inline(always)]
fn is_control<B: Bytes + ?Sized>(frame: &B, packet: &Packet) -> bool {
    match frame.part::<1>(packet.l4 + 13) {
        Some(&[flags]) if packet.l4 + 14 <= packet.end => flags & CONTROL != 0,
        _ => true,
    }
}

/// Whether there are hosts of which every segment that opens or closes a connection is wanted: port 0 stands for it.
#[inline(always)]
fn has_company<T: Tables>(tables: &mut T) -> bool {
    tables.interest(Transport::Tcp, 0).expected
}

#[inline(always)]
fn is_tunnel(packet: &Packet, rules: Rules) -> bool {
    rules.has(Rules::TUNNELS)
        && match packet.protocol {
            protocol::IPV4 | protocol::IPV6 | protocol::GRE => true,
            protocol::UDP => packet.ports.iter().any(|port| TUNNELS.contains(port)),
            _ => false,
        }
}

/// What a packet adds to its connection's account.
#[inline(always)]
fn traffic<B: Bytes + ?Sized>(frame: &B, packet: &Packet) -> Traffic {
    let header = if packet.protocol == protocol::TCP { tcp_header(frame, packet) } else { 8 };
    let end = if packet.end > frame.length() { frame.length() } else { packet.end };
    Traffic {
        packets: 1,
        bytes: end.saturating_sub(packet.l3) as u64,
        payload: end.saturating_sub(packet.l4 + header) as u64,
    }
}

/// The hash of the packet that an ICMP "destination unreachable" quotes, if that packet has a watched port. It goes to the worker
/// that has the quoted connection, whoever sent the error.
#[inline(always)]
fn quoted<B: Bytes + ?Sized, T: Tables>(frame: &B, tables: &mut T, packet: &Packet) -> Option<u32> {
    if !tables.rules().has(Rules::ICMP_ERRORS) {
        return None;
    }
    let l3 = packet.l4 + 8;
    let &[kind, ..] = frame.part::<8>(packet.l4)?;
    let (transport, l4, network) = match (packet.network, packet.protocol, kind) {
        (Network::V4, protocol::ICMP, 3) => {
            let &[first, _, _, _, _, _, f0, f1, _, transport] = frame.part::<10>(l3)?;
            if u16::from_be_bytes([f0, f1]) & 0x1fff != 0 {
                return None;
            }
            (transport, l3 + usize::from(first & 0x0f) * 4, Network::V4)
        }
        (Network::V6, protocol::ICMPV6, 1) => {
            let &[_, _, _, _, _, _, transport] = frame.part::<7>(l3)?;
            (transport, l3 + 40, Network::V6)
        }
        _ => return None,
    };
    let transport = match transport {
        protocol::TCP => Transport::Tcp,
        protocol::UDP => Transport::Udp,
        _ => return None,
    };
    let &[a, b, c, d] = frame.part::<4>(l4)?;
    let watched = tables.interest(transport, u16::from_be_bytes([a, b])).watched
        | tables.interest(transport, u16::from_be_bytes([c, d])).watched;
    let pair = parse::addresses(frame, &Packet { l3, network, ..*packet })?;
    watched.then(|| pair_hash(tables.seed(), pair[0], pair[1]))
}

#[inline(always)]
const fn refusal(status: Status) -> Counter {
    match status {
        Status::ShortLink => Counter::ShortLink,
        Status::ShortNetwork => Counter::ShortNetwork,
        Status::BadNetwork => Counter::BadNetwork,
        Status::ShortExtension => Counter::ShortExtension,
        Status::ShortTransport => Counter::ShortTransport,
        _ => Counter::TooDeep,
    }
}

#[inline(always)]
const fn dropped(status: Status) -> Counter {
    match status {
        Status::ShortLink => Counter::DroppedShortLink,
        Status::ShortNetwork => Counter::DroppedShortNetwork,
        Status::BadNetwork => Counter::DroppedBadNetwork,
        Status::ShortExtension => Counter::DroppedShortExtension,
        Status::ShortTransport => Counter::DroppedShortTransport,
        _ => Counter::DroppedTooDeep,
    }
}
