//! The capture filter as the layers above may change it while it runs.

use std::net::IpAddr;

use crate::flow::key::{FlowKey, Transport};

/// The capture filter as the layers above may change it: the kernel program's maps, or their likeness for files and AF_PACKET.
pub trait Gate {
    /// Lets connections to this endpoint in, whatever their port. The oldest expectation gives way when the table is full.
    fn expect(&mut self, expectation: Expectation);

    /// Takes an expectation back.
    fn unexpect(&mut self, expectation: Expectation);

    /// Lets SYN, FIN and RST between two hosts in, whatever their ports: one tells the other where to connect, and what it says is
    /// understood only after the first segment may have come.
    fn accompany(&mut self, hosts: [IpAddr; 2]);

    /// Ends [`Gate::accompany`].
    fn leave(&mut self, hosts: [IpAddr; 2]);

    /// Keeps the payload of this connection out from now on; its SYN, FIN and RST still come.
    fn bypass(&mut self, key: &FlowKey, why: BypassReason);

    /// Ends a bypass, and tells what it kept out.
    fn unbypass(&mut self, key: &FlowKey) -> Bypassed;
}

/// An endpoint that somebody was told to connect to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Expectation {
    /// TCP or UDP.
    pub transport: Transport,
    /// The address.
    pub addr: IpAddr,
    /// The port.
    pub port: u16,
    /// Who told.
    pub why: ExpectationReason,
    /// How much of it is wanted.
    pub mode: ExpectationMode,
}

/// Why an endpoint is expected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ExpectationReason {
    /// PORT, PASV, EPRT or EPSV.
    FtpData,
    /// A portmapper answer.
    RpcService,
}

/// How much of an expected connection is captured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ExpectationMode {
    /// Every packet.
    Full,
    /// Only what a connection record needs: SYN, FIN and RST.
    ControlOnly,
}

/// Why payload is kept out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BypassReason {
    /// Policy skips the rest of the connection.
    Skip,
    /// The rest is encrypted.
    Encrypted,
    /// A bulk transfer.
    Bulk,
}

/// What a bypass has kept out.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Bypassed {
    /// Packets from the originator, then from the responder.
    pub packets: [u64; 2],
    /// IP bytes, likewise.
    pub bytes: [u64; 2],
    /// Bytes of payload, likewise; what was sent twice counts twice.
    pub payload: [u64; 2],
}
