//! The login dialogue of Telnet and Rlogin: typed and printed lines in, attempts to log in out.
//!
//! A prompt has no newline, so the server's line "login: smith" ends after the client's line "smith": a typed line waits in a queue
//! until the server's line that judges it has ended. Everything that is decided here is decided by whole lines, as in the manual.
//! The server's unfinished line tells only whether a typed line may be a password (`awaited`).

pub(super) mod awaited;
mod outcome;
#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail")]
mod tests;
pub(super) mod typed;

use awaited::{Awaited, Position};
use typed::{Line, Queue, contains, find, is_blank};

use crate::analyzers::Context;
use crate::event::{Event, LoginEvent, LoginState};
use crate::flow::EndpointState;
use crate::flow::key::Direction;
use crate::text::Text;

/// What VMS sends for "the line before".
const RECALL: &[u8] = b"\x1b[A";
/// The prompt that tells VMS.
const VMS: &[u8] = b"Username:";

/// The dialogue of one connection. Its state is in [`crate::flow::Conn::login`], where policy reads and sets it.
#[derive(Default, Debug)]
pub struct Login {
    /// Lines of the server that were not empty.
    lines_scanned: u32,
    num_user_lines_seen: u32,
    /// None: the first failure counts, whatever was typed.
    last_failure_num_user_lines: Option<u32>,
    /// The number of the last line with a prompt, or with a failure; 0: there was none.
    login_prompt_line: u32,
    failure_line: u32,
    is_vms: bool,
    saw_ploy: bool,
    /// The last prompt was but the heading of one.
    heading: bool,
    /// The next line of the server echoes a command with a password in it.
    hides_echo: bool,
    /// Nothing more is to be read.
    done: bool,
    ended: bool,
    awaited: Awaited,
    /// `None` while nothing waits to be judged.
    pending: Option<Box<Pending>>,
}

const _: () = assert!(size_of::<Login>() <= 64, "one is kept per connection");

/// What is known of an attempt that has not been judged yet.
#[derive(Default, Debug)]
struct Pending {
    typed: Queue,
    username: Option<Line>,
    client_name: Text,
    display: Option<Text>,
}

impl Login {
    /// A whole line that the client sent.
    pub fn on_input_line(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        if self.done || cx.conn.login == LoginState::Skip {
            return;
        }
        let state = state(cx);
        let mut position = self.awaited.take(state, line);
        if state != LoginState::Authenticate && position == Position::Name && cx.dialogue.has_password_argument(line) {
            (position, self.hides_echo) = (Position::Password, true);
        }
        self.input_line(cx, line, position);
    }

    /// A whole line that the server sent.
    pub fn on_output_line(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        if self.done || cx.conn.login == LoginState::Skip {
            return;
        }
        self.awaited.on_line();
        let hidden = !is_blank(line) && std::mem::take(&mut self.hides_echo);
        if cx.conn.login == LoginState::Authenticate {
            self.vouch_for_command(cx, line);
        }
        let secret = hidden || self.is_echo(line);
        cx.emit(&Event::Login(LoginEvent::LoginOutputLine { line, secret }));
        match state(cx) {
            LoginState::Authenticate if !is_blank(line) => self.server_line(cx, line),
            LoginState::Confused if !self.saw_ploy && cx.dialogue.is_success(line) => self.success_after_all(cx, line),
            _ => {}
        }
        self.forget(cx);
    }

    /// What there is of a line that the server has not ended; empty if there is nothing.
    pub fn on_partial_output(&mut self, cx: &Context<'_>, text: &[u8]) {
        self.awaited.on_partial(cx.conn.login, cx.dialogue, text);
    }

    /// The server shows what is typed from now on, or leaves that to the client.
    pub fn on_echo(&mut self, server_shows: bool) {
        self.awaited.on_echo(server_shows);
    }

    /// The user's name on the client's machine (Rlogin).
    pub fn set_client_name(&mut self, cx: &mut Context<'_>, name: &[u8]) {
        let name = Text::new(name, cx.limits.login_typed_bytes);
        if let Some(pending) = self.pending(cx) {
            pending.client_name = name;
        }
    }

