//! Hostile text: bytes from the wire that go into a record.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

/// Bytes that are kept in place, so that user names, netids and machine names need no buffer.
const IN_PLACE: usize = 37;
/// What a new buffer holds at least: it will be another text's.
const LEAST: usize = 128;
/// Buffers that a worker keeps while nobody needs them; more are freed.
pub const KEPT: usize = 1024;
/// So many of them beside those that come back from elsewhere.
const OWN_KEPT: usize = 64;
/// A buffer that has grown beyond this is freed, not kept.
pub const LARGEST_KEPT: usize = 2048;

/// Bytes from the wire, bounded when made. There is no `Display`: only a sink turns them into text, and escapes them.
#[derive(Clone)]
pub struct Text(Bytes);

#[derive(Clone)]
enum Bytes {
    Short { bytes: [u8; IN_PLACE], length: u8, truncated: bool },
    Long { buffer: Lent, truncated: bool },
}

/// A worker's buffers for what is too long to be kept in place. A text gives its buffer back when it is dropped, by whatever thread: so
/// the texts of records cost no allocation, although it is the collector that is done with them.
#[derive(Default, Debug)]
pub struct Buffers {
    home: Home,
    /// Those that the worker has given back itself: to take one of them costs nothing that threads have in common.
    own: RefCell<Vec<Vec<u8>>>,
}

/// Where the buffers of a worker's texts come back to, from whatever thread. The lock is only ever tried, as nobody may wait for a thread
/// that has lost its processor: then a buffer is freed, and another made.
#[derive(Clone, Default, Debug)]
struct Home(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer that goes home when it is dropped, if it has one.
struct Lent {
    bytes: Vec<u8>,
    home: Option<Home>,
}

const _: () = assert!(size_of::<Option<Text>>() == 40, "a record has up to eight");

impl Text {
    /// The first `limit` of these bytes; remembers whether there were more.
    pub fn new(bytes: &[u8], limit: usize) -> Self {
        Text::within(bytes, limit, None)
    }

    fn within(bytes: &[u8], limit: usize, home: Option<&Home>) -> Self {
        let kept = bytes.get(..limit).unwrap_or(bytes);
        let truncated = kept.len() < bytes.len();
        let mut short = [0; IN_PLACE];
        Text(match short.get_mut(..kept.len()) {
            Some(place) => {
                place.copy_from_slice(kept);
                Bytes::Short { bytes: short, length: kept.len() as u8, truncated }
            }
            None => Bytes::Long { buffer: Lent::new(kept, home), truncated },
        })
    }

    /// The bytes as they were on the wire.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Short { bytes, length, .. } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Bytes::Long { buffer, .. } => &buffer.bytes,
        }
    }

    /// Whether the wire had more than the bound allowed.
    #[inline]
    pub fn is_truncated(&self) -> bool {
        let (Bytes::Short { truncated, .. } | Bytes::Long { truncated, .. }) = self.0;
        truncated
    }

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        match &self.0 {
            Bytes::Short { .. } => 0,
            Bytes::Long { buffer, .. } => buffer.bytes.capacity(),
        }
    }

    /// Whether nothing was there.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl Buffers {
    /// A text like [`Text::new`]'s, in one of these buffers if it needs one.
    pub fn text(&self, bytes: &[u8], limit: usize) -> Text {
        Text::within(bytes, limit, Some(&self.home))
    }

    /// Makes room for so many bytes more, in another buffer if need be.
    pub fn grow(&self, buffer: &mut Vec<u8>, more: usize) {
        let needed = buffer.len().saturating_add(more);
        if needed > buffer.capacity() {
            let own = self.own.borrow_mut().pop();
            let mut larger = own.map_or_else(|| self.home.take(needed), |own| emptied(own, needed));
            larger.extend_from_slice(buffer);
            self.give_back(buffer);
            *buffer = larger;
        }
    }

    /// Takes a buffer back, and leaves an empty one that owns nothing.
    pub fn give_back(&self, buffer: &mut Vec<u8>) {
        let mut own = self.own.borrow_mut();
        if own.len() < OWN_KEPT && (1..=LARGEST_KEPT).contains(&buffer.capacity()) {
            own.push(std::mem::take(buffer));
        } else {
            self.home.give_back(buffer);
        }
    }
}

