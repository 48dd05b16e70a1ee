//! A ring of the latest pieces (frames, lines) of many connections, in memory that is taken once. Each piece knows the one before it
//! of its own connection, so that those of one connection are found without a search.

use crate::time::Timestamp;

/// Where a piece is: a count of bytes since the ring began, which never comes again. None is 0.
pub type Place = u64;

/// Bytes in front of each piece.
const HEADER: usize = 32;

/// The ring.
#[derive(Debug)]
pub struct Ring {
    bytes: Box<[u8]>,
    /// Where the next piece goes; never 0.
    head: Place,
}

/// A piece that is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// The piece of the same connection before it.
    pub previous: Place,
    /// When it was on the wire.
    pub at: Timestamp,
    /// What it is, in a number of whoever keeps it.
    pub kind: u8,
    /// Its length before it was cut.
    pub full_len: u32,
    /// What there is of it.
    pub bytes: &'a [u8],
}

impl Ring {
    /// A ring of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Ring { bytes: vec![0; bytes].into_boxed_slice(), head: 1 }
    }

    /// Keeps a piece; the oldest ones give way. Says where it is.
    pub fn push(&mut self, entry: &Entry<'_>) -> Place {
        let size = HEADER + entry.bytes.len();
        if size > self.bytes.len() {
            return entry.previous;
        }
        if self.index(self.head) + size > self.bytes.len() {
            // What does not fit before the end begins at the start: nothing is ever in two parts.
            self.head += (self.bytes.len() - self.index(self.head)) as u64;
        }
        let (place, start) = (self.head, self.index(self.head));
        let Entry { previous, at, kind, full_len, bytes } = *entry;
        let header = Header { previous, at, kind, full_len, len: bytes.len() as u32 };
        if let Some(room) = self.bytes.get_mut(start..start + size) {
            let (head, body) = room.split_at_mut(HEADER);
            head.copy_from_slice(&header.to_bytes());
            body.copy_from_slice(entry.bytes);
        }
        self.head += size as u64;
        place
    }

    /// The piece at a place, if it has not given way yet.
    pub fn get(&self, place: Place) -> Option<Entry<'_>> {
        if place == 0 || place >= self.head || self.head - place > self.bytes.len() as u64 {
            return None;
        }
        let start = self.index(place);
        let header = Header::from_bytes(self.bytes.get(start..start + HEADER)?.try_into().ok()?);
        let body = start + HEADER;
        let bytes = self.bytes.get(body..body + header.len as usize)?;
        let Header { previous, at, kind, full_len, .. } = header;
        Some(Entry { previous, at, kind, full_len, bytes })
    }

    /// The places of one connection's pieces, newest first, and whether older ones have given way.
    pub fn latest_first(&self, latest: Place) -> (Vec<Place>, bool) {
        let (mut places, mut place) = (Vec::new(), latest);
        while let Some(entry) = self.get(place) {
            places.push(place);
            place = entry.previous;
        }
        (places, place != 0)
    }

    fn index(&self, place: Place) -> usize {
        (place % self.bytes.len().max(1) as u64) as usize
    }
}

struct Header {
    previous: Place,
    at: Timestamp,
    full_len: u32,
    len: u32,
    kind: u8,
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..8].copy_from_slice(&self.previous.to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.at.as_nanos().to_ne_bytes());
        bytes[16..20].copy_from_slice(&self.full_len.to_ne_bytes());
        bytes[20..24].copy_from_slice(&self.len.to_ne_bytes());
        bytes[24] = self.kind;
        bytes
    }

    fn from_bytes(bytes: [u8; HEADER]) -> Self {
        let wide = |at: usize| u64::from_ne_bytes(std::array::from_fn(|n| bytes[at + n]));
        let narrow = |at: usize| u32::from_ne_bytes(std::array::from_fn(|n| bytes[at + n]));
        let at = Timestamp::from_nanos(wide(8));
        Header { previous: wide(0), at, full_len: narrow(16), len: narrow(20), kind: bytes[24] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, previous: Place, bytes: &[u8]) -> Entry<'_> {
        let at = Timestamp::from_nanos(number);
        Entry { previous, at, kind: 3, full_len: 1000 + bytes.len() as u32, bytes }
    }

    #[test]
    fn a_piece_is_found_until_it_has_given_way() {
        let mut ring = Ring::new(200);
        let mut places = vec![0];
        for number in 1..=20 {
            let bytes = vec![number as u8; number as usize % 7];
            places.push(ring.push(&entry(number, *places.last().unwrap(), &bytes)));
        }
        for (number, place) in places.iter().enumerate().skip(1) {
            let Some(entry) = ring.get(*place) else {
                assert!(number < 16, "{number} is gone too early");
                continue;
            };
            assert!(number > 10, "{number} cannot be there any more");
            assert_eq!((entry.at.as_nanos(), entry.previous), (number as u64, places[number - 1]));
            assert_eq!((entry.full_len as usize, entry.bytes.len()), (1000 + number % 7, number % 7));
            assert!(entry.kind == 3 && entry.bytes.iter().all(|byte| usize::from(*byte) == number));
        }
        assert!(ring.get(0).is_none() && ring.get(1 << 40).is_none());
        assert_eq!(ring.latest_first(places[20]).0.first(), places.last());
        assert!(ring.latest_first(places[20]).1 && !ring.latest_first(0).1);
    }

    #[test]
    fn what_is_larger_than_the_ring_is_not_kept() {
        let mut ring = Ring::new(40);
        let place = ring.push(&entry(1, 0, b"abc"));
        assert_eq!(ring.push(&entry(2, place, &[0; 9])), place);
        assert_eq!(ring.get(place).unwrap().bytes, b"abc");
        assert_eq!(Ring::new(0).push(&entry(1, 7, b"")), 7);
    }
}