    /// The user's name that the protocol itself carries (Rlogin): as if it had been typed at a prompt.
    pub fn set_server_user(&mut self, cx: &mut Context<'_>, name: &[u8]) {
        self.num_user_lines_seen = self.num_user_lines_seen.saturating_add(1);
        self.login_prompt_line = self.login_prompt_line.saturating_add(1);
        self.awaited.named();
        self.queue(cx, name, Position::Name);
    }

    /// An environment variable, and who sent it.
    pub fn set_env(&mut self, cx: &mut Context<'_>, direction: Direction, variable: &Variable<'_>) {
        let Variable { name, value, user_variable } = *variable;
        if self.done || cx.conn.login == LoginState::Skip {
            return;
        }
        if !direction.is_orig() {
            return self.confused_while_authenticating(cx, "responder_environment", name);
        }
        cx.emit(&Event::Login(LoginEvent::LoginEnvironment { name, value, user_variable }));
        match name {
            b"USER" => self.set_user(cx, value),
            b"TERM" => cx.emit(&Event::Login(LoginEvent::LoginTerminal { terminal: value })),
            b"DISPLAY" => self.on_display(cx, value),
            b"TTYPROMPT" => cx.emit(&Event::Login(LoginEvent::LoginPrompt { prompt: value })),
            _ => {}
        }
    }

    /// The client's X display. Some name it twice before they log in, in an option of its own and among their variables: that is one event.
    pub fn on_display(&mut self, cx: &mut Context<'_>, display: &[u8]) {
        let text = Text::new(display, cx.limits.login_typed_bytes);
        let waits = cx.conn.login == LoginState::Authenticate;
        if waits && let Some(pending) = self.pending(cx) {
            let before = pending.display.replace(text.clone());
            if before == Some(text) {
                return;
            }
        }
        cx.emit(&Event::Login(LoginEvent::LoginDisplay { display }));
    }

    /// Something of either side is missing, or cannot be told from text: a prompt may have been there.
    pub fn on_gap(&mut self) {
        self.awaited.on_gap();
    }

    /// One side has sent its last line. The server may still judge what a client has typed that has closed its side.
    pub fn on_end(&mut self, cx: &mut Context<'_>, direction: Direction) {
        if !direction.is_orig() {
            self.on_close(cx);
        }
    }

