//! The portmapper's events, each handled under the manual's own name: what is allowed, what is reported, what is learned.

mod abuse;
mod activity;
mod learned;
mod record;

use std::net::IpAddr;
use std::time::Duration;

pub use self::learned::SERVICE_BYTES;

use self::abuse::Abuse;
use self::activity::words_of;
use self::learned::{Endpoint, Learned};
use self::record::Access;
use super::memory::Memory;
use super::words::text;
use super::{Policy, Seen};
use crate::analyzers::Service;
use crate::capture::Gate;
use crate::config::Settings;
use crate::event::rpc::{PmCallitRequest, PmMapping, PmMappings, PmPort, PmPortRequest, RpcCall, RpcEvent};
use crate::flow::Annotation;
use crate::flow::key::{FlowKey, Transport};
use crate::stats::WorkerStats;
use crate::time::Timestamp;

/// The program number of the portmapper itself.
const PORTMAPPER: u32 = 100_000;
/// The program number of walld, whose forwarded calls would be reported for every host of a broadcast.
const WALLD: u32 = 100_008;
/// How long a client of walld is not reported for it again.
const WALLD_MEMORY: Duration = Duration::from_secs(86_400);

/// What the portmapper's policy remembers.
#[derive(Debug)]
pub(super) struct PortmapState {
    /// The manual's `RPC_server_map`, and what is asked of the capture filter because of it.
    learned: Learned,
    /// Clients whose forwarded walld calls have been seen: the manual's additions to `suppress_pm_log`.
    walld: Memory<IpAddr, ()>,
    abuse: Abuse,
}

impl PortmapState {
    pub fn new(settings: &Settings) -> Self {
        PortmapState {
            learned: Learned::new(settings),
            walld: Memory::new(settings.limits.policy_hosts, settings.seed),
            abuse: Abuse::new(settings),
        }
    }

    /// What is spoken on a connection to a learned port.
    pub fn expected(&self, now: Timestamp, key: &FlowKey) -> Option<Service> {
        let programs = self.programs(now, key.resp_h, key.resp_p, key.transport);
        if programs.is_empty() { None } else { Some(Service::Rpc) }
    }

    /// The programs that a portmapper has put on this port.
    pub fn programs(&self, now: Timestamp, server: IpAddr, port: u16, transport: Transport) -> &[u32] {
        self.learned.programs(now, server, port, transport)
    }

    /// Whether the capture filter keeps out this connection's payload.
    pub fn is_control_only(&self, now: Timestamp, key: &FlowKey) -> bool {
        let endpoint = Endpoint { server: key.resp_h, port: key.resp_p, transport: key.transport };
        self.learned.is_control_only(now, endpoint)
    }

    /// Whether there is anything to settle.
    #[inline]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.learned.is_due(now)
    }

    /// Tells the capture filter what has been learned since the last time, and what has expired.
    pub fn settle(&mut self, now: Timestamp, gate: &mut dyn Gate, stats: &WorkerStats) {
        self.learned.settle(now, gate, stats);
    }

    /// Entries that had to give way before they expired.
    pub fn forgotten(&self) -> u64 {
        self.walld.forgotten() + self.abuse.forgotten() + self.learned.forgotten()
    }
}

impl Policy {
    pub(super) fn rpc_event(&mut self, seen: &mut Seen<'_>, event: &RpcEvent<'_>) {
        match *event {
            RpcEvent::RpcCall { call, decoded } => self.rpc_call(seen, call, decoded),
            RpcEvent::PmRequestNull { call } => self.pm_request_null(seen, call),
            RpcEvent::PmRequestSet { call, m, success } => self.pm_request_set(seen, call, &m, success),
            RpcEvent::PmRequestUnset { call, m, success } => self.pm_request_unset(seen, call, &m, success),
            RpcEvent::PmRequestGetport { call, pr, p } => self.pm_request_getport(seen, call, &pr, &p),
            RpcEvent::PmRequestDump { call, m } => self.pm_request_dump(seen, call, &m),
            RpcEvent::PmRequestCallit { call, request, p, .. } => self.pm_request_callit(seen, call, &request, &p),
            RpcEvent::PmRequestOther { call, .. } | RpcEvent::PmAttemptOther { call, .. } => self.pm_other(seen, call),
            RpcEvent::PmAttemptNull { call } => self.pm_attempt_null(seen, call),
            RpcEvent::PmAttemptSet { call, m } => self.pm_attempt_set(seen, call, &m),
            RpcEvent::PmAttemptUnset { call, m } => self.pm_attempt_unset(seen, call, &m),
            RpcEvent::PmAttemptGetport { call, pr } => self.pm_attempt_getport(seen, call, &pr),
            RpcEvent::PmAttemptDump { call } => self.pm_attempt_dump(seen, call),
            RpcEvent::PmAttemptCallit { call, request } => self.pm_attempt_callit(seen, call, &request),
            RpcEvent::PmBadPort { bad_p } => self.pm_bad_port(seen, bad_p),
        }
    }

