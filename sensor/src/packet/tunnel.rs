//! Tunnels: what is inside GRE, VXLAN, Geneve, Teredo, GTP-U and IP in IP.

use super::Bytes;

/// What a tunnel carries.
#[derive(Clone, Copy)]
pub(super) enum Inner<'a> {
    /// An IP packet.
    Ip(Bytes<'a>),
    /// An Ethernet frame.
    Ethernet(Bytes<'a>),
}

/// Inside an IP packet of this protocol: IPv4 (4), IPv6 (41) or GRE (47).
pub(super) fn inside_ip(protocol: u8, payload: Bytes<'_>) -> Option<Inner<'_>> {
    match protocol {
        4 | 41 => Some(Inner::Ip(payload)),
        47 => gre(payload),
        _ => None,
    }
}

/// Inside a UDP datagram to this port, if it looks like the tunnel that lives there.
pub(super) fn inside_udp(port: u16, payload: Bytes<'_>) -> Option<Inner<'_>> {
    match port {
        4789 | 8472 => vxlan(payload),
        6081 => geneve(payload),
        3544 => teredo(payload),
        2152 => gtp(payload),
        _ => None,
    }
}

/// GRE version 0 (RFC 2784, 2890), with ERSPAN type I and II.
fn gre(bytes: Bytes<'_>) -> Option<Inner<'_>> {
    let (flags, protocol) = (bytes.u16(0)?, bytes.u16(2)?);
    if flags & 7 != 0 || flags & 0x4000 != 0 {
        return None; // PPTP, or source routing
    }
    let has = |bit: u16| usize::from(flags & bit != 0) * 4;
    let header = 4 + has(0x8000) + has(0x2000) + has(0x1000);
    match protocol {
        0x0800 | 0x86dd => Some(Inner::Ip(bytes.skip(header)?)),
        0x6558 => Some(Inner::Ethernet(bytes.skip(header)?)),
        // ERSPAN type II numbers its packets and has eight bytes of its own; type I has neither.
        0x88be if flags & 0x1000 != 0 => Some(Inner::Ethernet(bytes.skip(header + 8)?)),
        0x88be => Some(Inner::Ethernet(bytes.skip(header)?)),
        _ => None,
    }
}

/// RFC 7348: the flag that says that there is a network identifier is the only one set.
fn vxlan(bytes: Bytes<'_>) -> Option<Inner<'_>> {
    (bytes.u8(0)? & 0x08 != 0 && bytes.u8(7)? == 0).then_some(())?;
    Some(Inner::Ethernet(bytes.skip(8)?))
}

/// RFC 8926.
fn geneve(bytes: Bytes<'_>) -> Option<Inner<'_>> {
    let first = bytes.u8(0)?;
    (first >> 6 == 0).then_some(())?;
    let inner = bytes.skip(8 + usize::from(first & 0x3f) * 4)?;
    match bytes.u16(2)? {
        0x6558 => Some(Inner::Ethernet(inner)),
        0x0800 | 0x86dd => Some(Inner::Ip(inner)),
        _ => None,
    }
}

/// RFC 4380: an authentication and an origin indication may stand before the IPv6 packet.
fn teredo(mut bytes: Bytes<'_>) -> Option<Inner<'_>> {
    if bytes.u16(0)? == 1 {
        let (id, value) = (usize::from(bytes.u8(2)?), usize::from(bytes.u8(3)?));
        bytes = bytes.skip(4 + id + value + 9)?;
    }
    if bytes.u16(0)? == 0 {
        bytes = bytes.skip(8)?;
    }
    (bytes.u8(0)? >> 4 == 6).then_some(Inner::Ip(bytes))
}

/// 3GPP TS 29.281: a G-PDU (type 255) of version 1, with its optional fields and extension headers.
fn gtp(bytes: Bytes<'_>) -> Option<Inner<'_>> {
    let flags = bytes.u8(0)?;
    (flags >> 5 == 1 && flags & 0x10 != 0 && bytes.u8(1)? == 255).then_some(())?;
    let mut inner = bytes.skip(8)?;
    if flags & 7 != 0 {
        let mut next = inner.u8(3)?;
        inner = inner.skip(4)?;
        for _ in 0..4 {
            if flags & 4 == 0 || next == 0 {
                break;
            }
            let len = usize::from(inner.u8(0)?) * 4;
            (len > 0).then_some(())?;
            next = inner.u8(len - 1)?;
            inner = inner.skip(len)?;
        }
    }
    matches!(inner.u8(0)? >> 4, 4 | 6).then_some(Inner::Ip(inner))
}
