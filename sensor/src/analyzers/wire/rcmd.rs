//! One command on another machine: what Rsh and rexec have in common. Names and command end in NUL, the server answers with a byte.
//!
//! The old engine passed these lines through the login dialogue, which takes the command for a password. Here the outcome is what the
//! protocol itself says: the server's first byte.

use std::fmt::Debug;
use std::marker::PhantomData;

use super::lines::{Ending, Form, Found, Lines, advance};
use super::login::awaited::{Awaited, Position};
use super::login::typed::{contains, is_blank};
use super::nvt;
use crate::analyzers::{Analyzer, Context, Service, Step};
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
pub trait Protocol: Default + Debug {
    /// Which one it is.
    const SERVICE: Service;
    /// The second text is a password, and no name.
    const HAS_PASSWORD: bool;
    /// What does not begin as it should.
    const BAD_PROLOG: &'static str;
    /// What the client sends although it was refused.
    const TEXT_AFTER_REJECTED: &'static str;
    /// A text that is too long.
    const LINE_SIZE_EXCEEDED: &'static str;
}

/// One connection of either kind.
#[derive(Default, Debug)]
pub struct Rcmd<P> {
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
    protocol: PhantomData<P>,
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

impl<P: Protocol> Analyzer for Rcmd<P> {
    const PDU_MAX: usize = nvt::PDU_MAX;

    fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let mut rest = bytes;
        match direction {
            Direction::FromOrig => self.on_client(cx, &mut rest),
            Direction::FromResp => self.on_server(cx, &mut rest),
        }
        Step::leaving(bytes, rest)
    }

    fn on_gap(&mut self, _cx: &mut Context<'_>, direction: Direction, _length: u64) -> Step {
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
        Step::Consumed(0)
    }

    fn on_end(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &[u8]) {
        let form = Form::new(cx, Ending::CrOrLf, false);
        match direction {
            Direction::FromOrig if self.stage == Stage::Lines => {
                if let Some(line) = std::mem::take(&mut self.orig).finish(rest, &form) {
                    self.request(cx, line, false);
                }
            }
            Direction::FromOrig => {}
            Direction::FromResp => {
                if let Some(line) = std::mem::take(&mut self.resp).finish(rest, &form) {
                    self.reply(cx, line);
                }
                self.on_close(cx);
            }
        }
    }

    fn on_close(&mut self, cx: &mut Context<'_>) {
        match self.answer {
            Answer::Rejected => self.judge(cx, Outcome::Failure, b""),
            _ if self.names.iter().any(Option::is_some) => self.judge(cx, Outcome::Incomplete, b"<EOF>"),
            _ => {}
        }
    }

    fn held(&self) -> usize {
        let names: usize = self.names.iter().flatten().map(Text::held).sum();
        names.saturating_add(self.orig.held()).saturating_add(self.resp.held())
    }
}

impl<P: Protocol> Rcmd<P> {
    fn on_client(&mut self, cx: &mut Context<'_>, rest: &mut &[u8]) {
        if self.stage == Stage::Port && cx.conn.orig.state == EndpointState::Partial {
            self.stage = Stage::Lines;
            self.awaited.on_gap();
        }
        cx.weird_once(&mut self.after_rejected, self.answer == Answer::Rejected, P::TEXT_AFTER_REJECTED);
        while self.stage != Stage::Lines && !rest.is_empty() {
            let limit =
                if self.stage == Stage::Port { PORT_DIGITS.saturating_add(1) } else { cx.limits.nvt_line_bytes };
            let length = rest.iter().take(limit).position(|byte| *byte == 0);
            let Some(text) = length.and_then(|length| rest.get(..length)) else {
                let is_port = rest.iter().take(limit).all(u8::is_ascii_digit) || self.stage != Stage::Port;
                if rest.len() < limit && is_port {
                    return;
                }
                self.give_up(cx);
                break;
            };
            let offered = *rest;
            advance(rest, text.len().saturating_add(1));
            if !self.field(cx, text) {
                *rest = offered;
                break;
            }
        }
        if self.stage == Stage::Lines {
            self.input(cx, rest);
        }
    }

    /// A text of the prologue; `false` if it cannot be one.
    fn field(&mut self, cx: &mut Context<'_>, text: &[u8]) -> bool {
        let name = || Some(Text::new(text, cx.limits.login_typed_bytes));
        self.stage = match self.stage {
            Stage::Port if text.iter().all(u8::is_ascii_digit) => Stage::First,
            Stage::Port => {
                self.give_up(cx);
                return false;
            }
            Stage::First => {
                self.names = [name(), None];
                Stage::Second
            }
            // An empty name is left out, as in the manual's time; an empty password is one.
            Stage::Second if text.is_empty() && !P::HAS_PASSWORD => Stage::Second,
            Stage::Second => {
                let [_, second] = &mut self.names;
                *second = name();
                cx.conn.service = Some(P::SERVICE);
                Stage::Command
            }
            Stage::Command | Stage::Lines => {
                self.request(cx, text, true);
                Stage::Lines
            }
        };
        true
    }

