//! A long wire with a tap: frames reach the tap at once and the other end later, as on a real line, where the sensor has that time to
//! prepare for what follows.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, socket};

use crate::lab::Lab;

/// Frames on their way, with the end they go to.
type Underway = VecDeque<(Instant, usize, Vec<u8>)>;

/// The wire. It is cut when this is dropped.
#[derive(Debug)]
pub struct TappedWire {
    cut: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TappedWire {
    /// Joins two interfaces of this thread's network, and copies everything out of a third.
    ///
    /// None of them answers for the addresses of the lab's other interfaces: they are a wire, not a host.
    pub fn join(lab: &Lab, ends: [&str; 2], tap: &str, delay: Duration) -> TappedWire {
        for interface in ends.iter().chain([&tap]) {
            lab.ip(&format!("link set {interface} arp off"));
        }
        let open = |interface: &str| open(interface).unwrap_or_else(|why| panic!("{interface}: {why}"));
        let (ends, tap) = (ends.map(open), open(tap));
        let cut = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&cut);
        let thread = std::thread::spawn(move || {
            let mut underway = Underway::new();
            while !until.load(Ordering::Relaxed) {
                wait(&ends, underway.front().map(|(due, _, _)| *due));
                for (from, end) in ends.iter().enumerate() {
                    take(end, |frame| {
                        put(&tap, &frame);
                        underway.push_back((Instant::now() + delay, 1 - from, frame));
                    });
                }
                while underway.front().is_some_and(|(due, _, _)| *due <= Instant::now()) {
                    let (_, to, frame) = underway.pop_front().expect("it was there");
                    put(&ends[to], &frame);
                }
            }
        });
        TappedWire { cut, thread: Some(thread) }
    }
}

impl Drop for TappedWire {
    fn drop(&mut self) {
        self.cut.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A packet socket gets what comes in by its interface, and not what it sends itself.
fn open(interface: &str) -> nix::Result<OwnedFd> {
    let address: Option<LinkAddr> = getifaddrs()?
        .find_map(|found| found.address.filter(|_| found.interface_name == interface)?.as_link_addr().copied());
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    bind(socket.as_raw_fd(), &address.ok_or(nix::Error::ENODEV)?)?;
    Ok(socket)
}

fn wait(ends: &[OwnedFd; 2], due: Option<Instant>) {
    let longest = Duration::from_millis(50);
    let left = due.map_or(longest, |due| due.saturating_duration_since(Instant::now())).min(longest);
    let mut sockets = [0, 1].map(|end: usize| PollFd::new(ends[end].as_fd(), PollFlags::POLLIN));
    let _ = poll(&mut sockets, PollTimeout::from(left.as_micros().div_ceil(1000) as u16));
}

fn take(end: &OwnedFd, mut sink: impl FnMut(Vec<u8>)) {
    let mut frame = vec![0; 65536];
    while let Ok(length) = recv(end.as_raw_fd(), &mut frame, MsgFlags::empty()) {
        sink(frame[..length].to_vec());
    }
}

/// A frame that finds no room is lost, as on a wire: TCP sends it again, and the tap has seen it twice.
fn put(end: &OwnedFd, frame: &[u8]) {
    if let Err(why) = send(end.as_raw_fd(), frame, MsgFlags::empty()) {
        let why = io::Error::from(why);
        assert!(why.raw_os_error() != Some(nix::libc::EMSGSIZE), "{} bytes in one frame: {why}", frame.len());
    }
}
