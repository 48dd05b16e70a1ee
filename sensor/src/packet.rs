//! From a frame to a packet: links, tunnels and headers taken off, every way to fail named. The door to etherparse.

pub mod forge;
mod link;
mod plain;
mod transport;
mod tunnel;

use std::net::IpAddr;

use etherparse::{
    IpAuthHeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice,
};

use crate::capture::Frame;
use crate::config::DecodeSettings;
use crate::flow::key::{FlowKey, Transport};

/// Tunnels inside tunnels that are followed; what is deeper is not looked at.
const MAX_TUNNELS: u8 = 4;

/// IPv6 extension headers that are skipped; a longer chain is malformed.
const MAX_EXTENSIONS: usize = 8;

/// What an IP header says, and what the frame wrapped it in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ip {
    /// Sender.
    pub src: IpAddr,
    /// Addressee.
    pub dst: IpAddr,
    /// Bytes on the wire from this header on, as the header counts them.
    pub len: usize,
    /// The outermost VLAN, if the frame had a tag.
    pub vlan: Option<u16>,
    /// How many tunnels were taken off.
    pub tunnels: u8,
}

/// A decoded packet: the innermost one.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its IP header.
    pub ip: Ip,
    /// What it carries.
    pub body: Body<'a>,
    /// An oddity that did not keep it from being decoded; a weird's name.
    pub oddity: Option<&'static str>,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each variant is its type")]
pub enum Body<'a> {
    Tcp(Segment<'a>),
    Udp(Datagram<'a>),
    Fragment(Fragment<'a>),
}

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Sender's port.
    pub src_port: u16,
    /// Addressee's port.
    pub dst_port: u16,
    /// Sequence number of the first byte, or of the SYN.
    pub seq: u32,
    /// Acknowledgement number; meaningful with [`Flags::ack`].
    pub ack: u32,
    /// Control bits, as the header has them: what [`Segment::flags`] takes apart.
    pub control: u8,
    /// How far behind the first byte urgent data ends; meaningful with [`Flags::urg`].
    pub urgent: u16,
    /// The window as it was sent, not scaled.
    pub window: u16,
    /// The window scale option of a SYN.
    pub window_scale: Option<u8>,
    /// Payload as far as it was captured.
    pub payload: &'a [u8],
    /// Length of the payload on the wire.
    pub payload_len: usize,
}

/// TCP's control bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[expect(missing_docs, reason = "RFC 9293 section 3.1")]
pub struct Flags {
    pub syn: bool,
    pub ack: bool,
    pub fin: bool,
    pub rst: bool,
    pub urg: bool,
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Sender's port.
    pub src_port: u16,
    /// Addressee's port.
    pub dst_port: u16,
    /// Payload as far as it was captured.
    pub payload: &'a [u8],
    /// Length of the payload on the wire.
    pub payload_len: usize,
}

/// One piece of an IP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// The datagram's identification.
    pub id: u32,
    /// The protocol of the whole datagram (of the first fragment, for IPv6).
    pub protocol: u8,
    /// Where this piece belongs, in bytes.
    pub offset: usize,
    /// Whether this is not the last piece.
    pub more: bool,
    /// Whether the sender forbade fragmentation, and yet it is one.
    pub dont_fragment: bool,
    /// Bytes of headers before the piece.
    pub header_len: usize,
    /// The piece.
    pub payload: &'a [u8],
    /// Its length on the wire.
    pub payload_len: usize,
}

/// Why a frame is no packet for us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The one reason that it is counted under.
    pub reason: Reason,
    /// Sender and addressee, if the IP header was readable.
    pub hosts: Option<(IpAddr, IpAddr)>,
    /// The weird's name, for reasons that have one.
    pub weird: Option<&'static str>,
}

/// The reasons of [`Refused`], one counter each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// An ICMP message.
    Icmp,
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// IP, but neither TCP, UDP nor ICMP.
    OtherProtocol,
    /// Shorter than its headers say, or cut by the capture before they end.
    Truncated,
    /// Headers that contradict themselves.
    Malformed,
    /// A checksum that does not fit.
    BadChecksum,
}

/// Captured bytes, and how many there were on the wire.
#[derive(Clone, Copy, Debug)]
struct Bytes<'a> {
    captured: &'a [u8],
    wire: usize,
}

/// Where the decoder stands: what it has taken off already.
#[derive(Clone, Copy)]
struct Depth {
    vlan: Option<u16>,
    tunnels: u8,
    checksums: bool,
    max_tunnels: u8,
}

type Decoded<'a> = Result<Packet<'a>, Refused>;

/// Takes a frame apart.
#[inline]
pub fn decode<'a>(frame: &Frame<'a>, settings: &DecodeSettings) -> Decoded<'a> {
    match (!settings.checksums).then(|| plain::decode(frame)).flatten() {
        Some(packet) => Ok(packet),
        None => decode_in_full(frame, settings),
    }
}

