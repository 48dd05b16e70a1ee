//! What there is to know about an interface before frames are taken from it.

use std::fs;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;

use crate::error::{Error, Result};
use crate::sys::Interfaces;

/// The largest MTU that a single-buffer XDP program is attached with: a page less headroom, skb tail and Ethernet header; veth's limit.
pub const MAX_XDP_MTU: u32 = 3498;

/// An interface as it was when it was looked at.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index: unlike the name, it does not change.
    pub index: u32,
    /// Its driver, as far as it tells.
    pub driver: String,
    /// Its kind of hardware: `ARPHRD_*`.
    pub hardware: u16,
    /// Whether it is the loopback interface.
    pub loopback: bool,
    /// Its receive queues; at least 1.
    pub queues: u32,
    /// Largest IP packet, in bytes.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
    /// Its addresses, without IPv6 link-local ones: every interface that is up gets one of those by itself.
    pub addresses: Vec<IpAddr>,
    /// Whether a default route leads through it.
    pub default_route: bool,
}

impl Interface {
    /// Looks at the interface called `name`.
    ///
    /// # Errors
    /// If there is none in this network namespace.
    pub fn find(name: &str) -> Result<Self> {
        let interfaces = Interfaces::open()?;
        let doing = || format!("use interface {name}");
        let index = interfaces.index(name).map_err(|why| match why.raw_os_error() {
            Some(libc::ENODEV) => Error::new(doing(), "there is no such interface").hint(known_names()),
            _ => Error::new(doing(), why),
        })?;
        let flags = interfaces.flags(name).map_err(|why| Error::new(doing(), why))?;
        Ok(Interface {
            name: name.to_owned(),
            index,
            driver: interfaces.driver(name).unwrap_or_default(),
            hardware: interfaces.hardware(name).map_err(|why| Error::new(doing(), why))?,
            loopback: flags & libc::IFF_LOOPBACK != 0,
            queues: interfaces.receive_queues(name).unwrap_or(1).max(1),
            mtu: interfaces.mtu(name).map_err(|why| Error::new(doing(), why))?,
            up: flags & libc::IFF_UP != 0,
            addresses: addresses_of(name),
            default_route: has_default_route(name),
        })
    }

    /// Whether it is one end of a veth pair.
    pub fn is_veth(&self) -> bool {
        self.driver == "veth"
    }

    /// Refuses an interface that this machine itself talks through: AF_XDP would take its packets away.
    ///
    /// # Errors
    /// If it has an address or the default route. An IPv6 link-local address alone is not in the way.
    pub fn refuse_if_in_use(&self) -> Result<()> {
        let why = match (self.addresses.first(), self.default_route) {
            (Some(address), _) => {
                format!("it has the address {address}, and tap mode takes the packets away from this machine")
            }
            (None, true) => "the default route leads through it, and tap mode takes the packets away".to_owned(),
            (None, false) => return Ok(()),
        };
        let name = &self.name;
        Err(Error::new(format!("tap {name}"), why).hint(format!(
            "Use a port that carries only copies (SPAN, TAP); or `--mode host` or `--capture af_packet`, which take nothing away; \
             or `--take-over` if {name} is meant."
        ))
        .refusal())
    }

    /// Refuses an interface from which no frame could come.
    ///
    /// # Errors
    /// If it is down.
    pub fn refuse_if_down(&self) -> Result<()> {
        if self.up {
            return Ok(());
        }
        let name = &self.name;
        Err(Error::new(format!("capture on {name}"), "it is down")
            .hint(format!("Take it up first: ip link set {name} up")))
    }

    /// Refuses an interface whose frames do not fit the one buffer that the XDP program sees.
    ///
    /// # Errors
    /// If the MTU is above [`MAX_XDP_MTU`].
    pub fn refuse_jumbo_frames(&self) -> Result<()> {
        if self.mtu <= MAX_XDP_MTU {
            return Ok(());
        }
        let Interface { name, mtu, .. } = self;
        Err(Error::new(format!("capture on {name} by AF_XDP"), format!("its MTU of {mtu} is above {MAX_XDP_MTU}")).hint(
            format!("Lower it if longer frames never come (ip link set {name} mtu {MAX_XDP_MTU}), or use `--capture af_packet`."),
        ))
    }

