//! Threads and the processors that they run on.

use std::mem::MaybeUninit;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;

use crate::error::{Error, Result};

/// What [`take_short_turns`] asks for: the least that the scheduler grants.
const SHORT_TURN: Duration = Duration::from_micros(100);

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

/// Keeps the calling thread off the first `cpus` CPUs, where workers are pinned. A thread that may run nowhere else stays where it was: the
/// kernel refuses an empty set.
pub fn leave_first_cpus(cpus: usize) {
    let this = Pid::from_raw(0);
    if let Ok(mut allowed) = sched_getaffinity(this)
        && (0..cpus).all(|cpu| allowed.unset(cpu).is_ok())
    {
        let _ = sched_setaffinity(this, &allowed);
    }
}

/// Asks the scheduler for short turns instead of long ones: when the calling thread wakes, it has one soon, even if another thread is in
/// the middle of its own. It gets no more of the processor for that. Kernels before 6.12 know no such wish, and a thread that somebody
/// has given a real-time policy needs none.
pub fn take_short_turns() {
    // SAFETY: a C structure of integers, for which all zeroes are valid.
    let mut attributes: libc::sched_attr = unsafe { MaybeUninit::zeroed().assume_init() };
    let size = size_of::<libc::sched_attr>() as u32;
    // SAFETY: the structure lives through the call, which writes no more than `size` bytes of it; 0 is the calling thread.
    let known = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) } == 0;
    if known && attributes.sched_policy == libc::SCHED_OTHER as u32 {
        attributes.sched_runtime = SHORT_TURN.as_nanos() as u64;
        // SAFETY: the structure lives through the call, which reads as much of it as its `size` says.
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    }
}
