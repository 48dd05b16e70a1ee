//! Host mode's private wire: a veth pair, into one end of which the kernel program clones packets, and at whose other end they are tapped.
//!
//! It carries no address and no protocol speaks on it, so nothing but clones ever passes, each as the frames that it would be on a real wire:
//! AF_XDP has no room for the packets of up to 64 KiB that segmentation offload and GRO make. A pair is named after its process; one that a
//! killed sensor has left behind is removed at the next start.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use nix::ifaddrs::getifaddrs;

use crate::error::{Error, Result};
use crate::nic::{Interface, MAX_XDP_MTU};
use crate::sys::Interfaces;

/// What the names begin with; the process's number and the end's letter follow. With seven digits that is 13 of the 15 characters.
const PREFIX: &str = "ptrv";

/// The wire. Dropping it removes both ends; the kernel program is to be detached, and the sockets closed, before that.
#[derive(Debug)]
pub struct PrivateWire {
    /// Where the clones go in: the target of the tcx program.
    pub cloned_to: Interface,
    /// Where they come out: tapped by AF_XDP.
    pub tapped: Interface,
    _pair: Pair,
}

/// A pair that exists, by the name of one end; the other goes with it.
#[derive(Debug)]
struct Pair(String);

impl PrivateWire {
    /// Makes the wire for clones of what passes `host`, and removes what dead sensors have left.
    ///
    /// # Errors
    /// If the kernel refuses, iproute2 is missing, or the interface's packets are too long for AF_XDP. Of the loopback interface, whose
    /// packets may be longer than any other's, the long ones are left out, and counted.
    pub fn new(host: &Interface) -> Result<Self> {
        if !host.loopback {
            host.refuse_jumbo_frames()?;
        }
        remove_stale();
        let pid = std::process::id();
        let (near, far) = (format!("{PREFIX}{pid}a"), format!("{PREFIX}{pid}b"));
        ip(&format!(
            "link add {near} numtxqueues 1 numrxqueues 1 type veth peer name {far} numtxqueues 1 numrxqueues 1"
        ))?;
        let pair = Pair(near.clone());
        let interfaces = Interfaces::open()?;
        let mtu = host.mtu.saturating_add(VLAN_TAGS).clamp(1500, MAX_XDP_MTU);
        // The second end to be taken up has a carrier at once and can send when that returns; the first one hears of it later, by
        // the kernel's link watch, and drops until then what it is given.
        for end in [&far, &near] {
            prepare(&interfaces, end, mtu).map_err(|why| Error::new(format!("set up the private wire {end}"), why))?;
        }
        Ok(PrivateWire { cloned_to: Interface::find(&near)?, tapped: Interface::find(&far)?, _pair: pair })
    }

    /// How many frames it had no room for so far; 0 if somebody else has removed it.
    pub fn dropped(&self) -> u64 {
        let all = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
        sent_and_dropped(&all, &self.cloned_to.name).unwrap_or(0)
    }
}

/// The column for dropped frames of the sending side in a table as `/proc/net/dev` is.
fn sent_and_dropped(table: &str, interface: &str) -> Option<u64> {
    let columns = table.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    columns.split_ascii_whitespace().nth(11)?.parse().ok()
}

impl Drop for Pair {
    fn drop(&mut self) {
        // Gone already if its network namespace is; there is nobody to tell anything else.
        let _ = ip(&format!("link del {}", self.0));
    }
}

/// The tags of QinQ, which no MTU counts.
const VLAN_TAGS: u32 = 8;

/// Offloads that would leave something out of the frames: checksums that no hardware fills in, VLAN tags beside the frame; or that would
/// leave them in one piece. XDP in the driver switches the latter off by itself, generic XDP does not.
const OFFLOADS: [&str; 10] = [
    "tx-checksum-ip-generic",
    "tx-checksum-sctp",
    "tx-vlan-hw-insert",
    "tx-vlan-stag-hw-insert",
    "tx-tcp-segmentation",
    "tx-tcp-ecn-segmentation",
    "tx-tcp-mangleid-segmentation",
    "tx-tcp6-segmentation",
    "tx-udp-segmentation",
    "tx-gso-list",
];

/// No IPv6 address of its own (the kernel would announce it), frames as they would be on a wire, long enough, up.
fn prepare(interfaces: &Interfaces, end: &str, mtu: u32) -> io::Result<()> {
    let no_ipv6 = format!("/proc/sys/net/ipv6/conf/{end}/disable_ipv6");
    if Path::new(&no_ipv6).exists() {
        fs::write(no_ipv6, "1")?;
    }
    for offload in OFFLOADS {
        interfaces.set_offload(end, offload, false)?;
    }
    interfaces.set_mtu(end, mtu)?;
    interfaces.set_up(end)
}

/// Removes the wires of processes that are no more.
fn remove_stale() {
    let Ok(all) = getifaddrs() else { return };
    let names: BTreeSet<String> = all.map(|entry| entry.interface_name).collect();
    for name in names {
        if owner(&name).is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            drop(Pair(name));
        }
    }
}

/// The process that made the near end of this name.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.strip_suffix('a')?.parse().ok()
}

fn ip(words: &str) -> Result<()> {
    let doing = || format!("run ip {words}");
    let output = Command::new("ip").args(words.split_ascii_whitespace()).output().map_err(|why| {
        let error = Error::new(doing(), &why);
        if why.kind() == io::ErrorKind::NotFound {
            error.hint("Host mode needs `ip`: install iproute2.")
        } else {
            error
        }
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(doing(), said.trim())
        .hint("Host mode takes root or CAP_NET_ADMIN; `--capture af_packet` takes less."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_the_sending_sides() {
        let table = " face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
 ptrv1a:21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36
";
        assert_eq!(sent_and_dropped(table, "ptrv1a"), Some(32));
        assert_eq!(sent_and_dropped(table, "ptrv1"), None);
    }

    #[test]
    fn only_names_of_our_own_are_taken_for_ours() {
        assert_eq!(owner("ptrv4194304a"), Some(4_194_304));
        for other in ["ptrv12b", "ptrva", "ptrv-1a", "ptrv12xa", "eth0", "veth12a"] {
            assert_eq!(owner(other), None, "{other}");
        }
    }
}
