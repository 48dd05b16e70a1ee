//! The decision's parser against etherparse: the same addresses, protocol, ports and fragments, or a refusal that can be explained.

#[allow(dead_code, reason = "the tables are for the kernel's test")]
mod frames;

use std::collections::BTreeMap;
use std::net::IpAddr;

use etherparse::err::{Layer, packet::SliceError};
use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6Header, LaxNetSlice, LaxSlicedPacket, TransportSlice, ip_number};
use frames::{Random, random_frame};
use portreeve::capture::Link;
use portreeve::capture::filter::steering_hash;
use portreeve_ebpf::parse::{MAX_EXTENSIONS, addresses, steering};
use portreeve_ebpf::{
    Address, Bytes, Counter, Fragment, Network, Options, Packet, Rules, Status, classify, examine, glance, parse,
};

const FRAMES: usize = 250_000;

#[test]
fn random_frames_are_read_alike() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    for number in 0..FRAMES {
        let frame = random_frame(&mut random);
        match compare(&frame) {
            Ok(how) => *tally.entry(how).or_default() += 1,
            Err(why) => panic!("frame {number}: {why}\n{:?}\n{frame:02x?}", parse(frame.as_slice())),
        }
    }
    println!("{tally:#?}");
    assert!(tally["same"] > FRAMES / 2, "most random frames should be read to the end: {tally:?}");
}

#[test]
fn a_glance_decides_as_an_examination() {
    let mut random = Random(11);
    let mut host = frames::Host::new(Options { rules: Rules::DEFAULT, ..Options::DEFAULT });
    let (mut wanted, mut unwanted) = (0, 0);
    for _ in 0..FRAMES {
        let frame = random_frame(&mut random);
        if let Some(decision) = glance(frame.as_slice(), &mut host) {
            assert_eq!(decision, examine(frame.as_slice(), &mut host), "{frame:02x?}");
            *if decision.counter.redirects() { &mut wanted } else { &mut unwanted } += 1;
        }
    }
    assert!(wanted > FRAMES / 100, "only {wanted} frames were taken at a glance");
    assert!(unwanted > FRAMES / 100, "only {unwanted} frames were left at a glance");
}

#[test]
fn a_file_is_dealt_out_as_the_kernel_would() {
    let mut random = Random(13);
    let mut host = frames::Host::new(Options { seed: 5, ..Options::DEFAULT });
    let mut tunnels = 0;
    for _ in 0..FRAMES {
        let frame = random_frame(&mut random);
        let decision = classify(frame.as_slice(), &mut host);
        if decision.counter.redirects() {
            assert_eq!(decision.hash, steering_hash(5, Link::Ethernet, &frame), "{decision:?} {frame:02x?}");
            tunnels += usize::from(decision.counter == Counter::Tunnel);
        }
    }
    assert!(tunnels > FRAMES / 100, "only {tunnels} tunnelled packets");
}

#[test]
fn every_truncation_is_read_alike() {
    let mut random = Random(7);
    for _ in 0..500 {
        let whole = random_frame(&mut random);
        for length in 0..=whole.len() {
            if let Err(why) = compare(&whole[..length]) {
                panic!("{length} bytes of {}: {why}\n{:?}\n{whole:02x?}", whole.len(), parse(&whole[..length]));
            }
        }
    }
}

/// "same", or the explanation of a refusal; an error if the two readers contradict each other.
fn compare(frame: &[u8]) -> Result<&'static str, String> {
    let ours = parse(frame);
    if ours.status == Status::ShortLink {
        return short_link(frame);
    }
    let theirs = LaxSlicedPacket::from_ethernet(frame).map_err(|error| format!("only we read the link: {error}"))?;
    let is_labelled = is_labelled(frame, &ours, &theirs);
    let theirs = match (is_labelled, ours.status) {
        (true, Status::Complete | Status::ShortExtension | Status::ShortTransport) => {
            LaxSlicedPacket::from_ip(&frame[ours.l3..]).map_err(|error| format!("behind labels: {error}"))
        }
        _ => Ok(theirs),
    };
    if is_labelled && ours.l4 > frame.len() {
        return Ok("header cut off after what matters");
    }
    let rest = frame.len().saturating_sub(ours.l3);
    let explained = match ours.status {
        Status::ShortLink => Err("handled above".to_owned()),
        Status::Complete => return complete(frame, &ours, &theirs?),
        Status::NotIp => {
            explain(is_labelled || !matches!(theirs?.net, Some(LaxNetSlice::Ipv4(_) | LaxNetSlice::Ipv6(_))), "not IP")
        }
        Status::ShortNetwork => explain(rest < 40, "less than an IP header"),
        Status::BadNetwork => bad_network(&frame[ours.l3..], &ours),
        Status::ShortExtension => short_extension(frame, &ours, theirs),
        Status::ShortTransport => short_transport(frame, &ours, theirs),
        Status::TooDeep => too_deep(&theirs?, is_labelled),
    };
    explained.map_err(|why| format!("{:?} is not explained: {why}", ours.status))
}

