//! libpcap's own format: a 24-byte header, then packets with a 16-byte header each.

use super::formats::{LARGEST_RECORD, Order, Packet, Step, Stop, link_of};
use super::places::Places;
use crate::capture::Link;
use crate::time::Timestamp;

/// What the header of a classic file says.
#[derive(Debug)]
pub(super) struct Classic {
    order: Order,
    /// Nanoseconds in a unit of the fraction: 1000 or 1.
    unit: u32,
    link: Result<Link, u32>,
    /// Bytes of a packet's header: 16, or 24 in Kuznetzov's variant.
    header: usize,
}

impl Classic {
    /// Bytes of the file's header.
    pub const HEAD: usize = 24;

    /// Whether a file so short begins like a classic capture.
    pub fn may_start(head: &[u8]) -> bool {
        matches!(
            head,
            [0xd4 | 0xa1 | 0x4d | 0x34] | [0xd4, 0xc3, ..] | [0xa1, 0xb2, ..] | [0x4d, 0x3c, ..] | [0x34, 0xcd, ..]
        )
    }

    /// Reads the file's header; `None` if it is none.
    pub fn from_header(head: &[u8]) -> Option<Self> {
        let (order, unit, header) = match head.first_chunk()? {
            [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, 1000, 16),
            [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, 1000, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, 1, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, 1, 16),
            // The patched libpcap of Linux 2.x distributions: interface, protocol and packet type follow each header.
            [0x34, 0xcd, 0xb2, 0xa1] => (Order::Little, 1000, 24),
            [0xa1, 0xb2, 0xcd, 0x34] => (Order::Big, 1000, 24),
            _ => return None,
        };
        // The six bits above the link type say how long the frame check sequence is; what follows the IP packet is ignored anyway.
        let link = link_of(order.u32(head, 20)? & 0x03ff_ffff);
        Some(Classic { order, unit, link, header })
    }

    /// The link type of every packet.
    pub fn link(&self) -> Result<Link, u32> {
        self.link
    }

    /// The byte order of all headers.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Enters the packet at the start of `bytes`; the byte order is known to whoever asks.
    #[inline(always)]
    pub fn step(&self, order: Order, bytes: &[u8], places: &mut Places<'_>) -> Step {
        let Some(header) = bytes.first_chunk::<16>() else { return Err(Stop::Need(self.header)) };
        let word = |at| order.u32(header, at).unwrap_or_default();
        let captured = word(8) as usize;
        if captured > LARGEST_RECORD {
            return Err(Stop::Damaged(format!("a packet claims {captured} captured bytes").into()));
        }
        let len = self.header.saturating_add(captured);
        if bytes.len() < len {
            return Err(Stop::Need(len));
        }
        // Fractions of a second and more exist in old captures; they carry over.
        let fraction = u64::from(word(4)).saturating_mul(u64::from(self.unit));
        let nanos = u64::from(word(0)).saturating_mul(1_000_000_000).saturating_add(fraction);
        places.enter(&Packet {
            start: self.header,
            captured,
            wire_len: captured.max(word(12) as usize),
            at: Some(Timestamp::from_nanos(nanos)),
            link: self.link,
        });
        Ok(len)
    }
}