fn decode_in_full<'a>(frame: &Frame<'a>, settings: &DecodeSettings) -> Decoded<'a> {
    let bytes = Bytes { captured: frame.bytes, wire: frame.wire_len.max(frame.bytes.len()) };
    let network = link::network(frame.link, bytes)?;
    decode_ip(network.bytes, Depth::new(network.vlan, 0, settings))
}

/// Goes on where [`Body::Fragment`] stopped, with the whole datagram.
pub fn decode_datagram<'a>(ip: Ip, protocol: u8, payload: &'a [u8], settings: &DecodeSettings) -> Decoded<'a> {
    let depth = Depth::new(ip.vlan, ip.tunnels, settings);
    decode_payload(ip, protocol, Bytes { captured: payload, wire: payload.len() }, depth)
}

impl Depth {
    fn new(vlan: Option<u16>, tunnels: u8, settings: &DecodeSettings) -> Self {
        let max_tunnels = if settings.tunnels { MAX_TUNNELS } else { 0 };
        Depth { vlan, tunnels, checksums: settings.checksums, max_tunnels }
    }
}

impl<'a> Bytes<'a> {
    /// Without the first `n` bytes; `None` if they were not captured.
    fn skip(self, n: usize) -> Option<Bytes<'a>> {
        Some(Bytes { captured: self.captured.get(n..)?, wire: self.wire.checked_sub(n)? })
    }

    /// Only the first `n` bytes of what was on the wire.
    fn limit(self, n: usize) -> Bytes<'a> {
        Bytes { captured: self.captured.get(..n).unwrap_or(self.captured), wire: self.wire.min(n) }
    }

    /// A big-endian number of two bytes.
    fn u16(self, at: usize) -> Option<u16> {
        let bytes = self.captured.get(at..at.checked_add(2)?)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    }

    fn u8(self, at: usize) -> Option<u8> {
        self.captured.get(at).copied()
    }

    /// Whether the capture has less than the wire had.
    fn is_cut(self) -> bool {
        self.captured.len() < self.wire
    }

    /// The refusal for a header that does not fit: cut by the capture, or never there.
    fn too_short(self, hosts: Option<(IpAddr, IpAddr)>) -> Refused {
        let weird = match (hosts, self.is_cut()) {
            (None, _) => "truncated_IP",
            (Some(_), true) => "internally_truncated_header",
            (Some(_), false) => "truncated_header",
        };
        Refused { reason: Reason::Truncated, hosts, weird: Some(weird) }
    }
}

impl Ip {
    fn hosts(&self) -> Option<(IpAddr, IpAddr)> {
        Some((self.src, self.dst))
    }
}

const fn refuse(reason: Reason, hosts: Option<(IpAddr, IpAddr)>, weird: &'static str) -> Refused {
    Refused { reason, hosts, weird: Some(weird) }
}

const fn quietly(reason: Reason, hosts: Option<(IpAddr, IpAddr)>) -> Refused {
    Refused { reason, hosts, weird: None }
}

