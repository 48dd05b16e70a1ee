//! Requests about interfaces: names, flags, and what `ethtool` asks.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::error::{Error, Result};

const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GRINGPARAM: u32 = 0x10;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETHTOOL_SFEATURES: u32 = 0x3b;
/// `ETH_SS_FEATURES`.
const FEATURE_NAMES: u32 = 4;
const ETHTOOL_GCHANNELS: u32 = 0x3c;

/// A socket that asks the kernel about interfaces, in the network namespace that it was opened in.
#[derive(Debug)]
pub struct Interfaces(OwnedFd);

/// What `ethtool -g` shows of the receive side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingSize {
    /// Descriptors in use.
    pub current: u32,
    /// Descriptors that the driver could use.
    pub maximum: u32,
}

impl Interfaces {
    /// Opens the socket.
    ///
    /// # Errors
    /// If no datagram socket can be opened.
    pub fn open() -> Result<Self> {
        // SAFETY: takes no pointers; the result is checked before use.
        let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(Error::new("ask about interfaces", io::Error::last_os_error()));
        }
        // SAFETY: a new descriptor that nobody else owns.
        Ok(Interfaces(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Index of an interface.
    pub fn index(&self, name: &str) -> io::Result<u32> {
        let request = self.request(name, libc::SIOCGIFINDEX, |_| ())?;
        // SAFETY: SIOCGIFINDEX has written this member.
        let index = unsafe { request.ifr_ifru.ifru_ifindex };
        u32::try_from(index).map_err(io::Error::other)
    }

    /// Name of the interface with this index now.
    pub fn name(&self, index: u32) -> io::Result<String> {
        let index = i32::try_from(index).map_err(io::Error::other)?;
        let request = self.request("", libc::SIOCGIFNAME, |request| request.ifr_ifru.ifru_ifindex = index)?;
        let bytes: Vec<u8> = request.ifr_name.iter().map(|&c| c.cast_unsigned()).take_while(|&c| c != 0).collect();
        String::from_utf8(bytes).map_err(io::Error::other)
    }

    /// `IFF_*` flags of an interface.
    pub fn flags(&self, name: &str) -> io::Result<i32> {
        let request = self.request(name, libc::SIOCGIFFLAGS, |_| ())?;
        // SAFETY: SIOCGIFFLAGS has written this member.
        Ok(i32::from(unsafe { request.ifr_ifru.ifru_flags }))
    }

    /// Kind of hardware: `ARPHRD_*`.
    pub fn hardware(&self, name: &str) -> io::Result<u16> {
        let request = self.request(name, libc::SIOCGIFHWADDR, |_| ())?;
        // SAFETY: SIOCGIFHWADDR has written this member.
        Ok(unsafe { request.ifr_ifru.ifru_hwaddr.sa_family })
    }

    /// Takes an interface up.
    pub fn set_up(&self, name: &str) -> io::Result<()> {
        let flags = self.flags(name)? | libc::IFF_UP;
        let flags = libc::c_short::try_from(flags & 0x7fff).map_err(io::Error::other)?;
        self.request(name, libc::SIOCSIFFLAGS, |request| request.ifr_ifru.ifru_flags = flags).map(drop)
    }

    /// Largest IP packet of an interface, in bytes.
    pub fn mtu(&self, name: &str) -> io::Result<u32> {
        let request = self.request(name, libc::SIOCGIFMTU, |_| ())?;
        // SAFETY: SIOCGIFMTU has written this member.
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };
        u32::try_from(mtu).map_err(io::Error::other)
    }

    /// Changes the MTU.
    pub fn set_mtu(&self, name: &str, mtu: u32) -> io::Result<()> {
        let mtu = i32::try_from(mtu).map_err(io::Error::other)?;
        self.request(name, libc::SIOCSIFMTU, |request| request.ifr_ifru.ifru_mtu = mtu).map(drop)
    }

    /// Name of the driver (`ethtool -i`).
    pub fn driver(&self, name: &str) -> io::Result<String> {
        let mut info = [0_u32; 49]; // struct ethtool_drvinfo: command, then the driver's name in 32 bytes
        info[0] = ETHTOOL_GDRVINFO;
        self.ethtool(name, &mut info)?;
        Ok(text(&info[1..9]))
    }

    /// Number of receive queues (`ethtool -l`): those of their own and those combined with a transmit queue.
    pub fn receive_queues(&self, name: &str) -> io::Result<u32> {
        let mut channels = [0_u32; 9]; // struct ethtool_channels: command, four maxima, then rx, tx, other, combined
        channels[0] = ETHTOOL_GCHANNELS;
        self.ethtool(name, &mut channels)?;
        Ok(channels[5].saturating_add(channels[8]))
    }

    /// Size of the driver's receive ring (`ethtool -g`).
    pub fn receive_ring(&self, name: &str) -> io::Result<RingSize> {
        let mut rings = [0_u32; 9]; // struct ethtool_ringparam: command, four maxima (rx first), four current sizes
        rings[0] = ETHTOOL_GRINGPARAM;
        self.ethtool(name, &mut rings)?;
        Ok(RingSize { current: rings[5], maximum: rings[1] })
    }

    /// Switches an offload, by the name that `ethtool -k` gives it in full (`tx-checksum-ip-generic`). One that the driver does not have
    /// is as good as off.
    pub fn set_offload(&self, name: &str, offload: &str, on: bool) -> io::Result<()> {
        let known = self.offloads(name)?;
        let Some(number) = known.iter().position(|known| known == offload) else { return Ok(()) };
        // struct ethtool_sfeatures: command, number of blocks, then for each block of 32 which ones change, and to what.
        let blocks = known.len().div_ceil(32);
        let mut words = vec![0_u32; 2 + 2 * blocks];
        (words[0], words[1]) = (ETHTOOL_SFEATURES, blocks as u32);
        let (block, bit) = (2 + 2 * (number / 32), 1 << (number % 32));
        (words[block], words[block + 1]) = (bit, if on { bit } else { 0 });
        self.ethtool(name, &mut words)
    }

    /// The names of all offloads, in the order of their bits.
    fn offloads(&self, name: &str) -> io::Result<Vec<String>> {
        // struct ethtool_sset_info: command, nothing, a mask of 64 bits, then the number of strings in the set asked for.
        let mut info = [ETHTOOL_GSSET_INFO, 0, 1 << FEATURE_NAMES, 0, 0];
        self.ethtool(name, &mut info)?;
        let count = info[4].min(1024);
        // struct ethtool_gstrings: command, set, number, then the strings of 32 bytes.
        let mut words = vec![0_u32; 3 + 8 * count as usize];
        (words[0], words[1], words[2]) = (ETHTOOL_GSTRINGS, FEATURE_NAMES, count);
        self.ethtool(name, &mut words)?;
        Ok(words.get(3..).unwrap_or_default().chunks(8).map(text).collect())
    }

    fn ethtool(&self, name: &str, words: &mut [u32]) -> io::Result<()> {
        let data = words.as_mut_ptr().cast();
        self.request(name, libc::SIOCETHTOOL, |request| request.ifr_ifru.ifru_data = data).map(drop)
    }

    fn request(&self, name: &str, code: libc::Ioctl, fill: impl FnOnce(&mut libc::ifreq)) -> io::Result<libc::ifreq> {
        // SAFETY: a C structure of integers and a pointer, for which all zeroes are valid.
        let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
        if name.len() >= request.ifr_name.len() {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        fill(&mut request);
        // SAFETY: the codes used in this file read and write one `ifreq`; where it carries a pointer (ethtool), that points to a
        // buffer of the caller's which lives through the call and has the size of the structure that its command asks for.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), code, &raw mut request) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(request) }
    }
}

/// A text of C in words, up to its first zero byte.
fn text(words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).take_while(|&c| c != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
