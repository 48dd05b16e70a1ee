//! From a frame's bytes to addresses, protocol, ports and fragment: no tables, no settings.

use crate::Address;

/// A frame to read from. Nothing outside it can be read, whatever offset is asked for.
pub trait Bytes {
    /// Length of the frame on the wire, which may be more than can be read.
    fn length(&self) -> usize;

    /// `N` bytes from offset `at`, if all of them are there.
    fn part<const N: usize>(&self, at: usize) -> Option<&[u8; N]>;

    /// The same offset, which is below `bound`, a power of two. The kernel's verifier follows each way to an offset separately
    /// until it is told to forget the way; nobody else needs this.
    #[inline(always)]
    fn forget_way(&self, offset: usize, _bound: usize) -> usize {
        offset
    }
}

impl Bytes for [u8] {
    #[inline]
    fn length(&self) -> usize {
        self.len()
    }

    #[inline]
    fn part<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        self.get(at..)?.first_chunk()
    }
}

/// What was found in a frame. Fields that `status` does not vouch for are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// How far reading came.
    pub status: Status,
    /// Which addresses there are.
    pub network: Network,
    /// Tag control information of the outermost VLAN tag, or 0.
    pub vlan: u16,
    /// Offset of the IP header.
    pub l3: usize,
    /// Offset of the transport header, or of a later fragment's data.
    pub l4: usize,
    /// Where the IP packet ends, by its own length; never before `l4`. A packet of length 0, as segmentation offload makes them, ends with the frame.
    pub end: usize,
    /// Transport protocol by its IP number.
    pub protocol: u8,
    /// Whether this is part of a datagram.
    pub fragment: Fragment,
    /// What identifies a fragment's datagram between its two hosts. In IPv4 the identification and, in the upper half, the protocol of
    /// the IP header (RFC 791, section 3.2); in IPv6 the identification (RFC 8200, section 4.5).
    pub datagram: u32,
    /// Source and destination port of TCP and UDP.
    pub ports: [u16; 2],
}

/// How far reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Everything that the protocol has: with ports, if it is TCP or UDP and not a later fragment.
    Complete,
    /// No IP packet inside.
    NotIp,
    /// The Ethernet header, a VLAN tag or an MPLS label is cut off.
    ShortLink,
    /// The IP header is cut off.
    ShortNetwork,
    /// The IP header contradicts itself: its version, its header length, a total length that does not cover the header.
    BadNetwork,
    /// An extension header is cut off, by the frame or by the packet's length.
    ShortExtension,
    /// The ports are cut off, by the frame or by the packet's length.
    ShortTransport,
    /// More VLAN tags, MPLS labels or extension headers than are followed, or a fragment of a fragment.
    TooDeep,
}

/// Which addresses a packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// None that could be read.
    Unknown,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Whether a packet is part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// All of it (IPv6 "atomic fragments" included, RFC 6946).
    Whole,
    /// Its beginning.
    First,
    /// A part without the transport header.
    Later,
}

/// IP protocol numbers that the decision knows.
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP.
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IP.
    pub const IPV6: u8 = 41;
    /// Generic Routing Encapsulation.
    pub const GRE: u8 = 47;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(crate) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION: u8 = 60;
}

/// How many VLAN tags, MPLS labels and extension headers are followed.
pub const MAX_TAGS: usize = 2;
/// See [`MAX_TAGS`].
pub const MAX_LABELS: usize = 4;
/// See [`MAX_TAGS`].
pub const MAX_EXTENSIONS: usize = 6;

// The bounds that `read` gives for offsets: 14 bytes of Ethernet, tags and labels; then an IPv4 header of at most 60 bytes (IPv6 has
// 40) and the extension headers.
const _: () = assert!(14 + 4 * MAX_TAGS + 4 * MAX_LABELS < 64 && 64 + 60 + 2048 * MAX_EXTENSIONS < 16_384);

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const MPLS: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;

/// Reads a frame that begins with an Ethernet header.
#[inline(always)]
pub fn parse<B: Bytes + ?Sized>(frame: &B) -> Packet {
    let mut packet = Packet::nothing();
    packet.status = match read(frame, &mut packet) {
        Ok(()) => Status::Complete,
        Err(status) => status,
    };
    packet
}

/// Both addresses of a packet, source first, or `None` when it has none that could be read.
#[inline(always)]
pub fn addresses<B: Bytes + ?Sized>(frame: &B, packet: &Packet) -> Option<[Address; 2]> {
    match packet.network {
        Network::Unknown => None,
        Network::V4 => ipv4_addresses(frame, packet.l3),
        Network::V6 => ipv6_addresses(frame, packet.l3),
    }
}

