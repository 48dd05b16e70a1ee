//! Hostile text: bytes from the wire that go into a record.

use smallvec::SmallVec;

/// Bytes from the wire, bounded when made. There is no `Display`: only a sink turns them into text, and escapes them.
///
/// Up to 30 bytes are kept in place, so that user names, netids and machine names cost no allocation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text {
    bytes: SmallVec<[u8; 30]>,
    truncated: bool,
}

impl Text {
    /// The first `limit` of these bytes; remembers whether there were more.
    pub fn new(bytes: &[u8], limit: usize) -> Self {
        let kept = bytes.get(..limit).unwrap_or(bytes);
        Text { bytes: SmallVec::from_slice(kept), truncated: kept.len() < bytes.len() }
    }

    /// The bytes as they were on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the wire had more than the bound allowed.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        if self.bytes.spilled() { self.bytes.capacity() } else { 0 }
    }

    /// Whether nothing was there.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl From<&'static str> for Text {
    /// Our own words: not hostile, and short enough by construction.
    fn from(words: &'static str) -> Self {
        Text::new(words.as_bytes(), words.len())
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.bytes.escape_ascii())
    }
}
