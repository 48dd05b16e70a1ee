//! The manual's `ftp_request` handler: users, passwords, ports, files and commands that matter.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::data::is_transfer;
use super::matching::Command;
use super::pending::Marks;
use super::record::put_request;
use super::session::FtpSession;
use crate::analyzers::wire::Decimal;
use crate::analyzers::wire::ftp_addr::{FtpPort, parse_eftp_port, parse_ftp_port};
use crate::flow::Annotation;
use crate::policy::ids::Sensitivity;
use crate::policy::notice::More;
use crate::policy::words::{put, text};
use crate::policy::{Note, Policy, Seen};
use crate::record::digits::put_addr;
use crate::text::Text;

/// What stands for a password in the session's log: the manual's word.
const SUPPRESSED: &[u8] = b"<suppressed>";
/// The text of commands that wait is not lengthened beyond this.
const REQUEST_TEXT: usize = 256;
/// Legitimate uses of SITE EXEC are no longer than this.
const SITE_EXEC_OKAY: usize = 32;
/// Ports below this are privileged.
pub(super) const PRIVILEGED: u16 = 1024;

/// An argument as it is shown: short ones stay where they are.
type Shown = SmallVec<[u8; 64]>;

impl Policy {
    pub(super) fn ftp_request(&mut self, seen: &mut Seen<'_>, session: &mut FtpSession, command: &[u8], arg: &[u8]) {
        let (mut marks, mut shown) = (0, None);
        match command {
            b"USER" => marks |= self.ftp_user(seen, session, arg),
            b"PASS" => {
                shown = self.ftp_pass(seen, session, arg);
                marks |= session.user_marks;
            }
            b"ACCT" => {
                let account = self.text_of(&[b"(account ", arg, b")"]);
                self.append_addl(seen.conn, Annotation::Text(account));
                marks |= session.user_marks;
            }
            b"PORT" => self.ftp_port(seen, session, "PORT", arg, parse_ftp_port(arg)),
            b"EPRT" => self.ftp_port(seen, session, "EPRT", arg, parse_eftp_port(arg)),
            _ if is_of_a_file(command) => {
                marks |= self.ftp_file(session, arg);
                if let Some(cut) = self.ftp_excessive_filename(seen, session, arg) {
                    marks |= Marks::LOG_IT;
                    shown = Some(cut);
                }
            }
            _ => {}
        }
        if is_transfer(command) {
            self.ftp_transfer_requested(seen, &mut session.data);
        }
        let mut hot = self.sets.hot_cmds.0.iter();
        if hot.any(|(name, patterns)| name.as_bytes() == command && patterns.is_match(arg)) {
            marks |= Marks::LOG_IT;
        }
        if command == b"SITE" && arg.len() > SITE_EXEC_OKAY && contains_exec(arg) {
            self.ftp_site_exec_attack(seen, session, arg);
        }
        let arg = shown.as_deref().unwrap_or(arg);
        self.ftp_enqueue(seen, session, Command { name: command, arg }, marks);
        self.ftp_note_request(seen, session, command, arg);
    }

    /// Who logs in. Returns what is to be reported of it.
    fn ftp_user(&mut self, seen: &mut Seen<'_>, session: &mut FtpSession, arg: &[u8]) -> u8 {
        let user = self.ftp_bounded(seen, "FTP_user_too_long", arg);
        let (client, server) = (seen.conn.id.key.orig_h, seen.conn.id.key.resp_h);
        let sensitivity = Sensitivity::of(&self.sets, user);
        let skips = |servers: &crate::config::sets::Net, name: &str| {
            servers.contains(server) && name.as_bytes().eq_ignore_ascii_case(user)
        };
        let skipped = self.sets.skip_hot.any(client, |(servers, name)| skips(servers, name));
        session.user_marks = match sensitivity {
            Sensitivity::Ordinary => 0,
            _ if skipped => 0,
            Sensitivity::Hot => Marks::LOG_IF_NOT_DENIED,
            Sensitivity::AlwaysHot | Sensitivity::Forbidden => Marks::LOG_IT,
        };
        (session.user, session.password, session.logged_in) = (self.text(user), None, false);
        if !user.is_empty() {
            self.append_addl(seen.conn, Annotation::Text(session.user.clone()));
        }
        if sensitivity == Sensitivity::Forbidden {
            self.terminate_connection(seen);
        }
        session.user_marks
    }

