//! One protocol each: bytes in, the manual's events out. States facts, judges nothing.
//!
//! An analyzer is one file and one row of the table below. The row gives its name and its ports, and nothing else in the repository
//! has to know: dispatch, capture filter and the command line read the table.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

pub mod ftp;
pub mod ftp_data;
pub mod portmap;
pub mod rexec;
pub mod rlogin;
pub mod rpc;
pub mod rsh;
pub mod ssh;
pub mod telnet;
#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]
pub mod testing;
pub mod wire;

use crate::config::DialogueSets;
use crate::config::limits::Limits;
use crate::event::{Event, Handler, Verdict};
use crate::flow::Conn;
use crate::flow::budget::{Budget, EXHAUSTED};
use crate::flow::key::{Direction, Transport};
use crate::time::Timestamp;

/// What an analyzer did with the bytes it was just offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// So many were used up; the rest is offered again with what follows.
    Consumed(usize),
    /// Not a whole message yet: offer these again when there are more. The stream keeps at most [`Analyzer::PDU_MAX`] of them.
    More,
    /// Nothing further in this connection is of interest.
    Done,
    /// This is not the protocol that its port promises. The name becomes a weird, once.
    Violation(&'static str),
}

impl Step {
    /// Of `bytes`, `rest` is left.
    #[inline]
    pub fn leaving(bytes: &[u8], rest: &[u8]) -> Self {
        match bytes.len().saturating_sub(rest.len()) {
            0 => Step::More,
            used => Step::Consumed(used),
        }
    }
}

/// One protocol's view of one connection: made with it, dropped with it, never shared.
pub trait Analyzer: Default {
    /// The most bytes ever kept waiting for a complete message, per direction.
    const PDU_MAX: usize = 4096;

    /// Whether people type here, so that long silence is normal: the manual's `inactivity_timeouts`.
    const INTERACTIVE: bool = false;

    /// In-order bytes of a TCP connection: everything not consumed yet, oldest first.
    fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step;

    /// One datagram of a UDP flow; most protocols have none.
    fn on_datagram(&mut self, _cx: &mut Context<'_>, _direction: Direction, _bytes: &[u8]) -> Step {
        Step::Done
    }

