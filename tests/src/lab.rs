//! A network of its own for a test: a private namespace of the calling thread, which ends with the thread, whatever happens.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use portreeve::sys::{Interfaces, PacketSocket};

use crate::skip::{skip, without_root};

/// How long the kernel may take to know that a wire is whole.
const PATIENCE: Duration = Duration::from_secs(30);

/// The calling thread's private network. Threads and processes that it starts are in it too.
#[derive(Debug)]
pub struct Lab(());

impl Lab {
    /// Moves the calling thread into a new network namespace; `None`, and the test noted as skipped, where that is not allowed.
    pub fn enter() -> Option<Lab> {
        if without_root() {
            return None;
        }
        if let Err(why) = unshare(CloneFlags::CLONE_NEWNET) {
            skip(&format!("no network namespace can be made here: {why}"));
            return None;
        }
        // No neighbour discovery: only the test's own frames are on its wires.
        fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").expect("IPv6 can be switched off");
        let lab = Lab(());
        lab.ip("link set lo up");
        Some(lab)
    }

    /// A wire with two ends, both up, each with so many receive queues; frames that are sent keep their checksums as they are.
    pub fn wire(&self, one: &str, other: &str, queues: u32) {
        let queues = format!("numrxqueues {queues} numtxqueues {queues}");
        self.ip(&format!("link add {one} {queues} type veth peer name {other} {queues}"));
        for end in [one, other] {
            self.ip(&format!("link set {end} up"));
            let interfaces = Interfaces::open().expect("a socket for requests");
            interfaces.set_offload(end, "tx-checksum-ip-generic", false).expect("veth can do without checksum offload");
        }
        // The end that was taken up first hears of the other's carrier later; until then it drops what it is given to send, and says nothing.
        let deadline = Instant::now() + PATIENCE;
        while !self.is_up(one) {
            assert!(Instant::now() < deadline, "the wire has no carrier");
            sleep(Duration::from_millis(1));
        }
    }

    fn is_up(&self, interface: &str) -> bool {
        let told = Command::new("ip").args(["-oneline", "link", "show", interface]).output().expect("ip is installed");
        String::from_utf8_lossy(&told.stdout).contains(" state UP ")
    }

    /// Joins interfaces to a hub: what comes in by one goes out by all others. None of them answers for the lab's addresses.
    pub fn hub(&self, ports: &[&str]) {
        self.ip("link add hub0 type bridge mcast_snooping 0");
        for port in ports {
            self.ip(&format!("link set {port} master hub0"));
            self.ip(&format!("link set {port} type bridge_slave learning off flood on"));
        }
        self.ip("link set hub0 arp off up");
    }

    /// What this thread mounts from now on is seen by it and by what it starts only, and goes with them.
    pub fn private_mounts(&self) {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).expect("root may have mounts of its own");
        let private = Command::new("mount").args(["--make-rprivate", "/"]).status();
        assert!(private.is_ok_and(|status| status.success()), "mounts can be made private");
    }

    /// Runs `ip` with these words.
    pub fn ip(&self, words: &str) {
        let output = Command::new("ip").args(words.split_ascii_whitespace()).output().expect("iproute2 is installed");
        assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A socket that sends frames out of an interface.
    pub fn sender(&self, interface: &str) -> PacketSocket {
        let interfaces = Interfaces::open().expect("a socket for requests");
        let index = interfaces.index(interface).expect("the interface is there");
        PacketSocket::silent(index).expect("root may send frames")
    }
}
