//! FTP's events, each handled under the manual's own name.

mod company;
mod data;
mod expected;
mod matching;
mod neighbours;
mod path;
mod pending;
mod place;
mod record;
mod reply;
mod request;
mod session;
mod transfers;

pub use expected::{EXPECTED_BYTES, ExpectedData};
pub use neighbours::{Neighbours, neighbours};
pub use session::FtpSession;

use super::{Policy, Seen, Session};
use crate::capture::BypassReason;
use crate::event::{FtpEvent, Verdict};
use crate::flow::Annotation;

impl Policy {
    pub(super) fn ftp_event(&mut self, seen: &mut Seen<'_>, event: &FtpEvent<'_>) {
        let replied = matches!(event, FtpEvent::FtpReply { .. });
        let Some(mut session) = self.ftp_session(seen, replied) else { return };
        match *event {
            FtpEvent::FtpRequest { command, arg } => self.ftp_request(seen, &mut session, command, arg),
            FtpEvent::FtpReply { code, msg, cont_resp } => self.ftp_reply(seen, &mut session, code, msg, cont_resp),
            FtpEvent::FtpStarttls { mechanism } => self.ftp_starttls(seen, mechanism),
        }
        seen.conn.marks.session = Session::Ftp(session);
    }

    /// What follows is encrypted: its payload is of no use to anybody here.
    fn ftp_starttls(&mut self, seen: &mut Seen<'_>, mechanism: &[u8]) {
        let label = if mechanism.starts_with(b"GSS") { "gssapi" } else { "ssl" };
        if !seen.conn.marks.labels.contains(&label) {
            seen.conn.marks.labels.push(label);
        }
        self.append_addl(seen.conn, Annotation::Words("(encrypted)"));
        seen.verdict |= Verdict::skip(BypassReason::Encrypted);
    }
}
