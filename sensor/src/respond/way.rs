//! The way that RSTs leave by: as frames through a packet socket, or as IP packets that the machine routes.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, sendto, setsockopt, socket,
    sockopt,
};

use crate::config::{CaptureMode, RespondSettings, RespondThrough};
use crate::error::{Error, Result};
use crate::nic::Interface;
use crate::packet::forge::{LinkHeader, Reset};
use crate::sys::PacketSocket;

/// What sends RSTs: sockets, or a test's notebook.
pub trait Way {
    /// The interface, if one was chosen.
    fn interface(&self) -> Option<&str>;

    /// Sends one RST; `header` is the link header that leads to its addressee.
    fn send(&mut self, reset: &Reset, header: Option<&LinkHeader>) -> io::Result<()>;
}

/// Sockets, and the name of the interface if one was chosen.
#[derive(Debug)]
pub struct Sockets {
    socket: Socket,
    interface: Option<String>,
    packet: Vec<u8>,
}

#[derive(Debug)]
enum Socket {
    Frames(PacketSocket),
    /// One for each kind of address; a machine may do without the second.
    Routed {
        v4: OwnedFd,
        v6: Option<OwnedFd>,
    },
}

impl Sockets {
    /// Opens what the settings ask for.
    pub fn open(respond: &RespondSettings, mode: CaptureMode) -> Result<Self> {
        let interface = Some(&respond.interface).filter(|name| !name.is_empty()).map(|name| Interface::find(name));
        let interface = interface.transpose()?;
        interface.as_ref().map_or(Ok(()), Interface::refuse_if_down)?;
        let doing = || format!("respond through {}", interface.as_ref().map_or("the machine's routes", |i| &i.name));
        let refused = |why: io::Error| {
            Error::new(doing(), why).hint("Packets of one's own making take root or CAP_NET_RAW.").refusal()
        };
        let socket = match (respond.through, mode, &interface) {
            (RespondThrough::Ethernet, _, Some(interface))
            | (RespondThrough::Auto, CaptureMode::Tap, Some(interface)) => {
                if interface.hardware != libc::ARPHRD_ETHER {
                    return Err(Error::new(doing(), "it is no Ethernet")
                        .hint("Try respond.through = \"ip\".")
                        .refusal());
                }
                Socket::Frames(PacketSocket::silent(interface.index).map_err(refused)?)
            }
            _ => Socket::routed(interface.as_ref()).map_err(refused)?,
        };
        let interface = interface.map(|interface| interface.name);
        Ok(Sockets { socket, interface, packet: Vec::with_capacity(128) })
    }
}

impl Way for Sockets {
    fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }

    fn send(&mut self, reset: &Reset, header: Option<&LinkHeader>) -> io::Result<()> {
        let header = match self.socket {
            Socket::Frames(_) => Some(header.ok_or_else(|| io::Error::other("no plain Ethernet header was captured"))?),
            Socket::Routed { .. } => None,
        };
        if !reset.write(header, &mut self.packet) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        match (&self.socket, reset.to) {
            (Socket::Frames(socket), _) => socket.send(&self.packet)?,
            // The port has another meaning here: it would be a protocol.
            (Socket::Routed { v4, .. }, SocketAddr::V4(to)) => {
                let to = SockaddrIn::from(std::net::SocketAddrV4::new(*to.ip(), 0));
                sendto(v4.as_raw_fd(), &self.packet, &to, MsgFlags::empty()).map(drop)?;
            }
            (Socket::Routed { v6: Some(v6), .. }, SocketAddr::V6(to)) => {
                let to = SockaddrIn6::from(std::net::SocketAddrV6::new(*to.ip(), 0, 0, 0));
                sendto(v6.as_raw_fd(), &self.packet, &to, MsgFlags::empty()).map(drop)?;
            }
            (Socket::Routed { v6: None, .. }, SocketAddr::V6(_)) => {
                return Err(io::Error::other("this machine has no IPv6"));
            }
        }
        Ok(())
    }
}

impl Socket {
    /// IPPROTO_RAW: packets come with their IP header, and with any source address.
    fn routed(interface: Option<&Interface>) -> io::Result<Self> {
        let open = |family| -> io::Result<OwnedFd> {
            let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)?;
            if let Some(interface) = interface {
                setsockopt(&socket, sockopt::BindToDevice, &interface.name.clone().into())?;
            }
            Ok(socket)
        };
        Ok(Socket::Routed { v4: open(AddressFamily::Inet)?, v6: open(AddressFamily::Inet6).ok() })
    }
}
