//! The server's side of the dialogue: what its lines decide about what was typed.

use super::awaited::Position;
use super::typed::{Line, contains, is_blank};
use super::{Login, VMS};
use crate::analyzers::Context;
use crate::event::login::{Decision, LoginAttempt, Outcome};
use crate::event::{Event, LoginEvent, LoginState};

/// So many lines after a prompt, and as many as were typed ahead, without a failure are a success.
const MAX_LOGIN_LOOKAHEAD: u32 = 10;

/// What stands for a name or password that is not there.
const NONE: &[u8] = b"<none>";

/// How an attempt ended, and by what.
#[derive(Clone, Copy)]
struct Judgement<'a> {
    outcome: Outcome,
    line: &'a [u8],
    decided: Decision,
    /// No user needs to have been named.
    absent_okay: bool,
}

impl Login {
    /// A line of the server that is not empty, before anybody was let in.
    pub(super) fn server_line(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        self.lines_scanned = self.lines_scanned.saturating_add(1);
        let asked = self.login_prompt_line > 0 || self.failure_line > 0;
        if self.lines_scanned > cx.limits.login_authenticate_lines && !asked {
            return self.confused(cx, "no_login_prompt", line, self.is_echo(line));
        }
        if cx.dialogue.tells(line) {
            self.telling_line(cx, line);
        } else {
            self.other_line(cx, line);
        }
    }

    fn telling_line(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        let sets = cx.dialogue;
        let (success, timeout) = (sets.is_success(line), sets.is_timeout(line));
        if let Some(end) = sets.prompt(line).filter(|_| !success && !timeout) {
            self.prompt_line(cx, line, end);
        } else if timeout || sets.is_failure(line) {
            self.failure(cx, line, timeout);
        } else if sets.is_skip(line) {
            cx.conn.login = LoginState::Skip;
            self.done = true;
            cx.emit(&Event::Login(LoginEvent::AuthenticationSkipped));
        } else if success {
            self.success(cx, line, Decision::Message);
        } else {
            self.other_line(cx, line);
        }
    }

    /// A line that says nothing itself may be a shell's, or one too many without a failure.
    fn other_line(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        if self.is_shell(cx, line) {
            self.shell(cx, line);
        } else if self.is_long_after_prompt() {
            self.success(cx, line, Decision::Silence);
        }
    }

    /// Whoever needs no password goes on with a command, and a shell shows it behind its prompt: it is none. Of what was typed at a prompt
    /// for a password, nothing is believed.
    pub(super) fn vouch_for_command(&mut self, cx: &Context<'_>, line: &[u8]) {
        let Some(pending) = &mut self.pending else { return };
        pending.typed.vouch_behind(line, |prompt| {
            cx.dialogue.is_shell_prompt(prompt)
                && !cx.dialogue.is_password_prompt(prompt)
                && !cx.dialogue.has_password_argument(line)
        });
    }

    /// A success message, although nobody knows any more who is who.
    pub(super) fn success_after_all(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        self.judge(cx, Judgement { outcome: Outcome::Success, line, decided: Decision::Confused, absent_okay: true });
        cx.conn.login.log_in();
    }

    /// The end came before the server's judgement. In the manual this is a success.
    pub(super) fn incomplete(&mut self, cx: &mut Context<'_>) {
        let Some(pending) = &mut self.pending else { return };
        if pending.typed.iter().all(|(text, _)| is_blank(text)) {
            return;
        }
        // Of a session of which only the client was heard, the first line is the name.
        if self.lines_scanned == 0 && pending.typed.first().is_some_and(|(_, position)| position == Position::Name) {
            self.login_prompt_line = 1;
        }
        self.judge(
            cx,
            Judgement { outcome: Outcome::Incomplete, line: b"<EOF>", decided: Decision::End, absent_okay: true },
        );
    }

    fn prompt_line(&mut self, cx: &mut Context<'_>, line: &[u8], mut end: usize) {
        self.is_vms = contains(line, VMS);
        let follows = self.login_prompt_line > 0 && self.lines_scanned == self.login_prompt_line.saturating_add(1);
        let multi_line = follows && self.failure_line != self.login_prompt_line && !self.heading;
        loop {
            let next = line.get(end..).and_then(|rest| cx.dialogue.prompt(rest)).map(|next| next.saturating_add(end));
            if next.is_none() && !multi_line {
                break;
            }
            let Some(typed) = self.pending.as_mut().and_then(|pending| pending.typed.pop()) else {
                return self.confused(cx, "multiple_login_prompts", line, self.is_echo(line));
            };
            if !is_blank(typed.text.as_bytes()) {
                let secret = self.is_echo(line) || typed.is_secret() && contains(line, typed.text.as_bytes());
                return self.confused(cx, "non_empty_multi_login", line, secret);
            }
            match next {
                Some(next) if !multi_line => end = next,
                _ => break,
            }
        }
        self.answer(cx, line.get(end..).unwrap_or_default().trim_ascii_start());
        self.login_prompt_line = self.lines_scanned;
        self.heading = cx.dialogue.is_heading(line);
        if cx.dialogue.is_direct_prompt(line) {
            self.judge(cx, Judgement { outcome: Outcome::Success, line, decided: Decision::Prompt, absent_okay: true });
            cx.conn.login.log_in();
            self.done = true;
        }
    }

