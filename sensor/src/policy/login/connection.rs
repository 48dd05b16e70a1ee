//! What happens to the connection of a login session: it begins, it turns out to be skipped, encrypted or odd, it ends.

use super::keystrokes::number;
use super::session::{session, session_mut};
use crate::analyzers::Service;
use crate::capture::BypassReason;
use crate::config::PortSpec;
use crate::event::{LoginState, Verdict};
use crate::flow::key::Transport;
use crate::flow::{Annotation, Conn};
use crate::policy::{Policy, Seen};

impl Policy {
    /// The login policy's own `connection_established`.
    pub(in crate::policy) fn login_established(&mut self, seen: &mut Seen<'_>) {
        self.hot_orig_port(seen);
        let server = seen.conn.id.key.resp_h;
        if self.is_login_conn(seen.conn)
            && (self.sets.skip_logins_to.contains(server) || self.sets.non_ASCII_hosts.contains(server))
        {
            self.authentication_skipped(seen);
        }
    }

    /// The login policy's own `partial_connection`: the dialogue began before the capture did.
    pub(in crate::policy) fn login_partial(&mut self, seen: &mut Seen<'_>) {
        self.hot_orig_port(seen);
        if self.is_login_conn(seen.conn) {
            let session = session_mut(seen.conn);
            (session.partial, session.was_confused) = (true, true);
            seen.verdict |= Verdict::CONFUSED;
        }
    }

    /// The session's connection is gone: the manual forgets the session here, and only when the connection ended well.
    pub(in crate::policy) fn login_ended(&mut self, seen: &mut Seen<'_>) {
        self.waits_in_vain(seen);
        if session(seen.conn).is_some() {
            self.end_transcript(seen);
        }
        self.log_session(seen);
    }

    /// Ports by which backdoors know their masters.
    fn hot_orig_port(&mut self, seen: &mut Seen<'_>) {
        let key = seen.conn.id.key;
        if key.transport != Transport::Tcp {
            return;
        }
        let pair = (PortSpec((key.transport, key.resp_p)), PortSpec((key.transport, key.orig_p)));
        let telnet = self.sets.hot_telnet_orig_ports.contains(key.transport, key.orig_p)
            && self.login_service(seen.conn) == Some(Service::Telnet);
        if telnet || self.sets.hot_orig_ports.contains(&pair) {
            self.hot_login(seen, number::ORIG_PORT, |out| out.extend_from_slice(b"hot_orig_port"));
        }
    }

    pub(in crate::policy) fn excessive_line(&mut self, seen: &mut Seen<'_>) {
        if !self.is_login_conn(seen.conn) {
            return;
        }
        if seen.conn.hot == 0 && self.sets.non_ASCII_hosts.contains(seen.conn.id.key.resp_h) {
            seen.verdict |= Verdict::SKIP | Verdict::DO_NOT_RECORD;
        } else if seen.conn.login == LoginState::Authenticate {
            self.login_confused(seen, "excessive_line", b"", false);
            seen.verdict |= Verdict::CONFUSED;
        }
    }

    pub(in crate::policy) fn activating_encryption(&mut self, seen: &mut Seen<'_>, both: bool) {
        if self.is_login_conn(seen.conn) {
            session_mut(seen.conn).encrypted = true;
            self.append_addl(seen.conn, Annotation::Words("(encrypted)"));
        }
        if both {
            seen.verdict |= Verdict::skip(BypassReason::Encrypted);
        }
    }

    /// The manual's `is_login_conn`.
    pub(super) fn is_login_conn(&self, conn: &Conn) -> bool {
        session(conn).is_some() || self.login_service(conn).is_some()
    }

    pub(super) fn is_rsh(&self, conn: &Conn) -> bool {
        self.login_service(conn) == Some(Service::Rsh)
    }

    /// Which protocol with a login dialogue is spoken; before that is known, which one is expected on the port.
    pub(super) fn login_service(&self, conn: &Conn) -> Option<Service> {
        let key = &conn.id.key;
        let service = conn.service.or_else(|| self.login.ports.as_ref()?.service(key.transport, key.resp_p))?;
        matches!(service, Service::Telnet | Service::Rlogin | Service::Rsh | Service::Rexec).then_some(service)
    }
}
