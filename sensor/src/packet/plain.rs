//! The decoding of nearly all frames, on the shortest way: what follows headers that are plain.

use std::net::IpAddr;

use super::{Body, Bytes, Datagram, Ip, Packet, Segment, tunnel};
use crate::capture::Frame;
use crate::capture::plain::Plain;
use crate::flow::key::Transport;

/// In front of the packet.
const LINK: usize = 14;

/// The packet of such a frame; `None` for every other, and for one with anything unusual in it. [`super::decode`] goes the long way with
/// those, and would say the same about these.
#[inline]
pub(super) fn decode<'a>(frame: &Frame<'a>) -> Option<Packet<'a>> {
    let plain = frame.plain()?;
    let len = usize::from(plain.len);
    // A packet that is longer than its frame is for others.
    if LINK + len > frame.wire_len.max(frame.bytes.len()) {
        return None;
    }
    let bytes = frame.bytes.get(Plain::TRANSPORT..)?;
    let body = match plain.transport {
        Transport::Tcp => Body::Tcp(segment(plain, bytes)?),
        Transport::Udp => Body::Udp(datagram(plain, bytes)?),
    };
    let (src, dst) = (IpAddr::V4(plain.src), IpAddr::V4(plain.dst));
    Some(Packet { ip: Ip { src, dst, len, vlan: None, tunnels: 0 }, body, oddity: None })
}

#[inline]
fn segment<'a>(plain: &Plain, bytes: &'a [u8]) -> Option<Segment<'a>> {
    let (&header, rest) = bytes.split_first_chunk::<20>()?;
    let [_, _, _, _, q0, q1, q2, q3, k0, k1, k2, k3, offset, flags, w0, w1, _, _, u0, u1] = header;
    let options = (usize::from(offset >> 4) * 4).checked_sub(20)?;
    let payload_len = usize::from(plain.len).checked_sub(40)?.checked_sub(options)?;
    // Options are of interest in a SYN alone.
    if flags & 2 != 0 {
        return None;
    }
    let payload = rest.get(options..)?;
    Some(Segment {
        src_port: plain.src_port,
        dst_port: plain.dst_port,
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([k0, k1, k2, k3]),
        control: flags & Segment::CONTROL,
        urgent: u16::from_be_bytes([u0, u1]),
        window: u16::from_be_bytes([w0, w1]),
        window_scale: None,
        payload: payload.get(..payload_len).unwrap_or(payload),
        payload_len,
    })
}

#[inline]
fn datagram<'a>(plain: &Plain, bytes: &'a [u8]) -> Option<Datagram<'a>> {
    let (&[_, _, _, _, l0, l1, _, _], rest) = bytes.split_first_chunk::<8>()?;
    let payload_len = usize::from(plain.len).checked_sub(28)?;
    let payload = rest.get(..payload_len).unwrap_or(rest);
    // Two lengths that differ are odd, and at some ports tunnels live.
    let is_plain = usize::from(u16::from_be_bytes([l0, l1])) == payload_len + 8
        && tunnel::inside_udp(plain.dst_port, Bytes { captured: payload, wire: payload_len }).is_none();
    is_plain.then_some(Datagram { src_port: plain.src_port, dst_port: plain.dst_port, payload, payload_len })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Link;
    use crate::config::DecodeSettings;
    use crate::time::Timestamp;

    /// A segment with options, eight bytes of payload, and six of padding behind its packet.
    const SEGMENT: [u8; 80] = [
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0x9c, 0x40, 0, 21, 1, 2, 3, 4, 5, 6, 7, 8, 0x80, 0x38, 0x10, 0x20, 0, 0, 0, 4, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0,
        0, 2, b'N', b'O', b'O', b'P', b'!', b'!', b'\r', b'\n', 0, 0, 0, 0, 0, 0,
    ];

    /// A datagram to the port of VXLAN, with what may or may not be a tunnel, and with six bytes of padding.
    const DATAGRAM: [u8; 80] = [
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0,
        2, 0x9c, 0x40, 0x12, 0xb5, 0, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45,
        0, 0, 16, 0, 1, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0,
    ];

    /// Whatever byte of the headers is changed to whatever, and wherever the capture was cut: both ways say the same.
    #[test]
    fn the_short_way_says_what_the_long_one_says() {
        for (original, headers) in [(SEGMENT, 66), (DATAGRAM, 50)] {
            let mut plain = 0;
            for (at, byte) in (0..headers).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                let mut bytes = original;
                bytes[at] = byte;
                for (length, wire_len) in
                    [(80, 80), (74, 74), (70, 80), (66, 74), (60, 80), (54, 54), (40, 80), (73, 73)]
                {
                    let frame = Frame::new(Timestamp::ZERO, Link::Ethernet, &bytes[..length], wire_len);
                    if let Some(packet) = decode(&frame) {
                        plain += 1;
                        let long = super::super::decode_in_full(&frame, &DecodeSettings::default());
                        assert_eq!(format!("{packet:?}"), format!("{:?}", long.unwrap()), "{bytes:02x?}");
                    }
                }
            }
            assert!(plain > 40_000, "{plain}");
        }
    }
}
