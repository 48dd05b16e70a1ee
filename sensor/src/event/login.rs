//! The events of a login dialogue, over Telnet, Rlogin, Rsh or rexec.

use super::{Out, Verdict, text};
use crate::record::Value;

/// What happened in a login dialogue.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the manual's names and parameters")]
pub enum LoginEvent<'a> {
    LoginFailure(LoginAttempt<'a>),
    LoginSuccess(LoginAttempt<'a>),
    /// The client went away after it had typed something, and before the server decided. Of ours: the manual calls it a success.
    LoginIncomplete(LoginAttempt<'a>),
    /// `secret`: it is, or may be, a password.
    LoginInputLine {
        line: &'a [u8],
        secret: bool,
    },
    /// `secret`: it echoes what is, or may be, a password.
    LoginOutputLine {
        line: &'a [u8],
        secret: bool,
    },
    /// The dialogue can no longer be followed; `msg` is the manual's tag.
    LoginConfused {
        msg: &'static str,
        line: &'a [u8],
        secret: bool,
    },
    LoginConfusedText {
        line: &'a [u8],
        secret: bool,
    },
    LoginTerminal {
        terminal: &'a [u8],
    },
    LoginDisplay {
        display: &'a [u8],
    },
    /// The environment variable `TTYPROMPT`.
    LoginPrompt {
        prompt: &'a [u8],
    },
    /// Any environment variable. Of ours: the manual drops those that it does not know.
    LoginEnvironment {
        name: &'a [u8],
        value: &'a [u8],
        user_variable: bool,
    },
    /// The server asks for no login at all.
    AuthenticationSkipped,
    /// A line of an Rsh client; the first is the command. `secret`: it is, or may be, a password.
    RshRequest {
        client_user: &'a [u8],
        server_user: &'a [u8],
        line: &'a [u8],
        new_session: bool,
        secret: bool,
    },
    /// `secret`: it repeats the password.
    RshReply {
        client_user: &'a [u8],
        server_user: &'a [u8],
        line: &'a [u8],
        secret: bool,
    },
}

/// How far a login dialogue has come: the manual's login states. Analyzers move it, policy reads it in its connection, and
/// [`Verdict::CONFUSED`] and [`Verdict::SKIP`] are the manual's `set_login_state`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
#[repr(u8)]
pub enum LoginState {
    /// Nobody was let in yet.
    #[default]
    Authenticate = 0,
    /// Somebody was let in.
    LoggedIn = 1,
    /// Nothing more is read.
    Skip = 2,
    /// It can no longer be told who is who.
    Confused = 3,
}

impl LoginState {
    /// The manual's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            LoginState::Authenticate => "AUTHENTICATE",
            LoginState::LoggedIn => "LOGGED_IN",
            LoginState::Skip => "SKIP",
            LoginState::Confused => "CONFUSED",
        }
    }

    /// Somebody was let in, unless policy has decided otherwise meanwhile.
    pub fn log_in(&mut self) {
        if *self != LoginState::Skip {
            *self = LoginState::LoggedIn;
        }
    }

    /// Carries out what policy has decided about the dialogue.
    pub fn obey(&mut self, verdict: Verdict) {
        if verdict.has(Verdict::SKIP) {
            *self = LoginState::Skip;
        } else if verdict.has(Verdict::CONFUSED) && *self != LoginState::Skip {
            *self = LoginState::Confused;
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// `login_success`.
    Success,
    /// `login_failure`.
    Failure,
    /// `login_incomplete`.
    Incomplete,
}

/// What told that an attempt was over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// A message of the server: a success, a failure, a timeout.
    Message,
    /// The protocol itself says so (Rsh, rexec).
    Protocol,
    /// A prompt that is only shown to who is let in: a direct prompt, or a shell's.
    Prompt,
    /// Many lines after the prompt, and no word of a failure.
    Silence,
    /// The connection's end.
    End,
    /// A success message in a dialogue that could not be followed.
    Confused,
}

impl Decision {
    /// Whether the outcome was said, rather than concluded.
    pub const fn is_certain(self) -> bool {
        matches!(self, Decision::Message | Decision::Protocol)
    }
}

/// One attempt to log in. What is absent is `<none>`, as in the manual; an empty `client_user` is none.
#[derive(Clone, Copy, Debug)]
pub struct LoginAttempt<'a> {
    /// The account.
    pub user: &'a [u8],
    /// The account on the client's machine (Rlogin, Rsh).
    pub client_user: &'a [u8],
    /// What was typed for a password; `<none>`: none was exposed, `<timeout>`: the server did not wait for it.
    pub password: &'a [u8],
    /// The server's line that decided; `<EOF>`: none did.
    pub line: &'a [u8],
    /// What told.
    pub decided: Decision,
    /// The account may be a password: nothing vouches that it was typed at a login prompt. It is not to be shown.
    pub user_secret: bool,
    /// The line echoes what is, or may be, a password. It is not to be shown.
    pub line_secret: bool,
}

