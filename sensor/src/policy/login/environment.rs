//! What a client tells of itself before anybody logs in: its terminal, its display, its environment variables.

use memchr::memmem;

use super::keystrokes::number;
use super::session::{ENVIRONMENT_BYTES, NAME_BYTES, kept, session_mut};
use crate::event::LoginState;
use crate::flow::budget::Budget;
use crate::policy::{Policy, Seen};

impl Policy {
    pub(super) fn login_terminal(&mut self, seen: &mut Seen<'_>, terminal: &[u8]) {
        session_mut(seen.conn).terminal = kept(terminal, NAME_BYTES);
        if self.sets.hot_terminal_types.is_match(terminal) {
            self.trouble(seen, number::TERMINAL, |out| {
                out.extend_from_slice(b"term ");
                out.extend_from_slice(terminal);
            });
        }
    }

    /// The manual leaves the display to the detection of stepping stones; it is told in the session's line.
    pub(super) fn login_display(&mut self, seen: &mut Seen<'_>, display: &[u8]) {
        self.keep_variable(seen, b"DISPLAY", display);
    }

    /// The environment variable `TTYPROMPT`, which nobody sends but who attacks (CVE-2001-0797).
    pub(super) fn login_prompt(&mut self, seen: &mut Seen<'_>, prompt: &[u8]) {
        self.trouble(seen, number::PROMPT, |out| {
            out.extend_from_slice(b"$TTYPROMPT ");
            out.extend_from_slice(prompt);
        });
    }

    pub(super) fn login_environment(&mut self, seen: &mut Seen<'_>, name: &[u8], value: &[u8]) {
        self.keep_variable(seen, name, value);
        let session = session_mut(seen.conn);
        if name == b"USER" && session.user.is_none() {
            // Whoever is named so need not type a name, and an attack does not.
            session.user = kept(value, NAME_BYTES);
        }
        let variable = [name, b"=", value].concat();
        let (kind, at, forbidden) = if let Some(at) = self.sets.forbidden_environment.first_match(&variable) {
            (number::FORBIDDEN_ENVIRONMENT, at, true)
        } else if let Some(at) = self.sets.hot_environment.first_match(&variable) {
            (number::ENVIRONMENT, at, false)
        } else {
            return;
        };
        self.trouble(seen, number::of(kind, at), |out| {
            out.extend_from_slice(b"environment ");
            out.extend_from_slice(&variable);
        });
        if forbidden {
            self.forbidden(seen, seen.conn.login == LoginState::Confused);
        }
    }

    /// Keeps a variable for the session's line, as far as there is room.
    fn keep_variable(&mut self, seen: &mut Seen<'_>, name: &[u8], value: &[u8]) {
        // The terminal and the user have columns of their own.
        if matches!(name, b"TERM" | b"USER") {
            return;
        }
        let room = Budget::new(&self.settings.limits, &self.stats.counters);
        let kept = &mut session_mut(seen.conn).rare().environment;
        let more = name.len() + 1 + value.len() + usize::from(!kept.is_empty());
        let variable = [name, b"=", value].concat();
        if kept.len() + more > ENVIRONMENT_BYTES || memmem::find(kept, &variable).is_some() || !room.allows(more) {
            return;
        }
        kept.reserve_exact(more);
        if !kept.is_empty() {
            kept.push(b' ');
        }
        kept.extend_from_slice(&variable);
    }
}
