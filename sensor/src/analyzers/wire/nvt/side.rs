//! One direction of a terminal: its lines, and the commands among them.

use std::thread::LocalKey;

use super::Said;
use super::options::{DONT, WILL};
use crate::analyzers::Context;
use crate::analyzers::wire::lines::{Ending, Form, Found, IAC, Lines, Text, advance};
use crate::event::Event;
use crate::event::nvt::{Negotiation, NvtEvent};
use crate::flow::EndpointState;
use crate::flow::key::Direction;
use crate::spare::{Lend, Lent, Spare};

/// End of a suboption.
const SE: u8 = 240;
/// The end of urgent data.
const DATA_MARK: u8 = 242;
/// Are you there?
const AYT: u8 = 246;
/// Erase the character before.
const ERASE_CHARACTER: u8 = 247;
/// Erase the line so far.
const ERASE_LINE: u8 = 248;
/// Beginning of a suboption.
const SB: u8 = 250;
/// What a terminal's line discipline makes of the two commands that erase.
const BACKSPACE: u8 = 8;
const KILL: u8 = 21;
/// Bytes of a suboption that are kept; what follows is left out.
const SUBOPTION_MAX: usize = 1024;
/// Bytes into a stream whose start was not seen up to which a NUL is a keep-alive.
const KEEP_ALIVE: u64 = 2;
/// So many AYT within one line are an attack on their answers (CVE-2001-0554).
const AYT_BURST: u8 = 32;

/// One direction.
#[derive(Default, Debug)]
pub struct Side {
    /// Its lines.
    pub lines: Lines,
    /// The content of the suboption that is being read.
    pub suboption: Lent<Suboption>,
    /// It has been shown.
    pub shown: bool,
    state: State,
    /// A line was too long already.
    excessive: bool,
    /// AYT since the last line.
    ayts: u8,
    /// There is urgent data, and no data mark has ended it yet.
    urgent: bool,
    /// The number of the last urgent byte, as far as it tells a retransmission.
    urgent_at: u32,
}

/// The content of a suboption.
#[derive(Default, Debug)]
pub struct Suboption(pub Vec<u8>);

thread_local! {
    static SPARE: Spare<Suboption> = const { Spare::new() };
}

impl Lend for Suboption {
    fn spare() -> &'static LocalKey<Spare<Self>> {
        &SPARE
    }
}

/// Where in a command the stream is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    #[default]
    Text,
    Command,
    /// WILL, WONT, DO or DONT: the option's code follows.
    Option(u8),
    /// SB: the option's code follows.
    Begin,
    Suboption(u8),
    /// An IAC within it.
    Escape(u8),
}

/// What a direction consists of, once the commands that are about its text alone are gone.
#[derive(Clone, Copy, Debug)]
pub enum Token<'b> {
    /// A line; its bytes are asked of [`Side::lines`].
    Line(Text<'b>),
    /// WILL, WONT, DO or DONT.
    Negotiation(Negotiation),
    /// A suboption, whose content is in [`Side::suboption`].
    Suboption(Negotiation),
}

/// A command, complete.
#[derive(Clone, Copy)]
enum Command {
    Simple(u8),
    Negotiation(u8, u8),
    Suboption { option: u8, sound: bool },
}

impl Side {
    /// Takes keys, if there is nothing else in `rest` (see [`Lines::types`]).
    #[inline]
    pub fn types(&mut self, rest: &mut &[u8], form: &Form<'_>) -> bool {
        self.state == State::Text && !self.shown && self.lines.types(rest, form)
    }

