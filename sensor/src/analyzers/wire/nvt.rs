//! The Network Virtual Terminal (RFC 854), which Telnet and FTP's control connection have in common: lines, and options among them.

mod environ;
mod options;
mod security;
mod suboption;
#[cfg(test)]
mod tests;

pub use environ::{Variable, Variables};

use self::options::{DONT, Options, WILL, WONT, code};
use self::security::{Outcome, Security};
use self::suboption::Meaning;
use super::Decimal;
pub use super::lines::WAITING_MAX as PDU_MAX;
use super::lines::{Ending, Form, Found, IAC, Lines, advance};
use crate::analyzers::{Context, Step};
use crate::event::Event;
use crate::event::nvt::{Negotiation, NvtEvent};
use crate::flow::EndpointState;
use crate::flow::key::Direction;

/// End of a suboption.
const SE: u8 = 240;
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

/// Both directions of a terminal.
#[derive(Debug)]
pub struct Nvt {
    ending: Ending,
    said: Said,
    options: Options,
    security: Security,
    orig: Side,
    resp: Side,
}

const _: () = assert!(size_of::<Nvt>() <= 288, "one is kept per connection");

/// What a terminal's stream shows. What concerns options alone is told as events.
#[derive(Debug)]
pub enum Item<'a> {
    /// A line, without its end, and without the commands that were in it; erasing ones have become BS and ^U.
    Line(&'a [u8]),
    /// The client's terminal type.
    Terminal(&'a [u8]),
    /// The client's X display.
    Display(&'a [u8]),
    /// Environment variables.
    Environment(Variables<'a>),
    /// The server shows what is typed from here on, or leaves that to the client.
    Echo(bool),
}

/// Weirds that are said once per connection.
#[derive(Default, Debug)]
struct Said {
    nul: bool,
    single_cr: bool,
    single_lf: bool,
    suboption_size: bool,
    unknown_option: bool,
    slc_overflow: bool,
    ayt_burst: bool,
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
    /// AYT since the last line.
    ayts: u8,
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

/// A command, complete.
#[derive(Clone, Copy)]
enum Command {
    Simple(u8),
    Negotiation {
        command: u8,
        option: u8,
    },
    /// The content is in the side's buffer; `sound`: it ended as it should.
    Suboption {
        option: u8,
        sound: bool,
    },
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
        Nvt {
            ending,
            said: Said::default(),
            options: Options::default(),
            security: Security::default(),
            orig: Side::default(),
            resp: Side::default(),
        }
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
        let Nvt { said, options, security, orig, resp, .. } = self;
        let side = if direction.is_orig() { orig } else { resp };
        if std::mem::take(&mut side.shown) {
            side.suboption = Vec::new();
        }
        loop {
            if security.is_sealed(direction) {
                *rest = &[];
                return None;
            }
            if side.state == State::Text {
                match side.lines.next(rest, &form)? {
                    Found::Line { text, single_cr, single_lf } => {
                        once(cx, single_cr, &mut said.single_cr, "line_terminated_with_single_CR");
                        once(cx, single_lf, &mut said.single_lf, "line_terminated_with_single_LF");
                        side.ayts = 0;
                        return Some(Item::Line(side.lines.bytes(text)));
                    }
                    Found::Cut(text) => {
                        if !std::mem::replace(&mut side.excessive, true) {
                            cx.emit(&Event::Nvt(NvtEvent::ExcessiveLine { direction }));
                        }
                        return Some(Item::Line(side.lines.bytes(text)));
                    }
                    Found::Nul => once(cx, !is_keep_alive(cx, direction), &mut said.nul, "NUL_in_line"),
                    Found::Command => {
                        advance(rest, 1);
                        side.state = State::Command;
                    }
                    Found::Refused(bytes) => cx.refuse(bytes),
                }
                continue;
            }
            match side.command(cx, said, rest)? {
                Command::Simple(command) => side.simple(cx, said, command, &form),
                Command::Negotiation { command, option } => {
                    negotiate(cx, options, said, Negotiation { direction, command, option });
                    if option == code::ECHO && direction == Direction::FromResp && command <= WONT {
                        return Some(Item::Echo(command == WILL));
                    }
                }
                Command::Suboption { option, sound } => {
                    let about = Negotiation { direction, command: SB, option };
                    if !sound {
                        cx.emit(&Event::Nvt(NvtEvent::BadOptionTermination(about)));
                    }
                    match meaning(cx, (&*options, security, said), about, &side.suboption) {
                        Some(meaning) => {
                            side.shown = true;
                            return meaning.item(&mut side.suboption);
                        }
                        None => side.suboption = Vec::new(),
                    }
                }
            }
        }
    }

    /// A direction has ended: its last line, if that has no end. `rest` was offered and not used up.
    pub fn finish<'a>(&'a mut self, cx: &Context<'_>, direction: Direction, rest: &'a [u8]) -> Option<&'a [u8]> {
        let form = self.form(cx);
        let side = if direction.is_orig() { &mut self.orig } else { &mut self.resp };
        side.lines.finish(rest, &form)
    }

    /// Bytes of a direction are missing: what was begun is forgotten.
    pub fn on_gap(&mut self, direction: Direction) {
        let side = if direction.is_orig() { &mut self.orig } else { &mut self.resp };
        side.lines.restart();
        side.state = State::Text;
        side.suboption = Vec::new();
    }

    /// What there is of a direction's line that has not ended; `rest` was offered and not used up.
    pub fn partial<'a>(&'a self, direction: Direction, rest: &'a [u8]) -> &'a [u8] {
        if direction.is_orig() { &self.orig } else { &self.resp }.lines.partial(rest)
    }

    /// Whether neither side can be read any more.
    pub fn is_sealed(&self) -> bool {
        self.security.is_sealed(Direction::FromOrig) && self.security.is_sealed(Direction::FromResp)
    }

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        self.orig.held().saturating_add(self.resp.held()).saturating_add(self.security.held())
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

    /// Reads on to the end of a command; `None` if that is not there yet.
    fn command(&mut self, cx: &mut Context<'_>, said: &mut Said, rest: &mut &[u8]) -> Option<Command> {
        while let Some(&byte) = rest.first() {
            let mut command = None;
            let before = self.state;
            self.state = match (before, byte) {
                (State::Command, WILL..=DONT) => State::Option(byte),
                (State::Command, SB) => State::Begin,
                (State::Begin, option) | (State::Escape(option), IAC) | (State::Suboption(option), ..IAC) => {
                    if before != State::Begin {
                        self.collect(cx, said, byte);
                    }
                    State::Suboption(option)
                }
                (State::Suboption(option), IAC) => State::Escape(option),
                (State::Escape(option), _) => {
                    let sound = byte == SE;
                    command = Some(Command::Suboption { option, sound });
                    // As BSD's telnetd has it: the byte is read again, as if it followed its IAC outside.
                    if sound { State::Text } else { State::Command }
                }
                (State::Option(command_byte), option) => {
                    command = Some(Command::Negotiation { command: command_byte, option });
                    State::Text
                }
                (State::Command | State::Text, _) => {
                    command = Some(Command::Simple(byte));
                    State::Text
                }
            };
            if !matches!(command, Some(Command::Suboption { sound: false, .. })) {
                advance(rest, 1);
            }
            if command.is_some() {
                return command;
            }
        }
        None
    }

    fn simple(&mut self, cx: &mut Context<'_>, said: &mut Said, command: u8, form: &Form) {
        let byte = match command {
            IAC => IAC,
            ERASE_CHARACTER => BACKSPACE,
            ERASE_LINE => KILL,
            AYT => {
                self.ayts = self.ayts.saturating_add(1);
                return once(cx, self.ayts >= AYT_BURST, &mut said.ayt_burst, "telnet_ayt_burst");
            }
            _ => return,
        };
        if let Err(Found::Refused(bytes)) = self.lines.insert(byte, form) {
            cx.refuse(bytes);
        }
    }

    fn collect(&mut self, cx: &mut Context<'_>, said: &mut Said, byte: u8) {
        let full = self.suboption.len() >= SUBOPTION_MAX;
        once(cx, full, &mut said.suboption_size, "nvt_option_size_exceeded");
        if !full && (self.suboption.len() < self.suboption.capacity() || cx.may_keep(self.suboption.len().max(8))) {
            self.suboption.push(byte);
        }
    }
}

fn negotiate(cx: &mut Context<'_>, options: &mut Options, said: &mut Said, about: Negotiation) {
    if !options::is_known(about.option) && !std::mem::replace(&mut said.unknown_option, true) {
        cx.weird("telnet_unknown_option", Decimal::new(about.option).as_bytes());
    }
    if !options.on(about) {
        cx.emit(&Event::Nvt(NvtEvent::InconsistentOption(about)));
    }
}

/// What a suboption shows; what it does is told.
fn meaning(
    cx: &mut Context<'_>,
    (options, security, said): (&Options, &mut Security, &mut Said),
    about: Negotiation,
    content: &[u8],
) -> Option<Meaning> {
    let Negotiation { direction, option, .. } = about;
    let event = match security.on(options, direction, option, content) {
        None => match Meaning::of(option, content) {
            Ok(Meaning::SlcOverflow) => {
                once(cx, true, &mut said.slc_overflow, "telnet_slc_overflow");
                return None;
            }
            Ok(meaning) => {
                if let Meaning::Environment { sound: false, .. } = meaning {
                    cx.emit(&Event::Nvt(NvtEvent::BadOption { about, why: "environment" }));
                }
                return Some(meaning).filter(|meaning| *meaning != Meaning::Nothing);
            }
            Err(why) => NvtEvent::BadOption { about, why },
        },
        Some(Outcome::Fits) => return None,
        Some(Outcome::Inconsistent) => NvtEvent::InconsistentOption(about),
        Some(Outcome::Bad(why)) => NvtEvent::BadOption { about, why },
        Some(Outcome::Accepted) => NvtEvent::AuthenticationAccepted { name: security.name(direction.reverse()) },
        Some(Outcome::Rejected) => NvtEvent::AuthenticationRejected { name: security.name(direction.reverse()) },
        Some(Outcome::Seals) => {
            NvtEvent::ActivatingEncryption { direction, both: security.is_sealed(direction.reverse()) }
        }
    };
    cx.emit(&Event::Nvt(event));
    None
}

fn is_keep_alive(cx: &Context<'_>, direction: Direction) -> bool {
    let endpoint = cx.conn.endpoint(direction);
    endpoint.state == EndpointState::Partial && endpoint.size <= KEEP_ALIVE
}

fn once(cx: &mut Context<'_>, is_so: bool, said: &mut bool, name: &'static str) {
    if is_so && !std::mem::replace(said, true) {
        cx.weird(name, b"");
    }
}
