//! What the server shows: prompts of backdoors, answers that were waited for, and the manual's `output_trouble`.

use super::keystrokes::number;
use super::patterns::Kind;
use super::session::{session, session_mut};
use crate::analyzers::Service;
use crate::policy::password::HIDDEN;
use crate::policy::{Policy, Seen};

/// A backdoor's prompt is shorter than this: the manual's bound.
const BACKDOOR_PROMPT_BYTES: usize = 40;

impl Policy {
    pub(super) fn login_output_line(&mut self, seen: &mut Seen<'_>, line: &[u8], secret: bool) {
        if line.trim_ascii().is_empty() {
            return;
        }
        // Whoever was named by Rlogin's prologue and is trusted is met by a shell: the manual takes that for a backdoor.
        let expected = seen.conn.service == Some(Service::Rlogin);
        let session = session_mut(seen.conn);
        session.output_lines = session.output_lines.saturating_add(1);
        let first = session.output_lines == 1 && !session.partial && !expected;
        let waited = session.rare.as_ref().and_then(|rare| rare.waiting.as_ref());
        let answers = waited.is_some_and(|waiting| session.output_lines >= waiting.until);
        if self.is_rsh(seen.conn) {
            return;
        }
        let shown = if secret { HIDDEN.as_bytes() } else { line };
        if first && line.len() < BACKDOOR_PROMPT_BYTES {
            self.backdoor_prompt(seen, line, shown);
        }
        if answers {
            self.answer(seen, line, shown);
        }
        self.output_trouble(seen, line, secret);
    }

    fn backdoor_prompt(&mut self, seen: &mut Seen<'_>, line: &[u8], shown: &[u8]) {
        if self.sets.backdoor_prompts.is_match(line) && !self.sets.non_backdoor_prompts.is_match(line) {
            self.trouble(seen, number::BACKDOOR, |out| {
                out.extend_from_slice(b"possible backdoor \"");
                out.extend_from_slice(shown);
                out.push(b'"');
            });
        }
    }

    /// The answer to a suspicious line: it may say that nothing came of it.
    fn answer(&mut self, seen: &mut Seen<'_>, line: &[u8], shown: &[u8]) {
        let waiting = session_mut(seen.conn).rare.as_mut().and_then(|rare| rare.waiting.take());
        let Some(waiting) = waiting else { return };
        if self.sets.output_indicates_input_not_trouble.is_match(line) {
            return;
        }
        self.trouble(seen, waiting.pattern, |out| {
            out.extend_from_slice(b"input \"");
            out.extend_from_slice(&waiting.line);
            out.extend_from_slice(b"\" yielded output \"");
            out.extend_from_slice(shown);
            out.push(b'"');
        });
    }

    /// The session ends, and the answer has not come.
    pub(super) fn waits_in_vain(&mut self, seen: &mut Seen<'_>) {
        if session(seen.conn).is_none() {
            return;
        }
        let waiting = session_mut(seen.conn).rare.as_mut().and_then(|rare| rare.waiting.take());
        if let Some(waiting) = waiting {
            self.trouble(seen, waiting.pattern, |out| {
                out.extend_from_slice(b"input \"");
                out.extend_from_slice(&waiting.line);
                out.push(b'"');
            });
        }
    }

    fn output_trouble(&mut self, seen: &mut Seen<'_>, line: &[u8], secret: bool) {
        let Some(pattern) = self.output_pattern(line) else { return };
        let tried = self.tried(line);
        let shown = if secret { HIDDEN.as_bytes() } else { tried };
        let truncated = tried.len() < line.len();
        self.trouble(seen, number::of(number::OUTPUT, pattern), |out| {
            out.extend_from_slice(b"output \"");
            out.extend_from_slice(shown);
            out.extend_from_slice(if truncated { b"...\"" } else { b"\"" });
        });
    }

    /// The first pattern that a server's line has.
    pub(super) fn output_pattern(&self, line: &[u8]) -> Option<usize> {
        let line = self.tried(line);
        if !self.login.output.is_match(line) {
            return None;
        }
        self.login.output.first(line, Kind::Output)
    }

    /// So much of a line is tried.
    fn tried<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        line.get(..self.settings.login.max_output_match_len).unwrap_or(line)
    }
}
