//! What a user has typed and the server has not judged yet: the manual's queue of typed-ahead lines.

use memchr::memmem;
use smallvec::SmallVec;

use super::awaited::Position;
use crate::text::Text;

/// A typed line that was taken off the queue.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its text, as far as it was kept.
    pub text: Text,
    /// What it was, as far as one can tell.
    pub position: Position,
}

impl Line {
    /// Whether it may be a password.
    pub fn is_secret(&self) -> bool {
        self.position.is_secret() && !is_blank(self.text.as_bytes())
    }
}

/// The lines, oldest first. Empty, it needs nothing on the heap.
#[derive(Default, Debug)]
pub struct Queue {
    lines: SmallVec<[Entry; 4]>,
    /// Their texts, one after the other.
    texts: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    length: u16,
    position: Position,
}

impl Queue {
    /// How many lines wait.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Appends a line, of which `limit` bytes are kept.
    pub fn push(&mut self, text: &[u8], position: Position, limit: usize) {
        let kept = text.get(..limit.min(usize::from(u16::MAX))).unwrap_or(text);
        self.lines.push(Entry { length: u16::try_from(kept.len()).unwrap_or(u16::MAX), position });
        self.texts.extend_from_slice(kept);
    }

    /// Takes the oldest line off.
    pub fn pop(&mut self) -> Option<Line> {
        let entry = *self.lines.first()?;
        self.lines.remove(0);
        let end = usize::from(entry.length).min(self.texts.len());
        let text = Text::new(self.texts.get(..end).unwrap_or_default(), usize::MAX);
        self.texts.drain(..end);
        if self.is_empty() {
            *self = Queue::default();
        }
        Some(Line { text, position: entry.position })
    }

    /// Drops blank lines from the front.
    pub fn drop_blank(&mut self) {
        while self.first().is_some_and(|(text, _)| is_blank(text)) {
            self.pop();
        }
    }

    /// The oldest line.
    pub fn first(&self) -> Option<(&[u8], Position)> {
        self.iter().next()
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Position)> {
        let mut rest = self.texts.as_slice();
        self.lines.iter().map(move |entry| {
            let (text, after) = rest.split_at_checked(entry.length.into()).unwrap_or((rest, &[]));
            rest = after;
            (text, entry.position)
        })
    }

    /// The server showed the oldest line behind a login prompt: it is a name.
    pub fn vouch(&mut self, shown: &[u8]) {
        let skipped = self.iter().take_while(|(text, _)| is_blank(text)).count();
        let is_shown = self.iter().nth(skipped).is_some_and(|(text, _)| text == shown);
        if let Some(entry) = self.lines.get_mut(skipped).filter(|_| is_shown) {
            entry.position = Position::Name;
        }
    }

    /// The server showed one of the lines of which nobody knew what they are at the end of `line`: behind a `prompt` it is a command.
    pub fn vouch_behind(&mut self, line: &[u8], prompt: impl Fn(&[u8]) -> bool) {
        let line = line.trim_ascii_end();
        let command = self.iter().position(|(text, position)| {
            let text = text.trim_ascii_end();
            let shown = line.strip_suffix(text).filter(|_| position == Position::Unknown && !text.is_empty());
            shown.is_some_and(&prompt)
        });
        if let Some(entry) = command.and_then(|place| self.lines.get_mut(place)) {
            entry.position = Position::Command;
        }
    }

    /// Whether `line` shows one of them that may be a password, or half of one: the server may have stopped echoing in between.
    pub fn is_echoed_in(&self, line: &[u8]) -> bool {
        let secrets = self.iter().filter(|&(text, position)| position.is_secret() && !is_blank(text));
        secrets.into_iter().any(|(text, _)| {
            let (first, second) = text.split_at(text.len() / 2);
            let ends = line.starts_with(second) || line.trim_ascii_end().ends_with(second);
            first.len() >= 3 && (contains(line, first) || ends) || contains(line, text)
        })
    }

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        let lines = if self.lines.spilled() { self.lines.capacity().saturating_mul(size_of::<Entry>()) } else { 0 };
        lines.saturating_add(self.texts.capacity())
    }
}

/// Whether a line is nothing but white space.
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// Whether `needle`, which is not empty, is found in `line`.
pub fn contains(line: &[u8], needle: &[u8]) -> bool {
    find(line, needle).is_some()
}

/// Where `needle` ends in `line`.
pub fn find(line: &[u8], needle: &[u8]) -> Option<usize> {
    let at = memmem::find(line, needle).filter(|_| !needle.is_empty())?;
    Some(at.saturating_add(needle.len()))
}
