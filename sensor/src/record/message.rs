//! What a worker tells the collector: lines, facts, and packets that are recorded.

use std::net::IpAddr;
use std::time::Duration;

use super::{ConnId, NoticeRecord, Record};
use crate::flow::key::Transport;
use crate::text::Text;
use crate::time::Timestamp;
use crate::trace::Kept;

/// What a worker tells the collector.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Message {
    /// Packet time of what caused it (for a timer: its deadline): the collector of a replay merges the workers by it.
    pub at: Timestamp,
    /// What is told.
    pub content: Content,
}

/// A line for a log, a fact for the detectors, or a packet for the record; nothing, when it has been taken in.
#[derive(Clone, Default, PartialEq, Debug)]
#[expect(missing_docs, reason = "the types say it")]
#[expect(
    clippy::large_enum_variant,
    reason = "records travel in places that are used again: a box would be an allocation for each, freed by another thread"
)]
pub enum Content {
    #[default]
    Nothing,
    Record(Record),
    Fact(Fact),
    Kept(Box<Kept>),
}

impl Message {
    /// A line for a log, caused at `at`.
    #[inline]
    pub fn record(at: Timestamp, record: impl Into<Record>) -> Self {
        Message { at, content: Content::Record(record.into()) }
    }

    /// A fact, caused at `at`.
    #[inline]
    pub fn fact(at: Timestamp, fact: Fact) -> Self {
        Message { at, content: Content::Fact(fact) }
    }

    /// A packet that is recorded, at the time of what caused that.
    pub fn kept(at: Timestamp, kept: Kept) -> Self {
        Message { at, content: Content::Kept(Box::new(kept)) }
    }

    /// Notices are the last to be lost; and that a record has ended must be heard, or its file stays open.
    pub fn is_notice(&self) -> bool {
        if let Content::Kept(kept) = &self.content {
            return matches!(**kept, Kept::End(_));
        }
        matches!(self.content, Content::Record(Record::Notice(_)) | Content::Fact(Fact::NoticeOnce { .. }))
    }
}

const _: () = assert!(size_of::<Message>() <= 464, "each waits in a place of this size: box what is larger and rare");

/// Facts for the detectors that see all shards. Those of the same instant have no order but that of their connections.
#[derive(Clone, PartialEq, Debug)]
pub enum Fact {
    /// A portmapper answer named this endpoint: the manual's `RPC_server_map`.
    ServiceLearned {
        /// The server.
        server: IpAddr,
        /// The port.
        port: u16,
        /// TCP or UDP.
        transport: Transport,
        /// The RPC program.
        program: u32,
        /// Its name, as policy knows it: what later connections to that port are called in conn.log.
        name: Text,
    },
    /// A mapping was removed.
    ServiceForgotten {
        /// The server.
        server: IpAddr,
        /// The RPC program.
        program: u32,
    },
    /// A notice that is to be written unless another worker has given the same.
    NoticeOnce {
        /// The notice.
        notice: Box<NoticeRecord>,
        /// The host that it is given once for; none: once at all.
        who: Option<IpAddr>,
        /// What tells several of its kind apart.
        what: &'static str,
        /// The same in numbers.
        detail: u64,
        /// How long the next is not written.
        keep: Duration,
        /// Whether that time begins anew with each that is not written, as with the manual's weirds.
        renew: bool,
    },
    /// Somebody tried an account: the manual's `account_tried`.
    AccountTried {
        /// On this connection.
        id: ConnId,
        /// Whether it comes from one of our own networks.
        outbound: bool,
        /// The account; empty where it is not known.
        user: Text,
        /// With what.
        tried: Tried,
        /// What a record may say of it.
        shown: Text,
    },
    /// Somebody logged in: the manual's `login_successful`.
    LoginSuccessful {
        /// On this connection.
        id: ConnId,
        /// The account.
        user: Text,
    },
    /// A connection that counts for the manual's `check_scan`.
    PeerContacted {
        /// The connection.
        id: ConnId,
        /// Whether the other side answered as it does to whom it serves.
        established: bool,
        /// Whether its responder is the one who contacts somebody.
        reverse: bool,
        /// Whether that comes from one of our own networks.
        outbound: bool,
    },
    /// A portmapper was asked something by somebody who is not trusted to ask.
    PortmapperAsked {
        /// On this connection.
        id: ConnId,
    },
}

/// With what an account was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tried {
    /// A password, of which this is a keyed digest.
    Password(u64),
    /// Nothing is known but that the login failed, and for how many times it has on its connection.
    Unseen(u32),
}

impl Fact {
    /// The connection that it is about.
    pub fn conn_id(&self) -> Option<&ConnId> {
        match self {
            Fact::ServiceLearned { .. } | Fact::ServiceForgotten { .. } | Fact::NoticeOnce { .. } => None,
            Fact::AccountTried { id, .. }
            | Fact::LoginSuccessful { id, .. }
            | Fact::PeerContacted { id, .. }
            | Fact::PortmapperAsked { id } => Some(id),
        }
    }
}
