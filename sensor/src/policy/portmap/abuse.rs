//! Abuse of the portmapper that the manual does not know: reflection, registrations from afar, claims to be root, calls to ports that
//! nobody asked for, and sweeps.

use std::net::IpAddr;
use std::time::Duration;

use super::PORTMAPPER;
use super::learned::{Endpoint, Lesson};
use crate::capture::ExpectationMode;
use crate::config::Settings;
use crate::event::rpc::{PmMapping, PmPort, RpcCall, RpcStatus};
use crate::flow::key::Transport;
use crate::policy::memory::Memory;
use crate::policy::notice::About;
use crate::policy::words::put;
use crate::policy::{Note, Policy, Seen};
use crate::record::{Fact, Message};
use crate::text::Text;
use crate::time::Timestamp;

/// How long a lookup counts: mounts and daemons keep a port for long, and a day is what the manual's memories keep.
const LOOKUP_MEMORY: Duration = Duration::from_secs(86_400);
/// Versions that no program has: probes ask for them to be told the ones that exist.
const IMPOSSIBLE_VERSION: u32 = 1000;

/// What is counted between pairs of hosts.
#[derive(Debug)]
pub(super) struct Abuse {
    reflections: Memory<(IpAddr, IpAddr), Window>,
    sweeps: Memory<(IpAddr, IpAddr), Sweep>,
    /// Which client was told which endpoint.
    lookups: Memory<(IpAddr, Endpoint), ()>,
}

/// A sliding window in two halves: the older counts with the share of it that has not passed yet.
#[derive(Clone, Copy, Default, Debug)]
struct Window {
    began: Timestamp,
    current: Traffic,
    previous: Traffic,
}

#[derive(Clone, Copy, Default, Debug)]
struct Traffic {
    replies: u64,
    bytes_in: u64,
    bytes_out: u64,
}

#[derive(Clone, Copy, Default, Debug)]
struct Sweep {
    began: Timestamp,
    last: (u32, u32),
    probes: u32,
}

impl Abuse {
    pub fn new(settings: &Settings) -> Self {
        let (capacity, seed) = (settings.limits.policy_hosts, settings.seed);
        Abuse {
            reflections: Memory::new(capacity, seed),
            sweeps: Memory::new(capacity, seed),
            lookups: Memory::new(capacity, seed),
        }
    }

    pub fn forgotten(&self) -> u64 {
        self.reflections.forgotten() + self.sweeps.forgotten() + self.lookups.forgotten()
    }
}

impl Window {
    /// Counts one answer, and returns what the window holds with it.
    fn add(&mut self, now: Timestamp, length: Duration, call: &RpcCall<'_>) -> Traffic {
        let passed = now.since(self.began);
        if passed >= length {
            let next = passed < length * 2;
            self.previous = if next { self.current } else { Traffic::default() };
            self.began = if next { self.began + length } else { now };
            self.current = Traffic::default();
        }
        self.current.replies += 1;
        self.current.bytes_in += u64::from(call.call_bytes);
        self.current.bytes_out += u64::from(call.reply_bytes);
        let left = 1.0 - (now.since(self.began).as_secs_f64() / length.as_secs_f64().max(f64::EPSILON)).min(1.0);
        let share = |previous: u64, current: u64| current + (previous as f64 * left) as u64;
        Traffic {
            replies: share(self.previous.replies, self.current.replies),
            bytes_in: share(self.previous.bytes_in, self.current.bytes_in),
            bytes_out: share(self.previous.bytes_out, self.current.bytes_out),
        }
    }
}

