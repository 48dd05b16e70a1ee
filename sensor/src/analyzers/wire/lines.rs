//! Lines out of a stream: shown where they lie in the packet, or put together in a small buffer if they came in pieces.

use std::cell::Cell;

use memchr::memchr;
use smallvec::SmallVec;

use crate::analyzers::Context;
use crate::flow::budget::Budget;

#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may fail")]
mod tests;

/// The byte that begins a command of the Network Virtual Terminal.
pub const IAC: u8 = 255;
/// The least that [`crate::analyzers::Analyzer::PDU_MAX`] may be for whoever reads lines.
pub const WAITING_MAX: usize = 2048;
/// An unfinished line longer than this is not left with the stream, so that its bound is never met.
const LEFT_MAX: usize = 1024;
/// An unfinished line up to this length is not left with the stream: prompts, and what people type.
const SHORT: usize = 40;
/// Up to this length it needs nothing on the heap.
const INLINE: usize = 16;
/// So many bytes are looked at together, in one register.
const BLOCK: usize = 16;
/// What a buffer has room for at first.
const BUFFER: usize = 64;
/// Buffers that a worker keeps for reuse.
const SPARE_MAX: usize = 64;

/// Where lines end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// At CR, at LF and at CR LF; a NUL after a CR belongs to it (Telnet, Rlogin).
    CrOrLf,
    /// At LF, before which a CR is expected (FTP).
    Lf,
}

/// How lines are read, and how much of them may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// Where they end.
    pub ending: Ending,
    /// A line of so many bytes is too long.
    pub limit: usize,
    /// Whether IAC interrupts a line.
    pub commands: bool,
    /// What may be kept on the heap beyond what is.
    pub budget: Budget<'a>,
}

/// What comes next. Its bytes are asked of [`Lines::bytes`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found<'b> {
    /// A line, without its end.
    Line {
        /// Where it is.
        text: Text<'b>,
        /// A CR stands in it that no LF follows, where only CR LF ends lines.
        single_cr: bool,
        /// Its LF follows no CR, where only CR LF ends lines.
        single_lf: bool,
    },
    /// The beginning of a line that is too long; the rest of it is left out.
    Cut(Text<'b>),
    /// A NUL; it is left out.
    Nul,
    /// An IAC is next.
    Command,
    /// There was no room for so many bytes: the line is left out.
    Refused(usize),
}

/// Where a line's bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text<'b> {
    /// Where they were offered.
    Offered(&'b [u8]),
    /// The first so many of those that were kept.
    Kept(usize),
}

/// One direction of a stream of lines.
#[derive(Default, Debug)]
pub struct Lines {
    /// The line so far, unless it can be shown where it lies.
    kept: SmallVec<[u8; INLINE]>,
    /// So many of the bytes that will be offered next were seen already: text of one line, and nothing else.
    seen: u16,
    /// What was kept has been shown.
    shown: bool,
    /// The line is left out up to its end.
    skips: bool,
    /// A CR ended the last line: an LF or a NUL that follows belongs to it.
    after_cr: bool,
}

impl Lines {
    /// A key, or a few: the next bytes of a line that needs nothing on the heap. Whether all of `rest` was used up as that; it is what
    /// people at terminals send and are shown, and most packets of a session are of it. [`Lines::next`] says the same, later.
    #[inline]
    pub fn types(&mut self, rest: &mut &[u8], form: &Form<'_>) -> bool {
        let length = self.kept.len().saturating_add(rest.len());
        let plain = !self.shown && !self.skips && !self.after_cr && self.seen == 0;
        if length > INLINE || length >= form.limit || !plain || rest.iter().any(|&byte| form.stops(byte)) {
            return false;
        }
        for &byte in std::mem::take(rest) {
            self.kept.push(byte);
        }
        true
    }

