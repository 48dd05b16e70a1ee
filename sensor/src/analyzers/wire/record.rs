//! RPC record marking over TCP (RFC 5531, section 11): fragments become records, and the way back after a loss.

use super::reader::Reader;

/// A record buffer that grew beyond this is given back after its record.
const BUFFER_KEPT: usize = 4096;
/// Marker and header of a call down to the length of its credential: 130 bits that must be right.
const CALL_PROVES: usize = 36;
/// Marker and header of a reply down to the length of its verifier, or why it was denied.
const REPLY_PROVES: usize = 24;
/// The longest body of a credential or a verifier.
const AUTH_MAX: u32 = 400;
/// Flavors beyond this were never given out in a row.
const FLAVOR_MAX: u32 = 16;
/// No record is that long: the way back is not sought through such a marker.
const PLAUSIBLE_MAX: u32 = 1 << 24;
/// The shortest messages: a denied reply, and a call of nothing.
const PLAUSIBLE_MIN: u32 = 20;
const LAST: u32 = 1 << 31;

/// How much of a record is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of a record.
    pub bytes: usize,
    /// Fragments of a record.
    pub fragments: usize,
    /// Bytes that may be kept beyond those that are.
    pub room: usize,
}

/// One direction of a connection that carries records.
#[derive(Default, Debug)]
pub struct Records {
    state: State,
    /// The record so far, unless it can be shown where it lies.
    record: Vec<u8>,
    /// The length of the record as far as its markers tell.
    length: u64,
    fragments: usize,
    /// It was told that the record is too long.
    excessive: bool,
    /// The record has a hole: nothing behind it is kept.
    holed: bool,
    /// There was no room for it: it is skipped to its end.
    skipped: bool,
    /// Bytes that went by since the markers were lost.
    lost: u64,
}

/// What comes next in the stream.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum State {
    /// The marker of a record's first fragment.
    #[default]
    Start,
    /// The marker of a further fragment.
    Continue,
    /// So many bytes of a fragment.
    Fragment { left: u32, last: bool },
    /// The middle of anything.
    Lost,
}

/// What was found in the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Found<'a> {
    /// A record, or its beginning: `length` is what its markers promised. To be followed by [`Records::finish`].
    Record { bytes: &'a [u8], length: u64 },
    /// The record turns out to be longer than the bound, or in more pieces; its end will be found all the same.
    Excessive { length: u64 },
    /// There is no room for so many bytes of a record: it is skipped whole.
    Refused { bytes: usize },
    /// What should be a record is none.
    Nonsense,
    /// The markers were found again after so many bytes.
    Resynchronised { lost: u64 },
    /// Nothing more without more bytes.
    Nothing,
}

impl Records {
    /// The stream did not start at its beginning.
    pub fn start_lost(&mut self) {
        self.state = State::Lost;
    }

    /// The next thing in the stream; takes off `reader` what it used.
    pub fn next<'s, 'a: 's>(&'s mut self, reader: &mut Reader<'a>, bounds: Bounds) -> Found<'s> {
        loop {
            match self.state {
                State::Start | State::Continue => match self.marker(reader, bounds) {
                    Some(found) => return found,
                    None => continue,
                },
                State::Lost => match self.search(reader) {
                    Some(found) => return found,
                    None => continue,
                },
                State::Fragment { left, last } => {
                    let here = reader.up_to(left);
                    let left = left.saturating_sub(here.len() as u32);
                    let in_one_piece = self.record.is_empty() && self.length == here.len() as u64;
                    let kept = in_one_piece && last && left == 0 || self.keep(here, bounds);
                    self.state = match (left, last) {
                        (0, true) => State::Start,
                        (0, false) => State::Continue,
                        _ => State::Fragment { left, last },
                    };
                    let over = self.state == State::Start;
                    if over && !self.skipped {
                        let bytes = if in_one_piece { here.get(..bounds.bytes).unwrap_or(here) } else { &self.record };
                        return Found::Record { bytes, length: self.length };
                    }
                    if over {
                        self.finish(true);
                    }
                    if !kept {
                        return Found::Refused { bytes: here.len() };
                    }
                    if left > 0 {
                        return Found::Nothing;
                    }
                }
            }
        }
    }

    /// The record has been read; if it was not RPC, its marker was none either.
    pub fn finish(&mut self, was_rpc: bool) {
        if !was_rpc {
            self.lost = self.lost.saturating_add(self.length);
            self.state = State::Lost;
        }
        self.length = 0;
        self.fragments = 0;
        self.excessive = false;
        self.holed = false;
        self.skipped = false;
        self.record.clear();
        if self.record.capacity() > BUFFER_KEPT {
            self.record = Vec::new();
        }
    }