/// The addresses that choose a packet's shard: of the packet inside, if this is a whole packet of IP in IP, else its own, which are
/// given. The two directions of a connection may come through different tunnels, as with 6to4 relays (RFC 3068).
#[inline(always)]
pub fn steering<B: Bytes + ?Sized>(frame: &B, packet: &Packet, own: [Address; 2]) -> [Address; 2] {
    if !matches!((packet.status, packet.fragment), (Status::Complete, Fragment::Whole)) {
        return own;
    }
    let inside = match packet.protocol {
        protocol::IPV4 if has_version(frame, packet.l4, 4) => ipv4_addresses(frame, packet.l4),
        protocol::IPV6 if has_version(frame, packet.l4, 6) => ipv6_addresses(frame, packet.l4),
        _ => None,
    };
    inside.unwrap_or(own)
}

#[inline(always)]
fn has_version<B: Bytes + ?Sized>(frame: &B, l3: usize, version: u8) -> bool {
    matches!(frame.part::<1>(l3), Some(&[first]) if first >> 4 == version)
}

/// The addresses of the IPv4 header at `l3`.
#[inline(always)]
pub(crate) fn ipv4_addresses<B: Bytes + ?Sized>(frame: &B, l3: usize) -> Option<[Address; 2]> {
    let &[a, b, c, d, e, f, g, h] = frame.part::<8>(l3 + 12)?;
    Some([Address::v4([a, b, c, d]), Address::v4([e, f, g, h])])
}

/// The addresses of the IPv6 header at `l3`.
#[inline(always)]
pub(crate) fn ipv6_addresses<B: Bytes + ?Sized>(frame: &B, l3: usize) -> Option<[Address; 2]> {
    Some([Address::v6(*frame.part(l3 + 8)?), Address::v6(*frame.part(l3 + 24)?)])
}

impl Packet {
    #[inline(always)]
    const fn nothing() -> Self {
        Packet {
            status: Status::NotIp,
            network: Network::Unknown,
            vlan: 0,
            l3: 0,
            l4: 0,
            end: 0,
            protocol: 0,
            fragment: Fragment::Whole,
            datagram: 0,
            ports: [0, 0],
        }
    }
}

/// One header after the other; each of these functions is called here and nowhere else, because all of them are inlined.
#[inline(always)]
fn read<B: Bytes + ?Sized>(frame: &B, packet: &mut Packet) -> Result<(), Status> {
    let network = read_link(frame, packet)?;
    packet.l3 = frame.forget_way(packet.l3, 64);
    match network {
        Network::V4 => read_ipv4(frame, packet)?,
        _ => read_ipv6(frame, packet)?,
    }
    if is_extension(packet.network, packet.protocol) && !matches!(packet.fragment, Fragment::Later) {
        read_extensions(frame, packet)?;
    }
    packet.l4 = frame.forget_way(packet.l4, 16_384);
    let has_ports = matches!(packet.protocol, protocol::TCP | protocol::UDP);
    if has_ports && !matches!(packet.fragment, Fragment::Later) { read_ports(frame, packet) } else { Ok(()) }
}

#[inline(always)]
fn read_link<B: Bytes + ?Sized>(frame: &B, packet: &mut Packet) -> Result<Network, Status> {
    let &[_, _, _, _, _, _, _, _, _, _, _, _, a, b] = frame.part::<14>(0).ok_or(Status::ShortLink)?;
    let mut kind = u16::from_be_bytes([a, b]);
    packet.l3 = 14;
    for _ in 0..MAX_TAGS {
        if !is_tag(kind) {
            break;
        }
        let &[a, b, c, d] = frame.part::<4>(packet.l3).ok_or(Status::ShortLink)?;
        if packet.l3 == 14 {
            packet.vlan = u16::from_be_bytes([a, b]);
        }
        kind = u16::from_be_bytes([c, d]);
        packet.l3 += 4;
    }
    match kind {
        IPV4 => Ok(Network::V4),
        IPV6 => Ok(Network::V6),
        MPLS | MPLS_MULTICAST => read_labels(frame, packet),
        _ if is_tag(kind) => Err(Status::TooDeep),
        _ => Err(Status::NotIp),
    }
}

/// 802.1Q, 802.1ad, and the value that QinQ equipment used before 802.1ad.
#[inline(always)]
const fn is_tag(kind: u16) -> bool {
    matches!(kind, 0x8100 | 0x88a8 | 0x9100)
}

