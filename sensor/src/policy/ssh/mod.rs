//! SSH's events, each handled under its own name.

mod fingerprint;
mod record;
mod weak;

pub(super) use fingerprint::Hasshes;
pub use record::SshSession;

use super::{Policy, Seen, Session};
use crate::analyzers::wire::ssh::kexinit::{Algorithms, Capabilities};
use crate::capture::BypassReason;
use crate::event::{SshEvent, Verdict};

impl Policy {
    pub(super) fn ssh_event(&mut self, seen: &mut Seen<'_>, event: &SshEvent<'_>) {
        let Some(mut session) = self.ssh_session(seen) else { return };
        match *event {
            SshEvent::SshClientVersion { version } => session.versions[0] = Some(self.text(version)),
            SshEvent::SshServerVersion { version } => session.versions[1] = Some(self.text(version)),
            SshEvent::SshVersionAgreed { version } => self.ssh_version_agreed(seen, &mut session, version),
            SshEvent::SshCapabilities { is_server, capabilities } => {
                self.ssh_capabilities(&mut session, is_server, capabilities);
            }
            SshEvent::SshAlgorithms { algorithms, reversed } => {
                session.reversed = reversed;
                self.ssh_algorithms(seen, &mut session, algorithms);
            }
            SshEvent::Ssh2ServerHostKey { key } => session.host_key = Some(fingerprint::of_host_key(key)),
            SshEvent::SshAuthAttempted { authenticated } => {
                self.ssh_auth_attempted(seen, &mut session, authenticated);
            }
            SshEvent::SshAuthSuccessful { auth_method_none } => {
                session.none = auth_method_none;
                self.login_successful(seen, b"");
                self.log_ssh(seen, *session);
                self.ssh_skip(seen, BypassReason::SshAuthenticated);
                return;
            }
            SshEvent::SshAuthUnknown => {
                session.auth_success = None;
                self.ssh_skip(seen, BypassReason::SshUnknown);
            }
            SshEvent::SshServerPreBannerData { .. } | SshEvent::Ssh1ServerHostKey { .. } | SshEvent::SshAuthFailed => {}
        }
        seen.conn.marks.session = Session::Ssh(session);
    }

    /// The connection's state is dropped: if nobody was let in, its line is still to be written.
    pub(super) fn ssh_connection_state_remove(&mut self, seen: &mut Seen<'_>) {
        if let Some(session) = seen.conn.marks.session.take_ssh() {
            self.log_ssh(seen, *session);
        }
    }

    /// The session of this connection, taken out of it. `None`: there is no room for it.
    fn ssh_session(&mut self, seen: &mut Seen<'_>) -> Option<Box<SshSession>> {
        if seen.conn.marks.session.is_none() {
            return self.may_keep(seen, size_of::<SshSession>()).then(|| Box::new(SshSession::new(seen.now)));
        }
        seen.conn.marks.session.take_ssh()
    }

    fn ssh_version_agreed(&mut self, seen: &mut Seen<'_>, session: &mut SshSession, version: u8) {
        session.version = Some(version);
        self.ssh_weak_version(seen, version);
    }

    fn ssh_capabilities(&mut self, session: &mut SshSession, is_server: bool, all: &Capabilities<'_>) {
        session.hassh[usize::from(is_server)] = Some(self.hasshes.of(all, is_server));
    }

    fn ssh_algorithms(&mut self, seen: &mut Seen<'_>, session: &mut SshSession, chosen: &Algorithms<'_>) {
        session.algorithms = Some(self.ssh_names(chosen));
        self.ssh_weak_algorithms(seen, chosen);
    }

    fn ssh_auth_attempted(&mut self, seen: &mut Seen<'_>, session: &mut SshSession, authenticated: bool) {
        session.auth_attempts = session.auth_attempts.saturating_add(1);
        session.auth_success = Some(authenticated);
        if !authenticated {
            self.account_tried_unseen(seen, session.auth_attempts);
        }
    }

    /// What follows is encrypted, and nothing more will be known of it.
    fn ssh_skip(&mut self, seen: &mut Seen<'_>, why: BypassReason) {
        if seen.conn.hot == 0 {
            seen.verdict |= Verdict::skip(why);
        }
    }
}
