//! How a login dialogue ends: let in, turned away, given up, or no longer understood.

use std::collections::BTreeSet;

use super::check::{Light, Name};
use super::record::{Attempt, is_certain};
use super::session::{LoginSession, NAME_BYTES, kept, session_mut};
use crate::event::Verdict;
use crate::event::login::LoginAttempt;
use crate::flow::Annotation;
use crate::policy::hot::Moment;
use crate::policy::ids::Sensitivity;
use crate::policy::notice::About;
use crate::policy::password::HIDDEN;
use crate::policy::{Note, Policy, Seen};

impl Policy {
    pub(super) fn login_failure(&mut self, seen: &mut Seen<'_>, attempt: &LoginAttempt<'_>) {
        let session = remember(seen, attempt);
        session.failures = session.failures.saturating_add(1);
        self.account_tried(seen, account(attempt), attempt.password);
        self.edit_and_check_password(seen, attempt.password);
        let half_hearted =
            seen.conn.hot == 0 && attempt.password.is_empty() && !self.is_hot_id(attempt.user, Light::Failed);
        if !half_hearted {
            let hot = self.edit_and_check_user(seen, Name::of(attempt), Light::Failed, (b"fail/", b""));
            let client_hot = self.check_client_user(seen, attempt, Light::Failed);
            if hot || client_hot {
                self.sensitive_login(seen, attempt.client_user, 1);
            }
        }
        self.log_attempt(seen, attempt, Attempt::Failure);
    }

    pub(super) fn login_success(&mut self, seen: &mut Seen<'_>, attempt: &LoginAttempt<'_>) {
        let session = remember(seen, attempt);
        session.logged_in = true;
        self.check_hot(seen, Moment::ApplEstablished);
        self.account_tried(seen, account(attempt), attempt.password);
        self.login_successful(seen, account(attempt));
        self.edit_and_check_password(seen, attempt.password);
        let unasked = matches!(attempt.password, b"<none>" | b"");
        let rlogin = !attempt.client_user.is_empty();
        if rlogin && unasked && self.sets.rlogin_id_okay_if_no_password_exposed.contains(attempt.user) {
            let text = self.text(&[b"\"", attempt.user, b"\""].concat());
            self.append_addl(seen.conn, Annotation::Text(text));
        } else {
            self.edit_and_check_user(seen, Name::of(attempt), Light::Succeeded, (b"\"", b"\""));
        }
        if unasked && Sensitivity::needs_password(&self.sets, attempt.user) {
            seen.conn.hot += 1;
            self.forbidden(seen, false);
        }
        if self.is_hot_id(attempt.client_user, Light::Failed) {
            self.check_client_user(seen, attempt, Light::Failed);
        }
        if seen.conn.hot > 0 {
            self.sensitive_login(seen, attempt.client_user, 2);
        } else if self.settings.login.skip_when_logged_in {
            seen.verdict |= Verdict::SKIP | Verdict::DO_NOT_RECORD;
        }
        self.password_exposed(seen, attempt);
        self.log_attempt(seen, attempt, Attempt::Success);
    }

    /// The client went away before the server decided. The manual takes this for a success; what counts as a guess in both is the
    /// password, and guessers do not always wait for the answer.
    pub(super) fn login_incomplete(&mut self, seen: &mut Seen<'_>, attempt: &LoginAttempt<'_>) {
        remember(seen, attempt);
        if !matches!(attempt.password, b"" | b"<none>" | b"<timeout>") {
            self.account_tried(seen, account(attempt), attempt.password);
        }
        let named = attempt.user != b"<none>";
        let hot = named && self.edit_and_check_user(seen, Name::of(attempt), Light::Failed, (b"incomplete/", b""));
        if self.check_client_user(seen, attempt, Light::Failed) || hot {
            self.sensitive_login(seen, attempt.client_user, 3);
        }
        self.log_attempt(seen, attempt, Attempt::Incomplete);
    }

    pub(super) fn login_confused(&mut self, seen: &mut Seen<'_>, msg: &'static str, line: &[u8], secret: bool) {
        session_mut(seen.conn).was_confused = true;
        self.check_hot(seen, Moment::ApplEstablished);
        self.append_addl(seen.conn, Annotation::Words("<confused>"));
        self.conn_weird(seen, weird_name(msg), if secret { b"" } else { line });
        seen.set_record_packets(weird_name(msg));
    }