    /// A password. Returns what stands for it in the session's log, if it is not to be shown there.
    fn ftp_pass(&mut self, seen: &mut Seen<'_>, session: &mut FtpSession, arg: &[u8]) -> Option<Shown> {
        let password = self.ftp_bounded(seen, "FTP_password_too_long", arg);
        let user = session.user.clone();
        if password.is_empty() && Sensitivity::needs_password(&self.sets, user.as_bytes()) {
            self.terminate_connection(seen);
        }
        if self.sets.guest_ids.contains(user.as_bytes()) {
            // A guest's password is the only name that there is: it stands beside the account.
            seen.conn.addl.retain(|annotation| !matches!(annotation, Annotation::Text(text) if *text == user));
            let both = self.text_of(&[user.as_bytes(), b"/", password]);
            self.append_addl(seen.conn, Annotation::Text(both));
            session.password = Some(self.text(password));
            return None;
        }
        session.password = Some(self.password(password));
        self.account_tried(seen, user.as_bytes(), password);
        Some(Shown::from_slice(SUPPRESSED))
    }

    /// A user name or a password, cut where it is too long to be one.
    fn ftp_bounded<'a>(&mut self, seen: &mut Seen<'_>, weird: &'static str, arg: &'a [u8]) -> &'a [u8] {
        let kept = arg.get(..self.settings.limits.ftp_user_bytes).unwrap_or(arg);
        if kept.len() < arg.len() {
            let length = Decimal::new(arg.len() as u64);
            self.conn_weird(seen, weird, length.as_bytes());
        }
        kept
    }

    /// Where the client wants the server to connect to.
    fn ftp_port(
        &mut self,
        seen: &mut Seen<'_>,
        session: &mut FtpSession,
        directive: &'static str,
        arg: &[u8],
        to: FtpPort,
    ) {
        if !to.valid || to.h.is_unspecified() {
            self.ftp_bad_port(seen, session, directive, arg);
            return;
        }
        let client = seen.conn.id.key.orig_h;
        if to.h != client {
            self.ftp_bounce(seen, session, directive, to.h);
        }
        if to.p < PRIVILEGED {
            self.ftp_priv_port(seen, session, directive, to, None);
        }
        self.ftp_connection_expected(seen, &mut session.data, (to.h, to.p), false);
    }

    /// A data connection is to go to a third host: the manual logs it, and says that it reports it.
    pub(super) fn ftp_bounce(
        &mut self,
        seen: &mut Seen<'_>,
        session: &mut FtpSession,
        directive: &'static str,
        h: IpAddr,
    ) {
        let key = seen.conn.id.key;
        let (sign, side, own) = match directive {
            "PORT" | "EPRT" => (&b"*> "[..], &b"originator"[..], key.orig_h),
            _ => (&b"*< "[..], &b"responder"[..], key.resp_h),
        };
        let out = &mut self.scratch;
        out.clear();
        [sign, directive.as_bytes(), b" host "].into_iter().for_each(|part| out.extend_from_slice(part));
        put_addr(out, h);
        [b" doesn't match ", side, b" host "].into_iter().for_each(|part| out.extend_from_slice(part));
        put_addr(out, own);
        let text = self.text(&self.scratch);
        let about = self.about_text(seen, text.as_bytes());
        let user = session.user.clone();
        let _ = self.notice_with(seen, Note::FTP_Bounce, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            out.push(b' ');
            out.extend_from_slice(text.as_bytes());
            More { sub: Some(directive.into()), user: Some(user), ..More::default() }
        });
        self.log_ftp(seen, session, super::record::Line::text(seen.now, text));
    }

    pub(super) fn ftp_priv_port(
        &mut self,
        seen: &mut Seen<'_>,
        session: &FtpSession,
        directive: &'static str,
        to: FtpPort,
        code: Option<u32>,
    ) {
        let what = text(format_args!("{directive} {} {}", to.h, to.p), usize::MAX);
        let about = self.about_text(seen, what.as_bytes());
        let user = session.user.clone();
        let _ = self.notice_with(seen, Note::FTP_PrivPort, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            put(out, format_args!(" privileged {directive} {}/tcp: ", to.p));
            words.endpoint_id(out, to.h, conn.id.key.transport, to.p);
            More { sub: Some(directive.into()), n: code.map(u64::from), user: Some(user), ..More::default() }
        });
    }

    pub(super) fn ftp_bad_port(
        &mut self,
        seen: &mut Seen<'_>,
        session: &FtpSession,
        directive: &'static str,
        arg: &[u8],
    ) {
        if self.sets.ignore_invalid_PORT.is_match(arg) {
            return;
        }
        let about = self.about_text(seen, arg);
        let (user, arg) = (session.user.clone(), self.text(arg));
        let _ = self.notice_with(seen, Note::FTP_BadPort, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            put(out, format_args!(" invalid {directive}: "));
            out.extend_from_slice(arg.as_bytes());
            More { sub: Some(directive.into()), user: Some(user), ..More::default() }
        });
    }

    /// The manual's `ftp_sensitive_file`: reported unless the operation fails.
    fn ftp_file(&self, session: &FtpSession, arg: &[u8]) -> u8 {
        let sets = &self.sets;
        let hot = sets.hot_files.is_match(arg) && !sets.not_actually_hot_files.is_match(arg);
        let guest = || sets.guest_ids.contains(session.user.as_bytes()) && sets.hot_guest_files.is_match(arg);
        if hot || guest() { Marks::LOG_IF_NOT_UNAVAIL } else { 0 }
    }

    /// The manual's `ftp_excessive_filename`. Returns what is shown of such a name.
    fn ftp_excessive_filename(&mut self, seen: &mut Seen<'_>, session: &FtpSession, arg: &[u8]) -> Option<Shown> {
        if self.sets.excessive_filename_len == 0 || arg.len() < self.sets.excessive_filename_len {
            return None;
        }
        let start = arg.get(..self.sets.excessive_filename_trunc_len).unwrap_or(arg);
        let mut shown = Shown::from_slice(start);
        for part in [b"..[", Decimal::new(arg.len() as u64).as_bytes(), b"].."] {
            shown.extend_from_slice(part);
        }
        let about = self.about_text(seen, arg);
        let (user, name) = (session.user.clone(), self.text(&shown));
        let _ = self.notice_with(seen, Note::FTP_ExcessiveFilename, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            out.extend_from_slice(b" excessive filename: ");
            out.extend_from_slice(name.as_bytes());
            More { user: Some(user), filename: Some(name), ..More::default() }
        });
        Some(shown)
    }

    fn ftp_site_exec_attack(&mut self, seen: &mut Seen<'_>, session: &FtpSession, arg: &[u8]) {
        let about = self.about_text(seen, arg);
        let (user, arg) = (session.user.clone(), self.text(arg));
        let _ = self.notice_with(seen, Note::FTP_SiteExecAttack, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            out.extend_from_slice(b" SITE ");
            out.extend_from_slice(arg.as_bytes());
            More { user: Some(user), ..More::default() }
        });
        self.terminate_connection(seen);
    }

    /// Remembers a command until its reply comes; one for which there is no place is reported at once, if it has to be.
    fn ftp_enqueue(&mut self, seen: &mut Seen<'_>, session: &mut FtpSession, command: Command<'_>, marks: u8) {
        let arg = command.arg.get(..self.settings.limits.text_bytes).unwrap_or(command.arg);
        let command = Command { arg, ..command };
        let full = session.pending.len() >= self.settings.limits.ftp_pending_commands;
        if full && !std::mem::replace(&mut session.crowded, true) {
            self.conn_weird(seen, "FTP_too_many_pending_commands", b"");
        }
        if !full && self.may_keep(seen, session.pending.growth(command)) {
            session.pending.push(command, marks, &self.buffers);
        } else if marks != 0 {
            self.scratch.clear();
            put_request(&mut self.scratch, command.name, command.arg);
            let text: Text = self.text(&self.scratch);
            self.ftp_sensitive(seen, session, &text, None);
        }
    }

    /// The manual's text of the commands that no line was written of yet. A password has no place in it, unless it comes first.
    fn ftp_note_request(&mut self, seen: &mut Seen<'_>, session: &mut FtpSession, command: &[u8], arg: &[u8]) {
        let limits = &self.settings.limits;
        let arg = arg.get(..limits.text_bytes).unwrap_or(arg);
        let (first, is_pass) = (session.num_requests == 0, command == b"PASS");
        let guest = is_pass && self.sets.guest_ids.contains(session.user.as_bytes());
        let more = command.len() + arg.len() + ", ".len() + " ".len();
        let grows = (session.request.len() + more).saturating_sub(session.request.capacity());
        if first {
            (session.num_requests, session.request_t) = (1, seen.now);
        } else if !is_pass {
            session.num_requests = session.num_requests.saturating_add(1);
        }
        if session.request.len() >= REQUEST_TEXT || !self.may_keep(seen, grows) {
            return;
        }
        let request = &mut session.request;
        self.buffers.grow(request, more);
        match (first, is_pass) {
            (false, true) if guest => {
                request.push(b'/');
                request.extend_from_slice(arg);
            }
            (false, true) => {}
            (first, _) => {
                request.extend_from_slice(if first { b"" } else { b", " });
                put_request(request, command, arg);
            }
        }
    }
}

/// Whether a command's argument is a file or a directory.
fn is_of_a_file(command: &[u8]) -> bool {
    let moves = matches!(command, b"CWD" | b"MKD" | b"RMD" | b"DELE" | b"RNFR" | b"RNTO");
    moves || matches!(command, b"APPE" | b"RETR" | b"STOR" | b"STOU" | b"SIZE" | b"MDTM" | b"REST")
}

/// Whether `exec` is somewhere in it, in any case.
fn contains_exec(arg: &[u8]) -> bool {
    arg.windows(4).any(|word| word.eq_ignore_ascii_case(b"exec"))
}
