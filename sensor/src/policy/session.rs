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