    /// What stands behind a prompt is the echo of the answer to it; if the answer itself was not seen, it is taken from there.
    fn answer(&mut self, cx: &mut Context<'_>, shown: &[u8]) {
        match &mut self.pending {
            _ if shown.is_empty() => {}
            Some(pending) if !pending.typed.is_empty() => pending.typed.vouch(shown),
            _ => self.queue(cx, shown, Position::Name),
        }
    }

    fn failure(&mut self, cx: &mut Context<'_>, line: &[u8], timeout: bool) {
        if Some(self.num_user_lines_seen) > self.last_failure_num_user_lines {
            if timeout {
                self.queue(cx, b"<timeout>", Position::Name);
            }
            self.judge(
                cx,
                Judgement { outcome: Outcome::Failure, line, decided: Decision::Message, absent_okay: false },
            );
        }
        (self.login_prompt_line, self.failure_line) = (self.lines_scanned, self.lines_scanned);
        self.last_failure_num_user_lines = Some(self.num_user_lines_seen);
    }

    fn success(&mut self, cx: &mut Context<'_>, line: &[u8], decided: Decision) {
        if self.judge(cx, Judgement { outcome: Outcome::Success, line, decided, absent_okay: false }) {
            cx.conn.login.log_in();
        }
    }

    /// Whether a shell answers what was typed since the last failure.
    fn is_shell(&self, cx: &Context<'_>, line: &[u8]) -> bool {
        let answered = |text: &[u8], position| !is_blank(text) && position != Position::Unknown;
        let typed = self.pending.as_ref().is_some_and(|p| p.typed.iter().any(|(text, place)| answered(text, place)));
        typed && Some(self.num_user_lines_seen) > self.last_failure_num_user_lines && cx.dialogue.is_shell_prompt(line)
    }

    /// A shell tells that somebody was let in. Who was asked for a password only has no name.
    fn shell(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        if let Some(pending) = &mut self.pending {
            pending.typed.drop_blank();
            let first = pending.typed.first().map(|(_, position)| position);
            let past = self.login_prompt_line.max(self.failure_line);
            match first {
                Some(Position::Name) => self.login_prompt_line = past.max(self.failure_line.saturating_add(1)),
                _ => self.failure_line = past,
            }
        }
        self.judge(cx, Judgement { outcome: Outcome::Success, line, decided: Decision::Prompt, absent_okay: true });
        cx.conn.login.log_in();
    }

    fn is_long_after_prompt(&self) -> bool {
        let typed = self.pending.as_ref().map_or(0, |pending| pending.typed.len());
        let patience = MAX_LOGIN_LOOKAHEAD.saturating_add(u32::try_from(typed).unwrap_or(u32::MAX));
        self.login_prompt_line > 0 && self.lines_scanned > self.login_prompt_line.saturating_add(patience)
    }

    /// States an outcome, with the name and the password that were typed; `false` if there is no name, which is confusing.
    fn judge(&mut self, cx: &mut Context<'_>, judgement: Judgement<'_>) -> bool {
        let line_secret = self.is_echo(judgement.line);
        let mut pending = self.pending.take().unwrap_or_default();
        let mut missing = None;
        if self.login_prompt_line > self.failure_line {
            pending.typed.drop_blank();
            match pending.typed.pop() {
                None if !judgement.absent_okay => missing = Some("no_username"),
                typed => pending.username = typed,
            }
        } else if pending.username.is_none() && !judgement.absent_okay {
            missing = Some("no_username2");
        }
        if let Some(msg) = missing {
            self.pending = Some(pending);
            self.confused(cx, msg, judgement.line, line_secret);
            return false;
        }
        let password = pending.typed.pop().filter(|line| line.position != Position::Command);
        let attempt = LoginAttempt {
            user: text(pending.username.as_ref()),
            client_user: pending.client_name.as_bytes(),
            password: text(password.as_ref()),
            line: judgement.line,
            decided: judgement.decided,
            user_secret: pending.username.as_ref().is_some_and(Line::is_secret),
            line_secret,
        };
        cx.emit(&Event::Login(LoginEvent::attempt(judgement.outcome, attempt)));
        self.pending = Some(pending);
        true
    }
}

fn text(line: Option<&Line>) -> &[u8] {
    line.map_or(NONE, |line| line.text.as_bytes())
}
