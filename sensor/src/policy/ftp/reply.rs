//! The manual's `ftp_reply` handler: what became of each command, and the line that is written of it.

use super::data::is_transfer;
use super::matching::{INIT, answered};
use super::path;
use super::pending::Marks;
use super::record::{Line, is_login, put_code, put_reply, put_request};
use super::request::PRIVILEGED;
use super::session::FtpSession;
use crate::analyzers::wire::ftp_addr::{FtpPort, parse_eftp_port, parse_ftp_epsv, parse_ftp_pasv, parse_ftp_port};
use crate::config::PasswordOutput;
use crate::policy::ids::Sensitivity;
use crate::policy::password::HIDDEN;
use crate::policy::words::Words;
use crate::policy::{Policy, Seen};
use crate::text::Text;

/// The last line of a reply, and the command that it answers.
#[derive(Debug)]
struct Reply {
    code: u32,
    msg: Text,
    /// The command's name and argument; empty where it is not known.
    name: Text,
    arg: Text,
    marks: u8,
    /// Nothing waited for a reply.
    spontaneous: bool,
}

impl Reply {
    fn is_success(&self) -> bool {
        self.code / 100 == 2
    }

    /// Of commands that log somebody in.
    fn is_login(&self) -> bool {
        is_login(self.name.as_bytes())
    }

    /// Whether more is to come before the command is done: a transfer has begun, or the password is asked for.
    fn is_preliminary(&self) -> bool {
        self.code / 100 == 1 || self.code == 331
    }

    fn auth_success(&self) -> Option<bool> {
        match self.code {
            _ if !self.is_login() => None,
            200..=299 => Some(true),
            421 => None,
            400.. => Some(false),
            _ => None,
        }
    }

    /// Whether the marks of the command ask for a report, now that it has been answered.
    fn is_reported(&self) -> bool {
        let has = |mark| self.marks & mark != 0;
        has(Marks::LOG_IT)
            || has(Marks::LOG_IF_NOT_DENIED) && !matches!(self.code, 530 | 430 | 331 | 332)
            || has(Marks::LOG_IF_NOT_UNAVAIL) && !self.has_failed()
    }

    /// Whether a file was never touched. A transfer that was broken off was not that.
    fn has_failed(&self) -> bool {
        self.code / 100 == 5 || matches!(self.code, 421 | 425 | 450)
    }
}

impl Policy {
    pub(super) fn ftp_reply(
        &mut self,
        seen: &mut Seen<'_>,
        session: &mut FtpSession,
        code: u32,
        msg: &[u8],
        cont_resp: bool,
    ) {
        if cont_resp {
            return;
        }
        let place = answered(session.pending.iter(), code, msg);
        let mut reply = self.matched(session, place, code, msg);
        if reply.is_login() {
            self.ftp_login(seen, session, &reply);
        }
        let to = self.ftp_passive(seen, session, &mut reply);
        self.ftp_track_directory(session, &reply);
        if reply.is_preliminary() {
            self.ftp_begins(session, place, &reply);
        } else {
            self.ftp_done(seen, session, reply, to);
        }
        if let Some(place) = place.filter(|_| code >= 200) {
            session.pending.remove(place, &self.buffers);
        }
    }

    fn matched(&self, session: &FtpSession, place: Option<usize>, code: u32, msg: &[u8]) -> Reply {
        let (command, marks) = place.and_then(|place| session.pending.get(place)).unzip();
        let (name, arg) = command.map(|command| (self.text(command.name), self.text(command.arg))).unwrap_or_default();
        // A server that does not understand a command says it back, the password with it.
        let says_back = name.as_bytes() == b"PASS" && matches!(code, 500..=504);
        let hidden = says_back && self.settings.output.passwords != PasswordOutput::Clear;
        let msg = if hidden { HIDDEN.into() } else { self.text(msg) };
        Reply { code, msg, name, arg, marks: marks.unwrap_or(0), spontaneous: place.is_none() }
    }

    fn ftp_login(&mut self, seen: &mut Seen<'_>, session: &mut FtpSession, reply: &Reply) {
        if !reply.is_success() || std::mem::replace(&mut session.logged_in, true) {
            return;
        }
        let user = session.user.clone();
        let known = &self.sets.initial_directories;
        let row = known.find(seen.conn.id.key.resp_h, |(name, _)| name.as_bytes() == user.as_bytes());
        let directory = row.map_or(path::UNKNOWN, |(_, directory)| directory);
        session.cwd = self.buffers.text(directory.as_bytes(), usize::MAX);
        self.login_successful(seen, user.as_bytes());
        if session.password.is_none() && Sensitivity::needs_password(&self.sets, user.as_bytes()) {
            self.terminate_connection(seen);
        }
    }

    /// Where a client is to connect to, if a passive mode was agreed on. The manual's text of the reply is then that endpoint.
    fn ftp_passive(&mut self, seen: &mut Seen<'_>, session: &mut FtpSession, reply: &mut Reply) -> Option<FtpPort> {
        let server = seen.conn.id.key.resp_h;
        let (directive, to) = match reply.code {
            227 => ("PASV", parse_ftp_pasv(reply.msg.as_bytes())),
            229 => ("EPSV", parse_ftp_epsv(reply.msg.as_bytes())),
            _ => return None,
        };
        if !to.valid {
            self.ftp_bad_port(seen, session, directive, reply.msg.as_bytes());
            return None;
        }
        let to = FtpPort { h: if to.h.is_unspecified() { server } else { to.h }, ..to };
        if to.h != server {
            self.ftp_bounce(seen, session, directive, to.h);
        }
        if to.p < PRIVILEGED && !self.sets.ignore_privileged_PASVs.contains(seen.conn.id.key.transport, to.p) {
            self.ftp_priv_port(seen, session, directive, to, Some(reply.code));
        }
        self.ftp_connection_expected(seen, &mut session.data, (to.h, to.p), true);
        Some(to)
    }

