//! One command on another machine: what Rsh and rexec have in common. Names and command end in NUL, the server answers with a byte.
//!
//! The old engine passed these lines through the login dialogue, which takes the command for a password. Here the outcome is what the
//! protocol itself says: the server's first byte.

use super::lines::{Ending, Form, Found, Lines, advance};
use super::login::awaited::{Awaited, Position};
use super::login::typed::{contains, is_blank};
use super::nvt;
use crate::analyzers::{Context, Service, Step};
use crate::event::login::{Decision, LoginAttempt, Outcome};
use crate::event::{Event, LoginEvent, LoginState};
use crate::flow::EndpointState;
use crate::flow::key::Direction;
use crate::text::Text;

/// What stands for a name that is not there.
const NONE: &[u8] = b"<none>";
/// Digits of a port.
const PORT_DIGITS: usize = 5;

/// How the two protocols differ.
#[derive(Debug)]
pub struct Kind {
    /// Which one it is.
    pub service: Service,
    /// The second text is a password, and no name.
    pub has_password: bool,
    /// What does not begin as it should.
    pub bad_prolog: &'static str,
    /// What the client sends although it was refused.
    pub text_after_rejected: &'static str,
    /// A text that is too long.
    pub line_size_exceeded: &'static str,
}

/// One connection of either kind.
#[derive(Default, Debug)]
pub struct Rcmd {
    stage: Stage,
    answer: Answer,
    /// The text before the command, and the one before that.
    names: [Option<Text>; 2],
    orig: Lines,
    resp: Lines,
    awaited: Awaited,
    nul: bool,
    size: bool,
    after_rejected: bool,
    judged: bool,
}

/// Where the client's stream is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Stage {
    /// The port for the command's errors.
    #[default]
    Port,
    First,
    Second,
    Command,
    Lines,
}

/// What the server has said of the names.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Answer {
    #[default]
    Awaited,
    Accepted,
    /// Its reason follows.
    Rejected,
    /// The beginning was not seen.
    Unknown,
}

impl Rcmd {
    /// Bytes of either side.
    pub fn on_stream(&mut self, cx: &mut Context<'_>, kind: &Kind, direction: Direction, bytes: &[u8]) -> Step {
        let mut rest = bytes;
        match direction {
            Direction::FromOrig => self.on_client(cx, kind, &mut rest),
            Direction::FromResp => self.on_server(cx, kind, &mut rest),
        }
        nvt::step(bytes, rest)
    }

    /// Bytes of a side are missing.
    pub fn on_gap(&mut self, direction: Direction) {
        match direction {
            Direction::FromOrig => {
                self.orig.restart();
                self.stage = Stage::Lines;
                self.awaited.on_gap();
            }
            Direction::FromResp => {
                self.resp.restart();
                if self.answer == Answer::Awaited {
                    self.answer = Answer::Unknown;
                }
            }
        }
    }

    /// A side has sent all it ever will.
    pub fn on_end(&mut self, cx: &mut Context<'_>, kind: &Kind, direction: Direction, rest: &[u8]) {
        let form = form(cx);
        match direction {
            Direction::FromOrig if self.stage == Stage::Lines => {
                if let Some(line) = std::mem::take(&mut self.orig).finish(rest, &form) {
                    self.request(cx, kind, line, false);
                }
            }
            Direction::FromOrig => {}
            Direction::FromResp => {
                if let Some(line) = std::mem::take(&mut self.resp).finish(rest, &form) {
                    self.reply(cx, kind, line);
                }
                self.on_close(cx, kind);
            }
        }
    }