/// MPLS (RFC 3032) does not say what it carries; the first nibble does, as routers themselves guess it (RFC 4928, section 2).
#[inline(always)]
fn read_labels<B: Bytes + ?Sized>(frame: &B, packet: &mut Packet) -> Result<Network, Status> {
    for _ in 0..MAX_LABELS {
        let &[_, _, c, _] = frame.part::<4>(packet.l3).ok_or(Status::ShortLink)?;
        packet.l3 += 4;
        if c & 1 != 0 {
            let &[first] = frame.part::<1>(packet.l3).ok_or(Status::ShortNetwork)?;
            return match first >> 4 {
                4 => Ok(Network::V4),
                6 => Ok(Network::V6),
                _ => Err(Status::NotIp),
            };
        }
    }
    Err(Status::TooDeep)
}

#[inline(always)]
fn read_ipv4<B: Bytes + ?Sized>(frame: &B, packet: &mut Packet) -> Result<(), Status> {
    let &[first, _, l0, l1, i0, i1, f0, f1, _, protocol, ..] =
        frame.part::<20>(packet.l3).ok_or(Status::ShortNetwork)?;
    let header = usize::from(first & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([l0, l1]));
    packet.network = Network::V4;
    if first >> 4 != 4 || header < 20 || (total < header && total != 0) {
        return Err(Status::BadNetwork);
    }
    packet.l4 = packet.l3 + header;
    packet.end = packet.l3 + if total == 0 { frame.length() } else { total };
    packet.protocol = protocol;
    let offset = u16::from_be_bytes([f0, f1]);
    packet.datagram = u32::from_be_bytes([0, protocol, i0, i1]);
    if offset & 0x1fff != 0 {
        packet.fragment = Fragment::Later;
    } else if offset & 0x2000 != 0 {
        packet.fragment = Fragment::First;
    }
    Ok(())
}

#[inline(always)]
fn read_ipv6<B: Bytes + ?Sized>(frame: &B, packet: &mut Packet) -> Result<(), Status> {
    let &[first, _, _, _, l0, l1, next, ..] = frame.part::<40>(packet.l3).ok_or(Status::ShortNetwork)?;
    packet.network = Network::V6;
    if first >> 4 != 6 {
        return Err(Status::BadNetwork);
    }
    let payload = usize::from(u16::from_be_bytes([l0, l1]));
    packet.l4 = packet.l3 + 40;
    packet.end = packet.l4 + if payload == 0 { frame.length() } else { payload };
    packet.protocol = next;
    Ok(())
}

/// The headers between the IP header and the transport: RFC 8200 section 4, and RFC 4302 for AH, which IPv4 has too.
#[inline(always)]
const fn is_extension(network: Network, protocol: u8) -> bool {
    match protocol {
        protocol::AUTHENTICATION => true,
        protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION | protocol::FRAGMENT => {
            matches!(network, Network::V6)
        }
        _ => false,
    }
}

#[inline(always)]
fn read_extensions<B: Bytes + ?Sized>(frame: &B, packet: &mut Packet) -> Result<(), Status> {
    for _ in 0..MAX_EXTENSIONS {
        let kind = packet.protocol;
        let &[next, length, f0, f1, i0, i1, i2, i3] = frame.part::<8>(packet.l4).ok_or(Status::ShortExtension)?;
        packet.protocol = next;
        packet.l4 += match kind {
            protocol::FRAGMENT => 8,
            protocol::AUTHENTICATION => (usize::from(length) + 2) * 4,
            _ => (usize::from(length) + 1) * 8,
        };
        if packet.l4 > packet.end {
            return Err(Status::ShortExtension);
        }
        if kind == protocol::FRAGMENT {
            let (is_later, has_more) = (f0 != 0 || f1 & 0xf8 != 0, f1 & 1 != 0);
            if is_later || has_more {
                if matches!(packet.fragment, Fragment::First) {
                    return Err(Status::TooDeep);
                }
                packet.fragment = if is_later { Fragment::Later } else { Fragment::First };
                packet.datagram = u32::from_be_bytes([i0, i1, i2, i3]);
            }
        }
        if matches!(packet.fragment, Fragment::Later) || !is_extension(packet.network, packet.protocol) {
            return Ok(());
        }
    }
    Err(Status::TooDeep)
}

#[inline(always)]
fn read_ports<B: Bytes + ?Sized>(frame: &B, packet: &mut Packet) -> Result<(), Status> {
    let &[a, b, c, d] = frame.part::<4>(packet.l4).ok_or(Status::ShortTransport)?;
    if packet.l4 + 4 > packet.end {
        return Err(Status::ShortTransport);
    }
    packet.ports = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    Ok(())
}
