//! Who does something: a host of IPv4, a network of IPv6.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// A source as it is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Source(IpNet);

impl Source {
    /// That of an address; those of IPv6 that share `ipv6_prefix` bits are one.
    pub fn of(addr: IpAddr, ipv6_prefix: u8) -> Self {
        let length = if addr.is_ipv4() { 32 } else { ipv6_prefix.min(128) };
        Source(IpNet::new(addr, length).map_or(IpNet::from(addr), |net| net.trunc()))
    }

    /// Its first address.
    pub fn addr(self) -> IpAddr {
        self.0.addr()
    }
}

/// An address, or a network where it is one.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}
