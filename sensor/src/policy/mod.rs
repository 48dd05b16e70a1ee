//! The manual's "standard script": events in, notices, annotations, log records and verdicts out. One function per event, under its name.

mod accounts;
mod capture_loss;
mod conn;
mod ftp;
mod guessing;
mod hot;
mod ids;
mod login;
mod memory;
mod notice;
mod nvt;
mod once;
mod password;
mod portmap;
mod scan;
mod session;
mod ssh;
mod tally;
mod terminate;
mod weird;
mod words;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use siphasher::sip::SipHasher13;

pub use capture_loss::{CaptureLoss, Evidence, PEER};
pub use ftp::{EXPECTED_BYTES, Neighbours, neighbours};
pub use guessing::Guessing;
pub use memory::ENTRY_BYTES;
pub use notice::Note;
pub use once::NoticesOnce;
pub use portmap::SERVICE_BYTES;
pub use scan::Scans;
pub use session::Session;
pub use tally::Tally;

use self::ftp::ExpectedData;
use self::login::LoginPolicy;
use self::notice::{About, Decision, More, Notices};
use self::portmap::PortmapState;
use self::scan::Contacts;
use self::ssh::Hasshes;
use self::weird::Weirds;
use self::words::Words;
use crate::analyzers::Service;
use crate::capture::Gate;
use crate::config::{PolicySets, Settings};
use crate::event::{ConnectionEvent, Event, Handler, Verdict};
use crate::flow::budget::{Budget, EXHAUSTED};
use crate::flow::key::FlowKey;
use crate::flow::{Annotation, Conn};
use crate::outbox::Outbox;
use crate::record::{Fact, Message, NoticeRecord, Record};
use crate::stats::WorkerStats;
use crate::text::{Buffers, Text};
use crate::time::Timestamp;
use crate::trace::{self, Transcriber};

/// The policy of one worker.
#[derive(Debug)]
pub struct Policy {
    settings: Arc<Settings>,
    sets: PolicySets,
    stats: Arc<WorkerStats>,
    outbox: Outbox,
    notices: Notices,
    weirds: Weirds,
    portmap: PortmapState,
    ftp_data: ExpectedData,
    login: LoginPolicy,
    hasshes: Hasshes,
    contacts: Contacts,
    transcriber: Option<Transcriber>,
    /// Whether connections are terminated at all.
    terminates: bool,
    /// Whether somebody carries that out.
    responds: bool,
    /// The time of the latest event.
    now: Timestamp,
    /// Where texts are put together; kept, so that it is allocated once.
    scratch: Vec<u8>,
    buffers: Buffers,
}

/// What an event's handler has in hand: the moment, the connection, and what is decided about it.
struct Seen<'a> {
    now: Timestamp,
    conn: &'a mut Conn,
    verdict: Verdict,
}

impl Policy {
    /// A policy that reports to `outbox`.
    pub fn new(settings: Arc<Settings>, stats: Arc<WorkerStats>, outbox: Outbox) -> Self {
        let sets = settings.sets().clone();
        Policy {
            login: LoginPolicy::new(&settings, &sets),
            sets,
            terminates: settings.terminates(),
            responds: false,
            notices: Notices::new(&settings, Arc::clone(&stats)),
            weirds: Weirds::new(&settings),
            portmap: PortmapState::new(&settings),
            ftp_data: ExpectedData::new(&settings),
            hasshes: Hasshes::default(),
            contacts: Contacts::new(&settings),
            now: Timestamp::ZERO,
            scratch: Vec::with_capacity(4096),
            buffers: Buffers::default(),
            transcriber: Transcriber::new(&settings.record, &outbox),
            settings,
            stats,
            outbox,
        }
    }

    /// Somebody carries out what it terminates, if `responds`; otherwise it only says so.
    #[must_use]
    pub fn responding(self, responds: bool) -> Self {
        Policy { responds, ..self }
    }

    /// From now on, this worker and others tell each other where data connections are expected.
    #[must_use]
    pub fn meeting(mut self, neighbours: Neighbours) -> Self {
        self.ftp_data.meet(neighbours);
        self
    }

    fn write(&self, now: Timestamp, record: impl Into<Record>) {
        self.outbox.push(Message::record(now, record));
    }

