//! Which XDP program an interface has already: the question that its refusal of ours raises.

use std::os::fd::AsRawFd;

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

const RTM_GETLINK: u16 = 18;
const NLM_F_REQUEST: u16 = 1;
const IFLA_XDP: u16 = 43;
/// IFLA_XDP_PROG_ID, and after it the ones for native, generic and offloaded programs, of which several can be attached at a time.
const IFLA_XDP_PROG_IDS: std::ops::RangeInclusive<u16> = 4..=7;
/// Of a netlink message and of its ifinfomsg.
const HEADERS: usize = 16 + 16;

/// The id of the interface's XDP program, if it has one and the kernel tells.
pub fn program_id(interface: &str) -> Option<u32> {
    let index = if_nametoindex(interface).ok()?;
    let kernel =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute).ok()?;
    send(kernel.as_raw_fd(), &request(index), MsgFlags::empty()).ok()?;
    let mut answer = vec![0; 65_536];
    let length = recv(kernel.as_raw_fd(), &mut answer, MsgFlags::empty()).ok()?;
    let attributes = answer.get(HEADERS..length)?;
    let xdp = Attributes(attributes).find(|(kind, _)| *kind == IFLA_XDP)?.1;
    let id = Attributes(xdp).find(|(kind, value)| IFLA_XDP_PROG_IDS.contains(kind) && *value != [0; 4])?.1;
    Some(u32::from_ne_bytes(id.try_into().ok()?))
}

fn request(index: u32) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADERS);
    message.extend((HEADERS as u32).to_ne_bytes());
    message.extend(RTM_GETLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8 + 4]);
    message.extend(index.to_ne_bytes());
    message.extend([0; 8]);
    message
}

/// Kind and value of each attribute; what is malformed ends the list.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        const NESTED: u16 = 0x8000;
        let (&[l0, l1, k0, k1], _) = self.0.split_first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & !NESTED, value))
    }
}
