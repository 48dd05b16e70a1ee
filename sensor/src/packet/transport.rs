//! TCP and UDP headers.

use std::net::IpAddr;

use etherparse::{TcpHeaderSlice, TcpOptionElement, UdpHeaderSlice};

use super::{Body, Bytes, Datagram, Decoded, Depth, Flags, Ip, Packet, Reason, Segment, decode_inner, refuse, tunnel};

impl Segment<'_> {
    /// The control bits that mean something here; the others are not kept.
    pub const CONTROL: u8 = 0x37;
    /// [`Segment::control`] where there is an acknowledgement and nothing else.
    pub const ACK: u8 = 0x10;

    /// Its control bits, one by one.
    #[inline]
    pub fn flags(&self) -> Flags {
        let has = |bit| self.control & bit != 0;
        Flags { syn: has(2), ack: has(Self::ACK), fin: has(1), rst: has(4), urg: has(32) }
    }
}

pub(super) fn tcp<'a>(ip: Ip, bytes: Bytes<'a>, depth: Depth) -> Decoded<'a> {
    let Ok(header) = TcpHeaderSlice::from_slice(bytes.captured) else {
        let malformed = bytes.u8(12).is_some_and(|offset| offset >> 4 < 5);
        let bad = refuse(Reason::Malformed, ip.hosts(), "bad_TCP_header_len");
        return Err(if malformed { bad } else { bytes.too_short(ip.hosts()) });
    };
    let payload = bytes.skip(header.slice().len()).ok_or_else(|| bytes.too_short(ip.hosts()))?;
    if depth.checksums && !bytes.is_cut() {
        let expected = match (ip.src, ip.dst) {
            (IpAddr::V4(s), IpAddr::V4(d)) => {
                header.calc_checksum_ipv4_raw(s.octets(), d.octets(), payload.captured).ok()
            }
            (IpAddr::V6(s), IpAddr::V6(d)) => {
                header.calc_checksum_ipv6_raw(s.octets(), d.octets(), payload.captured).ok()
            }
            _ => None,
        };
        if expected.is_some_and(|sum| sum != header.checksum()) {
            return Err(refuse(Reason::BadChecksum, ip.hosts(), "bad_TCP_checksum"));
        }
    }
    let (window_scale, oddity) = if header.syn() { syn_options(&header) } else { (None, None) };
    let segment = Segment {
        src_port: header.source_port(),
        dst_port: header.destination_port(),
        seq: header.sequence_number(),
        ack: header.acknowledgment_number(),
        control: header.slice().get(13).map_or(0, |bits| bits & Segment::CONTROL),
        urgent: header.urgent_pointer(),
        window: header.window_size(),
        window_scale,
        payload: payload.captured,
        payload_len: payload.wire,
    };
    Ok(Packet { ip, body: Body::Tcp(segment), oddity })
}

/// The window scale option, and a weird if the list is malformed.
fn syn_options(header: &TcpHeaderSlice<'_>) -> (Option<u8>, Option<&'static str>) {
    let mut scale = None;
    for option in header.options_iterator() {
        match option {
            Ok(TcpOptionElement::WindowScale(shift)) => scale = Some(shift),
            Ok(_) => {}
            Err(etherparse::TcpOptionReadError::UnknownId(_)) => break,
            Err(_) => return (scale, Some("corrupt_tcp_options")),
        }
    }
    (scale, None)
}

pub(super) fn udp<'a>(ip: Ip, bytes: Bytes<'a>, depth: Depth) -> Decoded<'a> {
    let header = UdpHeaderSlice::from_slice(bytes.captured).map_err(|_| bytes.too_short(ip.hosts()))?;
    let payload = bytes.skip(8).ok_or_else(|| bytes.too_short(ip.hosts()))?;
    let told = usize::from(header.length());
    let oddity = (told != bytes.wire && told != 0).then_some("UDP_datagram_length_mismatch");
    let payload = if told >= 8 { payload.limit(told.saturating_sub(8)) } else { payload };
    if depth.checksums && header.checksum() != 0 && !payload.is_cut() {
        let to_check = header.to_header();
        let expected = match (ip.src, ip.dst) {
            (IpAddr::V4(s), IpAddr::V4(d)) => {
                to_check.calc_checksum_ipv4_raw(s.octets(), d.octets(), payload.captured).ok()
            }
            (IpAddr::V6(s), IpAddr::V6(d)) => {
                to_check.calc_checksum_ipv6_raw(s.octets(), d.octets(), payload.captured).ok()
            }
            _ => None,
        };
        if expected.is_some_and(|sum| sum != header.checksum()) {
            return Err(refuse(Reason::BadChecksum, ip.hosts(), "bad_UDP_checksum"));
        }
    }
    if let Some(inner) = tunnel::inside_udp(header.destination_port(), payload)
        && let Ok(packet) = decode_inner(inner, depth, ip)
    {
        return Ok(packet);
    }
    let datagram = Datagram {
        src_port: header.source_port(),
        dst_port: header.destination_port(),
        payload: payload.captured,
        payload_len: payload.wire,
    };
    Ok(Packet { ip, body: Body::Udp(datagram), oddity })
}