    fn ftp_track_directory(&mut self, session: &mut FtpSession, reply: &Reply) {
        if !matches!(reply.code, 200 | 250 | 257) {
            return;
        }
        let limit = self.settings.limits.text_bytes;
        let cwd = &mut self.scratch;
        cwd.clear();
        cwd.extend_from_slice(session.cwd.as_bytes());
        match (reply.name.as_bytes(), reply.code) {
            (b"CWD" | b"XCWD", 250) => path::change(cwd, reply.arg.as_bytes(), limit),
            (b"CDUP" | b"XCUP", 200 | 250) => path::change(cwd, b"..", limit),
            (b"PWD" | b"XPWD", 257) => path::quoted(cwd, reply.msg.as_bytes(), limit),
            _ => return,
        }
        session.cwd = self.buffers.text(cwd, usize::MAX);
    }

    /// A transfer begins: it is no longer unavailable, and its size may have been announced.
    fn ftp_begins(&self, session: &mut FtpSession, place: Option<usize>, reply: &Reply) {
        if reply.code / 100 != 1 {
            return;
        }
        if reply.marks & Marks::LOG_IF_NOT_UNAVAIL != 0 {
            place.into_iter().for_each(|place| session.pending.mark(place, Marks::LOG_IT));
        }
        if reply.name.as_bytes() == b"RETR" {
            session.file_size = announced_size(reply.msg.as_bytes());
        }
    }

    /// A command is done, or something was said that answers none: it is reported if it has to be, and written.
    fn ftp_done(&mut self, seen: &mut Seen<'_>, session: &mut FtpSession, reply: Reply, to: Option<FtpPort>) {
        let waited = session.num_requests > 0;
        let ts = if waited { session.request_t } else { seen.now };
        let text = self.ftp_line_text(seen, session, &reply, to);
        if reply.is_reported() {
            let command = if waited { text.clone() } else { self.ftp_command_text(&reply) };
            self.ftp_sensitive(seen, session, &command, Some(reply.code));
        }
        let known = !reply.name.is_empty() && reply.name.as_bytes() != INIT;
        if known && !reply.is_login() && !self.is_logged(reply.name.as_bytes()) {
            return;
        }
        let file_size = match reply.name.as_bytes() {
            b"RETR" => session.file_size.take(),
            b"SIZE" if reply.code == 213 => number(reply.msg.as_bytes()),
            _ => None,
        };
        let data = match (to, reply.name.as_bytes()) {
            (Some(to), _) => Some((true, to.h, to.p)),
            (None, b"PORT") if reply.is_success() => active(parse_ftp_port(reply.arg.as_bytes())),
            (None, b"EPRT") if reply.is_success() => active(parse_eftp_port(reply.arg.as_bytes())),
            _ => None,
        };
        let (auth_success, transfers) = (reply.auth_success(), is_transfer(reply.name.as_bytes()));
        let command = known.then_some((reply.name, reply.arg));
        let line = Line {
            command,
            reply: Some((reply.code, reply.msg)),
            auth_success,
            file_size,
            data,
            ..Line::text(ts, text)
        };
        if transfers {
            self.write_ftp_transfer(seen.now, &session.data, self.ftp_record(seen, session, line));
        } else {
            self.log_ftp(seen, session, line);
        }
    }

    /// The manual's text: `[*]<request> (<reply>)`, or `response (<code> <msg>)` where no command waits for a line.
    fn ftp_line_text(
        &mut self,
        seen: &mut Seen<'_>,
        session: &mut FtpSession,
        reply: &Reply,
        to: Option<FtpPort>,
    ) -> Text {
        self.scratch.clear();
        let (out, msg) = (&mut self.scratch, reply.msg.as_bytes());
        if session.num_requests > 0 {
            session.take_request(out, &self.buffers);
            out.extend_from_slice(b" (");
        } else if msg.windows(3).any(|bytes| bytes.iter().all(|byte| *byte > 127)) {
            return "binary response".into();
        } else {
            let spontaneous = reply.spontaneous && reply.code != 421;
            out.extend_from_slice(if spontaneous { b"spontaneous response (" } else { b"response (" });
            put_code(out, reply.code);
            out.extend_from_slice(msg);
            out.push(b')');
            return self.text(&self.scratch);
        }
        match to {
            Some(to) => {
                put_code(out, reply.code);
                Words { sets: &self.sets }.endpoint_id(out, to.h, seen.conn.id.key.transport, to.p);
            }
            None => put_reply(out, reply.code, msg),
        }
        out.push(b')');
        self.text(&self.scratch)
    }

    /// The text of one command, where that of all is gone.
    fn ftp_command_text(&mut self, reply: &Reply) -> Text {
        self.scratch.clear();
        put_request(&mut self.scratch, reply.name.as_bytes(), reply.arg.as_bytes());
        self.scratch.extend_from_slice(b" (");
        put_reply(&mut self.scratch, reply.code, reply.msg.as_bytes());
        self.scratch.push(b')');
        self.text(&self.scratch)
    }
}

fn active(to: FtpPort) -> Option<(bool, std::net::IpAddr, u16)> {
    to.valid.then_some((false, to.h, to.p))
}

/// `... (77 bytes)`: what servers say when they open the data connection of a RETR.
fn announced_size(msg: &[u8]) -> Option<u64> {
    let end = memchr::memmem::rfind(msg, b" bytes)")?;
    let before = msg.get(..end)?;
    number(before.get(memchr::memrchr(b'(', before)? + 1..)?)
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}