fn explain(holds: bool, how: &'static str) -> Result<&'static str, String> {
    if holds { Ok(how) } else { Err(format!("not the case: {how}")) }
}

fn short_link(frame: &[u8]) -> Result<&'static str, String> {
    let cut_tag = |theirs: LaxSlicedPacket<'_>| {
        matches!(theirs.stop_err, Some((SliceError::Len(_), Layer::VlanHeader)))
            || theirs
                .ether_payload()
                .is_some_and(|rest| matches!(rest.ether_type.0, 0x8847 | 0x8848) && rest.payload.len() < 20)
    };
    explain(LaxSlicedPacket::from_ethernet(frame).map_or(true, cut_tag), "link header cut off")
}

/// Etherparse does not look behind MPLS labels.
fn is_labelled(frame: &[u8], ours: &Packet, theirs: &LaxSlicedPacket<'_>) -> bool {
    let tags = theirs.link_exts.len().min(2) * 4;
    let kind = frame.get(12 + tags..14 + tags);
    ours.l3 > 14 + tags && kind.is_some_and(|kind| matches!(kind, [0x88, 0x47 | 0x48]))
}

fn bad_network(packet: &[u8], ours: &Packet) -> Result<&'static str, String> {
    let wanted = if ours.network == Network::V4 { 4 } else { 6 };
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let header = usize::from(packet[0] & 0x0f) * 4;
    explain(
        packet[0] >> 4 != wanted || (wanted == 4 && (header < 20 || total < header)),
        "IP header contradicts itself",
    )
}

type Theirs<'a> = Result<LaxSlicedPacket<'a>, String>;