    /// The byte with this number is urgent (TCP's urgent pointer); the first byte of a stream has number 1.
    fn on_urgent(&mut self, _cx: &mut Context<'_>, _direction: Direction, _at: u64) {}

    /// `length` bytes of this direction are missing here; what follows may start in the middle of anything.
    fn on_gap(&mut self, cx: &mut Context<'_>, direction: Direction, length: u64) -> Step;

    /// When [`Analyzer::on_deadline`] wants to be called next.
    fn deadline(&self) -> Timestamp {
        Timestamp::NEVER
    }

    /// The deadline has come; `cx.now` is the deadline itself, not the moment at which somebody looked.
    fn on_deadline(&mut self, _cx: &mut Context<'_>) {}

    /// Bytes on the heap that it keeps back: whatever a remote host can make grow.
    fn held(&self) -> usize {
        0
    }

    /// One side has sent all it ever will; `rest` is what was offered and never consumed.
    fn on_end(&mut self, _cx: &mut Context<'_>, _direction: Direction, _rest: &[u8]) {}

    /// The connection's state is about to be dropped.
    fn on_close(&mut self, _cx: &mut Context<'_>) {}
}

/// The constants of an analyzer, of whichever type it is, and wherever it stands.
trait Constants {
    fn is_interactive(&self) -> bool;
    fn pdu_max(&self) -> usize;
}

impl<A: Analyzer> Constants for A {
    fn is_interactive(&self) -> bool {
        A::INTERACTIVE
    }

    fn pdu_max(&self) -> usize {
        A::PDU_MAX
    }
}

/// What an analyzer may see and say.
pub struct Context<'a> {
    /// Packet time.
    pub now: Timestamp,
    /// The connection it belongs to.
    pub conn: &'a mut Conn,
    /// The bounds.
    pub limits: &'a Limits,
    /// What servers print while they let somebody in.
    pub dialogue: &'a DialogueSets,
    /// What policy has decided so far in this call.
    pub verdict: Verdict,
    /// Whether policy has handled an event in this call.
    emitted: bool,
    budget: Budget<'a>,
    handler: &'a mut dyn Handler,
}

impl<'a> Context<'a> {
    /// A context for one call.
    #[inline]
    pub fn new(
        now: Timestamp,
        conn: &'a mut Conn,
        dialogue: &'a DialogueSets,
        budget: Budget<'a>,
        handler: &'a mut dyn Handler,
    ) -> Self {
        let (limits, verdict) = (budget.limits(), Verdict::CONTINUE);
        Context { now, conn, limits, dialogue, verdict, emitted: false, budget, handler }
    }

    /// States a fact; policy handles it at once.
    pub fn emit(&mut self, event: &Event<'_>) {
        self.emitted = true;
        let verdict = self.handler.handle(self.now, self.conn, event);
        self.conn.login.obey(verdict);
        self.verdict |= verdict;
    }

    /// Whether anything was stated in this call.
    pub(crate) fn has_emitted(&self) -> bool {
        self.emitted
    }

    /// States something unusual.
    pub fn weird(&mut self, name: &'static str, addl: &[u8]) {
        self.emit(&Event::Weird { name, addl });
    }

    /// States something unusual, the first time that it is so.
    pub fn weird_once(&mut self, said: &mut bool, is_so: bool, name: &'static str) {
        if is_so && !std::mem::replace(said, true) {
            self.weird(name, b"");
        }
    }

    /// How many bytes more may be kept on the heap; whoever keeps them tells them in [`Analyzer::held`].
    pub fn room(&self) -> usize {
        self.budget.room()
    }

    /// Whether so many bytes more may be kept on the heap; if not, that is counted and said.
    pub fn may_keep(&mut self, bytes: usize) -> bool {
        let may = bytes <= self.room();
        if !may {
            self.refuse(bytes);
        }
        may
    }

    /// Says that bytes were not kept because there was no room.
    pub fn refuse(&mut self, bytes: usize) {
        self.budget.refuse(bytes);
        self.weird(EXHAUSTED, b"");
    }
}

/// The table: name, and the ports on which the protocol is expected.
pub const TABLE: &[Row] = &[
    Row { service: Service::Portmap, name: "portmap", ports: &[(Transport::Tcp, 111), (Transport::Udp, 111)] },
    Row { service: Service::Rpc, name: "rpc", ports: &[] },
    Row { service: Service::Ftp, name: "ftp", ports: &[(Transport::Tcp, 21)] },
    Row { service: Service::FtpData, name: "ftp-data", ports: &[] },
    Row { service: Service::Telnet, name: "telnet", ports: &[(Transport::Tcp, 23)] },
    Row { service: Service::Rlogin, name: "rlogin", ports: &[(Transport::Tcp, 513)] },
    Row { service: Service::Rsh, name: "rsh", ports: &[] },
    Row { service: Service::Rexec, name: "rexec", ports: &[] },
    Row { service: Service::Ssh, name: "ssh", ports: &[(Transport::Tcp, 22)] },
];

/// One row of [`TABLE`].
#[derive(Debug)]
pub struct Row {
    /// The protocol.
    pub service: Service,
    /// Its name in logs, settings and on the command line.
    pub name: &'static str,
    /// Where it is expected by default.
    pub ports: &'static [(Transport, u16)],
}

/// A protocol that has an analyzer, or a name that a connection is known by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Service {
    /// The portmapper and rpcbind.
    Portmap,
    /// Any other RPC program, on a port that a portmapper gave out.
    Rpc,
    /// FTP's control connection (RFC 959).
    Ftp,
    /// FTP's data connections, on ports that a control connection named.
    FtpData,
    /// Telnet (RFC 854).
    Telnet,
    /// Rlogin (RFC 1282).
    Rlogin,
    /// Rsh (rcmd), off by default: its port is 514/tcp.
    Rsh,
    /// Rexec, off by default: its port is 512/tcp.
    Rexec,
    /// SSH (RFC 4253).
    Ssh,
}

impl Service {
    /// Its name in logs.
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|row| row.service == self).map_or("", |row| row.name)
    }

    /// Whether what is spoken needs no confirmation, because both ends were told so on another connection.
    pub fn is_announced(self) -> bool {
        self == Service::FtpData
    }
}

/// The analyzer of one connection, stored in its slot. Those of protocols with long sessions are large and stand beside it; those of the
/// flows of portmappers, which come and go by the million, borrow what they need while a call waits.
#[derive(Debug)]
#[expect(missing_docs, reason = "each variant is its analyzer")]
pub enum AnyAnalyzer {
    Portmap(portmap::Portmap),
    Rpc(rpc::Rpc),
    Telnet(Box<telnet::Telnet>),
    Ftp(Box<ftp::Ftp>),
    Rlogin(Box<rlogin::Rlogin>),
    Rsh(Box<rsh::Rsh>),
    Rexec(Box<rexec::Rexec>),
    FtpData(ftp_data::FtpData),
    Ssh(Box<ssh::Ssh>),
}

/// The most bytes that one of them has beside the slot whatever its peers do: itself, or what it is lent.
pub const BESIDE: usize = 448;

const _: () = assert!(size_of::<telnet::Telnet>() + wire::nvt::BESIDE <= BESIDE, "see `Limits`");
const _: () = assert!(size_of::<ftp::Ftp>() + wire::nvt::BESIDE <= BESIDE, "see `Limits`");
const _: () = assert!(size_of::<rlogin::Rlogin>() <= BESIDE && size_of::<rsh::Rsh>() <= BESIDE, "see `Limits`");
const _: () = assert!(wire::session::BESIDE <= BESIDE, "see `Limits`");

const _: () = assert!(size_of::<AnyAnalyzer>() <= 32, "one is kept in each slot: box those that are larger");

/// Calls the same method of whichever analyzer it is.
macro_rules! each {
    ($any:expr, $analyzer:ident => $call:expr) => {
        match $any {
            AnyAnalyzer::Portmap($analyzer) => $call,
            AnyAnalyzer::Rpc($analyzer) => $call,
            AnyAnalyzer::Telnet($analyzer) => $call,
            AnyAnalyzer::Ftp($analyzer) => $call,
            AnyAnalyzer::Rlogin($analyzer) => $call,
            AnyAnalyzer::Rsh($analyzer) => $call,
            AnyAnalyzer::Rexec($analyzer) => $call,
            AnyAnalyzer::FtpData($analyzer) => $call,
            AnyAnalyzer::Ssh($analyzer) => $call,
        }
    };
}

#[expect(missing_docs, reason = "the methods of Analyzer")]
impl AnyAnalyzer {
    /// A fresh analyzer for a service.
    pub fn new(service: Service) -> Self {
        match service {
            Service::Portmap => AnyAnalyzer::Portmap(portmap::Portmap::default()),
            Service::Rpc => AnyAnalyzer::Rpc(rpc::Rpc::default()),
            Service::Telnet => AnyAnalyzer::Telnet(Box::default()),
            Service::FtpData => AnyAnalyzer::FtpData(ftp_data::FtpData::default()),
            Service::Ftp => AnyAnalyzer::Ftp(Box::default()),
            Service::Rlogin => AnyAnalyzer::Rlogin(Box::default()),
            Service::Rsh => AnyAnalyzer::Rsh(Box::default()),
            Service::Rexec => AnyAnalyzer::Rexec(Box::default()),
            Service::Ssh => AnyAnalyzer::Ssh(Box::default()),
        }
    }

