//! What a decision consults beside the ports: expectations, bypassed connections, fragment notes.

use crate::{Address, BypassReason, Interest, Ports, Rules, Traffic, Transport};

/// One end of a connection: key of the expectations.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where it is.
    pub address: Address,
    /// Its port.
    pub port: u16,
    /// Transport by its IP number.
    pub transport: u16,
}

impl Endpoint {
    /// An endpoint.
    #[inline(always)]
    pub const fn new(transport: Transport, address: Address, port: u16) -> Self {
        Endpoint { address, port, transport: transport as u16 }
    }

    /// What stands in the table for two hosts of which every TCP segment with SYN, FIN or RST is wanted, whatever its ports: their hash,
    /// and a port that none has. Hosts that share a hash with them lose nothing: they are captured a little, too.
    #[inline(always)]
    pub const fn company(hash: u32) -> Self {
        Endpoint::new(Transport::Tcp, Address::v4(hash.to_be_bytes()), 0)
    }

    /// Its transport.
    pub const fn transport(&self) -> Transport {
        if self.transport == Transport::Udp as u16 { Transport::Udp } else { Transport::Tcp }
    }
}

/// What an analyzer wants of an endpoint that it has learned of. The numbers are those of [`Expectation::FTP_DATA`] and so on.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Expectation {
    /// Who learned of it: [`Expectation::FTP_DATA`] or [`Expectation::RPC_SERVICE`].
    pub why: u16,
    /// How much is wanted: [`Expectation::FULL`] or [`Expectation::CONTROL_ONLY`].
    pub mode: u16,
}

impl Expectation {
    /// From PORT, PASV, EPRT or EPSV.
    pub const FTP_DATA: u16 = 1;
    /// From a portmapper answer.
    pub const RPC_SERVICE: u16 = 2;
    /// Every packet.
    pub const FULL: u16 = 0;
    /// TCP: segments with SYN, FIN or RST. UDP: nothing; packets are only counted.
    pub const CONTROL_ONLY: u16 = 1;
}

/// A connection: key of the bypass table. Whose side comes first is for the sensor to choose; the kernel looks for both.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Addresses of the first and the second side.
    pub addresses: [Address; 2],
    /// Their ports.
    pub ports: [u16; 2],
    /// Transport by its IP number.
    pub transport: u32,
}

impl Connection {
    /// A connection between two sides.
    #[inline(always)]
    pub const fn new(transport: Transport, addresses: [Address; 2], ports: [u16; 2]) -> Self {
        Connection { addresses, ports, transport: transport as u32 }
    }

    /// The same connection from the other side.
    #[inline(always)]
    #[must_use]
    pub const fn swapped(&self) -> Self {
        let ([a, b], [c, d]) = (self.addresses, self.ports);
        Connection { addresses: [b, a], ports: [d, c], transport: self.transport }
    }
}

/// Which datagram a fragment belongs to: RFC 791 section 3.2 and RFC 8200 section 4.5.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragmentKey {
    /// Sender.
    pub source: Address,
    /// Receiver.
    pub destination: Address,
    /// [`Packet::datagram`](crate::Packet::datagram).
    pub id: u32,
}

/// What was decided about a datagram when its first fragment came.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// Not wanted.
    Skip = 0,
    /// Wanted: the others follow it.
    Follow = 1,
    /// Part of a bypassed connection.
    Bypass = 2,
}

/// What is asked of nearly every frame, and guards the tables that are searched for few. It is the one value of a map that the sensor has
/// in its own memory, too: it changes single bits while the kernel program reads, and one lookup finds everything.
#[repr(C)]
pub struct Guards {
    /// Which ports are wanted.
    pub ports: Ports,
    /// One bit per [`bypass_slot`].
    pub bypass_slots: [u64; BYPASS_SLOTS / 64],
}

/// Slots of the bypass table's guard, one bit each.
pub const BYPASS_SLOTS: usize = 1 << 16;

/// The guard's slot for a pair of hosts: the bypass table is searched only when its bit is set.
#[inline(always)]
pub const fn bypass_slot(hash: u32) -> u32 {
    hash & (BYPASS_SLOTS as u32 - 1)
}

/// The tables of a decision; the kernel program has them in maps, the sensor in bounded tables of its own.
///
/// Implementations decide how long a note or an expectation lives and which one gives way when the table is full; the decision
/// works with whatever answer it gets.
pub trait Tables {
    /// Which rules apply.
    fn rules(&self) -> Rules;

    /// Seed of the shard hash.
    fn seed(&self) -> u64;

    /// What is wanted of a port.
    fn interest(&mut self, transport: Transport, port: u16) -> Interest;

    /// What is wanted of an endpoint.
    fn expectation(&mut self, endpoint: &Endpoint) -> Option<Expectation>;

    /// Whether any connection between the hosts with this hash may be bypassed. `true` is always right, and slower.
    fn may_bypass(&mut self, hash: u32) -> bool;

    /// Why the connection is bypassed under this key, if it is; then adds `traffic` to one side of its account.
    fn bypass(&mut self, connection: &Connection, side: usize, traffic: Traffic) -> Option<BypassReason>;

    /// What was noted about a datagram.
    fn note(&mut self, key: &FragmentKey) -> Option<Note>;

    /// Notes what was decided about a datagram. A [`Note::Skip`] or [`Note::Bypass`] does not replace an existing note: of two first
    /// fragments that overlap, the wanted one counts.
    fn leave_note(&mut self, key: &FragmentKey, note: Note);
}

const _: () = {
    assert!(size_of::<Endpoint>() == 20);
    assert!(size_of::<Expectation>() == 4);
    assert!(size_of::<Connection>() == 40);
    assert!(size_of::<FragmentKey>() == 36);
    assert!(size_of::<Note>() == 4);
};
