//! Terminating a connection: what is decided, and what is said of it. RSTs themselves are sent elsewhere: [`crate::respond`].

use super::notice::About;
use super::words::text;
use super::{Note, Policy, Seen};
use crate::event::Verdict;
use crate::flow::key::{FlowKey, Transport};
use crate::text::Text;

impl Policy {
    /// The manual's `terminate_connection`: both ends are to be reset, if that is switched on; what is done or not is a notice.
    pub(super) fn terminate_connection(&mut self, seen: &mut Seen<'_>) {
        if (seen.conn.verdict | seen.verdict).has(Verdict::TERMINATE) {
            return;
        }
        let (note, doing, sub) = match self.spares(&seen.conn.id.key) {
            Some(why) => (Note::TerminatingConnectionIgnored, "ignoring request to terminate ", why),
            None if self.responds => (Note::TerminatingConnection, "terminating ", None),
            None => (Note::TerminatingConnection, "terminating ", Some(Text::from("not sent: this is a recording"))),
        };
        if note == Note::TerminatingConnection && self.responds {
            seen.verdict |= Verdict::TERMINATE;
        }
        let about = About::connection(&seen.conn.id, 0);
        let _ = self.notice(seen, note, about, |words, conn, out| {
            out.extend_from_slice(doing.as_bytes());
            words.full_id_string(out, conn);
            sub
        });
    }

    /// Whether a connection is left alone, and why, if that has to be said: nothing is said of what is switched off.
    fn spares(&self, key: &FlowKey) -> Option<Option<Text>> {
        if !self.terminates {
            return Some(None);
        }
        let respond = &self.settings.respond;
        if let Some(host) = [key.orig_h, key.resp_h].into_iter().find(|&host| respond.protects(host)) {
            return Some(Some(text(format_args!("protected: {host}"), self.settings.limits.text_bytes)));
        }
        (key.transport != Transport::Tcp).then(|| Some(Text::from("only TCP can be reset")))
    }
}