    /// The prologue is none: what follows are lines of nobody knows whom, and a password may be among them.
    fn give_up(&mut self, cx: &mut Context<'_>) {
        if self.stage == Stage::Port {
            cx.weird(P::BAD_PROLOG, b"");
        } else {
            self.too_long(cx);
        }
        self.stage = Stage::Lines;
        self.awaited.on_gap();
    }

    fn input(&mut self, cx: &mut Context<'_>, rest: &mut &[u8]) {
        let form = Form::new(cx, Ending::CrOrLf, false);
        let mut lines = std::mem::take(&mut self.orig);
        while let Some(found) = lines.next(rest, &form) {
            match found {
                Found::Line { text, .. } => self.request(cx, lines.bytes(text), false),
                found => self.odd(cx, found),
            }
        }
        self.orig = lines;
    }

    fn on_server(&mut self, cx: &mut Context<'_>, rest: &mut &[u8]) {
        if self.answer == Answer::Awaited {
            self.answered(cx, rest);
        }
        let form = Form::new(cx, Ending::CrOrLf, false);
        let mut lines = std::mem::take(&mut self.resp);
        while let Some(found) = lines.next(rest, &form) {
            match found {
                Found::Line { text, .. } => self.reply(cx, lines.bytes(text)),
                found => self.odd(cx, found),
            }
        }
        self.awaited.on_partial(cx.conn.login, cx.dialogue, lines.partial(rest));
        self.resp = lines;
    }

    /// The server's first byte: NUL accepts, and whatever is none refuses. 1 stands before a reason.
    fn answered(&mut self, cx: &mut Context<'_>, rest: &mut &[u8]) {
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
            self.judge(cx, Outcome::Success, b"");
            cx.conn.login.log_in();
        }
    }

    fn request(&mut self, cx: &mut Context<'_>, line: &[u8], new_session: bool) {
        let state = if new_session { LoginState::LoggedIn } else { cx.conn.login };
        let secret = !new_session && self.awaited.take(state, line) != Position::Name && !is_blank(line);
        let (client_user, server_user) = self.users();
        let line = line.trim_ascii_start();
        cx.emit(&Event::Login(LoginEvent::RshRequest { client_user, server_user, line, new_session, secret }));
    }

    fn reply(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        self.awaited.on_line();
        let secret = self.password().is_some_and(|password| is_echo(line, password));
        if self.answer == Answer::Rejected {
            self.judge(cx, Outcome::Failure, line);
        }
        let (client_user, server_user) = self.users();
        let line = line.trim_ascii_start();
        cx.emit(&Event::Login(LoginEvent::RshReply { client_user, server_user, line, secret }));
    }

    /// Who the client says it is, and who it wants to be.
    fn users(&self) -> (&[u8], &[u8]) {
        let [first, second] = &self.names;
        let [first, second] = [first, second].map(|name| name.as_ref().map_or(NONE, Text::as_bytes));
        if P::HAS_PASSWORD { (NONE, first) } else { (first, second) }
    }

    /// The password, until the server has judged it.
    fn password(&self) -> Option<&[u8]> {
        let [_, second] = &self.names;
        second.as_ref().filter(|_| P::HAS_PASSWORD).map(Text::as_bytes)
    }

    /// States the outcome, once.
    fn judge(&mut self, cx: &mut Context<'_>, outcome: Outcome, line: &[u8]) {
        if std::mem::replace(&mut self.judged, true) {
            return;
        }
        let (client_user, user) = self.users();
        let password = self.password();
        let attempt = LoginAttempt {
            user,
            client_user: if P::HAS_PASSWORD { b"" } else { client_user },
            password: password.unwrap_or(NONE),
            line,
            decided: if outcome == Outcome::Incomplete { Decision::End } else { Decision::Protocol },
            user_secret: false,
            line_secret: password.is_some_and(|password| is_echo(line, password)),
        };
        cx.emit(&Event::Login(LoginEvent::attempt(outcome, attempt)));
        if P::HAS_PASSWORD {
            let [_, second] = &mut self.names;
            *second = None;
        }
    }

    fn odd(&mut self, cx: &mut Context<'_>, found: Found<'_>) {
        match found {
            Found::Cut(_) => self.too_long(cx),
            Found::Nul => cx.weird_once(&mut self.nul, true, "NUL_in_line"),
            Found::Refused(bytes) => cx.refuse(bytes),
            Found::Line { .. } | Found::Command => {}
        }
    }

    fn too_long(&mut self, cx: &mut Context<'_>) {
        cx.weird_once(&mut self.size, true, P::LINE_SIZE_EXCEEDED);
    }
}

fn is_echo(line: &[u8], password: &[u8]) -> bool {
    !is_blank(password) && contains(line, password)
}