impl Policy {
    /// The manual's `update_RPC_server_map`: names later connections to this port, and lets them in.
    pub(super) fn update_rpc_server_map(&mut self, seen: &mut Seen<'_>, p: &PmPort<'_>, program: u32) {
        // Port 0 is the portmapper's "not registered".
        if p.port == 0 || program == PORTMAPPER {
            return;
        }
        let key = seen.conn.id.key;
        let endpoint = Endpoint { server: key.resp_h, port: p.port, transport: p.transport };
        self.portmap.abuse.lookups.put(seen.now, (key.orig_h, endpoint), (), LOOKUP_MEMORY);
        match self.portmap.learned.learn(seen.now, endpoint, program) {
            Lesson::Known => return,
            Lesson::New => {}
            Lesson::TooMany => self.portmapper_flood(seen),
        }
        let name = self.rpc_prog(program).text();
        let (server, port, transport) = (endpoint.server, endpoint.port, endpoint.transport);
        let fact = Fact::ServiceLearned { server, port, transport, program, name };
        self.outbox.push(Message::fact(seen.now, fact));
        let watched =
            p.port >= self.settings.portmap.expect_min_port && !self.sets.never_capture.contains(transport, port);
        if !watched {
            self.stats.counters.expectations_refused.inc();
            return;
        }
        let control_only = self.rpc_prog(program).with_str(|name| self.sets.capture_control_only.contains(name));
        let mode = if control_only { ExpectationMode::ControlOnly } else { ExpectationMode::Full };
        self.portmap.learned.expect(seen.now, key.orig_h, endpoint, mode, &self.stats);
    }

    /// A successful UNSET: what was learned of the program no longer holds.
    pub(super) fn forget_rpc_server(&mut self, seen: &mut Seen<'_>, program: u32) {
        let server = seen.conn.id.key.resp_h;
        self.portmap.learned.forget(seen.now, server, program);
        self.outbox.push(Message::fact(seen.now, Fact::ServiceForgotten { server, program }));
    }

