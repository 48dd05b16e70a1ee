//! The manual's events, typed: what analyzers and the flow layer state, and what policy handles.
//!
//! Variants are named after the events, and carry their parameters under the manual's names. Events borrow from the packet.

pub mod ftp;
pub mod login;
pub mod nvt;
pub mod rpc;
mod rpc_fields;
pub mod ssh;
mod stream;

use std::borrow::Cow;
use std::net::IpAddr;

pub use ftp::FtpEvent;
pub use login::{LoginEvent, LoginState};
pub use nvt::NvtEvent;
pub use rpc::RpcEvent;
pub use ssh::SshEvent;
pub use stream::EventStream;

use crate::analyzers::Service;
use crate::capture::BypassReason;
use crate::capture::Gate;
use crate::flow::Conn;
use crate::flow::key::{Direction, FlowKey};
use crate::record::Value;
use crate::text::Text;
use crate::time::Timestamp;

/// Whatever handles events: the policy in a worker, a recorder in a test.
pub trait Handler {
    /// Handles one event of `conn` and says what is to become of the connection.
    fn handle(&mut self, now: Timestamp, conn: &mut Conn, event: &Event<'_>) -> Verdict;

    /// What is expected to be spoken on a connection that is on no analyzer's port: it was announced (FTP) or looked up (RPC).
    fn expected(&mut self, _now: Timestamp, _key: &FlowKey) -> Option<Service> {
        None
    }

    /// Something unusual that belongs to no connection: a packet that could not be decoded, a datagram's fragments.
    fn flow_weird(&mut self, _now: Timestamp, _hosts: Option<(IpAddr, IpAddr)>, _name: &'static str) {}

    /// Called after each frame and each tick: hands to the capture filter what the handlers asked for.
    fn settle(&mut self, _now: Timestamp, _gate: &mut dyn Gate) {}

    /// Called after each batch of frames.
    fn tick(&mut self) {}
}

/// Something that happened on a connection.
#[derive(Debug)]
pub enum Event<'a> {
    /// The connection itself changed.
    Connection(ConnectionEvent),
    /// Something unusual; `name` is one of the manual's or Zeek's weird names, `addl` details.
    Weird {
        /// The weird's name; stable, never with numbers in it.
        name: &'static str,
        /// Details, possibly hostile.
        addl: &'a [u8],
    },
    /// ONC RPC and the portmapper.
    Rpc(RpcEvent<'a>),
    /// FTP's control connection.
    Ftp(FtpEvent<'a>),
    /// The terminal under Telnet and FTP.
    Nvt(NvtEvent<'a>),
    /// A login dialogue.
    Login(LoginEvent<'a>),
    /// SSH.
    Ssh(SshEvent<'a>),
}

/// The manual's generic connection events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the manual's names; chapter 1.1 of it says when each is raised")]
pub enum ConnectionEvent {
    NewConnection,
    ConnectionEstablished,
    ConnectionAttempt,
    ConnectionRejected,
    PartialConnection,
    ConnectionFinished,
    ConnectionHalfFinished,
    ConnectionPartialClose,
    ConnectionReset,
    ConnectionPending,
    ConnectionTimeout,
    /// The state is dropped; the connection record is written now.
    ConnectionStateRemove,
    UdpRequest,
    UdpReply,
    /// `length` bytes of this direction were never seen.
    ContentGap {
        direction: Direction,
        seq: u64,
        length: u64,
    },
    /// A retransmission carried other bytes than the first transmission.
    RexmitInconsistency {
        direction: Direction,
        seq: u64,
    },
    /// An acknowledgement covers bytes that were never seen.
    AckAboveHole {
        direction: Direction,
        seq: u64,
    },
}

/// What policy decides about a connection; decisions of several handlers are united.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Verdict {
    decided: u8,
    /// Why the rest is skipped: the reason that came first.
    skips: Option<BypassReason>,
}

impl Verdict {
    /// Keep going.
    pub const CONTINUE: Verdict = Verdict::of(0);
    /// The manual's `skip_further_processing`: no more content, connection events only. Reaches the kernel as a bypass.
    pub const SKIP: Verdict = Verdict::skip(BypassReason::Skipped);
    /// `set_record_packets(c, T)`.
    pub const RECORD: Verdict = Verdict::of(1);
    /// `set_record_packets(c, F)`.
    pub const DO_NOT_RECORD: Verdict = Verdict::of(2);
    /// The dialogue can no longer be followed.
    pub const CONFUSED: Verdict = Verdict::of(4);
    /// The manual's `terminate_connection`.
    pub const TERMINATE: Verdict = Verdict::of(8);

    const fn of(decided: u8) -> Verdict {
        Verdict { decided, skips: None }
    }

    /// [`Verdict::SKIP`] for this reason.
    pub const fn skip(why: BypassReason) -> Verdict {
        Verdict { decided: 0, skips: Some(why) }
    }

    /// Why the rest is skipped, if it is.
    pub const fn skips(self) -> Option<BypassReason> {
        self.skips
    }

    /// Whether all of `other` has been decided, for whatever reason.
    #[inline]
    pub const fn has(self, other: Verdict) -> bool {
        self.decided & other.decided == other.decided && (self.skips.is_some() || other.skips.is_none())
    }
}

impl std::ops::BitOr for Verdict {
    type Output = Verdict;

    fn bitor(self, other: Verdict) -> Verdict {
        Verdict { decided: self.decided | other.decided, skips: self.skips.or(other.skips) }
    }
}

impl std::ops::BitOrAssign for Verdict {
    fn bitor_assign(&mut self, other: Verdict) {
        *self = *self | other;
    }
}

/// Shows one parameter of an event.
pub type Out<'a> = &'a mut dyn FnMut(&'static str, Value<'_>);

/// The most bytes of a text that the event stream shows.
const SHOWN: usize = 1024;

fn number(out: Out<'_>, name: &'static str, value: u32) {
    out(name, Value::Count(value.into()));
}

/// An empty text is not shown: the protocol's version had no such field.
fn text(out: Out<'_>, name: &'static str, bytes: &[u8]) {
    if !bytes.is_empty() {
        out(name, Value::Text(Cow::Owned(Text::new(bytes, SHOWN))));
    }
}
