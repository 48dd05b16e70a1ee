//! Frames of every link type as the contract wants to see them: behind an Ethernet header.

use portreeve_ebpf::{Address, Bytes, Decision, Tables, classify, parse};

use crate::capture::{Frame, Link};

/// The decision about a frame.
#[inline]
pub(super) fn decide<T: Tables>(frame: &Frame<'_>, tables: &mut T) -> Decision {
    let (bytes, wire_len) = (frame.bytes, frame.wire_len);
    match Shape::of(frame.link, bytes) {
        Shape::Ethernet { skip } => {
            let wire_len = wire_len.saturating_sub(skip);
            classify(&Ethernet { bytes: bytes.get(skip..).unwrap_or_default(), wire_len }, tables)
        }
        Shape::Other { kind, skip } => classify(&Other::new(bytes, wire_len, kind, skip), tables),
    }
}

/// The addresses that choose a frame's shard, source first.
#[inline]
pub(super) fn steering(link: Link, bytes: &[u8]) -> Option<[Address; 2]> {
    let wire_len = bytes.len();
    match Shape::of(link, bytes) {
        Shape::Ethernet { skip } => pair(&Ethernet { bytes: bytes.get(skip..).unwrap_or_default(), wire_len }),
        Shape::Other { kind, skip } => pair(&Other::new(bytes, wire_len, kind, skip)),
    }
}

#[inline]
fn pair<B: Bytes>(frame: &B) -> Option<[Address; 2]> {
    let packet = parse(frame);
    parse::addresses(frame, &packet).map(|own| parse::steering(frame, &packet, own))
}

/// How a link type becomes Ethernet.
enum Shape {
    /// It looks like Ethernet after so many bytes.
    Ethernet { skip: usize },
    /// After so many bytes there is a packet of this EtherType.
    Other { kind: u16, skip: usize },
}

/// What no packet is, but the contract knows that it is not IP: a length, in Ethernet.
const NOT_IP: u16 = 0;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

impl Shape {
    /// The link header is cut off: as an Ethernet frame of which nothing is left.
    const CUT: Shape = Shape::Ethernet { skip: usize::MAX };

    #[inline]
    fn of(link: Link, bytes: &[u8]) -> Shape {
        match link {
            Link::Ethernet => Shape::Ethernet { skip: 0 },
            // The last two bytes of the 16 are the EtherType, as in Ethernet; nothing before it matters.
            Link::LinuxSll => Shape::Ethernet { skip: 2 },
            Link::LinuxSll2 => match bytes.first_chunk::<20>() {
                Some([high, low, ..]) => Shape::Other { kind: u16::from_be_bytes([*high, *low]), skip: 20 },
                None => Shape::CUT,
            },
            Link::RawIp => {
                let version = bytes.first().map(|first| first >> 4);
                Shape::Other { kind: if version == Some(6) { IPV6 } else { IPV4 }, skip: 0 }
            }
            Link::Null => match bytes.first_chunk() {
                Some(word) => Shape::Other { kind: family(word), skip: 4 },
                None => Shape::CUT,
            },
        }
    }
}

/// The EtherType of an address family, which stands in the byte order of some machine. AF_INET6 has a number on each BSD, on Darwin,
/// on Linux and on Windows.
fn family(word: &[u8; 4]) -> u16 {
    match u32::from_be_bytes(*word).min(u32::from_le_bytes(*word)) {
        2 => IPV4,
        10 | 23 | 24 | 28 | 30 => IPV6,
        _ => NOT_IP,
    }
}

/// A frame that begins with an Ethernet header.
struct Ethernet<'a> {
    bytes: &'a [u8],
    wire_len: usize,
}

impl Bytes for Ethernet<'_> {
    #[inline]
    fn length(&self) -> usize {
        self.wire_len
    }

    #[inline]
    fn part<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        self.bytes.get(at..)?.first_chunk()
    }
}

/// A packet that gets an Ethernet header here.
struct Other<'a> {
    header: [u8; 14],
    packet: &'a [u8],
    wire_len: usize,
}

impl<'a> Other<'a> {
    #[inline]
    fn new(bytes: &'a [u8], wire_len: usize, kind: u16, skip: usize) -> Self {
        let mut header = [0; 14];
        let [.., high, low] = &mut header;
        [*high, *low] = kind.to_be_bytes();
        let wire_len = wire_len.saturating_sub(skip).saturating_add(header.len());
        Other { header, packet: bytes.get(skip..).unwrap_or_default(), wire_len }
    }
}

impl Bytes for Other<'_> {
    #[inline]
    fn length(&self) -> usize {
        self.wire_len
    }

    #[inline]
    fn part<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        match at.checked_sub(self.header.len()) {
            Some(at) => self.packet.get(at..)?.first_chunk(),
            None => self.header.get(at..)?.first_chunk(),
        }
    }
}
