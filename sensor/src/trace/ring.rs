//! A ring of the latest frames of many connections, in memory that is taken once. Each frame knows the one before it of its own
//! connection, so that those of one connection are found without a search.

use crate::capture::{Frame, Link};
use crate::time::Timestamp;

/// Where a frame is: a count of bytes since the ring began, which never comes again. None is 0.
pub type Place = u64;

/// Bytes in front of each frame.
const HEADER: usize = 32;

/// The ring.
#[derive(Debug)]
pub struct Ring {
    bytes: Box<[u8]>,
    /// Where the next frame goes; never 0.
    head: Place,
}

/// A frame as it was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// The frame of the same connection before it.
    pub previous: Place,
    /// When it was on the wire.
    pub at: Timestamp,
    /// What its first byte belongs to.
    pub link: Link,
    /// Its length on the wire.
    pub wire_len: u32,
    /// What was captured and kept of it.
    pub bytes: &'a [u8],
}

impl Ring {
    /// A ring of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Ring { bytes: vec![0; bytes].into_boxed_slice(), head: 1 }
    }

    /// Keeps a frame, or as much of it as `most` allows; the oldest frames give way. Says where it is.
    pub fn push(&mut self, previous: Place, frame: &Frame<'_>, most: usize) -> Place {
        let kept = frame.bytes.get(..most).unwrap_or(frame.bytes);
        let size = HEADER + kept.len();
        if size > self.bytes.len() {
            return previous;
        }
        if self.index(self.head) + size > self.bytes.len() {
            // What does not fit before the end begins at the start: a frame is always in one piece.
            self.head += (self.bytes.len() - self.index(self.head)) as u64;
        }
        let (place, start) = (self.head, self.index(self.head));
        let header = Header {
            previous,
            at: frame.at,
            wire_len: frame.wire_len as u32,
            len: kept.len() as u32,
            link: frame.link,
        };
        if let Some(room) = self.bytes.get_mut(start..start + size) {
            let (head, body) = room.split_at_mut(HEADER);
            head.copy_from_slice(&header.to_bytes());
            body.copy_from_slice(kept);
        }
        self.head += size as u64;
        place
    }

    /// The frame at a place, if it has not given way yet.
    pub fn get(&self, place: Place) -> Option<Entry<'_>> {
        if place == 0 || place >= self.head || self.head - place > self.bytes.len() as u64 {
            return None;
        }
        let start = self.index(place);
        let header = Header::from_bytes(self.bytes.get(start..start + HEADER)?.try_into().ok()?);
        let body = start + HEADER;
        let bytes = self.bytes.get(body..body + header.len as usize)?;
        let Header { previous, at, wire_len, link, .. } = header;
        Some(Entry { previous, at, link, wire_len, bytes })
    }

    fn index(&self, place: Place) -> usize {
        (place % self.bytes.len().max(1) as u64) as usize
    }
}

struct Header {
    previous: Place,
    at: Timestamp,
    wire_len: u32,
    len: u32,
    link: Link,
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..8].copy_from_slice(&self.previous.to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.at.as_nanos().to_ne_bytes());
        bytes[16..20].copy_from_slice(&self.wire_len.to_ne_bytes());
        bytes[20..24].copy_from_slice(&self.len.to_ne_bytes());
        bytes[24] = LINKS.iter().position(|link| *link == self.link).unwrap_or(0) as u8;
        bytes
    }

    fn from_bytes(bytes: [u8; HEADER]) -> Self {
        let wide = |at: usize| u64::from_ne_bytes(std::array::from_fn(|n| bytes[at + n]));
        let narrow = |at: usize| u32::from_ne_bytes(std::array::from_fn(|n| bytes[at + n]));
        let link = LINKS.get(usize::from(bytes[24])).copied().unwrap_or(Link::Ethernet);
        let at = Timestamp::from_nanos(wide(8));
        Header { previous: wide(0), at, wire_len: narrow(16), len: narrow(20), link }
    }
}

/// By the number that stands for them in a header.
const LINKS: [Link; 5] = [Link::Ethernet, Link::RawIp, Link::LinuxSll, Link::LinuxSll2, Link::Null];

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64, bytes: &[u8]) -> Frame<'_> {
        let at = Timestamp::from_nanos(number);
        Frame { at, link: Link::RawIp, bytes, wire_len: 1000 + bytes.len(), hash: None }
    }

    #[test]
    fn a_frame_is_found_until_it_has_given_way() {
        let mut ring = Ring::new(200);
        let mut places = vec![0];
        for number in 1..=20 {
            let bytes = vec![number as u8; number as usize % 7];
            let place = ring.push(*places.last().unwrap(), &frame(number, &bytes), 4);
            places.push(place);
        }
        for (number, place) in places.iter().enumerate().skip(1) {
            let Some(entry) = ring.get(*place) else {
                assert!(number < 16, "{number} is gone too early");
                continue;
            };
            assert!(number > 10, "{number} cannot be there any more");
            assert_eq!((entry.at.as_nanos(), entry.previous), (number as u64, places[number - 1]));
            assert_eq!((entry.wire_len as usize, entry.bytes.len()), (1000 + number % 7, (number % 7).min(4)));
            assert!(entry.link == Link::RawIp && entry.bytes.iter().all(|byte| usize::from(*byte) == number));
        }
        assert!(ring.get(0).is_none() && ring.get(1 << 40).is_none());
    }

    #[test]
    fn what_is_larger_than_the_ring_is_not_kept() {
        let mut ring = Ring::new(40);
        let place = ring.push(0, &frame(1, b"abc"), 100);
        assert_eq!(ring.push(place, &frame(2, &[0; 9]), 100), place);
        assert_eq!(ring.get(place).unwrap().bytes, b"abc");
        assert_eq!(Ring::new(0).push(7, &frame(1, b""), 9), 7);
    }
}
