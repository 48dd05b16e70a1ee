//! Segmentation offload: one packet in the kernel that is several frames on the wire.

use crate::parse::protocol;
use crate::{Bytes, Fragment, Packet, Status};

/// What the kernel says of a packet's segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// Bytes of payload in each segment but the last; 0 if the packet is one frame.
    pub size: u32,
    /// How many segments there are; 0 if nobody has counted them, as in what a guest sends and in what some NICs merge.
    pub segments: u32,
}

impl Offload {
    /// How many frames a packet will be, or was, on the wire; at least 1.
    ///
    /// Whoever cuts it goes by its size, so that of a TCP segment is what counts: NICs that merge unequal segments keep the number of
    /// those. Inside a tunnel the inner headers would have to be known; there, the kernel's own number is taken.
    #[inline(always)]
    pub fn frames<B: Bytes + ?Sized>(self, frame: &B, packet: &Packet) -> u64 {
        let counted = if self.segments == 0 { 1 } else { u64::from(self.segments) };
        if self.size == 0 || packet.status != Status::Complete || packet.fragment != Fragment::Whole {
            return if self.size == 0 { 1 } else { counted };
        }
        let header = match packet.protocol {
            protocol::TCP => tcp_header(frame, packet),
            protocol::UDP if self.segments == 0 => 8,
            _ => return counted,
        };
        let payload = frame.length().saturating_sub(packet.l4 + header) as u64;
        let frames = payload.div_ceil(u64::from(self.size));
        if frames == 0 { 1 } else { frames }
    }
}

/// Length of a TCP header, by its own account.
#[inline(always)]
pub(crate) fn tcp_header<B: Bytes + ?Sized>(frame: &B, packet: &Packet) -> usize {
    match frame.part::<1>(packet.l4 + 12) {
        Some(&[offset]) => usize::from(offset >> 4) * 4,
        None => 20,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    /// An IPv4 packet of a protocol, whose first bytes behind the ports are a TCP header's, with so many bytes behind 32.
    fn frames(protocol: u8, payload: usize, size: u32, segments: u32) -> u64 {
        let mut frame = [0; 6000];
        let frame = &mut frame[..14 + 20 + 32 + payload];
        frame[12..15].copy_from_slice(&[8, 0, 0x45]);
        frame[23] = protocol;
        frame[34 + 12] = 0x80;
        let packet = parse(&*frame);
        assert_eq!(packet.status, Status::Complete);
        Offload { size, segments }.frames(&*frame, &packet)
    }

    #[test]
    fn a_super_packet_is_as_many_frames_as_it_is_cut_into() {
        let cases = [
            ("one frame", frames(6, 1000, 0, 1), 1),
            ("all but one byte", frames(6, 1000, 1000, 1), 1),
            ("one byte more", frames(6, 1001, 1000, 2), 2),
            ("not counted", frames(6, 5000, 1448, 0), 4),
            ("merged of unequal segments", frames(6, 5000, 1448, 7), 4),
            ("no payload", frames(6, 0, 1448, 0), 1),
            ("UDP", frames(17, 5000, 1000, 6), 6),
            ("UDP, not counted", frames(17, 976, 1000, 0), 1),
            ("UDP, not counted, one byte more", frames(17, 977, 1000, 0), 2),
            ("a tunnel", frames(47, 5000, 1000, 6), 6),
            ("a tunnel, not counted", frames(47, 5000, 1000, 0), 1),
        ];
        for (name, frames, expected) in cases {
            assert_eq!(frames, expected, "{name}");
        }
    }
}