    /// What would make this interface lose less, as command lines with their reasons.
    pub fn advice(&self) -> Vec<Advice> {
        let name = &self.name;
        let mut advice = Vec::new();
        if self.is_veth() {
            return advice;
        }
        if let Some(maximum) = self.short_ring() {
            advice.push(Advice {
                command: format!("ethtool -G {name} rx {maximum}"),
                why: "a longer receive ring outlasts longer pauses of the sensor",
            });
        }
        advice.push(Advice {
            command: format!("ethtool -K {name} lro off gro off rxvlan off"),
            why: "frames as they were on the wire: not merged, with their VLAN tags",
        });
        if self.queues > 1 {
            advice.push(Advice {
                command: format!("ethtool -X {name} hfunc toeplitz symmetric-xor"),
                why: "both directions of a connection in one queue (kernel 6.8; needed only for steering = \"queue\")",
            });
        }
        advice
    }

    fn short_ring(&self) -> Option<u32> {
        let ring = Interfaces::open().ok()?.receive_ring(&self.name).ok()?;
        (ring.current < ring.maximum).then_some(ring.maximum)
    }
}

/// A change that the administrator could make; the sensor makes none of its own accord.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advice {
    /// The command.
    pub command: String,
    /// What it is good for.
    pub why: &'static str,
}

fn addresses_of(name: &str) -> Vec<IpAddr> {
    let Ok(all) = getifaddrs() else { return Vec::new() };
    all.filter(|entry| entry.interface_name == name)
        .filter_map(|entry| {
            let address = entry.address?;
            match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
                (Some(v4), _) => Some(IpAddr::V4(v4.ip())),
                (None, Some(v6)) if !v6.ip().is_unicast_link_local() => Some(IpAddr::V6(v6.ip())),
                _ => None,
            }
        })
        .collect()
}

fn known_names() -> String {
    let mut names: Vec<String> =
        getifaddrs().map(|all| all.map(|entry| entry.interface_name).collect()).unwrap_or_default();
    names.sort();
    names.dedup();
    format!("There are: {}.", names.join(", "))
}

fn has_default_route(name: &str) -> bool {
    // The calling thread's own view: a thread may stand in another network namespace than its process.
    let v4 = fs::read_to_string("/proc/thread-self/net/route").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap_or_default();
    v4.lines().any(|line| is_default_v4(line, name)) || v6.lines().any(|line| is_default_v6(line, name))
}

/// Interface, destination, gateway, flags, references, uses, metric, mask: all in hexadecimal.
fn is_default_v4(line: &str, name: &str) -> bool {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    matches!(fields.as_slice(), [interface, "00000000", _, _, _, _, _, "00000000", ..] if *interface == name)
}

/// Destination, its prefix length, source, its prefix length, next hop, metric, references, uses, flags, interface.
fn is_default_v6(line: &str, name: &str) -> bool {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    matches!(fields.as_slice(), [_, "00", _, _, _, _, _, _, _, interface] if *interface == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_told_from_others() {
        assert!(is_default_v4("eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0", "eth0"));
        assert!(!is_default_v4("eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0", "eth0"));
        assert!(!is_default_v4("eth1\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0", "eth0"));
        let zero = "0".repeat(32);
        assert!(is_default_v6(&format!("{zero} 00 {zero} 00 {zero} 00000400 1 0 00000003 eth0"), "eth0"));
        assert!(!is_default_v6(&format!("{zero} 40 {zero} 00 {zero} 00000400 1 0 00000003 eth0"), "eth0"));
    }

    #[test]
    fn an_interface_with_an_address_is_refused_with_the_way_out() {
        let lo = Interface::find("lo").expect("every machine has a loopback interface");
        let refusal = lo.refuse_if_in_use().expect_err("lo has 127.0.0.1").to_string();
        assert!(refusal.contains("--mode host") && refusal.contains("--take-over"), "{refusal}");
        let free = Interface { addresses: Vec::new(), default_route: false, ..lo };
        assert!(free.refuse_if_in_use().is_ok());
    }

    #[test]
    fn a_name_that_is_not_there_is_answered_with_those_that_are() {
        let error = Interface::find("no-such-port").expect_err("there is none").to_string();
        assert!(error.contains("no such interface") && error.contains("lo"), "{error}");
    }
}