    /// Writes a notice about a connection, unless the same was written lately. `words` puts its text together.
    fn notice(
        &mut self,
        seen: &mut Seen<'_>,
        note: Note,
        about: About,
        words: impl FnOnce(Words<'_>, &Conn, &mut Vec<u8>) -> Option<Text>,
    ) -> Decision {
        self.notice_with(seen, note, about, |sets, conn, out| More { sub: words(sets, conn, out), ..More::default() })
    }

    /// The same, about somebody who logs in.
    fn notice_of_user(
        &mut self,
        seen: &mut Seen<'_>,
        note: Note,
        about: About,
        user: Option<Text>,
        words: impl FnOnce(Words<'_>, &Conn, &mut Vec<u8>) -> Option<Text>,
    ) -> Decision {
        let more = |sets: Words<'_>, conn: &Conn, out: &mut Vec<u8>| {
            let sub = words(sets, conn, out);
            More { sub, user, ..More::default() }
        };
        self.notice_with(seen, note, about, more)
    }

    /// The same, of a notice that tells more than its text and a detail.
    fn notice_with(
        &mut self,
        seen: &mut Seen<'_>,
        note: Note,
        about: About,
        words: impl FnOnce(Words<'_>, &Conn, &mut Vec<u8>) -> More,
    ) -> Decision {
        let decision = self.notices.decide(seen.now, note, about);
        if decision != Decision::Ignored && note.is_worth_packets() && seen.conn.trace.is_watched() {
            seen.set_record_packets(note.name());
        }
        if decision == Decision::Due {
            self.scratch.clear();
            let more = words(Words { sets: &self.sets }, seen.conn, &mut self.scratch);
            let msg = self.text(&self.scratch);
            let mut record = self.notices.record(seen.now, note, Some(&seen.conn.id), msg);
            (record.sub, record.user, record.filename) = (more.sub, more.user, more.filename);
            record.n = more.n.or(record.n);
            let recorded = self.settings.record.is_on() && !seen.conn.trace.why().is_empty();
            record.capture_file = recorded.then(|| self.text(trace::file_name(&seen.conn.id).as_bytes()));
            self.write_notice(seen.now, note, about, record);
        }
        decision
    }

    /// Writes it, or lets the collector find out whether another worker was first.
    fn write_notice(&self, now: Timestamp, note: Note, about: About, notice: NoticeRecord) {
        if note.is_once() {
            let (who, keep) = (about.dst, notice.suppress_for);
            let fact = Fact::NoticeOnce {
                notice: Box::new(notice),
                who,
                what: "",
                detail: about.detail.0,
                keep,
                renew: false,
            };
            self.outbox.push(Message::fact(now, fact));
        } else {
            self.write(now, notice);
        }
    }

    /// The manual's `append_addl`: what is there already is not said again, and there is a bound to it.
    fn append_addl(&self, conn: &mut Conn, annotation: Annotation) {
        if conn.addl.contains(&annotation) || conn.addl.len() >= self.settings.limits.annotations {
            return;
        }
        let more = annotation.held() + if conn.addl.is_empty() { 0 } else { size_of::<Annotation>() };
        if Budget::new(&self.settings.limits, &self.stats.counters).allows(more) {
            conn.addl.push(annotation);
        } else {
            conn.marks.unannotated = true;
        }
    }

    fn is_local_addr(&self, addr: IpAddr) -> bool {
        self.settings.site.local_nets.iter().any(|net: &IpNet| net.contains(&addr))
    }

    /// Whether so many bytes more may be kept for a connection; if not, that is counted and said.
    fn may_keep(&mut self, seen: &mut Seen<'_>, bytes: usize) -> bool {
        let may = Budget::new(&self.settings.limits, &self.stats.counters).allows(bytes);
        if !may {
            self.conn_weird(seen, EXHAUSTED, b"");
        }
        may
    }

    /// A number for something from the wire, by which it is told from others: SipHash, because it stands for passwords too, and whoever
    /// sees some is to learn nothing about others.
    fn digest(&self, what: &[u8]) -> u64 {
        let seed = self.settings.seed;
        SipHasher13::new_with_keys(seed, !seed).hash(what)
    }

    fn text_of(&mut self, parts: &[&[u8]]) -> Text {
        self.scratch.clear();
        parts.iter().for_each(|part| self.scratch.extend_from_slice(part));
        self.text(&self.scratch)
    }

    fn text(&self, bytes: &[u8]) -> Text {
        self.buffers.text(bytes, self.settings.limits.text_bytes)
    }
}

impl Seen<'_> {
    /// The manual's `set_record_packets(c, T)`: this connection's packets are worth keeping. The first reason is the one that is told.
    fn set_record_packets(&mut self, why: &'static str) {
        self.verdict |= Verdict::RECORD;
        self.conn.trace.record(why);
    }
}

impl Handler for Policy {
    fn handle(&mut self, now: Timestamp, conn: &mut Conn, event: &Event<'_>) -> Verdict {
        self.now = now;
        let mut seen = Seen { now, conn, verdict: Verdict::CONTINUE };
        match event {
            Event::Connection(event) => self.connection_event(&mut seen, *event),
            Event::Weird { name, addl } => self.conn_weird(&mut seen, name, addl),
            Event::Rpc(event) => self.rpc_event(&mut seen, event),
            Event::Ftp(event) => self.ftp_event(&mut seen, event),
            Event::Nvt(event) => self.nvt_event(&mut seen, event),
            Event::Login(event) => self.login_event(&mut seen, event),
            Event::Ssh(event) => self.ssh_event(&mut seen, event),
        }
        seen.verdict
    }

