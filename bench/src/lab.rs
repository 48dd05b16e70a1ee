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

/// A wire, with a generator on the last CPU, and more of them on the CPUs before it: the sensor's workers begin at the first.
pub struct Lab {
    /// The interface that frames are sent into.
    pub near: String,
    /// The interface that they arrive at.
    pub far: String,
    /// Whether the wire is a veth pair of our own.
    pub made: bool,
    generators: Vec<Box<dyn Generator + Send>>,
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
        Lab::veth_with(1)
    }

    /// The same with so many queues, and as many generators: live frames of each CPU arrive on a queue of their own.
    ///
    /// # Errors
    /// Not root, or no veth in this kernel.
    pub fn veth_with(queues: usize) -> Result<Self> {
        make_veth(queues)?;
        let mut lab = Lab::between(NEAR, FAR, true)?;
        for _ in 1..queues {
            lab.generators.push(Box::new(LiveFrames::to(NEAR)?));
        }
        Ok(lab)
    }

    /// Two interfaces of this machine that are connected, the sending one first, with live frames or what else is to send.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn between(near: &str, far: &str, made: bool) -> Result<Self> {
        let generators: Vec<Box<dyn Generator + Send>> = vec![Box::new(LiveFrames::to(near)?)];
        Ok(Lab { near: near.to_owned(), far: far.to_owned(), made, generators })
    }

    /// The same wire, with another generator.
    #[must_use]
    pub fn with(mut self, generator: Box<dyn Generator + Send>) -> Self {
        self.generators = vec![generator];
        self
    }

    /// Sends a load; several generators share the pace, and have clients of their own.
    ///
    /// # Errors
    /// What a generator says.
    pub fn send(&mut self, load: &Load, pace: Pace, lasting: Duration) -> Result<Sent> {
        let pace = pace.rate().map_or(Pace::FlatOut, |rate| Pace::PerSecond(rate / self.generators.len() as f64));
        thread::scope(|scope| {
            let mut senders = Vec::new();
            for (number, generator) in self.generators.iter_mut().enumerate() {
                let load = Load { seed: load.seed + ((number as u64) << 32), ..load.clone() };
                let thread = thread::Builder::new().name(format!("generator-{number}"));
                senders.push(thread.spawn_scoped(scope, move || {
                    sys::pin_to_cpu(processors().saturating_sub(number + 1))?;
                    generator.send(&load, pace, lasting)
                })?);
            }
            let mut all = Sent::default();
            for sender in senders {
                all = all.plus(sender.join().map_err(|_| anyhow!("a generator has panicked"))??);
            }
            Ok(all)
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
    make_veth(1)?;
    let mut one = nix::sched::CpuSet::new();
    one.set(0)?;
    Ok(sched_setaffinity(nix::unistd::Pid::from_raw(0), &one)?)
}

/// How many processors this process may use.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn make_veth(queues: usize) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace takes root")?;
    let shell = Shell::new()?;
    let queues = queues.to_string();
    let of = format!("numrxqueues {queues} numtxqueues {queues}");
    let words: Vec<String> =
        format!("link add {NEAR} {of} type veth peer name {FAR} {of}").split(' ').map(str::to_owned).collect();
    cmd!(shell, "ip {words...}").quiet().run()?;
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
