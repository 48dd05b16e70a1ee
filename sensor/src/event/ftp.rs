//! The events of FTP's control connection.

use std::borrow::Cow;

use super::{Out, number, text};
use crate::record::Value;

/// What was said on an FTP control connection.
#[derive(Clone, Copy, Debug)]
pub enum FtpEvent<'a> {
    /// A line of the client: its first word in capitals, and the rest. An empty line is the command `<missing>`.
    FtpRequest {
        /// The command's name.
        command: &'a [u8],
        /// Everything after it.
        arg: &'a [u8],
    },
    /// A line of the server.
    FtpReply {
        /// The three digits; 0 where there are none, and on the lines in between of a reply of several lines.
        code: u32,
        /// The rest of the line; in between, the whole line.
        msg: &'a [u8],
        /// More lines of the same reply follow.
        cont_resp: bool,
    },
    /// The server agreed to AUTH: what follows is encrypted, and not read.
    FtpStarttls {
        /// The mechanism that was asked for.
        mechanism: &'a [u8],
    },
}

impl FtpEvent<'_> {
    /// The manual's name of the event.
    pub fn name(&self) -> &'static str {
        match self {
            FtpEvent::FtpRequest { .. } => "ftp_request",
            FtpEvent::FtpReply { .. } => "ftp_reply",
            FtpEvent::FtpStarttls { .. } => "ftp_starttls",
        }
    }

    /// Shows its parameters under the manual's names; a password is not shown.
    pub fn fields(&self, out: Out<'_>) {
        match *self {
            FtpEvent::FtpRequest { command, arg } => {
                text(out, "command", command);
                text(out, "arg", if command == b"PASS" { b"<hidden>" } else { arg });
            }
            FtpEvent::FtpReply { code, msg, cont_resp } => {
                number(out, "code", code);
                text(out, "msg", without_password(code, msg).as_ref());
                out("cont_resp", Value::Bool(cont_resp));
            }
            FtpEvent::FtpStarttls { mechanism } => text(out, "mechanism", mechanism),
        }
    }
}

/// A server that does not understand a command says it back, the password with it.
fn without_password(code: u32, msg: &[u8]) -> Cow<'_, [u8]> {
    let at = msg.windows(5).position(|word| word.eq_ignore_ascii_case(b"PASS "));
    match at.and_then(|at| msg.get(..at + 5)) {
        Some(before) if matches!(code, 500..=504) => Cow::Owned([before, b"<hidden>"].concat()),
        _ => Cow::Borrowed(msg),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_said_back_is_not_shown() {
        assert_eq!(without_password(500, b"'pass s3cret': what?").as_ref(), b"'pass <hidden>");
        assert_eq!(without_password(230, b"PASS s3cret").as_ref(), b"PASS s3cret");
        assert_eq!(without_password(500, b"what?").as_ref(), b"what?");
    }
}
