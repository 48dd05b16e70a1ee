//! Frames are put on a wire: through a packet socket on an interface of this network namespace.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::encode::WireFrame;

/// Sends frames with the pauses they were captured with, but never a longer one than `longest`.
pub fn send(interface: &str, frames: &[WireFrame], longest: Duration) -> Result<(), String> {
    let wire = Wire::open(interface)?;
    let mut before = frames.first().map_or(0, |frame| frame.at);
    let mut due = Instant::now();
    for frame in frames {
        due += Duration::from_nanos(frame.at.saturating_sub(before)).min(longest);
        before = frame.at;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        wire.send(&frame.bytes)?;
    }
    Ok(())
}

struct Wire {
    socket: OwnedFd,
    address: LinkAddr,
}

impl Wire {
    fn open(interface: &str) -> Result<Wire, String> {
        let wrong = |why: nix::Error| format!("cannot send on {interface}: {why}");
        let address = getifaddrs()
            .map_err(wrong)?
            .find_map(|a| a.address.filter(|_| a.interface_name == interface)?.as_link_addr().copied());
        let address = address.ok_or(format!("cannot send on {interface}: there is no such interface here"))?;
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None).map_err(wrong)?;
        Ok(Wire { socket, address })
    }

    /// A frame shorter than an Ethernet header cannot be sent, and is left out: no wire carries it.
    fn send(&self, frame: &[u8]) -> Result<(), String> {
        if frame.len() < 14 {
            return Ok(());
        }
        loop {
            match sendto(self.socket.as_raw_fd(), frame, &self.address, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(nix::Error::ENOBUFS | nix::Error::EAGAIN) => std::thread::sleep(Duration::from_micros(50)),
                Err(why) => return Err(format!("cannot send a frame of {} bytes: {why}", frame.len())),
            }
        }
    }
}