    pub(super) fn login_confused_text(&mut self, seen: &mut Seen<'_>, line: &[u8], secret: bool) {
        if seen.conn.hot > 0 {
            return;
        }
        let info = self.edit_and_check_line(line, Light::Confused);
        let Some(hot_id) = info.hot_id else { return };
        let user = if secret { self.name_alone(hot_id) } else { line.to_vec() };
        self.edit_and_check_user(seen, Name { text: &user, secret: false }, Light::Confused, (b"confused/", b""));
        self.sensitive_login(seen, b"", 4);
        seen.set_record_packets(Note::SensitiveLogin.name());
    }

    pub(super) fn authentication_skipped(&mut self, seen: &mut Seen<'_>) {
        session_mut(seen.conn).auth_skipped = true;
        self.append_addl(seen.conn, Annotation::Words("(skipped)"));
        seen.verdict |= Verdict::SKIP;
        if seen.conn.hot == 0 {
            seen.verdict |= Verdict::DO_NOT_RECORD;
        }
    }

    /// Checks the name on the client's machine, where it is another one.
    fn check_client_user(&mut self, seen: &mut Seen<'_>, attempt: &LoginAttempt<'_>, light: Light) -> bool {
        let differs = !attempt.client_user.is_empty() && attempt.client_user != attempt.user;
        differs && {
            let user = session_mut(seen.conn).user.take();
            let hot =
                self.edit_and_check_user(seen, Name { text: attempt.client_user, secret: false }, light, (b"(", b")"));
            session_mut(seen.conn).user = user;
            hot
        }
    }

    fn sensitive_login(&mut self, seen: &mut Seen<'_>, client_user: &[u8], outcome: u64) {
        let (user, sub) = (self.session_user(seen), self.text(client_user));
        let name = user.as_ref().map_or(0, |user| self.digest(user.as_bytes()));
        let about = About::connection(&seen.conn.id, name ^ outcome);
        let _ = self.notice_of_user(seen, Note::SensitiveLogin, about, user, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            out.push(b' ');
            Annotation::put_all(&conn.addl, out);
            Some(sub).filter(|sub| !sub.is_empty())
        });
    }

    /// The manual's optional `passwords` policy: somebody's password could be read by anybody on the way.
    fn password_exposed(&mut self, seen: &mut Seen<'_>, attempt: &LoginAttempt<'_>) {
        let is = |set: &BTreeSet<String>, what: &[u8]| set.iter().any(|one| one.as_bytes() == what);
        let Some(user) = self.session_user(seen) else { return };
        if is(&self.sets.okay_passwords, attempt.password) || is(&self.sets.okay_usernames, user.as_bytes()) {
            return;
        }
        // Once for an account, whoever uses it.
        let account = (self.digest(user.as_bytes()), 0);
        let about = About { src: None, dst: Some(seen.conn.id.key.resp_h), detail: account };
        let _ = self.notice_of_user(seen, Note::PasswordExposed, about, Some(user.clone()), |words, conn, out| {
            words.id_string(out, &conn.id.key);
            out.extend_from_slice(b" exposed the password of \"");
            out.extend_from_slice(user.as_bytes());
            out.push(b'"');
            None
        });
    }
}

/// The account that was tried, as far as it may be told: what was typed for a name may have been the password.
fn account<'a>(attempt: &LoginAttempt<'a>) -> &'a [u8] {
    if attempt.user_secret { HIDDEN.as_bytes() } else { attempt.user }
}

fn remember<'a>(seen: &'a mut Seen<'_>, attempt: &LoginAttempt<'_>) -> &'a mut LoginSession {
    let session = session_mut(seen.conn);
    session.attempts = session.attempts.saturating_add(1);
    session.certain = is_certain(attempt);
    session.user = if attempt.user_secret { None } else { kept(attempt.user, NAME_BYTES) };
    session.client_user = kept(attempt.client_user, NAME_BYTES);
    session
}

/// What a kind of confusion is called among the unusual events.
fn weird_name(msg: &str) -> &'static str {
    match msg {
        "excessive_line" => "login_confused_excessive_line",
        "excessive_typeahead" => "login_confused_excessive_typeahead",
        "extra_repeat_text" => "login_confused_extra_repeat_text",
        "multiple_USERs" => "login_confused_multiple_USERs",
        "multiple_login_prompts" => "login_confused_multiple_login_prompts",
        "no_login_prompt" => "login_confused_no_login_prompt",
        "no_username" => "login_confused_no_username",
        "no_username2" => "login_confused_no_username2",
        "non_empty_multi_login" => "login_confused_non_empty_multi_login",
        "possible_login_ploy" => "login_confused_possible_login_ploy",
        "repeat_without_username" => "login_confused_repeat_without_username",
        "responder_environment" => "login_confused_responder_environment",
        "username_with_embedded_repeat" => "login_confused_username_with_embedded_repeat",
        _ => "login_confused",
    }
}
