//! Hot connections: what makes a connection sensitive, in the manual's moments of its life.

use super::notice::About;
use super::{Note, Policy, Seen};
use crate::config::sets::Reasons;
use crate::flow::{Annotation, Conn};
use crate::text::Text;

/// The moments at which a connection is judged: the manual's CONN_ATTEMPTED, CONN_ESTABLISHED and so on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    Attempted,
    Established,
    /// The application's session is really up: a user has been authenticated.
    ApplEstablished,
    Finished,
    Rejected,
    TimedOut,
}

/// Judgements that are made once per connection: bits of `Marks::judged`.
pub(super) mod judged {
    pub const LAND: u32 = 1;
    pub const SPOOF: u32 = 2;
    pub const ATTEMPTED: u32 = 4;
    pub const ESTABLISHED: u32 = 8;
    pub const REJECTED: u32 = 16;
    pub const ADDRESSES: u32 = 32;
    /// Not a judgement about the connection, but of which kind it is: FTP data from the server's data port.
    pub const FROM_DATA_PORT: u32 = 64;
    /// The bytes of an FTP data connection have been told.
    pub const TRANSFERRED: u32 = 128;
    /// A portmapper call has been told as a contact: one that was answered, one that failed.
    pub const ANSWERED_CALL: u32 = 256;
    pub const FAILED_CALL: u32 = 512;
    /// The service is one of `allow_services`.
    pub const ALLOWED: u32 = 1 << 16;
    /// Everything that a moment asks for has been judged; it depends on nothing but addresses and ports, and is not asked for again.
    pub const DONE: u32 = 1 << 20;
}

impl Policy {
    /// The manual's `check_hot`: whether the connection is hot, now or already.
    pub(super) fn check_hot(&mut self, seen: &mut Seen<'_>, moment: Moment) -> bool {
        let done = judged::DONE << moment as u32;
        if seen.conn.marks.judged & done == 0 {
            return self.judge(seen, moment, done);
        }
        if seen.conn.marks.judged & judged::ALLOWED != 0 {
            return seen.conn.marks.judged & judged::SPOOF != 0;
        }
        seen.conn.hot > 0
    }

    fn judge(&mut self, seen: &mut Seen<'_>, moment: Moment, done: u32) -> bool {
        // The manual lets an allowed service hide a spoof; a spoof is one whatever the service.
        if matches!(moment, Moment::Attempted | Moment::Established | Moment::Rejected) {
            self.check_spoof(seen);
        }
        let key = seen.conn.id.key;
        if self.sets.allow_services.contains(key.transport, key.resp_p) {
            seen.conn.marks.judged |= done | judged::ALLOWED;
            return seen.conn.marks.judged & judged::SPOOF != 0;
        }
        match moment {
            Moment::Attempted => self.flag(seen, judged::ATTEMPTED),
            Moment::Established => self.flag(seen, judged::ESTABLISHED),
            Moment::Rejected => self.flag(seen, judged::REJECTED),
            Moment::ApplEstablished => return self.check_addresses(seen) && seen.conn.hot > 0,
            Moment::Finished | Moment::TimedOut => {
                let telnet = key.resp_p == 23 && key.transport == crate::flow::key::Transport::Tcp;
                let both_spoke = seen.conn.orig.size > 0 && seen.conn.resp.size > 0;
                if !telnet && !both_spoke {
                    return seen.conn.hot > 0;
                }
                if !telnet && !self.check_addresses(seen) {
                    return false;
                }
            }
        }
        seen.conn.marks.judged |= done;
        seen.conn.hot > 0
    }

    /// The manual's `check_spoof`, and the Land attack, which is looked for on every connection.
    pub(super) fn check_spoof(&mut self, seen: &mut Seen<'_>) {
        let key = seen.conn.id.key;
        if key.orig_h == key.resp_h && key.orig_p == key.resp_p && once(seen.conn, judged::LAND) {
            self.conn_weird(seen, "Land_attack", b"");
        }
        if self.sets.same_local_net_is_spoof
            && !self.sets.allow_spoof_services.contains(key.transport, key.resp_p)
            && self.is_local_addr(key.orig_h)
            && self.is_local_addr(key.resp_h)
            && once(seen.conn, judged::SPOOF)
        {
            seen.conn.hot += 1;
            self.append_addl(seen.conn, Annotation::Words("spoof"));
        }
    }