    /// A server accepted a registration from another host. Portmappers should refuse those; the manual's notice says who asked,
    /// this one says that it worked.
    pub(super) fn check_remote_set(
        &mut self,
        seen: &mut Seen<'_>,
        tag: &'static str,
        m: &PmMapping<'_>,
        success: bool,
    ) {
        let key = seen.conn.id.key;
        if !success || key.orig_h == key.resp_h {
            return;
        }
        let outside = !self.settings.site.local_nets.is_empty() && !self.is_local_addr(key.orig_h);
        let whence = if outside { "a host outside" } else { "another host" };
        let (program, port) = (m.program, m.p.port);
        let about = About::pair(&seen.conn.id, (u64::from(program), u64::from(tag == "pm_set")));
        let _ = self.notice(seen, Note::PortmapperRemoteSet, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            let name = words.rpc_prog(program);
            put(out, format_args!(" {tag}: {} {port}/{} accepted from {whence}", name, m.p.transport.name()));
            None
        });
    }

    /// Much sent for little asked, again and again: the "client" is a victim whose address was forged.
    pub(super) fn check_reflection(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>) {
        let key = seen.conn.id.key;
        if key.transport != Transport::Udp || call.status != RpcStatus::Success {
            return;
        }
        let (settings, pair) = (&self.settings.portmap, (key.resp_h, key.orig_h));
        let length = Duration::from_secs(settings.reflection_seconds.max(1));
        let (least, ratio) = (settings.reflection_replies, settings.reflection_ratio);
        let mut window = self.portmap.abuse.reflections.get(seen.now, &pair).copied().unwrap_or_default();
        let traffic = window.add(seen.now, length, call);
        self.portmap.abuse.reflections.put(seen.now, pair, window, length * 2);
        if traffic.replies < least || (traffic.bytes_out as f64) < ratio * traffic.bytes_in as f64 {
            return;
        }
        let _ = self.notice(seen, Note::PortmapperReflection, About::pair(&seen.conn.id, (0, 0)), |_, conn, out| {
            let (server, victim) = (conn.id.key.resp_h, conn.id.key.orig_h);
            let Traffic { replies, bytes_in, bytes_out } = traffic;
            let (seconds, factor) = (length.as_secs(), bytes_out as f64 / bytes_in.max(1) as f64);
            put(
                out,
                format_args!(
                    "{server} sent {bytes_out} bytes to {victim} in {replies} portmapper answers within {seconds} s"
                ),
            );
            put(out, format_args!(", {factor:.1} times what it was sent: reflection"));
            None
        });
    }

    /// AUTH_UNIX proves nothing; somebody from outside who says root with it tries to be believed.
    pub(super) fn check_credential(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>) {
        let Some(unix) = call.credential.unix.filter(|unix| unix.uid == 0) else { return };
        let client = seen.conn.id.key.orig_h;
        if self.settings.site.local_nets.is_empty() || self.is_local_addr(client) {
            return;
        }
        let limit = self.settings.limits.text_bytes;
        let program = call.program;
        let about = About::pair(&seen.conn.id, (u64::from(program), 0));
        let _ = self.notice(seen, Note::RemoteRootCredential, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            let name = words.rpc_prog(program);
            put(out, format_args!(" {}: uid 0 claimed from outside", name));
            Some(Text::new(unix.machine, limit)).filter(|machine| !machine.is_empty())
        });
    }

    /// The portmapper can be bypassed: a client that calls a learned port without having asked for it knew it from elsewhere.
    pub(super) fn check_announced(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>) {
        let key = seen.conn.id.key;
        let endpoint = Endpoint { server: key.resp_h, port: key.resp_p, transport: key.transport };
        if self.portmap.abuse.lookups.get(seen.now, &(key.orig_h, endpoint)).is_some() {
            return;
        }
        let name = self.rpc_prog(call.program);
        // An NFS client goes on for months with a port that it looked up once.
        let excused =
            name.with_str(|name| self.sets.NFS_services.contains(name)) || self.sets.RPC_okay_nets.contains(key.orig_h);
        if excused {
            return;
        }
        let (program, proc) = (call.program, call.proc);
        let about = About::pair(&seen.conn.id, (u64::from(program), u64::from(key.resp_p)));
        let _ = self.notice(seen, Note::UnannouncedRPCCall, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            let name = words.rpc_prog(program);
            put(out, format_args!(" {}/{proc}: this client never looked the port up", name));
            None
        });
    }

    /// NULL calls that fail, to one program after the other or with versions that no program has.
    pub(super) fn check_sweep(&mut self, seen: &mut Seen<'_>, call: &RpcCall<'_>) {
        let probes = call.proc == 0 && !matches!(call.status, RpcStatus::Success | RpcStatus::Timeout);
        if !probes {
            return;
        }
        let (settings, key) = (&self.settings.portmap, seen.conn.id.key);
        let (length, least) = (Duration::from_secs(settings.sweep_seconds.max(1)), settings.sweep_probes);
        let pair = (key.orig_h, key.resp_h);
        let mut sweep = self.portmap.abuse.sweeps.get(seen.now, &pair).copied().unwrap_or_default();
        if seen.now.since(sweep.began) >= length {
            sweep = Sweep { began: seen.now, ..Sweep::default() };
        }
        let what = (call.program, call.version);
        sweep.probes += u32::from(what != sweep.last || call.version >= IMPOSSIBLE_VERSION);
        sweep.last = what;
        self.portmap.abuse.sweeps.put(seen.now, pair, sweep, length);
        if sweep.probes < least {
            return;
        }
        let _ = self.notice(seen, Note::RPCSweep, About::pair(&seen.conn.id, (0, 0)), |_, conn, out| {
            let (client, server) = (conn.id.key.orig_h, conn.id.key.resp_h);
            put(out, format_args!("{client} asks {server} for one RPC program or version after the other"));
            None
        });
    }

    /// More services than any server has: forged answers, or a server that is not what it seems.
    fn portmapper_flood(&mut self, seen: &mut Seen<'_>) {
        let about = About { dst: Some(seen.conn.id.key.resp_h), ..About::default() };
        let most = self.settings.limits.learned_services_per_server;
        let _ = self.notice(seen, Note::PortmapperFlood, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            put(out, format_args!(" names more than {most} services of one server: forged answers?"));
            None
        });
    }
}
