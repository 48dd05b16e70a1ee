//! Flows by the million, and the packets of them in random order: what a table of connections is measured with.

use std::net::{IpAddr, Ipv4Addr};

use portreeve::flow::key::{FlowKey, Transport};
use portreeve::flow::table::Entry;

/// Bytes of a record: about what a connection takes in its slot.
const BYTES: usize = 640;

/// A record as large as a connection: the key in its first line, what every packet changes in the next.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Record {
    key: FlowKey,
    /// What else stands beside the key.
    _first: [u8; 64 - size_of::<FlowKey>()],
    packets: u64,
    bytes: u64,
    last: u64,
    _rest: [u8; BYTES - 88],
}

const _: () = assert!(size_of::<Record>() == BYTES);

impl Record {
    /// The record of a flow of which nothing was seen.
    pub fn new(key: FlowKey) -> Self {
        Record { key, _first: [0; _], packets: 0, bytes: 0, last: 0, _rest: [0; _] }
    }

    /// A packet has come: what every connection notes of one.
    #[inline]
    pub fn touch(&mut self) -> u64 {
        self.packets += 1;
        self.bytes += 60;
        self.last = self.packets;
        self.packets
    }
}

impl Entry for Record {
    const HOT: usize = 128;

    fn key(&self) -> &FlowKey {
        &self.key
    }

    fn worth(&self) -> (u8, u64) {
        (0, self.last)
    }
}

/// The key of a flow, as its originator's packets have it: from 64 thousand clients to 256 servers.
#[inline]
pub fn key(flow: u32) -> FlowKey {
    // Odd multipliers are bijections: neighbours in number are neither neighbours in address nor in port.
    let mixed = flow.wrapping_mul(0x9e37_79b1);
    FlowKey {
        orig_h: IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | mixed & 0xffff)),
        resp_h: IpAddr::V4(Ipv4Addr::from_bits(0xc612_0000 | mixed >> 24)),
        orig_p: 1024 | (flow >> 16) as u16,
        resp_p: 1024 | (mixed >> 16 & 0xff) as u16,
        transport: Transport::Tcp,
    }
}

/// Keys of packets of so many flows: any flow, either direction, without end.
#[derive(Clone, Debug)]
pub struct Packets {
    state: u64,
    flows: u64,
}

impl Packets {
    /// The same packets in every run.
    pub fn of(flows: u32) -> Self {
        Packets { state: 0x9e37_79b9_7f4a_7c15, flows: flows.into() }
    }

    /// The next packet's key, sender first.
    #[inline]
    pub fn key(&mut self) -> FlowKey {
        // Xorshift: a few instructions, which everything that is compared pays alike.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let key = key((((self.state >> 32) * self.flows) >> 32) as u32);
        if self.state & 1 == 0 { key } else { key.reverse() }
    }
}