    fn expected(&mut self, now: Timestamp, key: &FlowKey) -> Option<Service> {
        self.portmap.expected(now, key).or_else(|| self.ftp_data.expected(now, key))
    }

    fn flow_weird(&mut self, now: Timestamp, hosts: Option<(IpAddr, IpAddr)>, name: &'static str) {
        self.now = now;
        self.weird_between(now, hosts, name);
    }

    #[inline]
    fn settle(&mut self, now: Timestamp, gate: &mut dyn Gate) {
        if self.portmap.is_due(self.now) || self.ftp_data.is_due(now) {
            self.portmap.settle(self.now, gate, &self.stats);
            self.ftp_data.settle(now, gate, &self.stats);
            self.write_released_transfers();
        }
    }

    fn tick(&mut self) {
        self.outbox.publish();
        let forgotten =
            self.notices.forgotten() + self.weirds.forgotten() + self.portmap.forgotten() + self.contacts.forgotten();
        self.stats.counters.policy_forgotten.set(forgotten);
    }
}

impl Policy {
    fn connection_event(&mut self, seen: &mut Seen<'_>, event: ConnectionEvent) {
        let over = matches!(event, ConnectionEvent::ConnectionFinished | ConnectionEvent::ConnectionReset);
        if over && seen.conn.service == Some(Service::FtpData) {
            self.data_connection_finished(seen);
        }
        match event {
            ConnectionEvent::ConnectionEstablished => self.connection_established(seen),
            ConnectionEvent::ConnectionAttempt => self.connection_attempt(seen),
            ConnectionEvent::ConnectionRejected => self.connection_rejected(seen),
            ConnectionEvent::PartialConnection => self.partial_connection(seen),
            ConnectionEvent::ConnectionFinished => self.connection_finished(seen),
            ConnectionEvent::ConnectionHalfFinished => self.connection_half_finished(seen),
            ConnectionEvent::ConnectionPartialClose => self.connection_partial_close(seen),
            ConnectionEvent::ConnectionReset => self.connection_reset(seen),
            ConnectionEvent::ConnectionStateRemove => self.connection_state_remove(seen),
            ConnectionEvent::UdpRequest => self.udp_request(seen),
            ConnectionEvent::UdpReply => self.udp_reply(seen),
            ConnectionEvent::ContentGap { direction, seq, length } => {
                self.ftp_content_gap(seen, direction);
                self.content_gap(seen, direction, seq, length);
            }
            ConnectionEvent::RexmitInconsistency { direction, seq } => self.rexmit_inconsistency(seen, direction, seq),
            ConnectionEvent::AckAboveHole { direction, seq } => self.ack_above_hole(seen, direction, seq),
            ConnectionEvent::NewConnection => self.new_connection(seen),
            ConnectionEvent::ConnectionPending => self.connection_pending(seen),
            ConnectionEvent::ConnectionTimeout => {}
        }
    }
}
