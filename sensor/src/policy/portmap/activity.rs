//! What is done about a portmapper call: the manual's `pm_request`, `pm_attempt`, `pm_activity` and `pm_check_getport`.

use super::record::Access;
use super::{WALLD, WALLD_MEMORY};
use crate::event::rpc::{PmCallitRequest, PmMapping, PmMappings, PmPort};
use crate::flow::key::Transport;
use crate::flow::{Annotation, Conn};
use crate::policy::hot::Moment;
use crate::policy::notice::{About, Decision};
use crate::policy::words::{Words, text};
use crate::policy::{Note, Policy, Seen};
use crate::record::ProgramName;
use crate::text::Text;

/// Why a call is not reported: the set, or the rule, that excuses it.
pub(super) type Excuse = Option<&'static str>;

impl Policy {
    /// A call that was answered.
    pub(super) fn pm_request(
        &mut self,
        seen: &mut Seen<'_>,
        access: Access<'_>,
        about: Option<Annotation>,
        excuse: Excuse,
    ) {
        let excuse = self.do_not_complain(access.tag, true).or(excuse);
        self.check_scan_of_portmapper(seen, true);
        if seen.conn.id.key.transport == Transport::Udp {
            self.check_hot(seen, Moment::Established);
        }
        if let Some(about) = about.clone() {
            self.append_call(seen.conn, about);
        }
        self.label(seen.conn, access.tag);
        self.check_hot(seen, Moment::Finished);
        self.pm_activity(seen, access, about, excuse);
    }

    /// A call that failed, or was never answered.
    pub(super) fn pm_attempt(&mut self, seen: &mut Seen<'_>, access: Access<'_>, about: &str, excuse: Excuse) {
        let excuse = self.do_not_complain(access.tag, false).or(excuse);
        self.check_scan_of_portmapper(seen, false);
        if seen.conn.id.key.transport == Transport::Udp {
            self.check_hot(seen, Moment::Attempted);
        }
        self.label(seen.conn, access.tag);
        let status = access.call.status.text();
        let blank = if about.is_empty() { "" } else { " " };
        let about = text(format_args!("{about}{blank}({status})"), self.settings.limits.text_bytes);
        let about = Annotation::Call(about);
        self.append_call(seen.conn, about.clone());
        if self.settings.portmap.report_failed_attempts {
            self.pm_activity(seen, access, Some(about), excuse);
        } else {
            self.log_portmap(seen, access, excuse.unwrap_or("failed attempt"));
        }
    }

    /// Reports the call unless something excuses it or it was reported before, and logs it in any case.
    fn pm_activity(&mut self, seen: &mut Seen<'_>, access: Access<'_>, about: Option<Annotation>, excuse: Excuse) {
        let reason = match excuse {
            Some(excuse) if seen.conn.hot == 0 => excuse,
            _ => self.sensitive_portmapper_access(seen, &access, about),
        };
        self.log_portmap(seen, access, reason);
    }

