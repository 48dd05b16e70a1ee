//! What the server waits for, as far as its unfinished line and its echo tell. Nothing but the secrecy of lines depends on it.

use super::typed::is_blank;
use crate::config::DialogueSets;
use crate::event::LoginState;

/// What a typed line was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// A name, or a command of somebody who was let in.
    Name,
    /// A password.
    Password,
    /// A command of somebody who was let in without a password, as it turned out.
    Command,
    /// Nobody knows; it may be a password.
    Unknown,
}

impl Position {
    /// Whether it is, or may be, a password.
    pub fn is_secret(self) -> bool {
        matches!(self, Position::Password | Position::Unknown)
    }
}

/// What the next typed line will be.
#[derive(Clone, Copy, Debug)]
pub struct Awaited {
    /// What the server's unfinished line asks for.
    open: Open,
    /// A line was typed since that line began, or since it asked anew.
    answered: bool,
    /// Its length, and what that was when it was answered.
    length: u16,
    answered_at: u16,
    /// What follows in an orderly dialogue, if no prompt says otherwise.
    next: Position,
    /// The server shows what is typed; otherwise the client does.
    server_shows: bool,
    /// A line was typed while the client showed it.
    shown: bool,
    /// The server has asked the client to stop showing what is typed, and does not show it either.
    silent: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Open {
    Nothing,
    Name,
    Password,
    /// A command: the password before was the right one.
    Shell,
    /// Some other question.
    Question,
    Text,
}

impl Default for Awaited {
    fn default() -> Self {
        Awaited {
            open: Open::Nothing,
            answered: false,
            length: 0,
            answered_at: 0,
            next: Position::Name,
            server_shows: false,
            shown: false,
            silent: false,
        }
    }
}

impl Awaited {
    /// The server's line so far. Once somebody was let in, only what ends as prompts for passwords do is looked at.
    pub fn on_partial(&mut self, state: LoginState, sets: &DialogueSets, text: &[u8]) {
        let ends_as_a_question = matches!(text.trim_ascii_end(), [.., b':' | b'?' | b'>' | 0x80..]);
        self.length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.open = if state == LoginState::LoggedIn && !ends_as_a_question {
            Open::Text
        } else if is_blank(text) {
            Open::Nothing
        } else if sets.is_password_prompt(text) {
            Open::Password
        } else if state != LoginState::LoggedIn
            && let Some(end) = sets.last_prompt(text)
        {
            let asks_anew = text.get(end..).is_some_and(is_blank) && self.length > self.answered_at;
            self.answered &= !asks_anew;
            Open::Name
        } else if state != LoginState::LoggedIn && sets.is_shell_prompt(text) {
            Open::Shell
        } else if ends_as_a_question {
            Open::Question
        } else {
            Open::Text
        };
    }

    /// The server's line has ended.
    pub fn on_line(&mut self) {
        (self.open, self.answered, self.length) = (Open::Nothing, false, 0);
    }

    /// Whether the server shows what is typed from here on. One that begins to after a line was typed without it hides a password:
    /// the client stops showing what is typed, and the server does not begin.
    pub fn on_echo(&mut self, server_shows: bool) {
        if self.server_shows != server_shows {
            self.silent = server_shows && self.shown;
            (self.server_shows, self.shown) = (server_shows, false);
        }
    }

    /// What the line is that was typed now.
    pub fn take(&mut self, state: LoginState, line: &[u8]) -> Position {
        let open = std::mem::replace(&mut self.answered, self.open != Open::Nothing);
        self.answered_at = self.length;
        let asked = if open { Open::Nothing } else { self.open };
        let position = match (self.open, asked, state) {
            _ if self.silent => Position::Password,
            (Open::Password, _, _) => Position::Password,
            (_, _, LoginState::LoggedIn) => return Position::Name,
            (_, Open::Name, _) => Position::Name,
            (_, Open::Shell, _) | (_, Open::Text, LoginState::Confused) if self.next != Position::Password => {
                Position::Name
            }
            (_, Open::Nothing, LoginState::Authenticate) => self.next,
            _ => Position::Unknown,
        };
        self.shown |= !self.server_shows;
        self.silent &= state != LoginState::LoggedIn;
        self.next = match position {
            Position::Name if !is_blank(line) && matches!(asked, Open::Nothing | Open::Name) => Position::Password,
            _ => Position::Unknown,
        };
        position
    }

    /// Something is missing: only a prompt can tell now.
    pub fn on_gap(&mut self) {
        self.on_line();
        self.next = Position::Unknown;
    }

    /// A name was given by other means than typing it.
    pub fn named(&mut self) {
        self.next = Position::Password;
    }
}
