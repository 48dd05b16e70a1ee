//! Where measurements take place: a wire with a generator at one end, and what is measured at the other.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, sched_setaffinity, unshare};
use portreeve::sys;
use xshell::{Shell, cmd};

use crate::generator::live::LiveFrames;
use crate::generator::{Generator, Pace, Sent};
use crate::load::Load;

/// The end that frames are sent into.
pub const NEAR: &str = "pb0";
/// The end that they arrive at.
pub const FAR: &str = "pb1";

/// A wire, with a generator on the last CPU: the sensor's workers begin at the first.
pub struct Lab {
    /// The interface that frames are sent into.
    pub near: String,
    /// The interface that they arrive at.
    pub far: String,
    /// Whether the wire is a veth pair of our own.
    pub made: bool,
    generator: Box<dyn Generator + Send>,
}

/// What the two ends of a wire have counted so far.
#[derive(Clone, Copy, Default, Debug)]
pub struct Wire {
    /// Frames that the sending end could not hand over.
    pub dropped: u64,
    /// Frames that the receiving end, its driver or its XDP program was given.
    pub arrived: u64,
    /// Frames that the receiving NIC had no room for.
    pub missed: u64,
}

impl Lab {
    /// Moves this thread into a new network namespace, and makes a veth pair there with live frames at its near end.
    ///
    /// # Errors
    /// Not root, or no veth in this kernel.
    pub fn veth() -> Result<Self> {
        make_veth()?;
        Lab::between(NEAR, FAR, true)
    }

    /// Two interfaces of this machine that are connected, the sending one first, with live frames or what else is to send.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn between(near: &str, far: &str, made: bool) -> Result<Self> {
        let generator = Box::new(LiveFrames::to(near)?);
        Ok(Lab { near: near.to_owned(), far: far.to_owned(), made, generator })
    }

    /// The same wire, with another generator.
    #[must_use]
    pub fn with(mut self, generator: Box<dyn Generator + Send>) -> Self {
        self.generator = generator;
        self
    }

    /// Sends a load from the generator's CPU.
    ///
    /// # Errors
    /// What the generator says.
    pub fn send(&mut self, load: &Load, pace: Pace, lasting: Duration) -> Result<Sent> {
        let generator = &mut self.generator;
        thread::scope(|scope| {
            let sender = thread::Builder::new().name("generator".into()).spawn_scoped(scope, || {
                sys::pin_to_cpu(processors().saturating_sub(1))?;
                generator.send(load, pace, lasting)
            })?;
            sender.join().map_err(|_| anyhow!("the generator has panicked"))?
        })
    }

    /// What the ends have counted so far.
    ///
    /// # Errors
    /// An interface has vanished.
    pub fn wire(&self) -> Result<Wire> {
        let (near, far) = (counters(&self.near)?, counters(&self.far)?);
        // In the kernel's table: eight numbers received (bytes, packets, errors, dropped, fifo, ...), then as many sent.
        Ok(Wire { dropped: near[11], arrived: far[1], missed: if self.made { 0 } else { far[3] + far[4] } })
    }
}

/// Moves this thread into a new namespace, makes the pair there, and keeps the thread on one CPU: live frames of another CPU would
/// arrive on another queue.
///
/// # Errors
/// Not root, or no veth in this kernel.
pub fn enter() -> Result<()> {
    make_veth()?;
    let mut one = nix::sched::CpuSet::new();
    one.set(0)?;
    Ok(sched_setaffinity(nix::unistd::Pid::from_raw(0), &one)?)
}

/// How many processors this process may use.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn make_veth() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace takes root")?;
    let shell = Shell::new()?;
    cmd!(shell, "ip link add {NEAR} numrxqueues 1 numtxqueues 1 type veth peer name {FAR} numrxqueues 1 numtxqueues 1")
        .quiet()
        .run()?;
    for end in [NEAR, FAR] {
        // No neighbour discovery among the frames that are counted.
        fs::write(format!("/proc/sys/net/ipv6/conf/{end}/disable_ipv6"), "1").ok();
        cmd!(shell, "ip link set {end} arp off up").quiet().run()?;
    }
    Ok(())
}

fn counters(interface: &str) -> Result<[u64; 16]> {
    let table = fs::read_to_string("/proc/thread-self/net/dev")?;
    let row = table.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'));
    let row = row.with_context(|| format!("there is no interface {interface}"))?;
    let numbers = row.split_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    numbers.try_into().map_err(|_| anyhow!("/proc/net/dev has an unknown form"))
}
