//! The decision about most frames that are wanted, on the shortest way.

use portreeve_ebpf::{Address, Transport, pair_hash};

use super::HostTables;
use crate::capture::{Frame, Link};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Whether this is a frame of which the contract says [`Counter::Port`](portreeve_ebpf::Counter::Port) for the plainest of reasons:
/// untagged IPv4 without options, TCP or UDP in one piece, at a watched port, between hosts that have nothing bypassed. Of every other
/// frame nothing is said. The kernel program has no such way: what it wants is about to be copied, which costs more.
#[inline]
pub(super) fn is_plainly_wanted(frame: &Frame<'_>, tables: &HostTables) -> bool {
    let Some(&[_, _, _, _, _, _, _, _, _, _, _, _, k0, k1, first, _, l0, l1, _, _, f0, f1, _, protocol, ref rest @ ..]) =
        frame.bytes.first_chunk::<38>()
    else {
        return false;
    };
    let &[_, _, a0, a1, a2, a3, b0, b1, b2, b3, s0, s1, d0, d1] = rest;
    let is_plain = k0 == 0x08 && k1 == 0 && first == 0x45 && f0 & 0x3f == 0 && f1 == 0;
    let has_ports = u16::from_be_bytes([l0, l1]) >= 24;
    let transport = match protocol {
        TCP => Transport::Tcp,
        UDP => Transport::Udp,
        _ => return false,
    };
    let is_watched = |port| tables.ports.interest(transport, port).watched;
    frame.link == Link::Ethernet
        && is_plain
        && has_ports
        && (is_watched(u16::from_be_bytes([d0, d1])) || is_watched(u16::from_be_bytes([s0, s1])))
        && !may_be_bypassed(tables, [a0, a1, a2, a3], [b0, b1, b2, b3])
}

#[inline]
fn may_be_bypassed(tables: &HostTables, a: [u8; 4], b: [u8; 4]) -> bool {
    tables.bypass.len() > 0 && tables.is_guarded(pair_hash(tables.options.seed, Address::v4(a), Address::v4(b)))
}

#[cfg(test)]
mod tests {
    use portreeve_ebpf::{Counter, Options, Ports, Rules};

    use super::super::view;
    use super::*;
    use crate::capture::plan::Plan;
    use crate::capture::{BypassReason, Gate};
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

    /// Whatever byte of the headers is changed to whatever: who says that it is wanted says what the contract says.
    #[test]
    fn what_is_plainly_wanted_is_wanted() {
        let mut filter = filter();
        let mut plain = 0;
        for (at, byte) in (0..FTP.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            let mut bytes = FTP;
            bytes[at] = byte;
            for length in [bytes.len(), 38, 37] {
                let (link, at) = (Link::Ethernet, Timestamp::ZERO);
                let frame = Frame { at, link, bytes: &bytes[..length], wire_len: bytes.len(), hash: None };
                if is_plainly_wanted(&frame, &filter.tables) {
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
        let frame = Frame { at: Timestamp::ZERO, link: Link::Ethernet, bytes: &FTP, wire_len: FTP.len(), hash: None };
        assert!(is_plainly_wanted(&frame, &filter.tables));
        let key = FlowKey {
            orig_h: [10, 0, 0, 1].into(),
            resp_h: [10, 0, 0, 2].into(),
            orig_p: 40_000,
            resp_p: 21,
            transport: crate::flow::key::Transport::Tcp,
        };
        filter.bypass(&key, BypassReason::Encrypted);
        assert!(!is_plainly_wanted(&frame, &filter.tables) && !filter.admits(&frame));
    }
}