    /// The connection is over.
    pub fn on_close(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.ended, true) && cx.conn.login == LoginState::Authenticate {
            self.incomplete(cx);
        }
        self.pending = None;
    }

    /// Whether nothing more is to be read.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Bytes on the heap.
    #[inline]
    pub fn held(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| size_of::<Pending>().saturating_add(pending.held()))
    }

    fn input_line(&mut self, cx: &mut Context<'_>, line: &[u8], position: Position) {
        let secret = position != Position::Name && !is_blank(line);
        cx.emit(&Event::Login(LoginEvent::LoginInputLine { line, secret }));
        match state(cx) {
            LoginState::Authenticate => self.client_line(cx, line, position),
            LoginState::Confused => {
                if !self.saw_ploy && cx.dialogue.is_ploy(line) {
                    self.saw_ploy = true;
                    cx.emit(&Event::Login(LoginEvent::LoginConfused { msg: "possible_login_ploy", line, secret }));
                }
                cx.emit(&Event::Login(LoginEvent::LoginConfusedText { line, secret }));
            }
            LoginState::LoggedIn | LoginState::Skip => {}
        }
        self.forget(cx);
    }

    fn client_line(&mut self, cx: &mut Context<'_>, line: &[u8], position: Position) {
        if let Some(end) = find(line, RECALL).filter(|_| self.is_vms) {
            return self.recall(cx, line, end, position);
        }
        self.num_user_lines_seen = self.num_user_lines_seen.saturating_add(1);
        let secret = position != Position::Name;
        if cx.dialogue.is_ploy(line) {
            self.saw_ploy = true;
            self.confused(cx, "possible_login_ploy", line, secret);
        } else if self.pending.as_ref().is_some_and(|pending| pending.typed.len() >= cx.limits.login_typeahead_lines) {
            self.confused(cx, "excessive_typeahead", line, secret);
        } else {
            self.queue(cx, line, position);
        }
    }

    /// The user recalls the name that was typed before.
    fn recall(&mut self, cx: &mut Context<'_>, line: &[u8], end: usize, position: Position) {
        let secret = position != Position::Name;
        if line.len() > end {
            return self.confused(cx, "extra_repeat_text", line, secret);
        }
        let user = self.pending.as_ref().and_then(|pending| pending.username.clone());
        let Some(user) = user else { return self.confused(cx, "repeat_without_username", line, secret) };
        if contains(user.text.as_bytes(), RECALL) {
            return self.confused(cx, "username_with_embedded_repeat", line, secret);
        }
        self.input_line(cx, user.text.as_bytes(), user.position);
    }

    fn set_user(&mut self, cx: &mut Context<'_>, value: &[u8]) {
        if !matches!(cx.conn.login, LoginState::Authenticate | LoginState::Confused) {
            return;
        }
        let text = Text::new(value, cx.limits.login_typed_bytes);
        let Some(pending) = self.pending(cx) else { return };
        let differs = pending.username.as_ref().is_some_and(|before| before.text != text);
        pending.username = Some(Line { text, position: Position::Name });
        if differs {
            self.confused_while_authenticating(cx, "multiple_USERs", value);
        }
    }

    fn queue(&mut self, cx: &mut Context<'_>, line: &[u8], position: Position) {
        let limit = cx.limits.login_typed_bytes;
        if cx.may_keep(line.len().min(limit))
            && let Some(pending) = self.pending(cx)
        {
            pending.typed.push(line, position, limit);
        }
    }

    /// What is pending, made if there is room for it.
    fn pending(&mut self, cx: &mut Context<'_>) -> Option<&mut Pending> {
        if self.pending.is_none() && cx.may_keep(size_of::<Pending>()) {
            self.pending = Some(Box::default());
        }
        self.pending.as_deref_mut()
    }

    fn is_echo(&self, line: &[u8]) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.typed.is_echoed_in(line))
    }

    fn confused_while_authenticating(&mut self, cx: &mut Context<'_>, msg: &'static str, line: &[u8]) {
        if state(cx) == LoginState::Authenticate {
            self.confused(cx, msg, line, false);
        }
    }

    /// The manual's `Confused`: everything that was typed is told, since nobody knows any more what it was.
    fn confused(&mut self, cx: &mut Context<'_>, msg: &'static str, line: &[u8], secret: bool) {
        cx.conn.login = LoginState::Confused;
        cx.emit(&Event::Login(LoginEvent::LoginConfused { msg, line, secret }));
        while let Some(typed) = self.pending.as_mut().and_then(|pending| pending.typed.pop()) {
            if cx.conn.login == LoginState::Confused {
                let (line, secret) = (typed.text.as_bytes(), typed.is_secret());
                cx.emit(&Event::Login(LoginEvent::LoginConfusedText { line, secret }));
            }
        }
        if cx.conn.login == LoginState::Confused {
            cx.emit(&Event::Login(LoginEvent::LoginConfusedText { line, secret }));
        }
    }

    /// Nothing is remembered of whom the server has let in.
    fn forget(&mut self, cx: &Context<'_>) {
        if matches!(cx.conn.login, LoginState::LoggedIn | LoginState::Skip) {
            self.pending = None;
        }
    }
}

/// An environment variable, as an option carried it.
#[derive(Clone, Copy, Debug)]
pub struct Variable<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value; empty if it has none.
    pub value: &'a [u8],
    /// Whether it is one of the user's own (`USERVAR`).
    pub user_variable: bool,
}

impl Pending {
    fn held(&self) -> usize {
        let name = self.username.as_ref().map_or(0, |line| line.text.held());
        let display = self.display.as_ref().map_or(0, Text::held);
        self.typed.held().saturating_add(name).saturating_add(self.client_name.held()).saturating_add(display)
    }
}

/// The state in which a line is read; of a session whose start was not seen nobody knows who is who.
fn state(cx: &mut Context<'_>) -> LoginState {
    let partial = EndpointState::Partial;
    if cx.conn.login == LoginState::Authenticate && (cx.conn.orig.state == partial || cx.conn.resp.state == partial) {
        cx.conn.login = LoginState::Confused;
    }
    cx.conn.login
}