    /// What comes next in `rest`, which is moved on behind it.
    pub fn next<'b>(
        &mut self,
        cx: &mut Context<'_>,
        said: &mut Said,
        direction: Direction,
        (rest, form): (&mut &'b [u8], &Form<'_>),
    ) -> Option<Token<'b>> {
        loop {
            if self.state == State::Text {
                match self.text(cx, said, direction, (rest, form))? {
                    Some(text) => return Some(Token::Line(text)),
                    None => continue,
                }
            }
            match self.command(cx, said, rest)? {
                Command::Simple(command) => self.simple(cx, said, command, form),
                Command::Negotiation(command, option) => {
                    return Some(Token::Negotiation(Negotiation { direction, command, option }));
                }
                Command::Suboption { option, sound } => {
                    let about = Negotiation { direction, command: SB, option };
                    if !sound {
                        cx.emit(&Event::Nvt(NvtEvent::BadOptionTermination(about)));
                    }
                    return Some(Token::Suboption(about));
                }
            }
        }
    }

    /// The byte with this number is urgent.
    pub fn on_urgent(&mut self, at: u64) {
        let at = at as u32; // the low bits tell one from the next
        if std::mem::replace(&mut self.urgent_at, at) != at {
            self.urgent = true;
        }
    }

    /// Bytes are missing: what was begun is forgotten.
    pub fn restart(&mut self) {
        self.lines.restart();
        self.state = State::Text;
        self.suboption.give_back();
    }

    /// The suboption that has been read.
    pub fn suboption(&self) -> &[u8] {
        self.suboption.get().map_or(&[], |content| &content.0)
    }

    /// Bytes on the heap.
    #[inline]
    pub fn held(&self) -> usize {
        self.lines.held().saturating_add(self.suboption.get().map_or(0, |content| content.0.capacity()))
    }

    /// Reads on to the end of a line, or to something within it; `None` if there is nothing more.
    fn text<'b>(
        &mut self,
        cx: &mut Context<'_>,
        said: &mut Said,
        direction: Direction,
        (rest, form): (&mut &'b [u8], &Form<'_>),
    ) -> Option<Option<Text<'b>>> {
        match self.lines.next(rest, form)? {
            Found::Line { text, single_cr, single_lf } => {
                cx.weird_once(&mut said.single_cr, single_cr, "line_terminated_with_single_CR");
                cx.weird_once(&mut said.single_lf, single_lf, "line_terminated_with_single_LF");
                self.ayts = 0;
                // Whether the receiver has seen that byte, or any text before the mark, depends on who it is.
                let urgent = std::mem::take(&mut self.urgent);
                cx.weird_once(&mut said.urgent, urgent, "telnet_urgent_data");
                return Some(Some(text));
            }
            Found::Cut(text) => {
                if !std::mem::replace(&mut self.excessive, true) {
                    cx.emit(&Event::Nvt(NvtEvent::ExcessiveLine { direction }));
                }
                return Some(Some(text));
            }
            Found::Nul => {
                let is_odd = !is_padding(direction, form) && !is_keep_alive(cx, direction);
                cx.weird_once(&mut said.nul, is_odd, "NUL_in_line");
            }
            Found::Command => {
                advance(rest, 1);
                self.state = State::Command;
            }
            Found::Refused(bytes) => cx.refuse(bytes),
        }
        Some(None)
    }

    /// Reads on to the end of a command; `None` if that is not there yet.
    fn command(&mut self, cx: &mut Context<'_>, said: &mut Said, rest: &mut &[u8]) -> Option<Command> {
        while let Some(&byte) = rest.first() {
            let (state, command) = match (self.state, byte) {
                (State::Command, WILL..=DONT) => (State::Option(byte), None),
                (State::Command, SB) => (State::Begin, None),
                (State::Begin, option) => (State::Suboption(option), None),
                (State::Suboption(option), IAC) => (State::Escape(option), None),
                (State::Suboption(option), _) | (State::Escape(option), IAC) => {
                    self.collect(cx, said, byte);
                    (State::Suboption(option), None)
                }
                (State::Escape(option), SE) => (State::Text, Some(Command::Suboption { option, sound: true })),
                (State::Escape(option), _) => {
                    // As BSD's telnetd has it: the byte is read again, as if it followed its IAC outside.
                    self.state = State::Command;
                    return Some(Command::Suboption { option, sound: false });
                }
                (State::Option(command), option) => (State::Text, Some(Command::Negotiation(command, option))),
                (State::Command | State::Text, _) => (State::Text, Some(Command::Simple(byte))),
            };
            self.state = state;
            advance(rest, 1);
            if command.is_some() {
                return command;
            }
        }
        None
    }

    fn simple(&mut self, cx: &mut Context<'_>, said: &mut Said, command: u8, form: &Form<'_>) {
        let byte = match command {
            IAC => IAC,
            ERASE_CHARACTER => BACKSPACE,
            ERASE_LINE => KILL,
            DATA_MARK => return self.urgent = false,
            AYT => {
                self.ayts = self.ayts.saturating_add(1);
                return cx.weird_once(&mut said.ayt_burst, self.ayts >= AYT_BURST, "telnet_ayt_burst");
            }
            _ => return,
        };
        if let Err(Found::Refused(bytes)) = self.lines.insert(byte, form) {
            cx.refuse(bytes);
        }
    }

    fn collect(&mut self, cx: &mut Context<'_>, said: &mut Said, byte: u8) {
        let content = &mut self.suboption.need().0;
        let full = content.len() >= SUBOPTION_MAX;
        cx.weird_once(&mut said.suboption_size, full, "nvt_option_size_exceeded");
        if !full && (content.len() < content.capacity() || cx.may_keep(content.len().max(8))) {
            content.push(byte);
        }
    }
}

/// Servers of Telnet fill time with NULs, for which a printer does nothing (RFC 854); some greet with them.
fn is_padding(direction: Direction, form: &Form<'_>) -> bool {
    !direction.is_orig() && form.ending == Ending::CrOrLf
}

fn is_keep_alive(cx: &Context<'_>, direction: Direction) -> bool {
    let endpoint = cx.conn.endpoint(direction);
    endpoint.state == EndpointState::Partial && endpoint.size <= KEEP_ALIVE
}
