//! The lines of ftp.log: one per command and its reply, with the manual's text of it.

use std::net::IpAddr;

use super::matching::INIT;
use super::pending::Marks;
use super::session::FtpSession;
use crate::policy::notice::{About, More};
use crate::policy::{Note, Policy, Seen};
use crate::record::FtpRecord;
use crate::record::digits::put_number;
use crate::text::Text;
use crate::time::Timestamp;

/// What one line tells besides whose it is.
#[derive(Debug)]
pub(super) struct Line {
    pub ts: Timestamp,
    /// The command and its argument, if it is known what was answered.
    pub command: Option<(Text, Text)>,
    pub reply: Option<(u32, Text)>,
    /// Whether a login succeeded.
    pub auth_success: Option<bool>,
    pub file_size: Option<u64>,
    /// A data connection that was agreed on: whether the client opens it, and to where.
    pub data: Option<(bool, IpAddr, u16)>,
    /// The manual's text.
    pub text: Text,
}

impl Line {
    /// A line that is about no command.
    pub fn text(ts: Timestamp, text: Text) -> Self {
        Line { ts, command: None, reply: None, auth_success: None, file_size: None, data: None, text }
    }
}

impl Policy {
    /// Writes a line.
    pub(super) fn log_ftp(&self, seen: &mut Seen<'_>, session: &FtpSession, line: Line) {
        self.write(seen.now, self.ftp_record(seen, session, line));
    }

    /// What a line becomes.
    pub(super) fn ftp_record(&self, seen: &Seen<'_>, session: &FtpSession, line: Line) -> FtpRecord {
        let key = &seen.conn.id.key;
        let (command, arg) = line.command.unzip();
        // What a line says of a password is in its own column, and is said there as the settings want it.
        let is_pass = command.as_ref().is_some_and(|command| command.as_bytes() == b"PASS");
        let (reply_code, reply_msg) = line.reply.unzip();
        let opener = |passive| if passive { key.orig_h } else { key.resp_h };
        FtpRecord {
            ts: line.ts,
            id: seen.conn.id,
            user: session.user.clone(),
            password: session.password.clone(),
            command,
            arg: arg.filter(|arg| !arg.is_empty() && !is_pass),
            file_size: line.file_size,
            reply_code,
            reply_msg: reply_msg.filter(|msg| !msg.is_empty()),
            data_passive: line.data.map(|(passive, ..)| passive),
            data_orig_h: line.data.map(|(passive, ..)| opener(passive)),
            data_resp_h: line.data.map(|(_, resp_h, _)| resp_h),
            data_resp_p: line.data.map(|(.., resp_p)| resp_p),
            auth_success: line.auth_success,
            cwd: Some(self.text(session.cwd.as_bytes())),
            text: line.text,
        }
    }

    /// Whether a command has lines of its own; logins have them in any case.
    pub(super) fn is_logged(&self, command: &[u8]) -> bool {
        let wanted = &self.sets.ftp_logged_commands;
        wanted.is_empty() || wanted.iter().any(|name| name.as_bytes() == command)
    }

    /// Tells, at the end of a session, of the commands that were never answered. The manual's text of them all stands with the first.
    pub(super) fn log_unanswered(&mut self, seen: &mut Seen<'_>, session: &mut FtpSession) {
        let mut text = None;
        if session.num_requests > 0 {
            self.scratch.clear();
            session.take_request(&mut self.scratch, &self.buffers);
            self.scratch.extend_from_slice(b" (no reply)");
            text = Some(self.text(&self.scratch));
        }
        while let Some((command, marks)) = session.pending.get(0) {
            let (name, arg) = (self.text(command.name), self.text(command.arg));
            session.pending.remove(0, &self.buffers);
            if name.as_bytes() == INIT {
                continue;
            }
            let text = text.take().unwrap_or_else(|| self.unanswered(&name, &arg));
            if marks & Marks::LOG_IT != 0 {
                self.ftp_sensitive(seen, session, &text, None);
            }
            if self.is_logged(name.as_bytes()) || is_login(name.as_bytes()) {
                let line = Line { command: Some((name, arg)), ..Line::text(session.request_t, text) };
                self.log_ftp(seen, session, line);
            }
        }
        if let Some(text) = text {
            self.log_ftp(seen, session, Line::text(session.request_t, text));
        }
    }

    fn unanswered(&mut self, name: &Text, arg: &Text) -> Text {
        self.scratch.clear();
        put_request(&mut self.scratch, name.as_bytes(), arg.as_bytes());
        self.scratch.extend_from_slice(b" (no reply)");
        self.text(&self.scratch)
    }

    /// The notice FTP_Sensitive about a line's text.
    pub(super) fn ftp_sensitive(&mut self, seen: &mut Seen<'_>, session: &FtpSession, text: &Text, code: Option<u32>) {
        let about = self.about_text(seen, text.as_bytes());
        let user = session.user.clone();
        let _ = self.notice_with(seen, Note::FTP_Sensitive, about, |words, conn, out| {
            out.extend_from_slice(b"ftp: ");
            words.id_string(out, &conn.id.key);
            out.push(b' ');
            out.extend_from_slice(text.as_bytes());
            More { n: code.map(u64::from), user: Some(user), ..Default::default() }
        });
    }

    /// What a notice about something that was said on this connection is about.
    pub(super) fn about_text(&self, seen: &Seen<'_>, text: &[u8]) -> About {
        About::pair(&seen.conn.id, (self.digest(text), 0))
    }
}

/// Whether a command is one of those that log somebody in.
pub(super) fn is_login(command: &[u8]) -> bool {
    matches!(command, b"USER" | b"PASS" | b"ACCT")
}

/// The manual's text of a command.
pub(super) fn put_request(out: &mut Vec<u8>, name: &[u8], arg: &[u8]) {
    out.extend_from_slice(name);
    if !arg.is_empty() {
        out.push(b' ');
        out.extend_from_slice(arg);
    }
}

/// The manual's text of a reply: in words where it is an ordinary one.
pub(super) fn put_reply(out: &mut Vec<u8>, code: u32, msg: &[u8]) {
    let words = match code {
        150 | 200 | 250 => "ok",
        220 => "ready for new user",
        221 => "closed",
        226 => "complete",
        230 => "logged in",
        257 => "done",
        331 => "id ok",
        500 => "syntax error",
        530 => "denied",
        550 => "unavail",
        _ => {
            put_code(out, code);
            out.extend_from_slice(msg);
            return;
        }
    };
    out.extend_from_slice(words.as_bytes());
}

/// A reply's code, and the space behind it.
pub(super) fn put_code(out: &mut Vec<u8>, code: u32) {
    put_number(out, code.into());
    out.push(b' ');
}
