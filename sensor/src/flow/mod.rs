//! Packets become connections, segments become streams. Knows nothing of any protocol above.

pub mod budget;
mod connection;
pub mod fragments;
mod index;
pub mod key;
pub mod pool;
mod ports;
pub mod shard;
pub mod stream;
mod subject;
pub mod table;
mod tcp;
mod terminate;
mod wheel;

use smallvec::SmallVec;

use key::{Direction, Transport};

use crate::analyzers::Service;
use crate::event::{LoginState, Verdict};
use crate::policy::Session;
pub use crate::record::Annotation;
use crate::record::ConnId;
use crate::time::Timestamp;
use crate::trace::Mark;

/// What the manual calls `connection`: the facts of one connection that every layer above may read, and policy may annotate.
///
/// What every packet touches stands first.
#[derive(Debug)]
#[repr(C)]
pub struct Conn {
    /// What policy has decided about it so far.
    pub verdict: Verdict,
    /// How far its login dialogue has come, if it is one: the manual's `get_login_state`.
    pub login: LoginState,
    /// The analyzer's name for what is spoken, once it is known.
    pub service: Option<Service>,
    /// How often policy has marked it: 0 is not hot.
    pub hot: u32,
    /// When its latest packet was on the wire.
    pub last: Timestamp,
    /// The side that spoke first, or would have.
    pub orig: Endpoint,
    /// The other side.
    pub resp: Endpoint,
    /// Addresses and ports, and the uid.
    pub id: ConnId,
    /// When its first packet was on the wire.
    pub start: Timestamp,
    /// Zeek's `history` letters.
    pub history: History,
    /// The manual's `addl`, as a list: rendered only when a record or a notice is written.
    pub addl: SmallVec<[Annotation; 1]>,
    /// Bytes that the sensor never saw.
    pub missed_bytes: u64,
    /// What policy remembers of it.
    pub marks: Marks,
    /// Where its packets are, should policy want them recorded, and why it does.
    pub trace: Mark,
}

impl Conn {
    /// A connection of which nothing has been seen yet.
    #[inline]
    pub fn new(id: ConnId, start: Timestamp) -> Self {
        Conn {
            id,
            start,
            last: start,
            orig: Endpoint::default(),
            resp: Endpoint::default(),
            service: None,
            history: History::default(),
            hot: 0,
            addl: SmallVec::new(),
            missed_bytes: 0,
            marks: Marks::default(),
            verdict: Verdict::CONTINUE,
            trace: Mark::default(),
            login: LoginState::default(),
        }
    }

    /// Bytes on the heap that its annotations take.
    pub fn held(&self) -> usize {
        let list = if self.addl.spilled() { self.addl.capacity() * size_of::<Annotation>() } else { 0 };
        list + self.addl.iter().map(Annotation::held).sum::<usize>() + self.marks.session.held()
    }

    /// The side that sends in this direction.
    #[inline]
    pub fn endpoint(&self, direction: Direction) -> &Endpoint {
        match direction {
            Direction::FromOrig => &self.orig,
            Direction::FromResp => &self.resp,
        }
    }

    /// The side that sends in this direction, to change it.
    #[inline]
    pub fn endpoint_mut(&mut self, direction: Direction) -> &mut Endpoint {
        match direction {
            Direction::FromOrig => &mut self.orig,
            Direction::FromResp => &mut self.resp,
        }
    }

    /// Zeek's `conn_state`, which is the manual's connection state.
    pub fn state(&self) -> &'static str {
        match self.id.key.transport {
            Transport::Tcp => self.tcp_state(),
            Transport::Udp => match (self.orig.state, self.resp.state) {
                (EndpointState::Inactive, EndpointState::Inactive) => "OTH",
                (EndpointState::Inactive, _) => "SHR",
                (_, EndpointState::Inactive) => "S0",
                _ => "SF",
            },
        }
    }

    fn tcp_state(&self) -> &'static str {
        use EndpointState::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
        let silent = |endpoint: &Endpoint| matches!(endpoint.state, Inactive | Partial);
        let (o, r) = (&self.orig, &self.resp);
        match (o.state, r.state) {
            (SynSent | SynAckSent, Reset) => "REJ",
            (Reset, Reset) if o.size == 0 && r.size == 0 => "REJ",
            (_, Reset) => {
                if silent(o) {
                    "RSTRH"
                } else {
                    "RSTR"
                }
            }
            (Reset, _) => {
                if silent(r) {
                    "RSTOS0"
                } else {
                    "RSTO"
                }
            }
            (Closed, Closed) => "SF",
            (Closed, _) => {
                if silent(r) {
                    "SH"
                } else {
                    "S2"
                }
            }
            (_, Closed) => {
                if silent(o) {
                    "SHR"
                } else {
                    "S3"
                }
            }
            (SynSent, Inactive) => "S0",
            (Established, Established) => "S1",
            _ => "OTH",
        }
    }
}

/// What policy remembers of a connection; nothing below policy reads it.
#[derive(Default, Debug)]
pub struct Marks {
    /// Further names for what is spoken, after the analyzer's: `pm_getport`.
    pub labels: SmallVec<[&'static str; 1]>,
    /// Judgements that are made once per connection: a bit each.
    pub judged: u32,
    /// An annotation is missing, because the worker had no room for it.
    pub unannotated: bool,
    /// The manual's session record of the protocol that is spoken.
    pub session: Session,
}

/// One side of a connection.
#[derive(Clone, Copy, Default, Debug)]
pub struct Endpoint {
    /// Where it stands.
    pub state: EndpointState,
    /// Payload bytes; for TCP from sequence numbers, so that packets that died in the kernel count.
    pub size: u64,
    /// Packets seen from it.
    pub packets: u64,
    /// Bytes of those packets from the IP header on.
    pub ip_bytes: u64,
}

/// The manual's endpoint states (`TCP_INACTIVE` ... `TCP_RESET`; for UDP only the first two kinds).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum EndpointState {
    /// Has sent nothing.
    #[default]
    Inactive,
    /// Has sent its initial SYN.
    SynSent,
    /// Has sent its SYN-ACK.
    SynAckSent,
    /// Is active, but its start was not seen.
    Partial,
    /// The handshake is done (for UDP: has sent something).
    Established,
    /// Has sent its FIN.
    Closed,
    /// Has sent a RST.
    Reset,
}

/// Zeek's `history`: one letter per kind of event, upper case for the originator.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct History {
    letters: SmallVec<[u8; 14]>,
}

impl From<&'static str> for History {
    fn from(letters: &'static str) -> Self {
        History { letters: SmallVec::from_slice(letters.as_bytes()) }
    }
}

impl History {
    /// The letters so far.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.letters).unwrap_or("")
    }

    /// Appends a letter; at most 64 are kept.
    pub fn push(&mut self, letter: u8) {
        if self.letters.len() < 64 {
            self.letters.push(letter);
        }
    }

    /// Whether the letter is there already.
    pub fn contains(&self, letter: u8) -> bool {
        self.letters.contains(&letter)
    }
}