    /// Raised for every call of every RPC program, after its own event.
    fn rpc_call(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>, decoded: bool) {
        self.check_credential(seen, call);
        self.check_sweep(seen, call);
        // The portmapper itself is on a port that everybody knows.
        if call.program != PORTMAPPER && seen.conn.service != Some(Service::Portmap) {
            self.check_announced(seen, call);
        } else if !decoded {
            let access = Access::new("pm_call", call);
            self.log_portmap(seen, access, "not understood");
        }
    }

    fn pm_request_null(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>) {
        let access = Access::new("pm_null", call);
        self.pm_request(seen, access, None, Some("harmless"));
    }

    fn pm_request_set(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>, m: &PmMapping<'_>, success: bool) {
        self.check_remote_set(seen, "pm_set", m, success);
        let access = Access { success, ..Access::new("pm_set", call).mapping(m) };
        let about = self.mapping_text(m, if success { " (ok)" } else { " (failed)" });
        self.pm_request(seen, access, Some(about), None);
    }

    fn pm_request_unset(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>, m: &PmMapping<'_>, success: bool) {
        self.check_remote_set(seen, "pm_unset", m, success);
        let access = Access { success, ..Access::new("pm_unset", call).mapping(m) };
        let about = self.mapping_text(m, if success { " (ok)" } else { " (failed)" });
        self.pm_request(seen, access, Some(about), None);
        if success {
            self.forget_rpc_server(seen, m.program);
        }
    }

    fn pm_request_getport(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>, pr: &PmPortRequest<'_>, p: &PmPort<'_>) {
        let excuse = self.pm_check_getport(seen, pr.program);
        self.update_rpc_server_map(seen, p, pr.program);
        let access = Access::new("pm_getport", call).request(pr).answer(p);
        let about = Annotation::Mapping { program: self.rpc_prog(pr.program), port: p.port, transport: p.transport };
        self.pm_request(seen, access, Some(about), excuse);
    }

    fn pm_request_dump(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>, m: &PmMappings<'_>) {
        for mapping in m.iter() {
            self.update_rpc_server_map(seen, &mapping.p, mapping.program);
        }
        let mappings: Box<[_]> = m.iter().map(|mapping| mapping.record()).collect();
        let excuse = self.pm_check_dump(seen);
        // The manual reports a dump before it says what was in it; here the list comes first.
        let about = if mappings.is_empty() { "(nil)".into() } else { self.dump_text(m) };
        let access = Access { mappings: Some(mappings), ..Access::new("pm_dump", call) };
        self.pm_request(seen, access, Some(Annotation::Call(about)), excuse);
        self.check_reflection(seen, call);
    }

    fn pm_request_callit(
        &mut self,
        seen: &mut Seen<'_>,
        call: &RpcCall<'_>,
        request: &PmCallitRequest<'_>,
        p: &PmPort<'_>,
    ) {
        let excuse = self.check_walld(seen, request.program);
        let access = Access::new("pm_callit", call).forwarded(request).answer(p);
        let about = self.callit_text(request, Some(p));
        self.pm_request(seen, access, Some(about), excuse);
    }

    fn pm_attempt_null(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>) {
        let access = Access::new("pm_null", call);
        self.pm_attempt(seen, access, "", None);
    }

    fn pm_attempt_set(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>, m: &PmMapping<'_>) {
        let access = Access::new("pm_set", call).mapping(m);
        let about = self.mapping_text(m, "");
        self.pm_attempt(seen, access, words_of(&about), None);
    }

    fn pm_attempt_unset(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>, m: &PmMapping<'_>) {
        let access = Access::new("pm_unset", call).mapping(m);
        let about = self.mapping_text(m, "");
        self.pm_attempt(seen, access, words_of(&about), None);
    }

    fn pm_attempt_getport(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>, pr: &PmPortRequest<'_>) {
        let excuse = self.pm_check_getport(seen, pr.program);
        let access = Access::new("pm_getport", call).request(pr);
        let about = text(format_args!("{}", self.rpc_prog(pr.program)), usize::MAX);
        self.pm_attempt(seen, access, words_of(&Annotation::Call(about)), excuse);
    }

    fn pm_attempt_dump(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>) {
        let excuse = self.pm_check_dump(seen);
        let access = Access::new("pm_dump", call);
        self.pm_attempt(seen, access, "", excuse);
    }

    fn pm_attempt_callit(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>, request: &PmCallitRequest<'_>) {
        let excuse = self.check_walld(seen, request.program);
        let access = Access::new("pm_callit", call).forwarded(request);
        let about = self.callit_text(request, None);
        self.pm_attempt(seen, access, words_of(&about), excuse);
    }

    /// rpcbind's own procedures, which the manual does not know: logged; GETSTAT is watched for its size.
    fn pm_other(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>) {
        let access = Access::new("pm_other", call);
        self.log_portmap(seen, access, "harmless");
        self.check_reflection(seen, call);
    }

    fn pm_bad_port(&mut self, seen: &mut Seen<'_>, bad_p: u32) {
        let addl = text(format_args!("port {bad_p}"), usize::MAX);
        self.conn_weird(seen, "bad_pm_port", addl.as_bytes());
    }
}