    fn sensitive_portmapper_access(
        &mut self,
        seen: &mut Seen<'_>,
        access: &Access<'_>,
        call: Option<Annotation>,
    ) -> &'static str {
        let program = access.program.map_or(u64::MAX, u64::from);
        let about = About::pair(&seen.conn.id, (access.tag_number(), program));
        let exploited = access.program.and_then(|program| self.sets.RPC_exploited_programs.0.get(&program));
        let exploited = exploited.map(|why| Text::new(why.as_bytes(), self.settings.limits.text_bytes));
        let tag = access.tag;
        let decision = self.notice(seen, Note::SensitivePortmapperAccess, about, |words, conn, out| {
            out.extend_from_slice(b"rpc: ");
            words.id_string(out, &conn.id.key);
            [b" ", tag.as_bytes(), b": "].into_iter().for_each(|part| out.extend_from_slice(part));
            Annotation::put_all(&conn.addl, out);
            // Where the annotations are cut, the call that the notice is about is still told.
            if let Some(call) = call.filter(|call| !conn.addl.contains(call)) {
                out.push(b' ');
                call.put(out);
            }
            exploited
        });
        match decision {
            Decision::Due => "reported",
            Decision::Suppressed => "reported before",
            Decision::Ignored => "ignored by notice.actions",
        }
    }

    /// The manual's `pm_check_getport`: which set allows this client to look this program up, if one does.
    pub(super) fn pm_check_getport(&self, seen: &mut Seen<'_>, program: u32) -> Excuse {
        let (client, server) = (seen.conn.id.key.orig_h, seen.conn.id.key.resp_h);
        let sets = &self.sets;
        self.rpc_prog(program).with_str(|name| {
            if sets.RPC_okay_services.contains(name) {
                return Some("RPC_okay_services");
            }
            if sets.any_RPC_okay.any(server, |service| service == name) {
                return Some("any_RPC_okay");
            }
            if sets.NFS_world_servers.contains(server) && sets.NFS_services.contains(name) {
                return Some("NFS_world_servers");
            }
            if sets.RPC_okay.any(server, |(clients, service)| clients.contains(client) && service == name) {
                return Some("RPC_okay");
            }
            sets.RPC_okay_nets.contains(client).then_some("RPC_okay_nets")
        })
    }

    pub(super) fn pm_check_dump(&self, seen: &mut Seen<'_>) -> Excuse {
        let (client, server) = (seen.conn.id.key.orig_h, seen.conn.id.key.resp_h);
        self.sets.RPC_dump_okay.any(client, |servers| servers.contains(server)).then_some("RPC_dump_okay")
    }

    /// A forwarded walld call is reported once for its client, not once for every host that a broadcast reaches.
    pub(super) fn check_walld(&mut self, seen: &mut Seen<'_>, program: u32) -> Excuse {
        let client = seen.conn.id.key.orig_h;
        let name = self.rpc_prog(program);
        if name.with_str(|name| self.sets.suppress_pm_log.any(client, |service| service == name)) {
            return Some("suppress_pm_log");
        }
        if program != WALLD {
            return None;
        }
        if self.portmap.walld.get(seen.now, &client).is_some() {
            return Some("suppress_pm_log");
        }
        self.portmap.walld.put(seen.now, client, (), WALLD_MEMORY);
        None
    }

    /// The manual's `rpc_prog`.
    pub(super) fn rpc_prog(&self, program: u32) -> ProgramName {
        Words { sets: &self.sets }.rpc_prog(program)
    }

    fn do_not_complain(&self, tag: &str, answered: bool) -> Excuse {
        let listed = self.sets.RPC_do_not_complain.iter().any(|(proc, when)| proc == tag && *when == answered);
        listed.then_some("RPC_do_not_complain")
    }

    fn label(&self, conn: &mut Conn, tag: &'static str) {
        if !conn.marks.labels.contains(&tag) && conn.marks.labels.len() < self.settings.limits.annotations {
            conn.marks.labels.push(tag);
        }
    }

    /// Annotates the connection with what a call was about, until the annotations are longer than the settings allow.
    fn append_call(&self, conn: &mut Conn, about: Annotation) {
        if conn.addl.contains(&about) || conn.addl.contains(&Annotation::CUT) {
            return;
        }
        let length: usize = conn.addl.iter().map(|annotation| annotation.length() + ", ".len()).sum();
        let full = length.saturating_sub(", ".len()) > self.settings.portmap.max_addl_len;
        self.append_addl(conn, if full { Annotation::CUT } else { about });
    }

    /// `<program> <port>`, and what the server said.
    pub(super) fn mapping_text(&self, m: &PmMapping<'_>, said: &str) -> Annotation {
        let name = self.rpc_prog(m.program);
        let (port, transport) = (m.p.port, m.p.transport.name());
        Annotation::Call(text(format_args!("{name} {port}/{transport}{said}"), self.settings.limits.text_bytes))
    }

    /// `<program>/<procedure> (<n> bytes)`, and where it was forwarded to.
    pub(super) fn callit_text(&self, request: &PmCallitRequest<'_>, p: Option<&PmPort<'_>>) -> Annotation {
        let (name, limit) = (self.rpc_prog(request.program), self.settings.limits.text_bytes);
        let (proc, size) = (request.proc, request.arg_size);
        Annotation::Call(match p {
            Some(p) => text(format_args!("{name}/{proc} ({size} bytes) -> {}/{}", p.port, p.transport.name()), limit),
            None => text(format_args!("{name}/{proc} ({size} bytes)"), limit),
        })
    }

    /// `(done) <program -> port, ...>`, sorted as text, each port of a program once.
    pub(super) fn dump_text(&self, m: &PmMappings<'_>) -> Text {
        let mut entries: Vec<String> = m
            .iter()
            .map(|m| format!("{} -> {}/{}", self.rpc_prog(m.program), m.p.port, m.p.transport.name()))
            .collect();
        entries.sort_unstable();
        entries.dedup();
        Text::new(format!("(done) <{}>", entries.join(", ")).as_bytes(), self.settings.limits.text_bytes)
    }
}

/// The words of a call's annotation: they are our own, hence text.
pub(super) fn words_of(about: &Annotation) -> &str {
    match about {
        Annotation::Call(text) => std::str::from_utf8(text.as_bytes()).unwrap_or_default(),
        _ => "",
    }
}
