//! Packets become Ethernet frames: headers, checksums, VLAN tags and IP fragments.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header, SingleVlanHeader,
    TcpHeader, UdpHeader, VlanId,
};

use crate::play::{Bent, Packet, Scene, Tcp};
use crate::talk::Side;

/// A frame as it was captured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WireFrame {
    /// When, in nanoseconds since 1970.
    pub at: u64,
    /// The captured bytes.
    pub bytes: Vec<u8>,
    /// Its length on the wire.
    pub wire_len: usize,
}

/// Every frame of these scenes, silences left out.
pub fn all(scenes: &[Scene]) -> Vec<WireFrame> {
    let packets = scenes.iter().filter_map(|scene| match scene {
        Scene::Packet(packet) => Some(packet),
        Scene::Silence(_) => None,
    });
    packets.enumerate().flat_map(|(number, packet)| frames(packet, number as u16)).collect()
}

/// The frame or frames of one packet; `number` becomes its IP identification.
pub fn frames(packet: &Packet, number: u16) -> Vec<WireFrame> {
    let Some((from, to)) = packet.endpoints else { return vec![cut(packet.at, packet.payload.clone(), &packet.bent)] };
    let (protocol, segment) = match &packet.tcp {
        Some(tcp) => (IpNumber::TCP, tcp_segment(from, to, tcp, &packet.payload)),
        None => (IpNumber::UDP, udp_datagram(from, to, &packet.payload)),
    };
    let segment = if packet.bent.bad_checksum { spoil_checksum(segment, protocol) } else { segment };
    let fragments = packet.bent.fragments;
    let size = fragments.map_or(segment.len().max(1), |fragments| fragments.size);
    let count = segment.len().div_ceil(size);
    let keep = fragments.map_or(count, |fragments| fragments.keep);
    let mut frames = Vec::new();
    for (index, piece) in segment.chunks(size).enumerate().take(keep) {
        let place = Place { offset: index * size, more: index + 1 < count, whole: fragments.is_none(), number };
        let mut bytes = link(packet.side, &packet.bent.vlan, from.is_ipv4());
        bytes.extend(ip(from.ip(), to.ip(), protocol, piece, &place));
        frames.push(cut(packet.at, bytes, &packet.bent));
    }
    if fragments.is_some_and(|fragments| fragments.reversed) {
        frames.reverse();
    }
    frames
}

/// Where a fragment belongs in its datagram.
struct Place {
    offset: usize,
    more: bool,
    whole: bool,
    number: u16,
}

fn cut(at: u64, mut bytes: Vec<u8>, bent: &Bent) -> WireFrame {
    bytes.truncate(bent.truncate.unwrap_or(usize::MAX));
    let wire_len = bytes.len();
    bytes.truncate(bent.snap.unwrap_or(usize::MAX));
    WireFrame { at, bytes, wire_len }
}

/// The client's station is 02:00:00:00:00:09, the server's 02:00:00:00:00:01.
fn link(side: Side, vlan: &[u16], ipv4: bool) -> Vec<u8> {
    let (client, server) = ([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1]);
    let (source, destination) = if side == Side::Client { (client, server) } else { (server, client) };
    let inner = if ipv4 { EtherType::IPV4 } else { EtherType::IPV6 };
    let tag_type = |depth: usize| match (depth, vlan.len() - depth) {
        (_, 0) => inner,
        (0, 2..) => EtherType::PROVIDER_BRIDGING,
        _ => EtherType::VLAN_TAGGED_FRAME,
    };
    let mut bytes = Ethernet2Header { source, destination, ether_type: tag_type(0) }.to_bytes().to_vec();
    for (depth, tag) in vlan.iter().enumerate() {
        let vlan_id = VlanId::try_new(*tag).unwrap_or_default();
        let header = SingleVlanHeader { vlan_id, ether_type: tag_type(depth + 1), ..SingleVlanHeader::default() };
        bytes.extend(header.to_bytes());
    }
    bytes
}

