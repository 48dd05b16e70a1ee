//! Rsh, of which the manual says nothing, and the code that it describes had a policy. Who its users are is judged as in any login.

use super::keystrokes::number;
use super::session::session_mut;
use crate::policy::notice::{About, Decision};
use crate::policy::password::HIDDEN;
use crate::policy::{Note, Policy, Seen};

/// A line of an Rsh session, with its users.
#[derive(Clone, Copy, Debug)]
pub(super) struct RshLine<'a> {
    pub client_user: &'a [u8],
    pub server_user: &'a [u8],
    pub line: &'a [u8],
    /// The line may be a password: it is judged, and not shown.
    pub secret: bool,
}

impl Policy {
    /// A line of the client; the first of a session is the command.
    pub(super) fn rsh_request(&mut self, seen: &mut Seen<'_>, rsh: RshLine<'_>, new_session: bool) {
        let differ = rsh.client_user != rsh.server_user && rsh.client_user != b"<none>";
        if new_session && differ {
            self.rsh_notice(seen, Note::DifferentRSH_Usernames, rsh, b"command");
        } else if !new_session && session_mut(seen.conn).rsh_answered {
            self.rsh_notice(seen, Note::InteractiveRSH, rsh, b"interactive");
        }
        if let Some(pattern) = self.input_pattern(rsh.line)
            && self.is_new_trouble(seen, number::of(number::INPUT, pattern))
        {
            self.rsh_notice(seen, Note::SensitiveRSH_Input, rsh, b"input");
        }
    }

    pub(super) fn rsh_reply(&mut self, seen: &mut Seen<'_>, rsh: RshLine<'_>) {
        let first = !rsh.line.is_empty() && !std::mem::replace(&mut session_mut(seen.conn).rsh_answered, true);
        if first && self.sets.rsh_failure_msgs.is_match(rsh.line) {
            self.rsh_notice(seen, Note::FailedRSH_Authentication, rsh, b"failed");
        }
        if let Some(pattern) = self.output_pattern(rsh.line)
            && self.is_new_trouble(seen, number::of(number::OUTPUT, pattern))
        {
            self.rsh_notice(seen, Note::SensitiveRSH_Output, rsh, b"output");
        }
    }

    /// One notice of a kind for a session, but for trouble, of which there is one for each pattern.
    fn rsh_notice(&mut self, seen: &mut Seen<'_>, note: Note, rsh: RshLine<'_>, word: &[u8]) {
        let detail = session_mut(seen.conn).trouble_notices.into();
        let trouble = matches!(note, Note::SensitiveRSH_Input | Note::SensitiveRSH_Output);
        let about = About::connection(&seen.conn.id, if trouble { detail } else { 0 });
        let user = Some(self.text(rsh.server_user));
        let line = if rsh.secret { HIDDEN.as_bytes() } else { rsh.line };
        let decision = self.notice_of_user(seen, note, about, user, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            for part in [&b" "[..], rsh.client_user, b" -> ", rsh.server_user, b" ", word, b" \"", line, b"\""] {
                out.extend_from_slice(part);
            }
            None
        });
        if decision != Decision::Suppressed {
            seen.conn.hot += 1;
            seen.set_record_packets(note.name());
        }
    }
}
