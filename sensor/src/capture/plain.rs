//! The headers of nearly all frames, read once: Ethernet without tags, IPv4 without options, TCP or UDP in one piece.

use std::net::Ipv4Addr;

use super::Link;
use crate::flow::key::{FlowKey, Transport};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// What such headers say: enough for the filter, for the table of connections, and for the decoder to go on behind them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plain {
    /// Sender.
    pub src: Ipv4Addr,
    /// Addressee.
    pub dst: Ipv4Addr,
    /// Sender's port.
    pub src_port: u16,
    /// Addressee's port.
    pub dst_port: u16,
    /// Bytes of the packet as the IP header counts them: the ports are among them.
    pub len: u16,
    /// What the packet carries.
    pub transport: Transport,
}

impl Plain {
    /// Bytes in front of the transport header.
    pub const TRANSPORT: usize = 34;

    /// Reads the headers of a frame; `None` if they are anything else, or were not captured as far as the ports.
    #[inline]
    pub fn of(link: Link, bytes: &[u8]) -> Option<Plain> {
        let [_, _, _, _, _, _, _, _, _, _, _, _, rest @ ..] = bytes.first_chunk::<38>()?;
        let &[k0, k1, first, _, l0, l1, _, _, f0, f1, _, protocol, _, _, ref rest @ ..] = rest;
        let &[a0, a1, a2, a3, b0, b1, b2, b3, s0, s1, d0, d1] = rest;
        // An EtherType and the first byte of the packet; then neither "more fragments" nor an offset.
        let is_whole =
            u32::from_be_bytes([0, k0, k1, first]) == 0x0008_0045 && u16::from_be_bytes([f0, f1]) & 0x3fff == 0;
        let len = u16::from_be_bytes([l0, l1]);
        let transport = match protocol {
            TCP => Transport::Tcp,
            UDP => Transport::Udp,
            _ => return None,
        };
        (is_whole && len >= 24 && link == Link::Ethernet).then_some(Plain {
            src: Ipv4Addr::new(a0, a1, a2, a3),
            dst: Ipv4Addr::new(b0, b1, b2, b3),
            src_port: u16::from_be_bytes([s0, s1]),
            dst_port: u16::from_be_bytes([d0, d1]),
            len,
            transport,
        })
    }

    /// Whose packet it is, with its sender in the originator's place.
    #[inline]
    pub fn key(&self) -> FlowKey {
        FlowKey {
            orig_h: self.src.into(),
            resp_h: self.dst.into(),
            orig_p: self.src_port,
            resp_p: self.dst_port,
            transport: self.transport,
        }
    }
}