fn ip(from: IpAddr, to: IpAddr, protocol: IpNumber, payload: &[u8], place: &Place) -> Vec<u8> {
    let fragment_offset = IpFragOffset::try_new((place.offset / 8) as u16).unwrap_or_default();
    let mut bytes = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header =
                Ipv4Header::new(payload.len() as u16, 64, protocol, from.octets(), to.octets()).unwrap_or_default();
            header.identification = place.number;
            header.dont_fragment = place.whole;
            header.more_fragments = place.more;
            header.fragment_offset = fragment_offset;
            header.header_checksum = header.calc_header_checksum();
            header.to_bytes().to_vec()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => ipv6(from.octets(), to.octets(), protocol, payload.len(), place),
        _ => Vec::new(),
    };
    bytes.extend(payload);
    bytes
}

fn ipv6(source: [u8; 16], destination: [u8; 16], protocol: IpNumber, length: usize, place: &Place) -> Vec<u8> {
    let mut fragment = Vec::new();
    if !place.whole {
        let fragment_offset = IpFragOffset::try_new((place.offset / 8) as u16).unwrap_or_default();
        let header = Ipv6FragmentHeader::new(protocol, fragment_offset, place.more, u32::from(place.number));
        fragment.extend(header.to_bytes());
    }
    let header = Ipv6Header {
        payload_length: (length + fragment.len()) as u16,
        next_header: if place.whole { protocol } else { IpNumber::IPV6_FRAGMENTATION_HEADER },
        hop_limit: 64,
        source,
        destination,
        ..Ipv6Header::default()
    };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend(fragment);
    bytes
}

fn tcp_segment(from: SocketAddr, to: SocketAddr, tcp: &Tcp, payload: &[u8]) -> Vec<u8> {
    let has = |name: &str| tcp.flags.iter().any(|flag| flag == name);
    let mut header = TcpHeader::new(from.port(), to.port(), tcp.seq, tcp.window);
    header.acknowledgment_number = tcp.ack;
    (header.syn, header.ack, header.fin) = (has("syn"), has("ack"), has("fin"));
    (header.rst, header.psh, header.urg) = (has("rst"), has("psh"), has("urg"));
    // As a host sends it: the last byte is the urgent one, and the pointer is to the byte behind it.
    header.urgent_pointer = if header.urg { payload.len() as u16 } else { 0 };
    let checksum = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => header.calc_checksum_ipv4_raw(from.octets(), to.octets(), payload),
        (IpAddr::V6(from), IpAddr::V6(to)) => header.calc_checksum_ipv6_raw(from.octets(), to.octets(), payload),
        _ => Ok(0),
    };
    header.checksum = checksum.unwrap_or(0);
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend(payload);
    bytes
}

fn udp_datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = (from.port(), to.port());
    let header = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => UdpHeader::with_ipv4_checksum(
            source,
            destination,
            &Ipv4Header {
                source: from.octets(),
                destination: to.octets(),
                protocol: IpNumber::UDP,
                ..Ipv4Header::default()
            },
            payload,
        ),
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let ip = Ipv6Header { source: from.octets(), destination: to.octets(), ..Ipv6Header::default() };
            UdpHeader::with_ipv6_checksum(source, destination, &ip, payload)
        }
        _ => UdpHeader::without_ipv4_checksum(source, destination, payload.len()),
    };
    let mut bytes = header.map_or_else(|_| Vec::new(), |header| header.to_bytes().to_vec());
    bytes.extend(payload);
    bytes
}

fn spoil_checksum(mut segment: Vec<u8>, protocol: IpNumber) -> Vec<u8> {
    let at = if protocol == IpNumber::TCP { 16 } else { 6 };
    if let Some(byte) = segment.get_mut(at) {
        *byte ^= 0x55;
    }
    segment
}