fn decode_ip(bytes: Bytes<'_>, depth: Depth) -> Decoded<'_> {
    match bytes.u8(0).map(|first| first >> 4) {
        Some(4) => decode_ipv4(bytes, depth),
        Some(6) => decode_ipv6(bytes, depth),
        Some(_) => Err(refuse(Reason::NotIp, None, "non_IPv4_packet")),
        None => Err(bytes.too_short(None)),
    }
}

fn decode_ipv4(bytes: Bytes<'_>, depth: Depth) -> Decoded<'_> {
    let Ok(header) = Ipv4HeaderSlice::from_slice(bytes.captured) else {
        let malformed = bytes.captured.len() >= 20 && bytes.u8(0).is_some_and(|first| first & 15 < 5);
        return Err(if malformed { refuse(Reason::Malformed, None, "truncated_IP") } else { bytes.too_short(None) });
    };
    let header_len = header.slice().len();
    let (src, dst) = (IpAddr::V4(header.source_addr()), IpAddr::V4(header.destination_addr()));
    // Segmentation offload leaves 0 in packets larger than 65,535 bytes, and in those that the capturing machine is about to cut.
    let len = if header.total_len() == 0 { bytes.wire } else { usize::from(header.total_len()) };
    let ip = Ip { src, dst, len, vlan: depth.vlan, tunnels: depth.tunnels };
    if len < header_len {
        return Err(refuse(Reason::Malformed, ip.hosts(), "truncated_IP"));
    }
    if len > bytes.wire {
        return Err(refuse(Reason::Truncated, ip.hosts(), "truncated_IP"));
    }
    if depth.checksums && header.header_checksum() != header.to_header().calc_header_checksum() {
        return Err(refuse(Reason::BadChecksum, ip.hosts(), "bad_IP_checksum"));
    }
    let payload = bytes.limit(len).skip(header_len).ok_or_else(|| bytes.too_short(ip.hosts()))?;
    if header.is_fragmenting_payload() {
        let fragment = Fragment {
            id: u32::from(header.identification()),
            protocol: header.protocol().0,
            offset: usize::from(header.fragments_offset().value()) * 8,
            more: header.more_fragments(),
            dont_fragment: header.dont_fragment(),
            header_len,
            payload: payload.captured,
            payload_len: payload.wire,
        };
        return Ok(Packet { ip, body: Body::Fragment(fragment), oddity: None });
    }
    decode_payload(ip, header.protocol().0, payload, depth)
}

fn decode_ipv6(bytes: Bytes<'_>, depth: Depth) -> Decoded<'_> {
    let Ok(header) = Ipv6HeaderSlice::from_slice(bytes.captured) else { return Err(bytes.too_short(None)) };
    let (src, dst) = (IpAddr::V6(header.source_addr()), IpAddr::V6(header.destination_addr()));
    // A jumbogram, or segmentation offload: the length field cannot say it (RFC 2675).
    let len = match header.payload_length() {
        0 => bytes.wire,
        n => usize::from(n).saturating_add(40),
    };
    let ip = Ip { src, dst, len, vlan: depth.vlan, tunnels: depth.tunnels };
    if len > bytes.wire {
        return Err(refuse(Reason::Truncated, ip.hosts(), "truncated_IP"));
    }
    let too_short = bytes.too_short(ip.hosts());
    let mut payload = bytes.limit(len).skip(40).ok_or(too_short)?;
    let mut next = header.next_header();
    for _ in 0..MAX_EXTENSIONS {
        let (taken, after) = match next {
            IpNumber::IPV6_HEADER_HOP_BY_HOP | IpNumber::IPV6_ROUTE_HEADER | IpNumber::IPV6_DESTINATION_OPTIONS => {
                let extension = Ipv6RawExtHeaderSlice::from_slice(payload.captured).map_err(|_| too_short)?;
                (extension.slice().len(), extension.next_header())
            }
            IpNumber::AUTHENTICATION_HEADER => {
                let extension = IpAuthHeaderSlice::from_slice(payload.captured).map_err(|_| too_short)?;
                (extension.slice().len(), extension.next_header())
            }
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let extension = Ipv6FragmentHeaderSlice::from_slice(payload.captured).map_err(|_| too_short)?;
                let rest = payload.skip(8).ok_or(too_short)?;
                if extension.is_fragmenting_payload() {
                    let fragment = Fragment {
                        id: extension.identification(),
                        protocol: extension.next_header().0,
                        offset: usize::from(extension.fragment_offset().value()) * 8,
                        more: extension.more_fragments(),
                        dont_fragment: false,
                        header_len: bytes.captured.len().saturating_sub(rest.captured.len()),
                        payload: rest.captured,
                        payload_len: rest.wire,
                    };
                    return Ok(Packet { ip, body: Body::Fragment(fragment), oddity: None });
                }
                (8, extension.next_header()) // an atomic fragment (RFC 6946) is whole
            }
            _ => return decode_payload(ip, next.0, payload, depth),
        };
        payload = payload.skip(taken).ok_or(too_short)?;
        next = after;
    }
    Err(quietly(Reason::Malformed, ip.hosts()))
}

fn decode_payload(ip: Ip, protocol: u8, payload: Bytes<'_>, depth: Depth) -> Decoded<'_> {
    match IpNumber(protocol) {
        IpNumber::TCP => transport::tcp(ip, payload, depth),
        IpNumber::UDP => transport::udp(ip, payload, depth),
        IpNumber::ICMP | IpNumber::IPV6_ICMP => Err(quietly(Reason::Icmp, ip.hosts())),
        IpNumber::IPV4 | IpNumber::IPV6 | IpNumber::GRE => match tunnel::inside_ip(protocol, payload) {
            Some(inner) => decode_inner(inner, depth, ip),
            None => Err(quietly(Reason::OtherProtocol, ip.hosts())),
        },
        _ => Err(refuse(Reason::OtherProtocol, ip.hosts(), "unknown_protocol")),
    }
}

/// What is inside a tunnel, if that is not too deep.
fn decode_inner<'a>(inner: tunnel::Inner<'a>, depth: Depth, outer: Ip) -> Decoded<'a> {
    if depth.tunnels >= depth.max_tunnels {
        return Err(quietly(Reason::OtherProtocol, outer.hosts()));
    }
    let depth = Depth { tunnels: depth.tunnels.saturating_add(1), ..depth };
    match inner {
        tunnel::Inner::Ip(bytes) => decode_ip(bytes, depth),
        tunnel::Inner::Ethernet(bytes) => decode_ip(link::ethernet(bytes)?.bytes, depth),
    }
}

impl Packet<'_> {
    /// Whose packet it is, with its sender in the originator's place; `None` for a fragment.
    #[inline]
    pub fn key(&self) -> Option<FlowKey> {
        let (transport, orig_p, resp_p) = match &self.body {
            Body::Tcp(segment) => (Transport::Tcp, segment.src_port, segment.dst_port),
            Body::Udp(datagram) => (Transport::Udp, datagram.src_port, datagram.dst_port),
            Body::Fragment(_) => return None,
        };
        Some(FlowKey { orig_h: self.ip.src, resp_h: self.ip.dst, orig_p, resp_p, transport })
    }
}
