//! The Network Virtual Terminal (RFC 854), which Telnet and FTP's control connection have in common: lines, and options among them.

use super::lines::{Ending, Form, Found, IAC, Lines, advance};
use crate::analyzers::{Context, Step};
use crate::event::Event;
use crate::event::nvt::{Negotiation, NvtEvent};
use crate::flow::EndpointState;
use crate::flow::key::Direction;

/// What an analyzer that reads a terminal has for [`crate::analyzers::Analyzer::PDU_MAX`].
pub use super::lines::WAITING_MAX as PDU_MAX;

/// End of a suboption.
const SE: u8 = 240;
/// Erase the character before.
const ERASE_CHARACTER: u8 = 247;
/// Erase the line so far.
const ERASE_LINE: u8 = 248;
/// Beginning of a suboption.
pub const SB: u8 = 250;
const WILL: u8 = 251;
const DONT: u8 = 254;
/// What a terminal's line discipline makes of the two commands that erase.
const BACKSPACE: u8 = 8;
const KILL: u8 = 21;
/// Bytes of a suboption that are kept; what follows is left out.
const SUBOPTION_MAX: usize = 1024;
/// Bytes into a stream whose start was not seen up to which a NUL is a keep-alive.
const KEEP_ALIVE: u64 = 2;

/// Both directions of a terminal.
#[derive(Debug)]
pub struct Nvt {
    ending: Ending,
    /// Weirds that are said once per connection.
    said: Said,
    orig: Side,
    resp: Side,
}

/// What a terminal's stream consists of. What concerns options alone is told as events, and not shown.
#[derive(Debug)]
pub enum Item<'a> {
    /// A line, without its end, and without the commands that were in it.
    Line(&'a [u8]),
    /// A suboption's code and content.
    Suboption(u8, &'a [u8]),
}

#[derive(Default, Debug)]
struct Said {
    nul: bool,
    single_cr: bool,
    single_lf: bool,
    suboption: bool,
}

/// One direction.
#[derive(Default, Debug)]
struct Side {
    lines: Lines,
    state: State,
    /// The content of the suboption that is being read.
    suboption: Vec<u8>,
    /// It has been shown.
    shown: bool,
    /// A line was too long already.
    excessive: bool,
}

/// Where in a command the stream is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    #[default]
    Text,
    Command,
    /// WILL, WONT, DO or DONT: the option follows.
    Option(u8),
    /// The option's code follows.
    Begin,
    Suboption(u8),
    /// An IAC within it.
    Escape(u8),
}

impl Nvt {
    /// A terminal whose lines end in CR LF: FTP's.
    pub fn ftp() -> Self {
        Nvt::new(Ending::Lf)
    }

    /// A terminal whose lines end in CR, in LF, or in both.
    pub fn telnet() -> Self {
        Nvt::new(Ending::CrOrLf)
    }

    fn new(ending: Ending) -> Self {
        Nvt { ending, said: Said::default(), orig: Side::default(), resp: Side::default() }
    }

