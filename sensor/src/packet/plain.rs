//! The decoding of nearly all frames, on the shortest way: Ethernet without tags, IPv4 without options, a TCP segment in one piece.

use std::net::Ipv4Addr;

use super::{Body, Flags, Ip, Packet, Segment};
use crate::capture::{Frame, Link};

/// Ethernet, IPv4, and TCP without options.
const HEADERS: usize = 14 + 20 + 20;

/// The packet of such a frame; `None` for every other, and for one with anything unusual in it. [`super::decode`] goes the long way with
/// those, and would say the same about these.
#[inline]
pub(super) fn decode<'a>(frame: &Frame<'a>) -> Option<Packet<'a>> {
    if frame.link != Link::Ethernet {
        return None;
    }
    let (&headers, rest) = frame.bytes.split_first_chunk::<HEADERS>()?;
    let [_, _, _, _, _, _, _, _, _, _, _, _, 8, 0, 0x45, _, l0, l1, _, _, f0, 0, _, 6, _, _, ip @ ..] = headers else {
        return None;
    };
    let [a0, a1, a2, a3, b0, b1, b2, b3, s0, s1, d0, d1, tcp @ ..] = ip;
    let [q0, q1, q2, q3, k0, k1, k2, k3, offset, flags, w0, w1, _, _, u0, u1] = tcp;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let options = (usize::from(offset >> 4) * 4).checked_sub(20)?;
    let payload_len = len.checked_sub(40)?.checked_sub(options)?;
    let wire_len = frame.wire_len.max(frame.bytes.len());
    // Options are of interest in a SYN alone. A packet that is in pieces, or longer than its frame, is for others.
    if f0 & 0x3f != 0 || flags & 2 != 0 || len + 14 > wire_len || options > rest.len() {
        return None;
    }
    let payload = rest.get(options..)?;
    let segment = Segment {
        src_port: u16::from_be_bytes([s0, s1]),
        dst_port: u16::from_be_bytes([d0, d1]),
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([k0, k1, k2, k3]),
        flags: Flags {
            syn: false,
            ack: flags & 16 != 0,
            fin: flags & 1 != 0,
            rst: flags & 4 != 0,
            urg: flags & 32 != 0,
        },
        urgent: u16::from_be_bytes([u0, u1]),
        window: u16::from_be_bytes([w0, w1]),
        window_scale: None,
        payload: payload.get(..payload_len).unwrap_or(payload),
        payload_len,
    };
    let (src, dst) = (Ipv4Addr::new(a0, a1, a2, a3).into(), Ipv4Addr::new(b0, b1, b2, b3).into());
    Some(Packet { ip: Ip { src, dst, len, vlan: None, tunnels: 0 }, body: Body::Tcp(segment), oddity: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DecodeSettings;
    use crate::time::Timestamp;

    /// A segment with options, eight bytes of payload, and six of padding behind its packet.
    const SEGMENT: [u8; 80] = [
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0x9c, 0x40, 0, 21, 1, 2, 3, 4, 5, 6, 7, 8, 0x80, 0x38, 0x10, 0x20, 0, 0, 0, 4, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0,
        0, 2, b'N', b'O', b'O', b'P', b'!', b'!', b'\r', b'\n', 0, 0, 0, 0, 0, 0,
    ];

    /// Whatever byte of the headers is changed to whatever, and wherever the capture was cut: both ways say the same.
    #[test]
    fn the_short_way_says_what_the_long_one_says() {
        let mut plain = 0;
        for (at, byte) in (0..66).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            let mut bytes = SEGMENT;
            bytes[at] = byte;
            for (length, wire_len) in [(80, 80), (74, 74), (70, 80), (66, 74), (60, 80), (54, 54), (73, 73)] {
                let (link, at) = (Link::Ethernet, Timestamp::ZERO);
                let frame = Frame { at, link, bytes: &bytes[..length], wire_len, hash: None };
                if let Some(packet) = decode(&frame) {
                    plain += 1;
                    let long = super::super::decode_in_full(&frame, &DecodeSettings::default());
                    assert_eq!(format!("{packet:?}"), format!("{:?}", long.unwrap()), "{bytes:02x?}");
                }
            }
        }
        assert!(plain > 50_000, "{plain}");
    }
}