    /// Whether people type here, so that long silence is normal.
    pub fn is_interactive(&self) -> bool {
        each!(self, analyzer => analyzer.is_interactive())
    }

    /// The bound of what may wait for a complete message, per direction.
    pub fn pdu_max(&self) -> usize {
        each!(self, analyzer => analyzer.pdu_max())
    }

    #[inline]
    pub fn held(&self) -> usize {
        each!(self, analyzer => analyzer.held())
    }

    #[inline]
    pub fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        each!(self, analyzer => analyzer.on_stream(cx, direction, bytes))
    }

    pub fn on_datagram(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        each!(self, analyzer => analyzer.on_datagram(cx, direction, bytes))
    }

    pub fn on_urgent(&mut self, cx: &mut Context<'_>, direction: Direction, at: u64) {
        each!(self, analyzer => analyzer.on_urgent(cx, direction, at));
    }

    pub fn on_gap(&mut self, cx: &mut Context<'_>, direction: Direction, length: u64) -> Step {
        each!(self, analyzer => analyzer.on_gap(cx, direction, length))
    }

    #[inline]
    pub fn deadline(&self) -> Timestamp {
        each!(self, analyzer => analyzer.deadline())
    }

    pub fn on_deadline(&mut self, cx: &mut Context<'_>) {
        each!(self, analyzer => analyzer.on_deadline(cx));
    }

    pub fn on_end(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &[u8]) {
        each!(self, analyzer => analyzer.on_end(cx, direction, rest));
    }

    pub fn on_close(&mut self, cx: &mut Context<'_>) {
        each!(self, analyzer => analyzer.on_close(cx));
    }
}