    /// The next item of a direction in `rest`, which is moved on behind it. `None`: there is none; what remains in `rest` is to be
    /// offered again together with what follows.
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        rest: &mut &'b [u8],
    ) -> Option<Item<'a>> {
        let form = self.form(cx);
        let side = if direction.is_orig() { &mut self.orig } else { &mut self.resp };
        if std::mem::take(&mut side.shown) {
            side.suboption = Vec::new();
        }
        loop {
            if side.state != State::Text {
                if rest.is_empty() {
                    return None;
                }
                if let Some(code) = side.command(cx, &mut self.said, direction, rest, &form) {
                    side.shown = true;
                    return Some(Item::Suboption(code, &side.suboption));
                }
                continue;
            }
            match side.lines.next(rest, &form)? {
                Found::Line { text, single_cr, single_lf } => {
                    once(cx, single_cr, &mut self.said.single_cr, "line_terminated_with_single_CR");
                    once(cx, single_lf, &mut self.said.single_lf, "line_terminated_with_single_LF");
                    return Some(Item::Line(side.lines.bytes(text)));
                }
                Found::Cut(text) => {
                    if !std::mem::replace(&mut side.excessive, true) {
                        cx.emit(&Event::Nvt(NvtEvent::ExcessiveLine { direction }));
                    }
                    return Some(Item::Line(side.lines.bytes(text)));
                }
                Found::Nul => {
                    let keep_alive = cx.conn.endpoint(direction).state == EndpointState::Partial
                        && cx.conn.endpoint(direction).size <= KEEP_ALIVE;
                    once(cx, !keep_alive, &mut self.said.nul, "NUL_in_line");
                }
                Found::Command => {
                    advance(rest, 1);
                    side.state = State::Command;
                }
                Found::Refused(bytes) => cx.refuse(bytes),
            }
        }
    }

    /// A direction has ended: its last line, if that has no end. `rest` was offered and not used up.
    pub fn finish<'a>(&'a mut self, cx: &Context<'_>, direction: Direction, rest: &'a [u8]) -> Option<&'a [u8]> {
        let form = self.form(cx);
        self.side(direction).lines.finish(rest, &form)
    }

    /// Bytes of a direction are missing: what was begun is forgotten.
    pub fn on_gap(&mut self, direction: Direction) {
        let side = self.side(direction);
        side.lines.restart();
        side.state = State::Text;
        side.suboption = Vec::new();
    }

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        self.orig.held().saturating_add(self.resp.held())
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::FromOrig => &mut self.orig,
            Direction::FromResp => &mut self.resp,
        }
    }

    fn form(&self, cx: &Context<'_>) -> Form {
        Form { ending: self.ending, limit: cx.limits.nvt_line_bytes.max(1), commands: true, room: cx.room() }
    }
}

/// What an analyzer did that was offered `bytes` and left `rest`.
pub fn step(bytes: &[u8], rest: &[u8]) -> Step {
    match bytes.len().saturating_sub(rest.len()) {
        0 => Step::More,
        used => Step::Consumed(used),
    }
}

impl Side {
    fn held(&self) -> usize {
        self.lines.held().saturating_add(self.suboption.capacity())
    }

    /// One byte of a command; the code of a suboption that ends with it.
    fn command(
        &mut self,
        cx: &mut Context<'_>,
        said: &mut Said,
        direction: Direction,
        rest: &mut &[u8],
        form: &Form,
    ) -> Option<u8> {
        let &byte = rest.first()?;
        let (mut ended, mut reread) = (None, false);
        self.state = match (self.state, byte) {
            (State::Text, _) => State::Text,
            (State::Command, WILL..=DONT) => State::Option(byte),
            (State::Command, SB) => State::Begin,
            (State::Command, _) => {
                self.simple(cx, byte, form);
                State::Text
            }
            (State::Option(_), _) => State::Text,
            (State::Begin, code) => State::Suboption(code),
            (State::Suboption(code), IAC) => State::Escape(code),
            (State::Suboption(code), _) | (State::Escape(code), IAC) => {
                self.collect(cx, said, byte);
                State::Suboption(code)
            }
            (State::Escape(code), SE) => {
                ended = Some(code);
                State::Text
            }
            (State::Escape(code), _) => {
                let about = Negotiation { direction, command: SB, option: code };
                cx.emit(&Event::Nvt(NvtEvent::BadOptionTermination(about)));
                (ended, reread) = (Some(code), true);
                State::Command
            }
        };
        if !reread {
            advance(rest, 1);
        }
        ended
    }

    /// A command of two bytes.
    fn simple(&mut self, cx: &mut Context<'_>, command: u8, form: &Form) {
        let byte = match command {
            IAC => IAC,
            ERASE_CHARACTER => BACKSPACE,
            ERASE_LINE => KILL,
            _ => return,
        };
        if let Err(Found::Refused(bytes)) = self.lines.insert(byte, form) {
            cx.refuse(bytes);
        }
    }

    fn collect(&mut self, cx: &mut Context<'_>, said: &mut Said, byte: u8) {
        let full = self.suboption.len() >= SUBOPTION_MAX;
        once(cx, full, &mut said.suboption, "nvt_option_size_exceeded");
        if !full && (self.suboption.len() < self.suboption.capacity() || cx.room() > SUBOPTION_MAX) {
            self.suboption.push(byte);
        }
    }
}

fn once(cx: &mut Context<'_>, is_so: bool, said: &mut bool, name: &'static str) {
    if is_so && !std::mem::replace(said, true) {
        cx.weird(name, b"");
    }
}

#[cfg(test)]
mod tests;
