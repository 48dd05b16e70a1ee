//! The lines of login.log: one for each attempt, and one for the session when it ends.

use super::session::{LoginSession, session};
use crate::event::LoginState;
use crate::event::login::{Decision, LoginAttempt};
use crate::flow::Annotation;
use crate::policy::password::HIDDEN;
use crate::policy::{Policy, Seen};
use crate::record::LoginRecord;

/// Bytes shown of the server's line that decided.
const LINE_BYTES: usize = 512;

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attempt {
    Success,
    Failure,
    Incomplete,
}

impl Policy {
    /// Writes the line of one attempt.
    pub(super) fn log_attempt(&mut self, seen: &mut Seen<'_>, attempt: &LoginAttempt<'_>, ended: Attempt) {
        let Some(mut record) = self.login_record(seen) else { return };
        record.ts = seen.now;
        record.success = ended == Attempt::Success;
        record.kind = "attempt";
        record.confidence = Some(confidence(attempt, record.confused));
        record.password = match attempt.password {
            b"<none>" => None,
            b"" | b"<timeout>" => Some(self.text(attempt.password)),
            password => Some(self.password(password)),
        };
        let line = if attempt.line_secret { HIDDEN.as_bytes() } else { attempt.line };
        record.line = Some(self.buffers.text(line, LINE_BYTES)).filter(|line| !line.is_empty());
        match ended {
            Attempt::Success => record.state = LoginState::LoggedIn.name(),
            Attempt::Incomplete => record.state = "INCOMPLETE",
            Attempt::Failure => {}
        }
        self.write(seen.now, record);
    }

    /// Writes the line of the session, when its connection ends.
    pub(super) fn log_session(&mut self, seen: &mut Seen<'_>) {
        if let Some(record) = self.login_record(seen) {
            self.write(seen.now, record);
        }
    }

    fn login_record(&mut self, seen: &mut Seen<'_>) -> Option<Box<LoginRecord>> {
        let session = session(seen.conn)?;
        let text = |name: &Option<Box<[u8]>>| name.as_deref().map(|name| self.buffers.text(name, name.len()));
        let environment = session.rare.as_ref().map(|rare| rare.environment.as_slice()).unwrap_or_default();
        self.scratch.clear();
        Annotation::put_all(&seen.conn.addl, &mut self.scratch);
        Some(Box::new(LoginRecord {
            ts: seen.conn.start,
            id: seen.conn.id,
            proto: self.login_service(seen.conn).map_or("unknown", |service| service.name()),
            success: session.logged_in,
            confused: session.was_confused || seen.conn.login == LoginState::Confused,
            user: text(&session.user),
            client_user: text(&session.client_user),
            password: None,
            kind: "session",
            state: seen.conn.login.name(),
            confidence: session_confidence(session, seen.conn.login),
            auth_skipped: session.auth_skipped,
            encrypted: session.encrypted,
            terminal: text(&session.terminal),
            environment: Some(self.text(environment)).filter(|text| !text.is_empty()),
            line: None,
            attempts: session.attempts.into(),
            failures: session.failures.into(),
            commands: session.commands.into(),
            hot: seen.conn.hot.into(),
            addl: Some(self.text(&self.scratch)).filter(|addl| !addl.is_empty()),
        }))
    }
}

/// How sure it is that the attempt ended so, and whose it was.
fn confidence(attempt: &LoginAttempt<'_>, confused: bool) -> &'static str {
    if confused || attempt.user_secret || matches!(attempt.decided, Decision::End | Decision::Confused) {
        "low"
    } else if is_certain(attempt) {
        "high"
    } else {
        "medium"
    }
}

/// Whether the outcome was said, and the user is known.
pub(super) fn is_certain(attempt: &LoginAttempt<'_>) -> bool {
    attempt.decided.is_certain() && attempt.user != b"<none>" && !attempt.user_secret
}

/// The same of a session: of its latest attempt, if there was any.
fn session_confidence(session: &LoginSession, state: LoginState) -> Option<&'static str> {
    if session.attempts == 0 {
        return None;
    }
    Some(if session.was_confused || state == LoginState::Confused {
        "low"
    } else if session.certain {
        "high"
    } else {
        "medium"
    })
}
