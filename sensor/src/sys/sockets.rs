//! Packet sockets, and options of sockets.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// An AF_XDP socket without rings: it tells whether this kernel has AF_XDP, and fills a place in a socket table.
///
/// # Errors
/// No AF_XDP in this kernel, or no CAP_NET_RAW.
pub fn bare_xdp_socket() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers; the result is checked before use.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A packet socket on one interface.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Opens one that receives nothing: for sending, or to hold a membership.
    pub fn silent(index: u32) -> io::Result<Self> {
        let socket = Self::unbound()?;
        socket.bind(index, 0)?;
        Ok(socket)
    }

    /// Opens one that is not bound yet.
    pub fn unbound() -> io::Result<Self> {
        // SAFETY: takes no pointers; the result is checked before use.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else owns.
        Ok(PacketSocket(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Binds it to an interface and an EtherType (`ETH_P_ALL` for every frame, 0 for none).
    pub fn bind(&self, index: u32, ethertype: u16) -> io::Result<()> {
        // SAFETY: a C structure of integers, for which all zeroes are valid.
        let mut address: libc::sockaddr_ll = unsafe { MaybeUninit::zeroed().assume_init() };
        address.sll_family = libc::AF_PACKET as libc::c_ushort;
        address.sll_protocol = ethertype.to_be();
        address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
        // SAFETY: the pointer and the length are those of a sockaddr_ll that lives through the call.
        let result = unsafe {
            libc::bind(
                self.0.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Has the interface take frames that are not addressed to it, as long as this socket is open.
    pub fn make_promiscuous(&self, index: u32) -> io::Result<()> {
        // SAFETY: a C structure of integers, for which all zeroes are valid.
        let mut membership: libc::packet_mreq = unsafe { MaybeUninit::zeroed().assume_init() };
        membership.mr_ifindex = i32::try_from(index).map_err(io::Error::other)?;
        membership.mr_type = libc::PACKET_MR_PROMISC as libc::c_ushort;
        set_socket_option(self, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)
    }

    /// Another handle to the same socket.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(PacketSocket)
    }

    /// Sends one frame, link header included.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        nix::sys::socket::send(self.0.as_raw_fd(), frame, nix::sys::socket::MsgFlags::empty())?;
        Ok(())
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Sets a socket option whose value is a C structure or integer.
pub fn set_socket_option<T: Copy>(fd: &impl AsRawFd, level: i32, option: i32, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer and the length are those of `value`, which the kernel only reads.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const *value).cast(), length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// An integer option of a socket.
pub fn socket_option(fd: &impl AsRawFd, level: i32, option: i32) -> io::Result<i32> {
    let mut value: libc::c_int = 0;
    let mut length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: `value` and `length` are valid for writing, and `length` says how much of `value` may be written.
    let result = unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, (&raw mut value).cast(), &raw mut length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}