impl Home {
    fn give_back(&self, buffer: &mut Vec<u8>) {
        let buffer = std::mem::take(buffer);
        if (1..=LARGEST_KEPT).contains(&buffer.capacity())
            && let Ok(mut kept) = self.0.try_lock()
            && kept.len() < KEPT - OWN_KEPT
        {
            kept.push(buffer);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// An empty buffer with room for so many bytes.
    fn take(&self, room: usize) -> Vec<u8> {
        let kept = self.0.try_lock().ok().and_then(|mut kept| kept.pop());
        emptied(kept.unwrap_or_default(), room)
    }
}

/// The same buffer, empty and with room for so many bytes.
fn emptied(mut buffer: Vec<u8>, room: usize) -> Vec<u8> {
    buffer.clear();
    if buffer.capacity() < room {
        buffer.reserve_exact(room.next_power_of_two().max(LEAST));
    }
    buffer
}

impl Lent {
    fn new(bytes: &[u8], home: Option<&Home>) -> Self {
        let Some(home) = home else { return Lent { bytes: bytes.to_vec(), home: None } };
        let mut buffer = home.take(bytes.len());
        buffer.extend_from_slice(bytes);
        Lent { bytes: buffer, home: Some(home.clone()) }
    }
}

impl Clone for Lent {
    fn clone(&self) -> Self {
        Lent::new(&self.bytes, self.home.as_ref())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.give_back(&mut self.bytes);
        }
    }
}

impl From<&'static str> for Text {
    /// Our own words: not hostile, and short enough by construction.
    fn from(words: &'static str) -> Self {
        Text::new(words.as_bytes(), words.len())
    }
}

impl Default for Text {
    fn default() -> Self {
        Text::new(b"", 0)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.as_bytes(), self.is_truncated()).cmp(&(other.as_bytes(), other.is_truncated()))
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, to: &mut H) {
        (self.as_bytes(), self.is_truncated()).hash(to);
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_its_bytes_are_wherever_they_are_kept() {
        let buffers = Buffers::default();
        for length in [0, 1, IN_PLACE, IN_PLACE + 1, LEAST, 3000] {
            let bytes = vec![b'x'; length];
            let (own, lent) = (Text::new(&bytes, usize::MAX), buffers.text(&bytes, usize::MAX));
            assert_eq!((own.as_bytes(), lent.as_bytes(), lent.clone() == own), (&bytes[..], &bytes[..], true));
            assert_eq!(
                (lent.held() > 0, lent.is_truncated(), lent.is_empty()),
                (length > IN_PLACE, false, length == 0)
            );
            let cut = buffers.text(&bytes, length.saturating_sub(1));
            assert_eq!((cut.as_bytes().len(), cut.is_truncated()), (length.saturating_sub(1), length > 0));
            assert!(cut <= lent && (cut == lent) == (length == 0));
        }
    }

    #[test]
    fn a_buffer_comes_back_from_whatever_thread_drops_its_text() {
        let buffers = Buffers::default();
        let (text, large) = (buffers.text(&[b'x'; 50], 100), buffers.text(&[b'x'; LARGEST_KEPT + 1], usize::MAX));
        assert_eq!(buffers.home.len(), 0);
        std::thread::spawn(move || drop((text.clone(), text, large))).join().unwrap();
        assert_eq!(buffers.home.len(), 2, "of the text and its copy; what is too large is freed");
        let mut buffer = Vec::new();
        buffers.grow(&mut buffer, LEAST);
        buffer.extend_from_slice(&[b'y'; LEAST]);
        buffers.grow(&mut buffer, 1);
        assert_eq!(
            (buffer.len(), buffer.capacity(), buffers.home.len(), buffers.own.borrow().len()),
            (LEAST, 2 * LEAST, 0, 1),
            "it moved to a larger one"
        );
        buffers.give_back(&mut buffer);
        assert_eq!((buffer.capacity(), buffers.own.borrow().len()), (0, 2));
        for _ in 0..KEPT {
            buffers.give_back(&mut vec![0]);
        }
        let kept = (buffers.own.borrow().len(), buffers.home.len());
        assert_eq!(kept, (OWN_KEPT, KEPT - OWN_KEPT), "no more than are kept in all");
    }
}
