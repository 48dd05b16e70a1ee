//! The manual's `ftp_session_info`: what is remembered of a session, when it begins and when it ends.

use super::data::DataChannel;
use super::matching::{Command, INIT};
use super::path;
use super::pending::Pending;
use super::record::Line;
use crate::flow::key::Direction;
use crate::policy::words::Words;
use crate::policy::{Policy, Seen, Session};
use crate::text::{Buffers, Text};
use crate::time::Timestamp;

/// The manual's `ftp_session_info`.
#[derive(Debug)]
pub struct FtpSession {
    /// Whoever logs in, or has.
    pub(super) user: Text,
    /// What records say of the password.
    pub(super) password: Option<Text>,
    /// The texts of the commands that no line was written of yet, and how many they are.
    pub(super) request: Vec<u8>,
    pub(super) num_requests: u32,
    /// When the first of them was sent.
    pub(super) request_t: Timestamp,
    /// Commands without a reply.
    pub(super) pending: Pending,
    /// The directory, as far as it is known.
    pub(super) cwd: Text,
    /// The size of the file that is being sent, as the server has announced it.
    pub(super) file_size: Option<u64>,
    /// What is to be reported of the user's login: marks of `pending::Marks`.
    pub(super) user_marks: u8,
    /// Somebody is logged in.
    pub(super) logged_in: bool,
    /// A command was not kept, because too many were: said once.
    pub(super) crowded: bool,
    /// Its data connections.
    pub data: DataChannel,
}

const _: () = assert!(size_of::<FtpSession>() <= 224, "one is kept per session");

impl FtpSession {
    fn new(now: Timestamp) -> Self {
        FtpSession {
            user: "<unknown>".into(),
            password: None,
            request: Vec::new(),
            num_requests: 0,
            request_t: now,
            pending: Pending::default(),
            cwd: path::BEFORE_LOGIN.into(),
            file_size: None,
            user_marks: 0,
            logged_in: false,
            crowded: false,
            data: DataChannel::default(),
        }
    }

    /// Bytes on the heap, besides its own.
    pub fn held(&self) -> usize {
        let password = self.password.as_ref().map_or(0, Text::held);
        let buffers = self.request.capacity() + self.pending.held() + self.cwd.held();
        self.user.held() + password + buffers + self.data.held()
    }

    /// The text of the commands that no line was written of yet: the manual's `[*]<request>`; with it they are forgotten.
    pub(super) fn take_request(&mut self, out: &mut Vec<u8>, buffers: &Buffers) {
        if self.num_requests > 1 {
            out.push(b'*');
        }
        out.extend_from_slice(&self.request);
        self.num_requests = 0;
        buffers.give_back(&mut self.request);
    }
}

impl Policy {
    /// The session of this connection, taken out of it; it begins with the first request or reply. `None`: there is no room for it.
    pub(super) fn ftp_session(&mut self, seen: &mut Seen<'_>, replied: bool) -> Option<Box<FtpSession>> {
        if seen.conn.marks.session.is_none() {
            return self.begin_ftp_session(seen, replied);
        }
        seen.conn.marks.session.take_ftp()
    }

    fn begin_ftp_session(&mut self, seen: &mut Seen<'_>, replied: bool) -> Option<Box<FtpSession>> {
        if !self.may_keep(seen, size_of::<FtpSession>()) {
            return None;
        }
        let mut session = Box::new(FtpSession::new(seen.now));
        if replied {
            session.pending.push(Command { name: INIT, arg: b"" }, 0, &self.buffers);
        }
        self.begin_data_channel(seen, &mut session.data);
        self.scratch.clear();
        Words { sets: &self.sets }.id_string(&mut self.scratch, &seen.conn.id.key);
        self.scratch.extend_from_slice(b" start");
        let text = self.text(&self.scratch);
        self.log_ftp(seen, &session, Line::text(seen.conn.start, text));
        Some(session)
    }

    /// The connection's state is dropped: what was never answered is told, and what was expected is not expected any more.
    pub(in crate::policy) fn ftp_connection_state_remove(&mut self, seen: &mut Seen<'_>) {
        let Some(mut session) = seen.conn.marks.session.take_ftp() else { return };
        self.log_unanswered(seen, &mut session);
        self.end_data_channel(seen, &mut session.data);
        self.log_ftp(seen, &session, Line::text(seen.now, "finish".into()));
        seen.conn.marks.session = Session::Ftp(session);
    }

    /// Bytes of this direction were never seen. Where replies are missing, the commands that wait may never be answered: later replies
    /// are not to be taken for theirs.
    pub(in crate::policy) fn ftp_content_gap(&mut self, seen: &mut Seen<'_>, direction: Direction) {
        if direction.is_orig() {
            return;
        }
        let Some(mut session) = seen.conn.marks.session.take_ftp() else { return };
        self.log_unanswered(seen, &mut session);
        seen.conn.marks.session = Session::Ftp(session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        let (mut session, buffers) = (FtpSession::new(Timestamp::ZERO), Buffers::default());
        for name in [b"USER".as_slice(), b"RETR"] {
            session.pending.push(Command { name, arg: &[b'x'; 700] }, 0, &buffers);
            session.request.extend_from_slice(&[b'x'; 700]);
            session.num_requests += 1;
        }
        session.take_request(&mut Vec::new(), &buffers);
        session.pending.remove(0, &buffers);
        session.pending.remove(0, &buffers);
        let bytes = size_of::<crate::analyzers::ftp::Ftp>() + size_of::<FtpSession>() + session.held();
        assert!(bytes <= 384, "{bytes} bytes of an idle session, its analyzer with it");
    }
}
