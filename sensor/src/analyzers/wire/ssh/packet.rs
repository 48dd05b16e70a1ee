//! The packets of SSH as long as they are not encrypted (RFC 4253 section 6; SSH 1 section "The Binary Packet Protocol").

use super::super::reader::Reader;
use super::Version;

/// Bytes of a packet that every implementation takes (RFC 4253 section 6.1).
pub const LONGEST: usize = 35_000;
/// SSH 1 ends each packet in a CRC.
const CRC: usize = 4;

/// Message numbers of SSH 2 (RFC 4250 section 4.1.2).
pub mod message {
    /// Negotiates the algorithms.
    pub const KEXINIT: u8 = 20;
    /// What follows is encrypted.
    pub const NEWKEYS: u8 = 21;
    /// KEXDH_INIT and its likes, of the client; of the server, KEXRSA_PUBKEY (RFC 4432).
    pub const KEX_INIT: u8 = 30;
    /// KEXDH_REPLY and its likes; of a group exchange, the group (RFC 4419).
    pub const KEX_REPLY: u8 = 31;
    /// KEX_DH_GEX_INIT, of the client.
    pub const GEX_INIT: u8 = 32;
    /// KEX_DH_GEX_REPLY; KEXGSS_HOSTKEY (RFC 4462).
    pub const GEX_REPLY: u8 = 33;
    /// KEX_DH_GEX_REQUEST, of the client.
    pub const GEX_REQUEST: u8 = 34;
}

/// Message numbers of SSH 1.
pub mod message1 {
    /// The server's keys.
    pub const SMSG_PUBLIC_KEY: u8 = 2;
    /// The client's session key; what follows is encrypted, on both sides.
    pub const CMSG_SESSION_KEY: u8 = 3;
}

/// What is at the beginning of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found<'a> {
    /// A packet's message, from its number on, and the bytes that the packet takes.
    Message(&'a [u8], usize),
    /// The rest of the packet has not come yet.
    Unfinished,
    /// It says that it has so many bytes, more than the bound.
    TooLong(u32),
    /// It is no packet.
    Malformed,
}

/// The packet at the beginning of `bytes`, which has at most `limit` bytes.
pub fn next(bytes: &[u8], version: Version, limit: usize) -> Found<'_> {
    let mut reader = Reader::new(bytes);
    let Ok(length) = reader.u32() else { return Found::Unfinished };
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if size > limit {
        return Found::TooLong(length);
    }
    let padding_before = match version {
        Version::One => 8usize.saturating_sub(size & 7),
        Version::Two => 0,
    };
    let used = size.saturating_add(padding_before).saturating_add(4);
    let Ok(body) = reader.take(used.saturating_sub(4)) else { return Found::Unfinished };
    let message = match version {
        Version::One => body.get(padding_before..body.len().saturating_sub(CRC)),
        Version::Two => unpadded(body),
    };
    match message {
        Some(message) if !message.is_empty() => Found::Message(message, used),
        _ => Found::Malformed,
    }
}

/// What is between the length of the padding and the padding.
fn unpadded(body: &[u8]) -> Option<&[u8]> {
    let (&padding, rest) = body.split_first()?;
    rest.get(..rest.len().checked_sub(padding.into())?)
}

/// A string (RFC 4251 section 5).
pub fn string<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = reader.u32().ok()?;
    reader.take(usize::try_from(length).ok()?).ok()
}

/// The host key in a message that has one at its beginning; the name of its algorithm is its first string (RFC 4253 section 6.6).
pub fn host_key(message: &[u8]) -> Option<&[u8]> {
    let key = string(&mut Reader::new(message.get(1..)?))?;
    let algorithm = string(&mut Reader::new(key))?;
    let is_name = (3..=64).contains(&algorithm.len()) && algorithm.iter().all(u8::is_ascii_graphic);
    is_name.then_some(key)
}

/// Modulus and exponent of the host key in SSH 1's SMSG_PUBLIC_KEY.
pub fn host_key1(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader::new(message.get(1..)?);
    reader.take(8).ok()?;
    reader.u32().ok()?;
    mpint1(&mut reader)?;
    mpint1(&mut reader)?;
    reader.u32().ok()?;
    let exponent = mpint1(&mut reader)?;
    Some((mpint1(&mut reader)?, exponent))
}

/// An integer of SSH 1: the number of its bits, and its bytes.
fn mpint1<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let bits: [u8; 2] = reader.take(2).ok()?.try_into().ok()?;
    reader.take(usize::from(u16::from_be_bytes(bits)).div_ceil(8)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_both_versions_are_found() {
        let two = b"\x00\x00\x00\x0c\x0a\x15\0\0\0\0\0\0\0\0\0\0next";
        assert_eq!(next(two, Version::Two, LONGEST), Found::Message(b"\x15", 16));
        assert_eq!(next(&two[..15], Version::Two, LONGEST), Found::Unfinished);
        assert_eq!(next(b"\x00\x00\x00\x02\x02\x15", Version::Two, LONGEST), Found::Malformed);
        assert_eq!(next(b"\x00\x00\x00\x00", Version::Two, LONGEST), Found::Malformed);
        assert_eq!(next(b"\x00\x01\x00\x00", Version::Two, LONGEST), Found::TooLong(65_536));
        let one = b"\x00\x00\x00\x06\0\0\x03Xcrc!next";
        assert_eq!(next(one, Version::One, LONGEST), Found::Message(b"\x03X", 12));
    }

    #[test]
    fn a_group_is_not_a_host_key() {
        let reply = b"\x1f\0\0\0\x10\0\0\0\x07ssh-rsa\0\0\0\x01\x03\0\0\0\0";
        assert_eq!(host_key(reply), Some(&b"\0\0\0\x07ssh-rsa\0\0\0\x01\x03"[..]));
        assert_eq!(host_key(b"\x1f\0\0\0\x09\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x01\x02"), None);
    }
}
