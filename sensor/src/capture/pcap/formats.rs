//! The two capture file formats as one: which it is, what its link types mean, and what its next record holds.

use std::borrow::Cow;

use super::classic::Classic;
use super::pcapng::PcapNg;
use super::places::Places;
use crate::capture::Link;
use crate::time::Timestamp;

/// The largest record that is taken into memory, in bytes. The largest snap length of the capture tools is 256 KiB.
pub(super) const LARGEST_RECORD: usize = 4 << 20;

/// A capture file's format, and what its headers have said so far.
#[derive(Debug)]
pub(super) enum Format {
    /// libpcap's own: a header, then packets.
    Classic(Classic),
    /// Blocks of many kinds (draft-ietf-opsawg-pcapng).
    PcapNg(PcapNg),
}

/// What stands at the reader's position: a record of so many bytes, the packet of which has been entered, or something else.
pub(super) type Step = Result<usize, Stop>;

/// What is no packet.
#[derive(Debug)]
pub(super) enum Stop {
    /// A record without a packet; it may be longer than the bytes at hand.
    Skip(u64),
    /// Nothing can be said before there are this many bytes.
    Need(usize),
    /// A record of `len` bytes that contradicts itself, but whose end is certain: what follows can be read.
    Flawed {
        /// Of the whole record.
        len: usize,
        /// What is wrong with it.
        why: Cow<'static, str>,
    },
    /// Nothing can be read from here on.
    Damaged(Cow<'static, str>),
}

/// A packet in a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    /// Where its bytes start in the record.
    pub start: usize,
    /// How many were captured.
    pub captured: usize,
    /// How many there were.
    pub wire_len: usize,
    /// When; `None` if the record does not say (a simple packet block).
    pub at: Option<Timestamp>,
    /// What it begins with, or the number of a link type that is not read here.
    pub link: Result<Link, u32>,
}

impl Format {
    /// Bytes that are enough to tell the format and to read the header of a classic file.
    pub const HEAD: usize = Classic::HEAD;

    /// Recognises a file by its first bytes; with the format comes the length of the header. `None`: not a capture.
    pub fn recognise(head: &[u8]) -> Option<(Format, usize)> {
        if PcapNg::starts(head) {
            return Some((Format::PcapNg(PcapNg::default()), 0));
        }
        let classic = Classic::from_header(head)?;
        Some((Format::Classic(classic), Classic::HEAD))
    }

    /// Whether a file so short begins like a capture.
    pub fn may_start(head: &[u8]) -> bool {
        PcapNg::may_start(head) || Classic::may_start(head)
    }

    /// The one link type of the whole file, if it has one and it is not read here.
    pub fn unsupported_link(&self) -> Option<u32> {
        match self {
            Format::Classic(classic) => classic.link().err(),
            Format::PcapNg(_) => None,
        }
    }

    /// Enters the packets at the start of `bytes` until something else stands there. Returns where that is, and what.
    pub fn walk(&mut self, bytes: &[u8], places: &mut Places<'_>) -> (usize, Stop) {
        match self {
            Format::Classic(classic) => match classic.order() {
                Order::Little => packets(bytes, |rest, places| classic.step(Order::Little, rest, places), places),
                Order::Big => packets(bytes, |rest, places| classic.step(Order::Big, rest, places), places),
            },
            Format::PcapNg(pcapng) => packets(bytes, |rest, places| pcapng.step(rest, places), places),
        }
    }
}

/// Each format has a loop of its own, and each byte order of the simpler one.
#[inline(always)]
fn packets<'a>(
    bytes: &[u8],
    mut step: impl FnMut(&[u8], &mut Places<'a>) -> Step,
    places: &mut Places<'a>,
) -> (usize, Stop) {
    let mut rest = bytes;
    loop {
        places.record = bytes.len().saturating_sub(rest.len());
        match step(rest, places) {
            Ok(len) => rest = rest.get(len..).unwrap_or_default(),
            Err(stop) => return (places.record, stop),
        }
    }
}

/// The byte order of a file or section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// Least significant byte first.
    Little,
    /// Network order.
    Big,
}

impl Order {
    /// The 32-bit number at `at`.
    #[inline(always)]
    pub fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => u32::from_le_bytes(word),
            Order::Big => u32::from_be_bytes(word),
        })
    }

    /// The 16-bit number at `at`.
    #[inline(always)]
    pub fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let word = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => u16::from_le_bytes(word),
            Order::Big => u16::from_be_bytes(word),
        })
    }
}

/// What a link type number (tcpdump.org/linktypes.html) means; the number back if it is not read here.
pub(super) fn link_of(number: u32) -> Result<Link, u32> {
    match number {
        1 => Ok(Link::Ethernet),
        // 12 and 14 are what DLT_RAW is on some systems, and some programs write it unmapped.
        101 | 12 | 14 | 228 | 229 => Ok(Link::RawIp),
        113 => Ok(Link::LinuxSll),
        276 => Ok(Link::LinuxSll2),
        0 | 108 => Ok(Link::Null),
        other => Err(other),
    }
}

/// A link type for people: the number, and its name where it is a common one.
pub(super) fn link_name(number: u32) -> String {
    let name = match number {
        6 => "token ring",
        8 => "SLIP",
        9 | 50 => "PPP",
        10 => "FDDI",
        51 => "PPPoE",
        100 => "ATM",
        104 => "Cisco HDLC",
        105 => "IEEE 802.11",
        107 => "frame relay",
        117 => "OpenBSD pflog",
        119 => "IEEE 802.11 with Prism header",
        127 => "IEEE 802.11 with radiotap",
        143 => "DOCSIS",
        147..=162 => "reserved for private use",
        163 => "IEEE 802.11 with AVS header",
        187 | 201 => "Bluetooth HCI",
        189 | 220 => "USB",
        195 | 230 => "IEEE 802.15.4",
        239 => "NFLOG",
        252 => "Wireshark's exported PDUs",
        _ => return format!("link type {number}"),
    };
    format!("link type {number} ({name})")
}