    /// The manual's `log_hot_conn`.
    pub(super) fn log_hot_conn(&mut self, seen: &mut Seen<'_>) {
        let about = About::connection(&seen.conn.id, seen.conn.hot.into());
        let _ = self.notice(seen, Note::SensitiveConnection, about, |words, conn, out| {
            out.extend_from_slice(b"hot: ");
            words.full_id_string(out, conn);
            None
        });
    }

    /// Whether a table flags this port in this moment: any direction, to us, or from us.
    fn flag(&mut self, seen: &mut Seen<'_>, moment: u32) {
        let key = seen.conn.id.key;
        let of = |table: &Reasons| table.of(key.transport, key.resp_p).map(|why| Text::new(why.as_bytes(), why.len()));
        let sets = &self.sets;
        let [any, inbound, outbound] = match moment {
            judged::ATTEMPTED => [
                &sets.flag_attempted_service,
                &sets.flag_attempted_inbound_service,
                &sets.flag_attempted_outbound_service,
            ],
            judged::ESTABLISHED => [
                &sets.flag_successful_service,
                &sets.flag_successful_inbound_service,
                &sets.flag_successful_outbound_service,
            ],
            _ => {
                [&sets.flag_rejected_service, &sets.flag_rejected_inbound_service, &sets.flag_rejected_outbound_service]
            }
        };
        if any.0.is_empty() && inbound.0.is_empty() && outbound.0.is_empty() {
            return;
        }
        let (to_us, from_us) = (self.is_local_addr(key.resp_h), self.is_local_addr(key.orig_h));
        let why =
            of(any).or_else(|| of(inbound).filter(|_| to_us)).or_else(|| of(outbound).filter(|_| from_us && !to_us));
        let Some(why) = why.filter(|_| !self.is_exempt(seen.conn)) else { return };
        if !once(seen.conn, moment) {
            return;
        }
        if moment == judged::ESTABLISHED && to_us && of(&self.sets.terminate_successful_inbound_service).is_some() {
            self.terminate_connection(seen);
        }
        seen.conn.hot += 1;
        self.append_addl(seen.conn, Annotation::Text(why));
    }

    /// The manual wants either list to exempt a flagged service; its code wanted both.
    fn is_exempt(&self, conn: &Conn) -> bool {
        let key = conn.id.key;
        let service = |port: &crate::config::PortSpec| port.0 == (key.transport, key.resp_p);
        self.sets.allow_services_to.any(key.resp_h, service) || self.sets.allow_services_from.any(key.orig_h, service)
    }

    /// Looks for sensitive hosts; `false` if the pair is allowed whatever they are.
    fn check_addresses(&mut self, seen: &mut Seen<'_>) -> bool {
        let key = seen.conn.id.key;
        let service = |port: &crate::config::PortSpec| port.0 == (key.transport, key.resp_p);
        let sets = &self.sets;
        if self.is_exempt(seen.conn)
            || sets.allow_service_pairs.any(key.orig_h, |(server, port)| server.contains(key.resp_h) && service(port))
            || sets.allow_pairs.any(key.orig_h, |to| to.contains(key.resp_h))
        {
            return false;
        }
        if !once(seen.conn, judged::ADDRESSES) {
            return true;
        }
        for (table, addr) in [(&sets.hot_srcs, key.orig_h), (&sets.hot_dsts, key.resp_h)] {
            if let Some(why) = table.get(addr) {
                seen.conn.hot += 1;
                let why = super::words::text(format_args!("<{why}>"), self.settings.limits.text_bytes);
                self.append_addl(seen.conn, Annotation::Text(why));
            }
        }
        true
    }
}

/// Whether this judgement is still to be made; it is made now.
pub(super) fn once(conn: &mut Conn, bit: u32) -> bool {
    let first = conn.marks.judged & bit == 0;
    conn.marks.judged |= bit;
    first
}
