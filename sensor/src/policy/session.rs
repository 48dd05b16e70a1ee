//! What policy remembers of one connection's session, kept with the connection and dropped with it.

use super::ftp::FtpSession;
use super::login::LoginSession;
use super::ssh::SshSession;

/// The session of whatever protocol is spoken.
#[derive(Default, Debug)]
pub enum Session {
    /// Nothing was said yet, or the protocol has no sessions.
    #[default]
    None,
    /// The manual's `ftp_session_info`.
    Ftp(Box<FtpSession>),
    /// The manual's `login_session_info`.
    Login(Box<LoginSession>),
    /// What is remembered of an SSH connection.
    Ssh(Box<SshSession>),
}

impl Session {
    /// Takes FTP's session out, if it is one; nothing is left, until it is put back.
    pub(super) fn take_ftp(&mut self) -> Option<Box<FtpSession>> {
        match std::mem::take(self) {
            Session::Ftp(session) => Some(session),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Takes SSH's session out, in the same way.
    pub(super) fn take_ssh(&mut self) -> Option<Box<SshSession>> {
        match std::mem::take(self) {
            Session::Ssh(session) => Some(session),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Whether there is none yet, of whatever protocol.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Session::None)
    }

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        match self {
            Session::None => 0,
            Session::Ftp(session) => size_of::<FtpSession>() + session.held(),
            Session::Login(session) => size_of::<LoginSession>() + session.held(),
            Session::Ssh(session) => size_of::<SshSession>() + session.held(),
        }
    }
}
