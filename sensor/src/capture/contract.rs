//! What the gate is asked for, in the words of the kernel program's contract.

use portreeve_ebpf::{Connection, Endpoint, tables};

use super::{Bypassed, Expectation, ExpectationMode, ExpectationReason};
use crate::flow::key::{FlowKey, Transport};

impl Expectation {
    /// Where it is expected.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.transport.into(), self.addr.into(), self.port)
    }

    /// What is wanted there.
    pub fn wanted(&self) -> tables::Expectation {
        let why = match self.why {
            ExpectationReason::FtpData => tables::Expectation::FTP_DATA,
            ExpectationReason::RpcService => tables::Expectation::RPC_SERVICE,
        };
        let mode = match self.mode {
            ExpectationMode::Full => tables::Expectation::FULL,
            ExpectationMode::ControlOnly => tables::Expectation::CONTROL_ONLY,
        };
        tables::Expectation { why, mode }
    }
}

impl FlowKey {
    /// The key of the bypass table: the originator's side first.
    pub fn connection(&self) -> Connection {
        let addresses = [self.orig_h.into(), self.resp_h.into()];
        Connection::new(self.transport.into(), addresses, [self.orig_p, self.resp_p])
    }
}

impl From<portreeve_ebpf::Bypassed> for Bypassed {
    fn from(account: portreeve_ebpf::Bypassed) -> Self {
        let [orig, resp] = account.traffic;
        Bypassed {
            packets: [orig.packets, resp.packets],
            bytes: [orig.bytes, resp.bytes],
            payload: [orig.payload, resp.payload],
        }
    }
}

impl From<Transport> for portreeve_ebpf::Transport {
    #[inline]
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => portreeve_ebpf::Transport::Tcp,
            Transport::Udp => portreeve_ebpf::Transport::Udp,
        }
    }
}
