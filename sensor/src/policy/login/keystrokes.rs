//! What people type: the manual's `input_trouble` and its kin, and the commands by which bots load their program.

use super::edit::is_edited;
use super::patterns::Kind;
use super::session::{WAITING_BYTES, Waiting, session_mut};
use crate::policy::password::HIDDEN;
use crate::policy::{Policy, Seen};

/// Numbers of patterns, by what they are tried on: the same pattern is reported once for a session.
pub(super) mod number {
    pub const INPUT: u16 = 0;
    pub const OUTPUT: u16 = 0x4000;
    pub const ENVIRONMENT: u16 = 0x6000;
    pub const FORBIDDEN_ENVIRONMENT: u16 = 0x7000;
    pub const LOADER_SEQUENCE: u16 = 0x8000;
    pub const BACKDOOR: u16 = 0x8001;
    pub const TERMINAL: u16 = 0x8002;
    pub const PROMPT: u16 = 0x8003;
    pub const ORIG_PORT: u16 = 0x8004;

    /// The number of one pattern of a kind, by its place in its list.
    pub fn of(kind: u16, place: usize) -> u16 {
        kind.saturating_add(u16::try_from(place).unwrap_or(u16::MAX).min(0xfff))
    }
}

impl Policy {
    pub(super) fn login_input_line(&mut self, seen: &mut Seen<'_>, line: &[u8], secret: bool) {
        let session = session_mut(seen.conn);
        if session.logged_in && !line.trim_ascii().is_empty() {
            session.commands = session.commands.saturating_add(1);
        }
        if self.is_rsh(seen.conn) {
            return;
        }
        self.loader_sequence(seen, line);
        let Some(pattern) = self.input_pattern(line) else { return };
        let pattern = number::of(number::INPUT, pattern);
        let session = session_mut(seen.conn);
        let waits = self.login.is_in_both_edits(&self.sets.input_wait_for_output, line);
        let shown = if secret { HIDDEN.as_bytes() } else { line };
        if waits && !session.partial && session.rare().waiting.is_none() {
            // The answer comes after the echo of the line itself.
            let until = session.output_lines.saturating_add(2);
            let line = shown.get(..WAITING_BYTES).unwrap_or(shown).into();
            session.rare().waiting = Some(Waiting { line, until, pattern });
            return;
        }
        self.trouble(seen, pattern, |out| {
            out.extend_from_slice(b"input \"");
            out.extend_from_slice(shown);
            out.push(b'"');
        });
    }

    /// The first pattern that a line of keystrokes has, however it is read.
    pub(super) fn input_pattern(&mut self, line: &[u8]) -> Option<usize> {
        let login = &mut self.login;
        if !is_edited(line) {
            if !login.input.is_match(line) {
                return None;
            }
            return login.input.first(line, Kind::Input).or_else(|| login.input.first(line, Kind::Edited));
        }
        login.edits.read(line);
        let (input, edits) = (&login.input, &login.edits);
        if !edits.variants(line).any(|variant| input.is_match(variant)) {
            return None;
        }
        edits.variants(line).find_map(|variant| input.first(variant, Kind::Input)).or_else(|| {
            input.first(&edits.bs, Kind::Edited)?;
            input.first(&edits.del, Kind::Edited)
        })
    }

    /// Lines that a bot types one after the other.
    fn loader_sequence(&mut self, seen: &mut Seen<'_>, line: &[u8]) {
        let (sequence, session) = (&self.sets.loader_sequence, session_mut(seen.conn));
        let Some(next) = sequence.get(usize::from(session.loader_steps)) else { return };
        if line.trim_ascii() != next.as_bytes() {
            return;
        }
        session.loader_steps = session.loader_steps.saturating_add(1);
        if usize::from(session.loader_steps) == sequence.len() {
            let said = sequence.join(", ");
            self.trouble(seen, number::LOADER_SEQUENCE, |out| {
                out.extend_from_slice(b"input sequence ");
                out.extend_from_slice(said.as_bytes());
            });
        }
    }
}
