//! What is done about trouble: a notice for each pattern, but not for every one of a busy attacker's lines.

use super::session::session_mut;
use crate::policy::notice::About;
use crate::policy::{Note, Policy, Seen};

impl Policy {
    /// Reports a pattern, unless it was reported of this session before, or enough was.
    ///
    /// The manual stops at a connection that is hot twice, and its code marks a connection twice for each report, so that it stops after
    /// one. Here the reports have a count of their own.
    pub(super) fn trouble(&mut self, seen: &mut Seen<'_>, pattern: u16, what: impl FnOnce(&mut Vec<u8>)) {
        if self.is_new_trouble(seen, pattern) {
            self.hot_login(seen, pattern, what);
        }
    }

    /// Whether a pattern is to be reported; it counts as reported from now on.
    pub(super) fn is_new_trouble(&mut self, seen: &mut Seen<'_>, pattern: u16) -> bool {
        let most = self.settings.login.max_trouble_notices_per_conn;
        let session = session_mut(seen.conn);
        if session.rare.as_ref().is_some_and(|rare| rare.reported.contains(&pattern)) {
            return false;
        }
        if u32::from(session.trouble_notices) >= most {
            self.stats.counters.notices_suppressed.inc();
            return false;
        }
        session.trouble_notices = session.trouble_notices.saturating_add(1);
        session.rare().reported.push(pattern);
        true
    }

    /// The manual's `hot_login`.
    pub(super) fn hot_login(&mut self, seen: &mut Seen<'_>, number: u16, what: impl FnOnce(&mut Vec<u8>)) {
        seen.conn.hot += 1;
        seen.set_record_packets(Note::SensitiveLogin.name());
        let about = About::connection(&seen.conn.id, number.into());
        let user = self.session_user(seen);
        let _ = self.notice_of_user(seen, Note::SensitiveLogin, about, user, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            out.push(b' ');
            what(out);
            None
        });
    }
}
