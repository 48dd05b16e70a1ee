//! The portmapper's log record: one line per call, answered or not.

use super::PORTMAPPER;
use crate::event::rpc::{PmCallitRequest, PmMapping, PmPort, PmPortRequest, RpcCall, RpcStatus};
use crate::flow::key::Transport;
use crate::policy::{Policy, Seen};
use crate::record::{Mapping, PortmapRecord};

/// One call, as policy and the log see it.
#[derive(Clone, Debug)]
pub(super) struct Access<'a> {
    /// The manual's name of the procedure: `pm_getport`.
    pub tag: &'static str,
    pub call: &'a RpcCall<'a>,
    /// What the server itself said of a registration.
    pub success: bool,
    /// The program that the call is about.
    pub program: Option<u32>,
    pub version: Option<u32>,
    pub transport: Option<Transport>,
    pub netid: &'a [u8],
    pub owner: &'a [u8],
    pub port: Option<u16>,
    pub uaddr: &'a [u8],
    /// The procedure and the argument size of a forwarded call.
    pub forwarded: Option<(u32, u32)>,
    pub mappings: Option<Box<[Mapping]>>,
}

impl<'a> Access<'a> {
    pub fn new(tag: &'static str, call: &'a RpcCall<'a>) -> Self {
        Access {
            tag,
            call,
            success: true,
            program: None,
            version: None,
            transport: None,
            netid: b"",
            owner: b"",
            port: None,
            uaddr: b"",
            forwarded: None,
            mappings: None,
        }
    }

    pub fn mapping(self, m: &PmMapping<'a>) -> Self {
        let access =
            Access { program: Some(m.program), version: Some(m.version), netid: m.netid, owner: m.owner, ..self };
        access.answer(&m.p)
    }

    pub fn request(self, pr: &PmPortRequest<'a>) -> Self {
        let transport = if pr.is_tcp { Transport::Tcp } else { Transport::Udp };
        let (program, version) = (Some(pr.program), Some(pr.version));
        Access {
            program,
            version,
            transport: Some(transport),
            netid: pr.netid,
            owner: pr.owner,
            uaddr: pr.uaddr,
            ..self
        }
    }

    pub fn forwarded(self, request: &PmCallitRequest<'a>) -> Self {
        let (program, version) = (Some(request.program), Some(request.version));
        Access { program, version, forwarded: Some((request.proc, request.arg_size)), ..self }
    }

    pub fn answer(self, p: &PmPort<'a>) -> Self {
        Access { port: Some(p.port), transport: Some(p.transport), uaddr: p.uaddr, ..self }
    }

    /// A number for the tag: the same call about another program, or the other way round, is another access.
    pub fn tag_number(&self) -> u64 {
        match self.tag {
            "pm_set" => 1,
            "pm_unset" => 2,
            "pm_getport" => 3,
            "pm_dump" => 4,
            "pm_callit" => 5,
            _ => 0,
        }
    }

    /// The procedure's name in the log.
    fn proc_name(&self) -> &'static str {
        match (self.tag, self.call.proc) {
            ("pm_other", 6) => "gettime",
            ("pm_other", 7) => "uaddr2taddr",
            ("pm_other", 8) => "taddr2uaddr",
            ("pm_other", 12) => "getstat",
            ("pm_call", 0) => "null",
            ("pm_call", 1) => "set",
            ("pm_call", 2) => "unset",
            ("pm_call", 3) => "getport",
            ("pm_call", 4) => "dump",
            ("pm_call", 5) => "callit",
            ("pm_other" | "pm_call", _) => "other",
            (tag, _) => tag.trim_start_matches("pm_"),
        }
    }
}

impl Policy {
    /// Writes the line of one call; `reason` says why it was, or was not, reported.
    pub(super) fn log_portmap(&self, seen: &mut Seen<'_>, access: Access<'_>, reason: &'static str) {
        let call = access.call;
        let text = |bytes: &[u8]| Some(self.text(bytes)).filter(|text| !text.is_empty());
        let answered = call.status != RpcStatus::Timeout;
        // What is not about the portmapper at all is said to be about the program that was called.
        let program = access.program.or_else(|| Some(call.program).filter(|&program| program != PORTMAPPER));
        let unix = call.credential.unix;
        let failed = call.status == RpcStatus::Success && !access.success;
        let record = PortmapRecord {
            ts: call.start,
            id: seen.conn.id,
            proc_name: access.proc_name(),
            ok: call.status == RpcStatus::Success && access.success,
            status: if failed { "failed" } else { call.status.text() },
            xid: call.xid,
            prog: program,
            prog_name: program.map(|program| self.rpc_prog(program)),
            vers: access.version,
            prot: text(access.netid).or_else(|| access.transport.map(|transport| transport.name().into())),
            port: access.port,
            addr: text(access.uaddr),
            owner: text(access.owner),
            call_proc: access.forwarded.map(|(proc, _)| proc),
            arg_size: access.forwarded.map(|(_, size)| size),
            mappings: access.mappings,
            pm_vers: call.version,
            auth_flavor: call.credential.name(),
            machine_name: unix.and_then(|unix| text(unix.machine)),
            uid: unix.map(|unix| unix.uid),
            gid: unix.map(|unix| unix.gid),
            rtt: answered.then(|| seen.now.since(call.start)),
            call_len: call.call_len,
            reply_len: call.reply_len,
            logged_reason: reason,
        };
        self.write(seen.now, record);
    }
}
