//! What no library here has a safe face for: clocks, interface and ethtool requests, memory limits, prefetching.
#![allow(unsafe_code, reason = "the one small file for raw system calls; every block says why it holds")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use nix::sys::resource::{UsageWho, getrusage};

use crate::error::{Error, Result};

const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GRINGPARAM: u32 = 0x10;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETHTOOL_SFEATURES: u32 = 0x3b;
/// `ETH_SS_FEATURES`.
const FEATURE_NAMES: u32 = 4;
const ETHTOOL_GCHANNELS: u32 = 0x3c;

/// Asks the processor for the memory of a value that will be needed soon; does not wait for it.
#[inline]
pub fn prefetch<T>(value: &T) {
    prefetch_front(value, size_of::<T>());
}

/// The same of no more than the first `bytes` of it.
#[inline]
pub fn prefetch_front<T>(value: &T, bytes: usize) {
    prefetch_memory(std::ptr::from_ref(value).cast(), bytes.min(size_of::<T>()));
}

/// The same of so many bytes of memory from `start` on.
#[inline]
pub fn prefetch_memory(start: *const u8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..bytes.div_ceil(64) {
        let address = start.cast::<i8>().wrapping_add(line * 64);
        // SAFETY: a prefetch is a hint: it reads nothing, and faults at no address.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, bytes);
}

/// Asks for large pages under memory that nothing was written to yet: a look into it then costs no walk through page tables of its own.
/// A kernel that has none goes on with small ones.
pub fn prefer_huge_pages<T>(memory: &mut [MaybeUninit<T>]) {
    advise(memory, libc::MADV_HUGEPAGE);
}

/// Asks for small pages under memory of which little is used, here and there: a large one takes milliseconds at its first use, and holds
/// what nobody needs.
pub fn prefer_small_pages<T>(memory: &mut [T]) {
    advise(memory, libc::MADV_NOHUGEPAGE);
}

fn advise<T>(memory: &mut [T], advice: libc::c_int) {
    const PAGE: usize = 4096;
    let bytes = memory.as_mut_ptr_range();
    let (start, end) = (bytes.start.addr().next_multiple_of(PAGE), bytes.end.addr() / PAGE * PAGE);
    if start < end {
        // SAFETY: the pages lie within the slice, and the advice changes neither their contents nor their protection.
        unsafe { libc::madvise(bytes.start.with_addr(start).cast(), end - start, advice) };
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds: the clock of `bpf_ktime_get_ns`.
pub fn monotonic_nanos() -> u64 {
    clock_nanos(libc::CLOCK_MONOTONIC)
}

/// `CLOCK_REALTIME` in nanoseconds since the epoch.
pub fn realtime_nanos() -> u64 {
    clock_nanos(libc::CLOCK_REALTIME)
}

fn clock_nanos(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid place for a timespec, and both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// Processor time of the whole process so far.
pub fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let of = |time: nix::sys::time::TimeVal| {
        Duration::new(
            time.tv_sec().try_into().unwrap_or(0),
            u32::try_from(time.tv_usec()).unwrap_or(0).saturating_mul(1000),
        )
    };
    of(usage.user_time()).saturating_add(of(usage.system_time()))
}

/// Memory of the whole process that is in use now, in bytes; 0 if the kernel does not say.
pub fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

/// The most memory that the whole process has had in use, in bytes; 0 if the kernel does not say.
pub fn peak_bytes() -> u64 {
    status_bytes("VmHWM:")
}

fn status_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// Keeps the calling thread on one CPU.
///
/// # Errors
/// If there is no such CPU, or this process may not use it.
pub fn pin_to_cpu(cpu: usize) -> Result<()> {
    let doing = || format!("pin a worker to CPU {cpu}");
    let mut set = CpuSet::new();
    set.set(cpu).map_err(|why| Error::new(doing(), why))?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(|why| Error::new(doing(), why))
}

/// Lets this process lock as much memory as it may: frame memory is charged to that limit. With CAP_IPC_LOCK there is none; without
/// it, and without the right to raise the limit, the kernel's refusal of the memory is the error to report.
pub fn raise_memlock() {
    if setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_err()
        && let Ok((_, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK)
    {
        let _ = setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard);
    }
}

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

/// A text of C in words, up to its first zero byte.
fn text(words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).take_while(|&c| c != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
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
