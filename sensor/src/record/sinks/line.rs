//! A line under construction: its room is there before it is written to, so that most pieces of it are a few moves and no call.

use std::fmt;

/// The room that a line begins with; nearly all need less.
const ROOM: usize = 4096;

/// A line, or several.
pub struct Line {
    /// Whatever lies behind `length` is left from earlier lines.
    bytes: Vec<u8>,
    length: usize,
}

impl Line {
    /// Appends a piece. Where its length is known to the compiler, it is moved in place.
    #[inline(always)]
    pub fn put(&mut self, piece: &[u8]) {
        let end = self.length + piece.len();
        if end > self.bytes.len() {
            self.grow(end);
        }
        self.bytes[self.length..end].copy_from_slice(piece);
        self.length = end;
    }

    /// Appends the first `length` of these bytes, and moves them all.
    #[inline(always)]
    pub fn put_first<const N: usize>(&mut self, length: usize, bytes: &[u8; N]) {
        if self.length + N > self.bytes.len() {
            self.grow(self.length + N);
        }
        if let Some(place) = self.bytes[self.length..].first_chunk_mut() {
            *place = *bytes;
        }
        self.length += length.min(N);
    }

    /// Appends a piece between quotes.
    #[inline(always)]
    pub fn put_quoted(&mut self, piece: &[u8]) {
        let end = self.length + piece.len() + 2;
        if end > self.bytes.len() {
            self.grow(end);
        }
        if let [first, between @ .., last] = &mut self.bytes[self.length..end] {
            (*first, *last) = (b'"', b'"');
            between.copy_from_slice(piece);
        }
        self.length = end;
    }

    /// Appends one byte.
    #[inline(always)]
    pub fn push(&mut self, byte: u8) {
        self.put_first(1, &[byte]);
    }

    /// How long it is by now.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.length
    }

    /// What there is of it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// One byte of it, to change it.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut u8> {
        self.bytes[..self.length].get_mut(at)
    }

    /// Begins anew, in the same room.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        self.bytes.resize(needed.next_power_of_two(), 0);
    }
}

impl Default for Line {
    fn default() -> Self {
        Line { bytes: vec![0; ROOM], length: 0 }
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.put(piece.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// What `append` makes of an empty line.
#[cfg(test)]
pub fn text(append: impl FnOnce(&mut Line)) -> String {
    let mut line = Line::default();
    append(&mut line);
    String::from_utf8(line.as_bytes().to_vec()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_room_for_whatever_comes() {
        let mut line = Line::default();
        for round in 0..3 {
            line.clear();
            let mut expected = Vec::new();
            for number in 0..3000_u32 {
                let piece = number.to_be_bytes();
                line.put(&piece);
                line.put_first(number as usize % 6, &piece);
                line.push(round);
                line.put_quoted(&piece);
                expected.extend_from_slice(&piece);
                expected.extend_from_slice(&piece[..(number as usize % 6).min(4)]);
                expected.push(round);
                expected.extend([b"\"", &piece[..], b"\""].concat());
            }
            assert_eq!((line.as_bytes(), line.len()), (&expected[..], expected.len()));
        }
    }
}
