//! The events of a login dialogue, each handled under the manual's own name.

mod check;
mod connection;
mod dialogue;
mod edit;
mod environment;
mod keystrokes;
mod output;
mod patterns;
mod record;
mod rsh;
mod session;
mod transcript;
mod trouble;

#[cfg(test)]
mod tests;

pub use self::session::LoginSession;

use self::edit::{Edits, is_edited};
use self::patterns::LinePatterns;
use self::rsh::RshLine;
use super::{Policy, Seen};
use crate::config::sets::Patterns;
use crate::config::{PolicySets, PortTable, Settings};
use crate::event::LoginEvent;

/// What the login policy keeps for all sessions.
#[derive(Debug)]
pub(super) struct LoginPolicy {
    input: LinePatterns,
    output: LinePatterns,
    edits: Edits,
    ports: Option<PortTable>,
}

impl LoginPolicy {
    pub fn new(settings: &Settings, sets: &PolicySets) -> Self {
        LoginPolicy {
            input: LinePatterns::of_input(sets),
            output: LinePatterns::of_output(sets),
            edits: Edits::default(),
            ports: PortTable::new(settings).ok(),
        }
    }

    /// Whether a line has one of these both with backspaces and with deletes applied.
    fn is_in_both_edits(&mut self, patterns: &Patterns, line: &[u8]) -> bool {
        if !is_edited(line) {
            return patterns.is_match(line);
        }
        self.edits.read(line);
        patterns.is_match(&self.edits.bs) && patterns.is_match(&self.edits.del)
    }
}

impl Policy {
    pub(super) fn login_event(&mut self, seen: &mut Seen<'_>, event: &LoginEvent<'_>) {
        self.transcribe(seen, event);
        match *event {
            LoginEvent::LoginFailure(ref attempt) => self.login_failure(seen, attempt),
            LoginEvent::LoginSuccess(ref attempt) => self.login_success(seen, attempt),
            LoginEvent::LoginIncomplete(ref attempt) => self.login_incomplete(seen, attempt),
            LoginEvent::LoginInputLine { line, secret } => self.login_input_line(seen, line, secret),
            LoginEvent::LoginOutputLine { line, secret } => self.login_output_line(seen, line, secret),
            LoginEvent::LoginConfused { msg, line, secret } => self.login_confused(seen, msg, line, secret),
            LoginEvent::LoginConfusedText { line, secret } => self.login_confused_text(seen, line, secret),
            LoginEvent::LoginTerminal { terminal } => self.login_terminal(seen, terminal),
            LoginEvent::LoginDisplay { display } => self.login_display(seen, display),
            LoginEvent::LoginPrompt { prompt } => self.login_prompt(seen, prompt),
            LoginEvent::LoginEnvironment { name, value, .. } => self.login_environment(seen, name, value),
            LoginEvent::AuthenticationSkipped => self.authentication_skipped(seen),
            LoginEvent::RshRequest { client_user, server_user, line, new_session, secret } => {
                self.rsh_request(seen, RshLine { client_user, server_user, line, secret }, new_session);
            }
            LoginEvent::RshReply { client_user, server_user, line, secret } => {
                self.rsh_reply(seen, RshLine { client_user, server_user, line, secret });
            }
        }
    }
}
