//! A network namespace with a veth pair in it, for this thread and what it starts; it ends with the process.

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, sched_setaffinity, unshare};
use xshell::{Shell, cmd};

/// The end that frames are sent into.
pub const NEAR: &str = "pb0";
/// The end that they arrive at.
pub const FAR: &str = "pb1";

/// Moves this thread into a new namespace, makes the pair there, and keeps the thread on one CPU: live frames of another CPU would
/// arrive on another queue.
///
/// # Errors
/// Not root, or no veth in this kernel.
pub fn enter() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace takes root")?;
    let mut one = nix::sched::CpuSet::new();
    one.set(0)?;
    sched_setaffinity(nix::unistd::Pid::from_raw(0), &one)?;
    let shell = Shell::new()?;
    cmd!(shell, "ip link add {NEAR} numrxqueues 1 numtxqueues 1 type veth peer name {FAR} numrxqueues 1 numtxqueues 1")
        .quiet()
        .run()?;
    for end in [NEAR, FAR] {
        cmd!(shell, "ip link set {end} up").quiet().run()?;
    }
    Ok(())
}
