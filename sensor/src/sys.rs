//! What no library here has a safe face for: clocks, threads, memory, interfaces, packet sockets.
#![allow(unsafe_code, reason = "the door of raw system calls; every block says why it holds")]

mod interfaces;
mod memory;
mod sockets;
mod threads;

pub use self::interfaces::{Interfaces, RingSize};
pub use self::memory::{
    available_bytes, free_huge_bytes, keep_freed_memory, peak_bytes, populate, prefer_huge_pages, prefer_small_pages,
    prefetch, prefetch_front, prefetch_memory, prefetch_to_write, raise_memlock, resident_bytes, stock,
};
pub use self::sockets::{PacketSocket, bare_xdp_socket, set_socket_option, socket_option};
pub use self::threads::{cpu_time, leave_first_cpus, pin_to_cpu, take_short_turns};

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
