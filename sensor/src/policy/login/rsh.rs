//! Rsh, of which the manual says nothing, and the code that it describes had a policy.

use super::check::{Light, Name, name_number};
use super::conn_number;
use super::session::session_mut;
use crate::policy::notice::About;
use crate::policy::{Note, Policy, Seen};

/// Lines of one Rsh session that are of interest to its policy.
#[derive(Clone, Copy, Debug)]
pub(super) struct RshLine<'a> {
    pub client_user: &'a [u8],
    pub server_user: &'a [u8],
    pub line: &'a [u8],
}

impl Policy {
    pub(super) fn rsh_request(&mut self, seen: &mut Seen<'_>, rsh: RshLine<'_>, new_session: bool) {
        if new_session {
            self.rsh_users(seen, rsh);
        } else if session_mut(seen.conn).rsh_answered {
            self.rsh_notice(seen, Note::InteractiveRSH, rsh, b"interactive");
        }
        if self.input_pattern(rsh.line).is_some() {
            self.rsh_notice(seen, Note::SensitiveRSH_Input, rsh, b"input");
        }
    }

    pub(super) fn rsh_reply(&mut self, seen: &mut Seen<'_>, rsh: RshLine<'_>) {
        let first = !rsh.line.is_empty() && !std::mem::replace(&mut session_mut(seen.conn).rsh_answered, true);
        if first && self.sets.rsh_failure_msgs.is_match(rsh.line) {
            self.rsh_notice(seen, Note::FailedRSH_Authentication, rsh, b"failed");
        }
        if self.output_pattern(rsh.line).is_some() {
            self.rsh_notice(seen, Note::SensitiveRSH_Output, rsh, b"output");
        }
    }

    /// Both names are judged as those of any login are; the manual's lists were not applied to Rsh.
    fn rsh_users(&mut self, seen: &mut Seen<'_>, rsh: RshLine<'_>) {
        for (user, around) in [(rsh.client_user, (&b"("[..], &b")"[..])), (rsh.server_user, (b"\"", b"\""))] {
            if user != b"<none>" {
                self.edit_and_check_user(seen, Name { text: user, secret: false }, Light::Failed, around);
            }
        }
        if rsh.client_user != b"<none>" && rsh.client_user != rsh.server_user {
            self.rsh_notice(seen, Note::DifferentRSH_Usernames, rsh, b"command");
        }
    }

    fn rsh_notice(&mut self, seen: &mut Seen<'_>, note: Note, rsh: RshLine<'_>, word: &[u8]) {
        seen.conn.hot += 1;
        let about = About::pair(&seen.conn.id, (conn_number(seen.conn), name_number(rsh.line)));
        let user = Some(self.text(rsh.server_user));
        let _ = self.notice_of_user(seen, note, about, user, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            for part in [&b" "[..], rsh.client_user, b" -> ", rsh.server_user, b" ", word, b" \"", rsh.line, b"\""] {
                out.extend_from_slice(part);
            }
            None
        });
    }
}