    /// What comes next in `rest`, which is moved on behind it; `None`: everything was used up but the beginning of a line,
    /// which is to be offered again together with what follows.
    pub fn next<'b>(&mut self, rest: &mut &'b [u8], form: &Form<'_>) -> Option<Found<'b>> {
        if std::mem::take(&mut self.shown) {
            self.release();
        }
        loop {
            if !self.skips && self.length(&[], form) >= form.limit {
                return Some(self.cut(rest, form));
            }
            self.swallow(rest, form);
            if rest.is_empty() {
                return None;
            }
            let seen = usize::from(self.seen);
            let fresh = rest.get(seen..).unwrap_or_default();
            let end = form.stop_in(fresh).map(|at| seen.saturating_add(at));
            let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
            if !self.skips && self.length(text, form) >= form.limit {
                return Some(self.cut(rest, form));
            }
            let stop = end.and_then(|end| rest.get(end)).copied();
            if let Some(b'\r' | b'\n') = stop {
                if let Some(line) = self.line(text, rest, form) {
                    return Some(line);
                }
                continue;
            }
            if stop.is_none()
                && let Some(left) = self.leaves(text)
            {
                self.seen = left;
                return None;
            }
            let refused = self.keep(text, form).err();
            advance(rest, text.len());
            self.seen = 0;
            let Some(stop) = stop else { return refused };
            if refused.is_some() {
                return refused;
            }
            if stop == IAC && form.commands {
                return Some(Found::Command);
            }
            advance(rest, 1);
            if self.kept.last() != Some(&b'\r') {
                return Some(Found::Nul);
            }
        }
    }

    /// The bytes of what was found last.
    pub fn bytes<'a>(&'a self, text: Text<'a>) -> &'a [u8] {
        match text {
            Text::Offered(bytes) => bytes,
            Text::Kept(length) => self.kept.get(..length).unwrap_or(&self.kept),
        }
    }

    /// What there is of a line that has not ended, `rest` being what was offered and not used up.
    #[inline]
    pub fn partial<'a>(&'a self, rest: &'a [u8]) -> &'a [u8] {
        if self.skips || self.shown {
            b""
        } else if self.kept.is_empty() {
            rest
        } else {
            &self.kept
        }
    }

    /// Keeps what was left with the stream, because what follows it there is no text; `Err`: there was no room for it.
    pub fn hold(&mut self, rest: &mut &[u8], form: &Form<'_>) -> Result<(), Found<'static>> {
        let text = std::mem::take(rest);
        self.seen = 0;
        self.keep(text, form)
    }

    /// A byte of the line that did not come as text; `Err`: there was no room for it.
    pub fn insert(&mut self, byte: u8, form: &Form<'_>) -> Result<(), Found<'static>> {
        self.after_cr = false;
        self.keep(&[byte], form)
    }

    /// The stream has ended: what there is of a line, `rest` being what was offered and not used up.
    pub fn finish<'a>(&'a mut self, rest: &'a [u8], form: &Form<'_>) -> Option<&'a [u8]> {
        if std::mem::take(&mut self.shown) || std::mem::replace(&mut self.skips, true) {
            return None;
        }
        self.seen = 0;
        let text = match self.kept.is_empty() {
            true => rest,
            false => &self.kept,
        };
        let text = if form.ending == Ending::Lf { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
        Some(text).filter(|text| !text.is_empty())
    }

    /// Bytes are missing: what was there of a line is forgotten, and what follows is taken for the beginning of one.
    pub fn restart(&mut self) {
        *self = Lines::default();
    }

    /// Bytes on the heap.
    #[inline]
    pub fn held(&self) -> usize {
        if self.kept.spilled() { self.kept.capacity() } else { 0 }
    }

    fn swallow(&mut self, rest: &mut &[u8], form: &Form<'_>) {
        let Some(&next) = rest.first() else { return };
        if self.after_cr && !(form.commands && next == IAC) {
            self.after_cr = false;
            if matches!(next, b'\n' | 0) {
                advance(rest, 1);
            }
        }
    }

    /// How long the line is with this text; a CR at its end may yet belong to the line's end.
    fn length(&self, text: &[u8], form: &Form<'_>) -> usize {
        let last = text.last().or(self.kept.last());
        let cr = form.ending == Ending::Lf && last == Some(&b'\r');
        self.kept.len().saturating_add(text.len()).saturating_sub(cr.into())
    }

    /// How much text without an end is left with the stream; `None`: what is short, or follows what is kept, is kept.
    fn leaves(&self, text: &[u8]) -> Option<u16> {
        let leaves = self.kept.is_empty() && !self.skips && (SHORT + 1..LEFT_MAX).contains(&text.len());
        u16::try_from(text.len()).ok().filter(|_| leaves)
    }

    fn keep(&mut self, text: &[u8], form: &Form<'_>) -> Result<(), Found<'static>> {
        if self.skips || text.is_empty() {
            return Ok(());
        }
        let length = self.kept.len().saturating_add(text.len());
        if length > self.kept.capacity() && length > form.budget.room() {
            self.release();
            self.skips = true;
            return Err(Found::Refused(length));
        }
        if length > INLINE && !self.kept.spilled() {
            let mut buffer = borrow();
            buffer.extend_from_slice(&self.kept);
            self.kept = SmallVec::from_vec(buffer);
        }
        self.kept.extend_from_slice(text);
        Ok(())
    }

    /// Forgets what was kept, and lends its buffer to whoever is next.
    fn release(&mut self) {
        let kept = std::mem::take(&mut self.kept);
        if kept.spilled() {
            give_back(kept.into_vec());
        }
    }

    /// The line ends behind `text`; `None` if it is left out.
    fn line<'b>(&mut self, text: &'b [u8], rest: &mut &'b [u8], form: &Form<'_>) -> Option<Found<'b>> {
        self.after_cr = rest.get(text.len()) == Some(&b'\r');
        advance(rest, text.len().saturating_add(1));
        self.swallow(rest, form);
        self.seen = 0;
        if std::mem::take(&mut self.skips) {
            return None;
        }
        if !self.kept.is_empty() {
            if let Err(refused) = self.keep(text, form) {
                self.skips = false;
                return Some(refused);
            }
            self.shown = true;
        }
        let line = if self.shown { &self.kept } else { text };
        let (mut length, mut single_cr, mut single_lf) = (line.len(), false, false);
        if form.ending == Ending::Lf {
            single_lf = line.last() != Some(&b'\r');
            length = length.saturating_sub((!single_lf).into());
            single_cr = line.get(..length).is_some_and(|line| memchr(b'\r', line).is_some());
        }
        let text = if self.shown { Text::Kept(length) } else { Text::Offered(text.get(..length).unwrap_or(text)) };
        Some(Found::Line { text, single_cr, single_lf })
    }

