//! The decision about most frames that are wanted, on the shortest way.

use portreeve_ebpf::{Address, pair_hash};

use super::HostTables;
use crate::capture::plain::Plain;

/// Whether this is a packet of which the contract says [`Counter::Port`](portreeve_ebpf::Counter::Port) for the plainest of reasons: at a
/// watched port, between hosts that have nothing bypassed. Of every other packet nothing is said. The kernel
/// program's way of that kind is [`portreeve_ebpf::recognize`]; here the headers have been read already, and the hash is of use only while
/// anything is bypassed.
#[inline]
pub(super) fn is_plainly_wanted(plain: &Plain, tables: &HostTables) -> bool {
    let transport = plain.transport.into();
    let is_watched = |port| tables.ports.interest(transport, port).watched;
    (is_watched(plain.dst_port) || is_watched(plain.src_port)) && !may_be_bypassed(plain, tables)
}

#[inline]
fn may_be_bypassed(plain: &Plain, tables: &HostTables) -> bool {
    let hash = || {
        let (src, dst) = (Address::v4(plain.src.octets()), Address::v4(plain.dst.octets()));
        pair_hash(tables.options.seed, src, dst)
    };
    tables.bypass.len() > 0 && tables.is_guarded(hash())
}

#[cfg(test)]
mod tests {
    use portreeve_ebpf::{Counter, Options, Ports, Rules, Transport};

    use super::super::view;
    use super::*;
    use crate::capture::plan::Plan;
    use crate::capture::{BypassReason, Frame, Gate, Link};
    use crate::flow::key::FlowKey;
    use crate::time::Timestamp;

    /// Ethernet, IPv4, TCP from port 40,000 to port 21.
    const FTP: [u8; 54] = [
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0x9c, 0x40, 0, 21, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0,
    ];

    fn filter() -> super::super::HostFilter {
        let mut ports = Ports::new(Rules::DEFAULT);
        ports.watch(Transport::Tcp, 21);
        super::super::HostFilter::new(&Plan {
            options: Options::DEFAULT,
            ports,
            queues: 1,
            expectations: 8,
            bypasses: 8,
        })
    }

    fn frame(bytes: &[u8]) -> Frame<'_> {
        Frame::new(Timestamp::ZERO, Link::Ethernet, bytes, FTP.len())
    }

    /// Whatever byte of the headers is changed to whatever: who says that it is wanted says what the contract says.
    #[test]
    fn what_is_plainly_wanted_is_wanted() {
        let mut filter = filter();
        let mut plain = 0;
        for (at, byte) in (0..FTP.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            let mut bytes = FTP;
            bytes[at] = byte;
            for length in [bytes.len(), 38, 37] {
                let frame = frame(&bytes[..length]);
                if frame.plain().is_some_and(|plain| is_plainly_wanted(plain, &filter.tables)) {
                    plain += 1;
                    assert_eq!(view::decide(&frame, &mut filter.tables).counter, Counter::Port, "{bytes:02x?}");
                }
            }
        }
        assert!(plain > 20_000, "{plain}");
    }

    #[test]
    fn what_is_bypassed_is_not_plainly_wanted() {
        let mut filter = filter();
        let frame = frame(&FTP);
        let plain = *frame.plain().unwrap();
        assert!(is_plainly_wanted(&plain, &filter.tables));
        let key = FlowKey {
            orig_h: [10, 0, 0, 1].into(),
            resp_h: [10, 0, 0, 2].into(),
            orig_p: 40_000,
            resp_p: 21,
            transport: crate::flow::key::Transport::Tcp,
        };
        filter.bypass(&key, BypassReason::Encrypted);
        assert!(!is_plainly_wanted(&plain, &filter.tables) && !filter.admits(&frame));
    }
}
