//! Link layers: from the first byte of a frame to the IP header.

use super::{Bytes, Reason, Refused, quietly};
use crate::capture::Link;

/// VLAN tags that are skipped: QinQ, and one more for good measure.
const MAX_VLANS: usize = 3;
/// MPLS labels that are skipped.
const MAX_LABELS: usize = 8;

/// Where the IP header begins.
pub(super) struct Network<'a> {
    pub bytes: Bytes<'a>,
    pub vlan: Option<u16>,
}

type Found<'a> = Result<Network<'a>, Refused>;

/// The IP packet of a frame.
pub(super) fn network(link: Link, bytes: Bytes<'_>) -> Found<'_> {
    match link {
        Link::Ethernet => ethernet(bytes),
        Link::RawIp => Ok(Network { bytes, vlan: None }),
        Link::LinuxSll => typed(bytes, 14, 16),
        Link::LinuxSll2 => typed(bytes, 0, 20),
        Link::Null => null(bytes),
    }
}

/// The IP packet of an Ethernet frame.
pub(super) fn ethernet(bytes: Bytes<'_>) -> Found<'_> {
    typed(bytes, 12, 14)
}

/// The longest header that [`plain_length`] tells: Ethernet with all its tags.
pub(super) const LONGEST: usize = 14 + 4 * MAX_VLANS;

/// The length of an Ethernet header after whose tags IP follows at once.
pub(super) fn plain_length(frame: &[u8]) -> Option<usize> {
    let bytes = Bytes { captured: frame, wire: frame.len() };
    (14..=LONGEST).step_by(4).find_map(|len| match bytes.u16(len.saturating_sub(2)) {
        Some(0x0800 | 0x86dd) => Some(Some(len)),
        Some(0x8100 | 0x88a8 | 0x9100 | 0x9200) => None,
        _ => Some(None),
    })?
}

/// A header of `len` bytes with an EtherType at `at`.
fn typed(bytes: Bytes<'_>, at: usize, len: usize) -> Found<'_> {
    let ether_type = bytes.u16(at).ok_or(bytes.too_short(None))?;
    let payload = bytes.skip(len).ok_or(bytes.too_short(None))?;
    by_type(ether_type, payload)
}

fn by_type(mut ether_type: u16, mut bytes: Bytes<'_>) -> Found<'_> {
    let mut vlan = None;
    for _ in 0..=MAX_VLANS {
        let too_short = bytes.too_short(None);
        match ether_type {
            0x0800 | 0x86dd => return Ok(Network { bytes, vlan }),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                vlan = vlan.or(bytes.u16(0).map(|tag| tag & 0x0fff));
                ether_type = bytes.u16(2).ok_or(too_short)?;
                bytes = bytes.skip(4).ok_or(too_short)?;
            }
            0x8847 | 0x8848 => return mpls(bytes, vlan),
            0x8864 => {
                // PPPoE session (RFC 2516): six bytes, then PPP's protocol number.
                let protocol = bytes.u16(6).ok_or(too_short)?;
                let bytes = bytes.skip(8).ok_or(too_short)?;
                return match protocol {
                    0x0021 | 0x0057 => Ok(Network { bytes, vlan }),
                    _ => Err(quietly(Reason::NotIp, None)),
                };
            }
            // 802.3 with LLC and SNAP: AA AA 03, an organisation, and the EtherType after all.
            0..=1500 if bytes.captured.starts_with(&[0xaa, 0xaa, 0x03, 0, 0, 0]) => {
                let len = usize::from(ether_type);
                ether_type = bytes.u16(6).ok_or(too_short)?;
                bytes = bytes.limit(len).skip(8).ok_or(too_short)?;
            }
            _ => return Err(quietly(Reason::NotIp, None)),
        }
    }
    Err(quietly(Reason::NotIp, None))
}

/// MPLS says nowhere what it carries: IP by its version nibble, a pseudowire by its control word (RFC 4385).
fn mpls(mut bytes: Bytes<'_>, vlan: Option<u16>) -> Found<'_> {
    for _ in 0..MAX_LABELS {
        let too_short = bytes.too_short(None);
        let bottom = bytes.u8(2).ok_or(too_short)? & 1 == 1;
        bytes = bytes.skip(4).ok_or(too_short)?;
        if bottom {
            return match bytes.u8(0).map(|first| first >> 4) {
                Some(4 | 6) => Ok(Network { bytes, vlan }),
                Some(0) => plain_ethernet(bytes.skip(4).ok_or(too_short)?, vlan),
                _ => Err(quietly(Reason::NotIp, None)),
            };
        }
    }
    Err(quietly(Reason::NotIp, None))
}

/// Ethernet in a pseudowire: tags at most, not another label stack.
fn plain_ethernet(bytes: Bytes<'_>, vlan: Option<u16>) -> Found<'_> {
    match bytes.u16(12) {
        Some(0x8847 | 0x8848) => Err(quietly(Reason::NotIp, None)),
        _ => ethernet(bytes).map(|inner| Network { vlan: vlan.or(inner.vlan), ..inner }),
    }
}

/// The address family stands in the byte order of whoever captured; only a few values exist, so either order can be read.
fn null(bytes: Bytes<'_>) -> Found<'_> {
    let too_short = bytes.too_short(None);
    let (high, low) = (bytes.u16(0).ok_or(too_short)?, bytes.u16(2).ok_or(too_short)?);
    let family = if high == 0 { low } else { high.swap_bytes() };
    match family {
        // AF_INET everywhere; AF_INET6 of NetBSD, FreeBSD, Darwin and Linux.
        2 | 24 | 28 | 30 | 10 => Ok(Network { bytes: bytes.skip(4).ok_or(too_short)?, vlan: None }),
        _ => Err(quietly(Reason::NotIp, None)),
    }
}