    /// The connection is over; a server that said nothing has not let anybody in.
    pub fn on_close(&mut self, cx: &mut Context<'_>, kind: &Kind) {
        match self.answer {
            Answer::Rejected => self.judge(cx, kind, Outcome::Failure, b""),
            _ if self.names.iter().any(Option::is_some) => self.judge(cx, kind, Outcome::Incomplete, b"<EOF>"),
            _ => {}
        }
    }

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        let names: usize = self.names.iter().flatten().map(Text::held).sum();
        names.saturating_add(self.orig.held()).saturating_add(self.resp.held())
    }

    fn on_client(&mut self, cx: &mut Context<'_>, kind: &Kind, rest: &mut &[u8]) {
        if self.stage == Stage::Port && cx.conn.orig.state == EndpointState::Partial {
            self.stage = Stage::Lines;
            self.awaited.on_gap();
        }
        if self.answer == Answer::Rejected && !std::mem::replace(&mut self.after_rejected, true) {
            cx.weird(kind.text_after_rejected, b"");
        }
        while self.stage != Stage::Lines && !rest.is_empty() {
            let limit =
                if self.stage == Stage::Port { PORT_DIGITS.saturating_add(1) } else { cx.limits.nvt_line_bytes };
            let length = rest.iter().take(limit).position(|byte| *byte == 0);
            let Some(text) = length.and_then(|length| rest.get(..length)) else {
                let is_port = rest.iter().take(limit).all(u8::is_ascii_digit) || self.stage != Stage::Port;
                if rest.len() < limit && is_port {
                    return;
                }
                self.give_up(cx, kind);
                break;
            };
            let offered = *rest;
            advance(rest, text.len().saturating_add(1));
            if !self.field(cx, kind, text) {
                *rest = offered;
                break;
            }
        }
        if self.stage == Stage::Lines {
            self.input(cx, kind, rest);
        }
    }

    /// A text of the prologue; `false` if it cannot be one.
    fn field(&mut self, cx: &mut Context<'_>, kind: &Kind, text: &[u8]) -> bool {
        let name = || Some(Text::new(text, cx.limits.login_typed_bytes));
        self.stage = match self.stage {
            Stage::Port if text.iter().all(u8::is_ascii_digit) => Stage::First,
            Stage::Port => {
                self.give_up(cx, kind);
                return false;
            }
            Stage::First => {
                self.names = [name(), None];
                Stage::Second
            }
            // An empty name is left out, as in the manual's time; an empty password is one.
            Stage::Second if text.is_empty() && !kind.has_password => Stage::Second,
            Stage::Second => {
                let [_, second] = &mut self.names;
                *second = name();
                cx.conn.service = Some(kind.service);
                Stage::Command
            }
            Stage::Command | Stage::Lines => {
                self.request(cx, kind, text, true);
                Stage::Lines
            }
        };
        true
    }

    /// The prologue is none: what follows are lines of nobody knows whom, and a password may be among them.
    fn give_up(&mut self, cx: &mut Context<'_>, kind: &Kind) {
        if self.stage == Stage::Port {
            cx.weird(kind.bad_prolog, b"");
        } else {
            self.too_long(cx, kind);
        }
        self.stage = Stage::Lines;
        self.awaited.on_gap();
    }

    fn input(&mut self, cx: &mut Context<'_>, kind: &Kind, rest: &mut &[u8]) {
        let form = form(cx);
        let mut lines = std::mem::take(&mut self.orig);
        while let Some(found) = lines.next(rest, &form) {
            match found {
                Found::Line { text, .. } => self.request(cx, kind, lines.bytes(text), false),
                found => self.odd(cx, kind, found),
            }
        }
        self.orig = lines;
    }

    fn on_server(&mut self, cx: &mut Context<'_>, kind: &Kind, rest: &mut &[u8]) {
        if self.answer == Answer::Awaited {
            self.answered(cx, kind, rest);
        }
        let form = form(cx);
        let mut lines = std::mem::take(&mut self.resp);
        while let Some(found) = lines.next(rest, &form) {
            match found {
                Found::Line { text, .. } => self.reply(cx, kind, lines.bytes(text)),
                found => self.odd(cx, kind, found),
            }
        }
        self.awaited.on_partial(cx.conn.login, cx.dialogue, lines.partial(rest));
        self.resp = lines;
    }

    /// The server's first byte: NUL accepts, and whatever is none refuses. 1 stands before a reason.
    fn answered(&mut self, cx: &mut Context<'_>, kind: &Kind, rest: &mut &[u8]) {
        let Some(&first) = rest.first() else { return };
        self.answer = match first {
            _ if cx.conn.resp.state == EndpointState::Partial => Answer::Unknown,
            0 => Answer::Accepted,
            _ => Answer::Rejected,
        };
        if self.answer != Answer::Unknown && first <= 1 {
            advance(rest, 1);
        }
        if self.answer == Answer::Accepted {
            self.judge(cx, kind, Outcome::Success, b"");
            cx.conn.login.log_in();
        }
    }

    fn request(&mut self, cx: &mut Context<'_>, kind: &Kind, line: &[u8], new_session: bool) {
        let state = if new_session { LoginState::LoggedIn } else { cx.conn.login };
        let secret = !new_session && self.awaited.take(state, line) != Position::Name && !is_blank(line);
        let (client_user, server_user) = self.users(kind);
        let line = line.trim_ascii_start();
        cx.emit(&Event::Login(LoginEvent::RshRequest { client_user, server_user, line, new_session, secret }));
    }

    fn reply(&mut self, cx: &mut Context<'_>, kind: &Kind, line: &[u8]) {
        self.awaited.on_line();
        let secret = self.password(kind).is_some_and(|password| is_echo(line, password));
        if self.answer == Answer::Rejected {
            self.judge(cx, kind, Outcome::Failure, line);
        }
        let (client_user, server_user) = self.users(kind);
        let line = line.trim_ascii_start();
        cx.emit(&Event::Login(LoginEvent::RshReply { client_user, server_user, line, secret }));
    }

    /// Who the client says it is, and who it wants to be.
    fn users(&self, kind: &Kind) -> (&[u8], &[u8]) {
        let [first, second] = &self.names;
        let [first, second] = [first, second].map(|name| name.as_ref().map_or(NONE, Text::as_bytes));
        if kind.has_password { (NONE, first) } else { (first, second) }
    }

    /// The password, until the server has judged it.
    fn password(&self, kind: &Kind) -> Option<&[u8]> {
        let [_, second] = &self.names;
        second.as_ref().filter(|_| kind.has_password).map(Text::as_bytes)
    }

    /// States the outcome, once.
    fn judge(&mut self, cx: &mut Context<'_>, kind: &Kind, outcome: Outcome, line: &[u8]) {
        if std::mem::replace(&mut self.judged, true) {
            return;
        }
        let (client_user, user) = self.users(kind);
        let password = self.password(kind);
        let attempt = LoginAttempt {
            user,
            client_user: if kind.has_password { b"" } else { client_user },
            password: password.unwrap_or(NONE),
            line,
            decided: if outcome == Outcome::Incomplete { Decision::End } else { Decision::Protocol },
            user_secret: false,
            line_secret: password.is_some_and(|password| is_echo(line, password)),
        };
        cx.emit(&Event::Login(LoginEvent::attempt(outcome, attempt)));
        if kind.has_password {
            let [_, second] = &mut self.names;
            *second = None;
        }
    }

    fn odd(&mut self, cx: &mut Context<'_>, kind: &Kind, found: Found<'_>) {
        match found {
            Found::Cut(_) => self.too_long(cx, kind),
            Found::Nul if !std::mem::replace(&mut self.nul, true) => cx.weird("NUL_in_line", b""),
            Found::Refused(bytes) => cx.refuse(bytes),
            Found::Nul | Found::Line { .. } | Found::Command => {}
        }
    }

    fn too_long(&mut self, cx: &mut Context<'_>, kind: &Kind) {
        if !std::mem::replace(&mut self.size, true) {
            cx.weird(kind.line_size_exceeded, b"");
        }
    }
}

fn is_echo(line: &[u8], password: &[u8]) -> bool {
    !is_blank(password) && contains(line, password)
}

fn form(cx: &Context<'_>) -> Form {
    Form { ending: Ending::CrOrLf, limit: cx.limits.nvt_line_bytes.max(1), commands: false, room: cx.room() }
}
