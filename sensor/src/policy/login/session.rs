//! The manual's `login_session_info`: what is remembered of one login session, small while nothing is pending.

use smallvec::SmallVec;

use crate::flow::Conn;
use crate::policy::Session;
use crate::trace::LineMark;

/// Bytes kept of a user's name, and of a terminal's.
pub(super) const NAME_BYTES: usize = 128;
/// Bytes kept of the environment variables of a session, names and values.
pub(super) const ENVIRONMENT_BYTES: usize = 512;
/// Bytes kept of a line that waits for the server's answer to it.
pub(super) const WAITING_BYTES: usize = 256;

/// The manual's `login_session_info`.
#[derive(Default, Debug)]
pub struct LoginSession {
    /// Who logged in, or tried to last.
    pub(super) user: Option<Box<[u8]>>,
    /// Who that is on the client's machine (Rlogin, Rsh).
    pub(super) client_user: Option<Box<[u8]>>,
    pub(super) terminal: Option<Box<[u8]>>,
    /// What most sessions never need.
    pub(super) rare: Option<Box<Rare>>,
    /// Where its lines are, should they be wanted.
    pub(super) transcript: LineMark,
    /// Server lines that were not empty.
    pub(super) output_lines: u32,
    /// Client lines after the login.
    pub(super) commands: u32,
    pub(super) attempts: u32,
    pub(super) failures: u32,
    /// A user has been let in, whatever came after.
    pub(super) logged_in: bool,
    /// The dialogue could not be followed at some time.
    pub(super) was_confused: bool,
    pub(super) auth_skipped: bool,
    /// What told the outcome of the latest attempt said it, and named the user.
    pub(super) certain: bool,
    pub(super) encrypted: bool,
    /// The beginning was not seen: no line is the first.
    pub(super) partial: bool,
    /// The server of an Rsh session has said something.
    pub(super) rsh_answered: bool,
    /// How much of `loader_sequence` has been typed.
    pub(super) loader_steps: u8,
    /// Notices about lines so far.
    pub(super) trouble_notices: u8,
}

const _: () = assert!(size_of::<LoginSession>() <= 112, "one is kept per session");

/// What most sessions never need.
#[derive(Default, Debug)]
pub(super) struct Rare {
    /// `NAME=value NAME=value`.
    pub environment: Vec<u8>,
    /// A line that is reported unless the server's answer excuses it.
    pub waiting: Option<Waiting>,
    /// Patterns that were reported, by their place among all.
    pub reported: SmallVec<[u16; 4]>,
}

/// The manual's `waiting_for_output` and `waiting_for_output_line`.
#[derive(Debug)]
pub(super) struct Waiting {
    /// What was typed; nothing is kept of what may be a password.
    pub line: Box<[u8]>,
    /// The number of the output line that answers it.
    pub until: u32,
    /// The pattern that it matched.
    pub pattern: u16,
}

impl LoginSession {
    /// Bytes on the heap, besides its own.
    pub fn held(&self) -> usize {
        let names = [&self.user, &self.client_user, &self.terminal];
        let names: usize = names.into_iter().flatten().map(|name| name.len()).sum();
        names + self.rare.as_ref().map_or(0, |rare| size_of::<Rare>() + rare.held())
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

impl Rare {
    fn held(&self) -> usize {
        let reported = if self.reported.spilled() { self.reported.capacity() * size_of::<u16>() } else { 0 };
        self.environment.capacity() + self.waiting.as_ref().map_or(0, |waiting| waiting.line.len()) + reported
    }
}

/// The login session of a connection, if it has one.
pub(super) fn session(conn: &Conn) -> Option<&LoginSession> {
    match &conn.marks.session {
        Session::Login(session) => Some(session),
        _ => None,
    }
}

/// The login session of a connection; it begins now if there was none.
pub(super) fn session_mut(conn: &mut Conn) -> &mut LoginSession {
    if !matches!(conn.marks.session, Session::Login(_)) {
        conn.marks.session = Session::Login(Box::default());
    }
    match &mut conn.marks.session {
        Session::Login(session) => session,
        _ => unreachable!("it was made one a line above"),
    }
}

/// So many bytes of a name are kept.
pub(super) fn kept(name: &[u8], limit: usize) -> Option<Box<[u8]>> {
    if name.is_empty() || name == b"<none>" { None } else { Some(name.get(..limit).unwrap_or(name).into()) }
}
