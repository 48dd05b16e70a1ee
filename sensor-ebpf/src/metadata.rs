//! What the XDP program writes in front of a frame that it redirects.

use crate::{Counter, Fragment, Network, Packet};

/// 24 bytes directly before the frame, in host byte order. A driver without metadata room leaves them out, hence the magic.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// [`Metadata::MAGIC`]: anything else is not ours.
    pub magic: u32,
    /// [`Decision::hash`](crate::Decision::hash): of the quoted packet's addresses for an ICMP error, else of the outermost ones.
    pub hash: u32,
    /// `CLOCK_MONOTONIC` when the program saw the frame, in nanoseconds.
    pub ktime: u64,
    /// Offset of the IP header.
    pub l3: u8,
    /// Number of the [`Counter`] that redirected the frame.
    pub why: u8,
    /// Offset of the transport header; 0 when there is none in this frame.
    pub l4: u16,
    /// Tag control information of the outermost VLAN tag, or 0.
    pub vlan: u16,
    /// Transport protocol by its IP number, or 0.
    pub protocol: u8,
    /// [`Metadata::IPV6`] and the other flags.
    pub flags: u8,
}

const _: () =
    assert!(size_of::<Metadata>() == Metadata::SIZE && Metadata::SIZE <= 32 && Metadata::SIZE.is_multiple_of(4));

impl Metadata {
    /// "PRV" and the version of this layout.
    pub const MAGIC: u32 = 0x5052_5601;
    /// Bytes in front of the frame; the kernel wants a multiple of 4, and at most 32 before kernel 6.10.
    pub const SIZE: usize = 24;
    /// Flag: IPv6.
    pub const IPV6: u8 = 1;
    /// Flag: a fragment.
    pub const FRAGMENT: u8 = 1 << 1;
    /// Flag: a fragment without a transport header.
    pub const LATER_FRAGMENT: u8 = 1 << 2;

    /// The block for a packet.
    #[inline(always)]
    pub const fn new(packet: &Packet, why: Counter, hash: u32, ktime: u64) -> Self {
        let family = if matches!(packet.network, Network::V6) { Self::IPV6 } else { 0 };
        let (fragment, l4) = match packet.fragment {
            Fragment::Whole => (0, packet.l4),
            Fragment::First => (Self::FRAGMENT, packet.l4),
            Fragment::Later => (Self::FRAGMENT | Self::LATER_FRAGMENT, 0),
        };
        Metadata {
            magic: Self::MAGIC,
            hash,
            ktime,
            l3: packet.l3 as u8,
            why: why as u8,
            l4: l4 as u16,
            vlan: packet.vlan,
            protocol: packet.protocol,
            flags: family | fragment,
        }
    }

    /// The block from the bytes in front of a frame, or `None` when they are not ours.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (hash, rest) = rest.split_first_chunk()?;
        let (ktime, rest) = rest.split_first_chunk()?;
        let &[l3, why, l4a, l4b, vlana, vlanb, protocol, flags] = rest else { return None };
        (u32::from_ne_bytes(*magic) == Self::MAGIC).then_some(Metadata {
            magic: Self::MAGIC,
            hash: u32::from_ne_bytes(*hash),
            ktime: u64::from_ne_bytes(*ktime),
            l3,
            why,
            l4: u16::from_ne_bytes([l4a, l4b]),
            vlan: u16::from_ne_bytes([vlana, vlanb]),
            protocol,
            flags,
        })
    }

    /// Why the frame was redirected; `None` for a number that no counter has.
    pub fn counter(&self) -> Option<Counter> {
        Counter::ALL.get(usize::from(self.why)).copied()
    }
}
