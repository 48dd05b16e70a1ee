//! Which ports are wanted: a watched and an expected bit for each of 65,536 ports of two transports.

use crate::Rules;

/// UDP ports of VXLAN (RFC 7348) and Geneve (RFC 8926).
pub(crate) const TUNNELS: [u16; 2] = [4789, 6081];

/// A transport with ports.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Transmission Control Protocol.
    Tcp = 6,
    /// User Datagram Protocol.
    Udp = 17,
}

/// The state of 64 neighbouring ports of one transport. Both bits of a port stand in one cache line, so that a port costs one load.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortWord {
    /// Ports whose traffic is wanted whatever the address.
    pub watched: u64,
    /// Ports that want a closer look: those for which there is, or lately was, an expectation at some address, and those of tunnels.
    pub expected: u64,
}

impl PortWord {
    /// Words in the table: 65,536 ports of two transports.
    pub const WORDS: usize = 2 * 1024;

    /// Where the word of a port stands.
    #[inline(always)]
    pub const fn index(transport: Transport, port: u16) -> u32 {
        let base = match transport {
            Transport::Tcp => 0,
            Transport::Udp => 1024,
        };
        base + (port >> 6) as u32
    }

    /// The bit of a port in its word.
    #[inline(always)]
    pub const fn bit(port: u16) -> u64 {
        1 << (port & 63)
    }

    /// This word's answer for one port.
    #[inline(always)]
    pub const fn interest(self, port: u16) -> Interest {
        let shift = port & 63;
        Interest { watched: (self.watched >> shift) & 1 != 0, expected: (self.expected >> shift) & 1 != 0 }
    }
}

/// What the port table says about a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Wanted whatever the address.
    pub watched: bool,
    /// Perhaps wanted: a tunnel's, or ask for the [`Expectation`](crate::Expectation) of the endpoint.
    pub expected: bool,
}

/// The whole table.
#[repr(transparent)]
#[derive(Clone)]
pub struct Ports {
    words: [PortWord; PortWord::WORDS],
}

impl Ports {
    /// No port is watched; those of tunnels are always expected, if the rules want what is inside.
    pub fn new(rules: Rules) -> Self {
        let mut ports = Ports { words: [PortWord { watched: 0, expected: 0 }; PortWord::WORDS] };
        for port in TUNNELS {
            ports.expect(Transport::Udp, port, rules.has(Rules::TUNNELS));
        }
        ports
    }

    /// Watches a port.
    pub fn watch(&mut self, transport: Transport, port: u16) {
        if let Some(word) = self.words.get_mut(PortWord::index(transport, port) as usize) {
            word.watched |= PortWord::bit(port);
        }
    }

    /// Says whether there may be an expectation at a port.
    pub fn expect(&mut self, transport: Transport, port: u16, on: bool) {
        if let Some(word) = self.words.get_mut(PortWord::index(transport, port) as usize) {
            let bit = PortWord::bit(port);
            word.expected = if on { word.expected | bit } else { word.expected & !bit };
        }
    }

    /// What is wanted of a port.
    #[inline]
    pub fn interest(&self, transport: Transport, port: u16) -> Interest {
        match self.words.get(PortWord::index(transport, port) as usize) {
            Some(word) => word.interest(port),
            None => Interest::default(),
        }
    }

    /// The words by [`PortWord::index`].
    pub const fn words(&self) -> &[PortWord; PortWord::WORDS] {
        &self.words
    }
}

const _: () = assert!(size_of::<PortWord>() == 16);
