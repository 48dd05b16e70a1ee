//! RPC events as the event stream shows them: their names, and their parameters under the manual's names.

use super::rpc::{PmCallitRequest, PmInner, PmMapping, PmMappings, PmPort, PmPortRequest, RpcCall, RpcEvent};
use super::{Out, number, text};
use crate::record::{Mapping, Value};

impl RpcEvent<'_> {
    /// The manual's name of the event.
    pub fn name(&self) -> &'static str {
        match self {
            RpcEvent::RpcCall { .. } => "rpc_call",
            RpcEvent::PmRequestNull { .. } => "pm_request_null",
            RpcEvent::PmRequestSet { .. } => "pm_request_set",
            RpcEvent::PmRequestUnset { .. } => "pm_request_unset",
            RpcEvent::PmRequestGetport { .. } => "pm_request_getport",
            RpcEvent::PmRequestDump { .. } => "pm_request_dump",
            RpcEvent::PmRequestCallit { .. } => "pm_request_callit",
            RpcEvent::PmRequestOther { .. } => "pm_request_other",
            RpcEvent::PmAttemptNull { .. } => "pm_attempt_null",
            RpcEvent::PmAttemptSet { .. } => "pm_attempt_set",
            RpcEvent::PmAttemptUnset { .. } => "pm_attempt_unset",
            RpcEvent::PmAttemptGetport { .. } => "pm_attempt_getport",
            RpcEvent::PmAttemptDump { .. } => "pm_attempt_dump",
            RpcEvent::PmAttemptCallit { .. } => "pm_attempt_callit",
            RpcEvent::PmAttemptOther { .. } => "pm_attempt_other",
            RpcEvent::PmBadPort { .. } => "pm_bad_port",
        }
    }

    /// The call that it is about; a bad port is about no call in particular.
    pub fn call(&self) -> Option<&RpcCall<'_>> {
        match self {
            RpcEvent::RpcCall { call, .. }
            | RpcEvent::PmRequestNull { call }
            | RpcEvent::PmRequestSet { call, .. }
            | RpcEvent::PmRequestUnset { call, .. }
            | RpcEvent::PmRequestGetport { call, .. }
            | RpcEvent::PmRequestDump { call, .. }
            | RpcEvent::PmRequestCallit { call, .. }
            | RpcEvent::PmRequestOther { call, .. }
            | RpcEvent::PmAttemptNull { call }
            | RpcEvent::PmAttemptSet { call, .. }
            | RpcEvent::PmAttemptUnset { call, .. }
            | RpcEvent::PmAttemptGetport { call, .. }
            | RpcEvent::PmAttemptDump { call }
            | RpcEvent::PmAttemptCallit { call, .. }
            | RpcEvent::PmAttemptOther { call, .. } => Some(call),
            RpcEvent::PmBadPort { .. } => None,
        }
    }

    /// Whether it says that a call failed: only then is there a status to tell.
    pub fn is_attempt(&self) -> bool {
        matches!(
            self,
            RpcEvent::PmAttemptNull { .. }
                | RpcEvent::PmAttemptSet { .. }
                | RpcEvent::PmAttemptUnset { .. }
                | RpcEvent::PmAttemptGetport { .. }
                | RpcEvent::PmAttemptDump { .. }
                | RpcEvent::PmAttemptCallit { .. }
                | RpcEvent::PmAttemptOther { .. }
        )
    }

    /// Shows each parameter, then what every event says of its call.
    pub fn fields(&self, out: Out<'_>) {
        match self {
            RpcEvent::RpcCall { call, .. } => whole_call(call, out),
            RpcEvent::PmRequestSet { m, success, .. } | RpcEvent::PmRequestUnset { m, success, .. } => {
                mapping(m, out);
                out("success", Value::Bool(*success));
            }
            RpcEvent::PmAttemptSet { m, .. } | RpcEvent::PmAttemptUnset { m, .. } => mapping(m, out),
            RpcEvent::PmRequestGetport { pr, p, .. } => {
                port_request(pr, out);
                port(p, out);
            }
            RpcEvent::PmAttemptGetport { pr, .. } => port_request(pr, out),
            RpcEvent::PmRequestDump { m, .. } => dump(m, out),
            RpcEvent::PmRequestCallit { request, p, result, .. } => {
                callit(request, out);
                port(p, out);
                out("result_size", Value::Count(result.len() as u64));
            }
            RpcEvent::PmAttemptCallit { request, .. } => callit(request, out),
            RpcEvent::PmBadPort { bad_p } => number(out, "bad_p", *bad_p),
            RpcEvent::PmRequestNull { .. }
            | RpcEvent::PmRequestOther { .. }
            | RpcEvent::PmAttemptNull { .. }
            | RpcEvent::PmAttemptDump { .. }
            | RpcEvent::PmAttemptOther { .. } => {}
        }
        if let Some(call) = self.call().filter(|_| !matches!(self, RpcEvent::RpcCall { .. })) {
            number(out, "pm_version", call.version);
            number(out, "pm_proc", call.proc);
            if self.is_attempt() {
                out("status", Value::Word(call.status.name()));
            }
            identity(call, out);
        }
    }
}

fn whole_call(call: &RpcCall<'_>, out: Out<'_>) {
    number(out, "program", call.program);
    number(out, "version", call.version);
    number(out, "proc", call.proc);
    out("status", Value::Word(call.status.name()));
    identity(call, out);
    out("start_time", Value::Time(call.start));
    number(out, "call_len", call.call_len);
    call.reply_len.into_iter().for_each(|length| number(out, "reply_len", length));
}

fn identity(call: &RpcCall<'_>, out: Out<'_>) {
    number(out, "xid", call.xid);
    out("auth_flavor", Value::Word(call.credential.name()));
    if let Some(unix) = &call.credential.unix {
        text(out, "machine_name", unix.machine);
        number(out, "auth_uid", unix.uid);
        number(out, "auth_gid", unix.gid);
    }
}

fn mapping(m: &PmMapping<'_>, out: Out<'_>) {
    number(out, "program", m.program);
    number(out, "version", m.version);
    port(&m.p, out);
    text(out, "netid", m.netid);
    text(out, "owner", m.owner);
}

fn port_request(pr: &PmPortRequest<'_>, out: Out<'_>) {
    number(out, "program", pr.program);
    number(out, "version", pr.version);
    out("is_tcp", Value::Bool(pr.is_tcp));
    text(out, "netid", pr.netid);
    text(out, "owner", pr.owner);
}

fn port(p: &PmPort<'_>, out: Out<'_>) {
    out("port", Value::Port(p.port));
    out("transport", Value::Word(p.transport.name()));
    text(out, "uaddr", p.uaddr);
}

fn dump(m: &PmMappings<'_>, out: Out<'_>) {
    let mappings: Vec<Mapping> = m.iter().map(|m| m.record()).collect();
    out("mappings", Value::Mappings(mappings.into()));
    out("total", Value::Count(m.total as u64));
}

fn callit(request: &PmCallitRequest<'_>, out: Out<'_>) {
    number(out, "program", request.program);
    number(out, "version", request.version);
    number(out, "proc", request.proc);
    number(out, "arg_size", request.arg_size);
    match &request.inner {
        PmInner::Opaque => {}
        PmInner::Mapping(m) => number(out, "inner_program", m.program),
        PmInner::Path(path) => text(out, "inner_path", path),
        PmInner::Message(message) => text(out, "inner_message", message),
    }
}
