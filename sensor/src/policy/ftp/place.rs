//! A place where a data connection is expected, and what is known of it.

use std::net::IpAddr;

use super::transfers::Row;
use crate::capture::{Expectation, ExpectationMode, ExpectationReason};
use crate::flow::key::Transport;
use crate::record::ConnId;
use crate::time::Timestamp;

/// The port that a server connects from (RFC 959 section 8).
pub(super) const DATA_PORT: u16 = 20;

/// Where a data connection is expected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// To an endpoint that PORT, PASV, EPRT or EPSV named.
    To(IpAddr, u16),
    /// From the data port of a server with which there are sessions.
    From(IpAddr),
}

impl Place {
    /// What the capture filter is asked.
    pub(super) fn expectation(self, mode: ExpectationMode) -> Expectation {
        let (addr, port) = match self {
            Place::To(addr, port) => (addr, port),
            Place::From(server) => (server, DATA_PORT),
        };
        Expectation { transport: Transport::Tcp, addr, port, why: ExpectationReason::FtpData, mode }
    }
}

/// What is known of a place.
#[derive(Debug)]
pub struct Expected {
    /// Who should connect.
    pub host: IpAddr,
    /// The control connection that said so.
    pub control: ConnId,
    pub(super) until: Timestamp,
    /// Sessions that expect it still: one, unless it is a server's data port.
    pub(super) claims: u32,
    /// Data connections there.
    pub(super) open: u32,
    /// Whether anybody has connected since it was named.
    pub(super) used: bool,
    /// Whether a session of this worker named it.
    pub(super) own: bool,
    /// Whether the capture filter was asked for it.
    pub(super) asked: bool,
    /// Bytes of the connection that ended last, until a record has told them.
    pub transferred: Option<u64>,
    /// The record of a transfer whose connection has not ended, and until when it waits.
    pub(super) row: Option<(Timestamp, Row)>,
}

impl Expected {
    pub(super) fn new(host: IpAddr, control: ConnId, until: Timestamp, own: bool) -> Self {
        Expected {
            host,
            control,
            until,
            claims: 1,
            open: 0,
            used: false,
            own,
            asked: false,
            transferred: None,
            row: None,
        }
    }

    /// Whether anybody has connected.
    pub fn has_come(&self) -> bool {
        self.used || self.open > 0 || self.transferred.is_some()
    }

    pub(super) fn holds(&self, now: Timestamp) -> bool {
        self.claims > 0 && self.until > now
    }
}
