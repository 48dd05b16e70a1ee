//! The capture filter as the layers above may change it while it runs.

use std::net::IpAddr;

pub use portreeve_ebpf::BypassReason;

use super::Frame;
use crate::flow::key::{FlowKey, Transport};

/// The capture filter as the layers above may change it: the kernel program's maps, or their likeness for files and AF_PACKET.
pub trait Gate {
    /// Whether a frame is wanted, as things stand now. To be asked once of each frame, when its turn has come: it is counted. Where the
    /// kernel program has decided already, all are.
    fn admits(&mut self, _frame: &Frame<'_>) -> bool {
        true
    }

    /// Counts frames instead, about which nobody need ask: they are plain, at watched ports, and of no connection that is bypassed.
    fn count_wanted(&mut self, _frames: u64) {}

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

    /// Ends a bypass, and tells what it kept out, or kept out since [`Gate::bypassed`]. `None`: it has given way to newer ones.
    fn unbypass(&mut self, key: &FlowKey) -> Option<Bypassed>;

    /// Tells what a bypass kept out since it was last asked; the bypass goes on. `None`: it had given way to newer ones, and what it had
    /// counted is lost; it begins anew.
    fn bypassed(&mut self, key: &FlowKey, why: BypassReason) -> Option<Bypassed> {
        let kept_out = self.unbypass(key);
        self.bypass(key, why);
        kept_out
    }
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

impl Bypassed {
    /// What came to it since it was `before`. An account that has shrunk is another one: that of a bypass that was begun anew.
    #[must_use]
    pub fn since(self, before: Bypassed) -> Bypassed {
        let parts = |whole: Bypassed| [whole.packets, whole.bytes, whole.payload].into_iter().flatten();
        if parts(self).zip(parts(before)).any(|(now, before)| now < before) {
            return self;
        }
        let less = |now: [u64; 2], before: [u64; 2]| [now[0] - before[0], now[1] - before[1]];
        Bypassed {
            packets: less(self.packets, before.packets),
            bytes: less(self.bytes, before.bytes),
            payload: less(self.payload, before.payload),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_told_in_parts_and_a_new_one_whole() {
        let account = |n: u64| Bypassed { packets: [n, 1], bytes: [40 * n, 40], payload: [0, 0] };
        assert_eq!(account(5).since(Bypassed::default()), account(5));
        assert_eq!(account(5).since(account(3)), Bypassed { packets: [2, 0], bytes: [80, 0], payload: [0, 0] });
        assert_eq!(account(2).since(account(3)), account(2));
    }
}
