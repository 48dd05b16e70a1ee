//! Packets of our own: a RST in somebody else's name, from the IP header or from the link header on.

use std::net::{IpAddr, SocketAddr};

use etherparse::PacketBuilder;

use super::link;
use crate::capture::{Frame, Link};

/// An Ethernet header with its VLAN tags, as a frame had it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkHeader {
    bytes: [u8; link::LONGEST],
    len: usize,
}

impl LinkHeader {
    /// The header of a frame that has nothing between it and the IP header: no label, no tunnel, no LLC.
    pub fn of(frame: &Frame<'_>) -> Option<Self> {
        let len = link::plain_length(frame.bytes).filter(|_| frame.link == Link::Ethernet)?;
        let mut bytes = [0; link::LONGEST];
        bytes.get_mut(..len)?.copy_from_slice(frame.bytes.get(..len)?);
        Some(LinkHeader { bytes, len })
    }

    /// The same in the other direction.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        let (to, rest) = self.bytes.split_at_mut(6);
        to.iter_mut().zip(rest).for_each(|(to, from)| std::mem::swap(to, from));
        self
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A RST segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reset {
    /// In whose name.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// What the addressee expects next. (RFC 5961: nothing else resets it.)
    pub seq: u32,
    /// What the sender expects next.
    pub ack: u32,
}

/// Hops of a packet of ours; the usual number, so that it gets as far as those of the end that it speaks for.
const HOPS: u8 = 64;

impl Reset {
    /// Puts the packet into `out`, checksums and all; `false` if the two addresses are not of one kind.
    pub fn write(&self, header: Option<&LinkHeader>, out: &mut Vec<u8>) -> bool {
        out.clear();
        out.extend_from_slice(header.map_or(&[], LinkHeader::as_bytes));
        let builder = match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), HOPS),
            (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), HOPS),
            _ => return false,
        };
        builder.tcp(self.from.port(), self.to.port(), self.seq, 0).rst().ack(self.ack).write(out, &[]).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DecodeSettings;
    use crate::packet::{Body, decode};
    use crate::time::Timestamp;

    const TAGGED: [u8; 18] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 10, 0x08, 0];

    fn frame(bytes: &[u8], link: Link) -> Frame<'_> {
        Frame::new(Timestamp::ZERO, link, bytes, bytes.len())
    }

    #[test]
    fn a_reset_is_a_packet_whose_checksums_fit() {
        let checked = DecodeSettings { checksums: true, ..DecodeSettings::default() };
        for (from, to) in [("10.0.0.9:1023", "10.0.0.1:23"), ("[2001:db8::9]:1023", "[2001:db8::1]:23")] {
            let reset = Reset { from: from.parse().unwrap(), to: to.parse().unwrap(), seq: u32::MAX, ack: 7 };
            let mut bytes = Vec::new();
            assert!(reset.write(None, &mut bytes));
            let packet = decode(&frame(&bytes, Link::RawIp), &checked).expect("every checksum fits");
            assert_eq!((packet.ip.src, packet.ip.dst), (reset.from.ip(), reset.to.ip()));
            let Body::Tcp(segment) = packet.body else { panic!("TCP: {packet:?}") };
            assert!(segment.flags().rst && segment.flags().ack && !segment.flags().syn && !segment.flags().fin);
            assert_eq!((segment.src_port, segment.dst_port, segment.seq, segment.ack), (1023, 23, u32::MAX, 7));
            bytes[14] ^= 1;
            assert!(decode(&frame(&bytes, Link::RawIp), &checked).is_err(), "and are looked at");
        }
        let mixed = Reset { from: "10.0.0.9:1".parse().unwrap(), to: "[::1]:1".parse().unwrap(), seq: 0, ack: 0 };
        assert!(!mixed.write(None, &mut Vec::new()));
    }

    #[test]
    fn the_link_header_of_a_frame_leads_there_and_back() {
        let reset = Reset { from: "10.0.0.9:1".parse().unwrap(), to: "10.0.0.1:2".parse().unwrap(), seq: 1, ack: 2 };
        let header = LinkHeader::of(&frame(&TAGGED, Link::Ethernet)).expect("plain Ethernet");
        let mut bytes = Vec::new();
        assert!(reset.write(Some(&header.reversed()), &mut bytes));
        assert_eq!(bytes[..18], [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 10, 0x08, 0]);
        assert_eq!(header.reversed().reversed(), header);
        let packet = decode(&frame(&bytes, Link::Ethernet), &DecodeSettings::default()).expect("a frame");
        assert_eq!(packet.ip.vlan, Some(10));
    }

    #[test]
    fn other_headers_are_not_imitated() {
        let mut labelled = TAGGED;
        (labelled[16], labelled[17]) = (0x88, 0x47);
        assert_eq!(LinkHeader::of(&frame(&labelled, Link::Ethernet)), None, "MPLS");
        assert_eq!(LinkHeader::of(&frame(&TAGGED[..15], Link::Ethernet)), None, "cut");
        assert_eq!(LinkHeader::of(&frame(&TAGGED, Link::LinuxSll)), None);
    }
}