    /// The line is too long: its beginning is shown, the rest will be left out.
    fn cut<'b>(&mut self, rest: &mut &'b [u8], form: &Form<'_>) -> Found<'b> {
        self.seen = 0;
        self.skips = true;
        if self.kept.is_empty() {
            let text = rest.get(..form.limit).unwrap_or(rest);
            advance(rest, text.len());
            return Found::Cut(Text::Offered(text));
        }
        let more = rest.get(..form.limit.saturating_sub(self.kept.len())).unwrap_or_default();
        self.kept.extend_from_slice(more); // the limit is the bound
        advance(rest, more.len());
        self.shown = true;
        Found::Cut(Text::Kept(form.limit))
    }
}

impl<'a> Form<'a> {
    /// As the limits have it.
    #[inline]
    pub fn new(cx: &Context<'a>, ending: Ending, commands: bool) -> Self {
        Form { ending, limit: cx.limits.nvt_line_bytes.max(1), commands, budget: cx.budget }
    }

    /// Where the next byte is that is not of a line's text.
    fn stop_in(&self, text: &[u8]) -> Option<usize> {
        let blocks = text.as_chunks::<BLOCK>().0.iter();
        let clear = blocks.take_while(|block| !block.iter().fold(false, |any, &byte| any | self.stops(byte))).count();
        let clear = clear.saturating_mul(BLOCK);
        let at = text.get(clear..)?.iter().position(|&byte| self.stops(byte))?;
        Some(clear.saturating_add(at))
    }

    #[inline]
    fn stops(&self, byte: u8) -> bool {
        let cr = if self.ending == Ending::CrOrLf { b'\r' } else { b'\n' };
        let command = if self.commands { IAC } else { 0 };
        (byte == b'\n') | (byte == 0) | (byte == cr) | (byte == command)
    }
}

thread_local! {
    /// Buffers that nobody needs now: lines come and go, and nothing is to be allocated for each.
    static SPARE: Cell<Vec<Vec<u8>>> = const { Cell::new(Vec::new()) };
}

fn borrow() -> Vec<u8> {
    let mut spare = SPARE.take();
    let buffer = spare.pop();
    SPARE.set(spare);
    buffer.unwrap_or_else(|| Vec::with_capacity(BUFFER))
}

fn give_back(mut buffer: Vec<u8>) {
    let mut spare = SPARE.take();
    if spare.len() < SPARE_MAX && buffer.capacity() <= WAITING_MAX {
        buffer.clear();
        spare.push(buffer);
    }
    SPARE.set(spare);
}

/// Moves a slice on.
#[inline]
pub fn advance(rest: &mut &[u8], count: usize) {
    *rest = rest.get(count..).unwrap_or_default();
}
