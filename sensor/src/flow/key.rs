//! Who talks to whom: the key of a connection, and its direction.

use std::net::IpAddr;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::record::Uid;
use crate::time::Timestamp;

/// A transport that carries connections here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// The name in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

/// Which side of a connection sent something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// Sent by the originator: the client's side.
    FromOrig,
    /// Sent by the responder: the server's side.
    FromResp,
}

impl Direction {
    /// The other side.
    #[must_use]
    #[inline]
    pub const fn reverse(self) -> Self {
        match self {
            Direction::FromOrig => Direction::FromResp,
            Direction::FromResp => Direction::FromOrig,
        }
    }

    /// The manual's `is_orig`.
    #[inline]
    pub const fn is_orig(self) -> bool {
        matches!(self, Direction::FromOrig)
    }
}

/// A connection's addresses and ports: the manual's `conn_id`, with the transport.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowKey {
    /// Address of the originator.
    pub orig_h: IpAddr,
    /// Address of the responder.
    pub resp_h: IpAddr,
    /// Port of the originator.
    pub orig_p: u16,
    /// Port of the responder.
    pub resp_p: u16,
    /// TCP or UDP.
    pub transport: Transport,
}

impl FlowKey {
    /// The same connection seen from the other side.
    #[must_use]
    pub fn reverse(&self) -> Self {
        FlowKey {
            orig_h: self.resp_h,
            resp_h: self.orig_h,
            orig_p: self.resp_p,
            resp_p: self.orig_p,
            transport: self.transport,
        }
    }

    /// The unique name of the connection that a packet of this time begins. The same for any number of workers: it depends on nothing else.
    pub fn uid(&self, seed: u64, at: Timestamp) -> Uid {
        let mut bytes = [0u8; 37];
        let len = self.canonical_bytes(&mut bytes);
        let mut hasher = SipHasher13::new_with_keys(seed, at.as_nanos());
        std::hash::Hasher::write(&mut hasher, bytes.get(..len).unwrap_or(&bytes));
        Uid(hasher.finish128().as_u128() >> 32)
    }
}