fn short_extension(frame: &[u8], ours: &Packet, theirs: Theirs<'_>) -> Result<&'static str, String> {
    let theirs = theirs?;
    let cut =
        matches!(theirs.stop_err, Some((SliceError::Len(_) | SliceError::Ipv6Exts(_) | SliceError::Ipv4Exts(_), _)));
    explain(cut || ours.l4 > frame.len(), "extension header cut off")
}

fn short_transport(frame: &[u8], ours: &Packet, theirs: Theirs<'_>) -> Result<&'static str, String> {
    if ours.l4 > frame.len() {
        return Ok("header before the ports cut off");
    }
    let theirs = theirs?;
    let too_short = theirs.ip_payload().is_some_and(|payload| payload.payload.len() < 4);
    explain(too_short || is_other_order(&theirs), "ports cut off")
}

fn too_deep(theirs: &LaxSlicedPacket<'_>, is_labelled: bool) -> Result<&'static str, String> {
    let chain = extensions(theirs);
    let fragments = chain.iter().filter(|kind| **kind == ip_number::IPV6_FRAG).count();
    let is_deep = theirs.link_exts.len() > 2 || is_labelled || fragments > 1 || chain.len() > MAX_EXTENSIONS;
    explain(is_deep || is_cut_later(theirs), "too many headers")
}

/// The kinds of the extension headers that follow each other from the IPv6 header, the last of them perhaps cut off.
fn extensions(theirs: &LaxSlicedPacket<'_>) -> Vec<IpNumber> {
    let Some(LaxNetSlice::Ipv6(slice)) = &theirs.net else { return Vec::new() };
    let payload = slice.payload().payload;
    let mut kinds = Vec::new();
    let (mut kind, mut rest) = (slice.header().next_header(), [slice.extensions().slice(), payload].concat());
    while kind.is_ipv6_ext_header_value() || kind == ip_number::AUTH {
        kinds.push(kind);
        let length = match (kind, rest.get(1)) {
            (ip_number::IPV6_FRAG, _) => 8,
            (ip_number::AUTH, Some(units)) => (usize::from(*units) + 2) * 4,
            (_, Some(units)) => (usize::from(*units) + 1) * 8,
            _ => break,
        };
        if length > rest.len() {
            break;
        }
        kind = IpNumber(rest[0]);
        rest.drain(..length);
    }
    kinds
}

/// Etherparse has an error further on, where we no longer look.
fn is_cut_later(theirs: &LaxSlicedPacket<'_>) -> bool {
    is_other_order(theirs) || matches!(theirs.stop_err, Some((SliceError::Len(_), _)))
}

/// Etherparse stops at a hop-by-hop header that is not the first, and at an authentication header of impossible length; we go on, as
/// a receiver might.
fn is_other_order(theirs: &LaxSlicedPacket<'_>) -> bool {
    matches!(theirs.stop_err, Some((SliceError::Ipv6Exts(_) | SliceError::Ipv4Exts(_), _)))
}

fn complete(frame: &[u8], ours: &Packet, theirs: &LaxSlicedPacket<'_>) -> Result<&'static str, String> {
    if ours.l4 > frame.len() {
        return explain(is_cut_later(theirs), "header cut off after what matters");
    }
    let (source, destination) = match &theirs.net {
        Some(LaxNetSlice::Ipv4(slice)) => {
            (IpAddr::from(slice.header().source_addr()), IpAddr::from(slice.header().destination_addr()))
        }
        Some(LaxNetSlice::Ipv6(slice)) => {
            (slice.header().source_addr().into(), slice.header().destination_addr().into())
        }
        other => return Err(format!("they have no addresses: {other:?} {:?}", theirs.stop_err)),
    };
    let pair = addresses(frame, ours).ok_or("we have no addresses")?;
    same("addresses", pair, [Address::from(source), Address::from(destination)])?;
    if ours.fragment == Fragment::Whole {
        same("steering", steering(frame, ours, pair), inner_addresses(frame, ours).unwrap_or(pair))?;
    }
    if is_other_order(theirs) {
        return Ok("extension headers in another order");
    }
    if let (Some(LaxNetSlice::Ipv6(slice)), true) = (&theirs.net, ours.fragment != Fragment::Whole) {
        same_fragment(ours, slice.extensions().slice())?;
    }
    let payload = theirs.ip_payload().ok_or("they have no payload")?;
    same("fragment", ours.fragment != Fragment::Whole, payload.fragmented)?;
    if ours.network == Network::V6 && ours.fragment == Fragment::Later {
        return Ok("same");
    }
    if let Some(LaxNetSlice::Ipv4(slice)) = &theirs.net {
        let is_later = slice.header().fragments_offset().value() != 0;
        same("later fragment", ours.fragment == Fragment::Later, is_later)?;
        if is_later {
            return Ok("same");
        }
    }
    same("protocol", ours.protocol, payload.ip_number.0)?;
    same_ports(ours, theirs, payload.payload)
}

/// The addresses of the packet in IP in IP, which may be cut off behind its header.
fn inner_addresses(frame: &[u8], ours: &Packet) -> Option<[Address; 2]> {
    match (ours.protocol, frame.get(ours.l4..)?) {
        (4, inner @ [0x40..=0x4f, ..]) => {
            let header = Ipv4HeaderSlice::from_slice(&with_plain_header(inner)?).ok()?.to_header();
            Some([Address::v4(header.source), Address::v4(header.destination)])
        }
        (41, inner @ [0x60..=0x6f, ..]) => {
            let (header, _) = Ipv6Header::from_slice(inner).ok()?;
            Some([Address::v6(header.source), Address::v6(header.destination)])
        }
        _ => None,
    }
}

/// The first 20 bytes of an IPv4 packet, without options: those may be cut off or of impossible length, and do not matter here.
fn with_plain_header(packet: &[u8]) -> Option<[u8; 20]> {
    let mut header: [u8; 20] = *packet.first_chunk()?;
    header[0] = 0x45;
    Some(header)
}

/// A fragment header with our identification is among theirs.
fn same_fragment(ours: &Packet, extensions: &[u8]) -> Result<(), String> {
    let found = extensions.chunks(4).any(|word| *word == ours.datagram.to_be_bytes());
    if found { Ok(()) } else { Err(format!("they have no fragment header for datagram {}", ours.datagram)) }
}

fn same_ports(ours: &Packet, theirs: &LaxSlicedPacket<'_>, payload: &[u8]) -> Result<&'static str, String> {
    let ports = match &theirs.transport {
        Some(TransportSlice::Tcp(tcp)) => [tcp.source_port(), tcp.destination_port()],
        Some(TransportSlice::Udp(udp)) => [udp.source_port(), udp.destination_port()],
        _ if matches!(ours.protocol, 6 | 17) => {
            let &[a, b, c, d] = payload.part(0).ok_or("their payload has no room for ports")?;
            [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
        }
        _ => [0, 0],
    };
    same("ports", ours.ports, ports)?;
    Ok("same")
}

fn same<T: Copy + PartialEq + std::fmt::Debug>(what: &str, ours: T, theirs: T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: ours {ours:?}, theirs {theirs:?}")) }
}