    /// So many bytes are missing here. A hole inside a fragment costs the rest of its record, any other costs the markers.
    pub fn gap(&mut self, length: u64) {
        match self.state {
            State::Fragment { left, last } if length <= u64::from(left) => {
                let left = left.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX));
                self.state = State::Fragment { left, last };
                self.holed = true;
            }
            _ => {
                let lost = self.lost.saturating_add(length).saturating_add(self.record.len() as u64);
                self.finish(true);
                self.lost = lost;
                self.state = State::Lost;
            }
        }
    }

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        self.record.capacity()
    }

    /// Whether the stream ends inside a record, given what was offered last and not used.
    pub fn is_unfinished(&self, rest: &[u8]) -> bool {
        match self.state {
            State::Start => !rest.is_empty(),
            State::Continue | State::Fragment { .. } => true,
            State::Lost => false,
        }
    }

    /// Reads a marker. A record whose beginning is no RPC message is not believed.
    fn marker(&mut self, reader: &mut Reader<'_>, bounds: Bounds) -> Option<Found<'static>> {
        let Ok(marker) = reader.clone().u32() else { return Some(Found::Nothing) };
        let (left, last) = (marker & !LAST, marker & LAST != 0);
        if self.state == State::Start && left >= 8 {
            match word(reader.rest(), 8) {
                Some(0 | 1) => {}
                Some(_) => {
                    self.state = State::Lost;
                    return Some(Found::Nonsense);
                }
                None => return Some(Found::Nothing),
            }
        }
        let _ = reader.u32();
        self.state = State::Fragment { left, last };
        self.length = self.length.saturating_add(left.into());
        self.fragments = self.fragments.saturating_add(1);
        let excessive = self.length > bounds.bytes as u64 || self.fragments > bounds.fragments;
        if !excessive || self.excessive {
            return None;
        }
        self.excessive = true;
        Some(Found::Excessive { length: self.length })
    }

    /// Keeps what lies within the bounds; `false` if there is no room for it, and with that for the record.
    fn keep(&mut self, here: &[u8], bounds: Bounds) -> bool {
        if self.fragments > bounds.fragments || self.holed || self.skipped {
            return true;
        }
        let left = bounds.bytes.saturating_sub(self.record.len());
        let here = here.get(..left).unwrap_or(here);
        let total = self.record.len().saturating_add(here.len());
        if total.saturating_sub(self.record.capacity()) > bounds.room {
            self.skipped = true;
            self.record = Vec::new();
            return false;
        }
        self.record.extend_from_slice(here);
        true
    }

    /// Looks for a place that can only be the beginning of a record, byte by byte.
    fn search(&mut self, reader: &mut Reader<'_>) -> Option<Found<'static>> {
        let bytes = reader.rest();
        let mut at: usize = 0;
        let found = loop {
            match beginning(bytes.get(at..).unwrap_or_default()) {
                Some(false) => at = at.saturating_add(1),
                Some(true) => break true,
                None => break false,
            }
        };
        let _ = reader.take(at);
        self.lost = self.lost.saturating_add(at as u64);
        if !found {
            return Some(Found::Nothing);
        }
        self.state = State::Start;
        match std::mem::take(&mut self.lost) {
            0 => None,
            lost => Some(Found::Resynchronised { lost }),
        }
    }
}

/// Whether a record begins here; none if more bytes are needed to tell. The header alone decides, never what follows the
/// record: a lookup is often the only record there is, and how the stream was cut into segments must not matter.
fn beginning(bytes: &[u8]) -> Option<bool> {
    let length = word(bytes, 0)? & !LAST;
    let kind = word(bytes, 8)?;
    if !(PLAUSIBLE_MIN..=PLAUSIBLE_MAX).contains(&length) {
        return Some(false);
    }
    match kind {
        0 if bytes.len() < CALL_PROVES => None,
        0 => Some(word(bytes, 12)? == 2 && is_auth(word(bytes, 28)?, word(bytes, 32)?)),
        1 if bytes.len() < REPLY_PROVES => None,
        1 => Some(match word(bytes, 12)? {
            0 => is_auth(word(bytes, 16)?, word(bytes, 20)?),
            1 => word(bytes, 16)? <= 1 && word(bytes, 20)? <= FLAVOR_MAX,
            _ => false,
        }),
        _ => Some(false),
    }
}

fn is_auth(flavor: u32, length: u32) -> bool {
    flavor <= FLAVOR_MAX && length <= AUTH_MAX
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}