/// What stands for a password that is not shown.
const HIDDEN: &[u8] = b"<hidden>";

impl<'a> LoginEvent<'a> {
    /// An attempt that has ended.
    pub fn attempt(outcome: Outcome, attempt: LoginAttempt<'a>) -> Self {
        match outcome {
            Outcome::Success => LoginEvent::LoginSuccess(attempt),
            Outcome::Failure => LoginEvent::LoginFailure(attempt),
            Outcome::Incomplete => LoginEvent::LoginIncomplete(attempt),
        }
    }
}

impl LoginEvent<'_> {
    /// The manual's name of the event.
    pub fn name(&self) -> &'static str {
        match self {
            LoginEvent::LoginFailure(_) => "login_failure",
            LoginEvent::LoginSuccess(_) => "login_success",
            LoginEvent::LoginIncomplete(_) => "login_incomplete",
            LoginEvent::LoginInputLine { .. } => "login_input_line",
            LoginEvent::LoginOutputLine { .. } => "login_output_line",
            LoginEvent::LoginConfused { .. } => "login_confused",
            LoginEvent::LoginConfusedText { .. } => "login_confused_text",
            LoginEvent::LoginTerminal { .. } => "login_terminal",
            LoginEvent::LoginDisplay { .. } => "login_display",
            LoginEvent::LoginPrompt { .. } => "login_prompt",
            LoginEvent::LoginEnvironment { .. } => "login_environment",
            LoginEvent::AuthenticationSkipped => "authentication_skipped",
            LoginEvent::RshRequest { .. } => "rsh_request",
            LoginEvent::RshReply { .. } => "rsh_reply",
        }
    }

    /// Shows its parameters under the manual's names; a password is not shown.
    pub fn fields(&self, out: Out<'_>) {
        match *self {
            LoginEvent::LoginFailure(attempt)
            | LoginEvent::LoginSuccess(attempt)
            | LoginEvent::LoginIncomplete(attempt) => attempt.fields(out),
            LoginEvent::LoginConfused { msg, line, secret } => {
                out("msg", Value::Word(msg));
                shown(out, line, secret);
            }
            LoginEvent::LoginInputLine { line, secret }
            | LoginEvent::LoginOutputLine { line, secret }
            | LoginEvent::LoginConfusedText { line, secret } => shown(out, line, secret),
            LoginEvent::LoginTerminal { terminal } => text(out, "terminal", terminal),
            LoginEvent::LoginDisplay { display } => text(out, "display", display),
            LoginEvent::LoginPrompt { prompt } => text(out, "prompt", prompt),
            LoginEvent::LoginEnvironment { name, value, user_variable } => {
                text(out, "name", name);
                text(out, "value", value);
                out("user_variable", Value::Bool(user_variable));
            }
            LoginEvent::AuthenticationSkipped => {}
            LoginEvent::RshRequest { client_user, server_user, line, new_session, secret } => {
                text(out, "client_user", client_user);
                text(out, "server_user", server_user);
                shown(out, line, secret);
                out("new_session", Value::Bool(new_session));
            }
            LoginEvent::RshReply { client_user, server_user, line, secret } => {
                text(out, "client_user", client_user);
                text(out, "server_user", server_user);
                shown(out, line, secret);
            }
        }
    }
}

impl LoginAttempt<'_> {
    fn fields(&self, out: Out<'_>) {
        text(out, "user", if self.user_secret { HIDDEN } else { self.user });
        text(out, "client_user", self.client_user);
        let said = matches!(self.password, b"" | b"<none>" | b"<timeout>");
        text(out, "password", if said { self.password } else { HIDDEN });
        shown(out, self.line, self.line_secret);
    }
}

fn shown(out: Out<'_>, line: &[u8], secret: bool) {
    text(out, "line", if secret { HIDDEN } else { line });
}
