//! The kernel programs from user space: load, maps, attach, counters, detach. With its folder the only place that knows aya.
#![allow(unsafe_code, reason = "memory shared with the kernel, and map types that are plain bytes")]

mod guards;
mod present;
mod tables;

use std::os::fd::BorrowedFd;
use std::time::Duration;
use std::{fmt, io};

use aya::maps::{Map, MapData, MapError, PerCpuArray, XskMap};
use aya::programs::links::FdLink;
use aya::programs::tc::TcAttachOptions;
use aya::programs::xdp::XdpMode;
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType, TestRun, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader, Pod};
use aya_log::EbpfLogger;
use portreeve_ebpf::counters::FURTHER_SEGMENTS;
use portreeve_ebpf::{Bypassed, Connection, Counter, Counts, Endpoint, Expectation, Options, names};

pub use self::tables::KernelTables;
use self::tables::Shared;
pub use crate::capture::plan::Plan;
use crate::error::{Error, Result};

/// The loaded programs. Dropping it detaches them.
pub struct Kernel {
    ebpf: Ebpf,
    sockets: XskMap<MapData>,
    counts: PerCpuArray<MapData, Wire<Counts>>,
    tables: Shared,
    links: Vec<FdLink>,
    trace: Option<Box<dyn FnMut() + Send>>,
}

/// A program of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// On a tapped interface.
    Xdp,
    /// On a host's own interface.
    Tcx,
}

/// How the XDP program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// In the driver, before the kernel makes a socket buffer; otherwise generic XDP.
    pub native: bool,
    /// By a bpf_link, which ends with this process however it ends. Otherwise a killed sensor leaves its program behind.
    pub by_link: bool,
}

/// What one frame did in a program that is not attached.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// The program's return value.
    pub action: u32,
    /// Bytes written to the output: metadata, if any, and the frame.
    pub written: usize,
    /// Mean run time.
    pub duration: Duration,
}

impl Kernel {
    /// Puts the programs of this binary into the kernel and fills the port table.
    ///
    /// # Errors
    /// The binary has no kernel program in it; no privileges; a kernel that lacks something or rejects the program.
    pub fn load(plan: &Plan) -> Result<Self> {
        Self::load_object(object(), plan)
    }

    fn load_object(object: &[u8], plan: &Plan) -> Result<Self> {
        let doing = "load the kernel program";
        if object.is_empty() {
            return Err(Error::new(doing, "this binary was built without it")
                .hint("run `cargo xtask build-ebpf` and build again"));
        }
        let failed = |why: &dyn fmt::Display| {
            Error::new(doing, why)
                .hint("it takes root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, and Linux 5.15 or later")
        };
        let mut ebpf = EbpfLoader::new()
            .override_global(names::OPTIONS, &Wire(plan.options), true)
            .map_max_entries(names::XSKS, plan.queues.saturating_mul(plan.options.workers).max(1))
            .map_max_entries(names::EXPECTATIONS, plan.expectations.max(1))
            .map_max_entries(names::BYPASS, plan.bypasses.max(1))
            .load(object)
            .map_err(|why| failed(&Chain(&why)))?;
        let xdp: &mut Xdp = program(&mut ebpf, names::XDP)?;
        patiently(|| xdp.load()).map_err(|why| failed(&Chain(&why)))?;
        let trace = trace(&mut ebpf);
        let sockets = map(&mut ebpf, names::XSKS)?;
        let counts = map(&mut ebpf, names::COUNTS)?;
        let tables = Shared::new(&mut ebpf, plan)?;
        Ok(Kernel { ebpf, sockets, counts, tables, links: Vec::new(), trace })
    }

    /// Gives the frames of a queue and a worker to a socket.
    ///
    /// # Errors
    /// The slot is outside the plan, or the file descriptor is no AF_XDP socket.
    pub fn set_socket(&mut self, slot: u32, socket: BorrowedFd<'_>) -> Result<()> {
        self.sockets
            .set(slot, socket, 0)
            .map_err(|why| Error::new(format!("put socket {slot} into the kernel's table"), Chain(&why)))
    }

    /// Attaches the XDP program to an interface: in its driver, or generically if `generic` allows it.
    ///
    /// # Errors
    /// There is another XDP program; the driver has no XDP and `generic` is false; no such interface.
    pub fn attach_xdp(&mut self, interface: &str, generic: bool) -> Result<Attached> {
        let mode = if generic { XdpMode::Skb } else { XdpMode::Driver };
        let xdp: &mut Xdp = program(&mut self.ebpf, names::XDP)?;
        let link = xdp.attach(interface, mode).map_err(|why| refused(interface, generic, &why))?;
        let by_link = match xdp.take_link(link).map(FdLink::try_from) {
            Ok(Ok(link)) => {
                self.links.push(link);
                true
            }
            // No link on this kernel. The conversion has lost track of the attachment; made again, it belongs to the program.
            _ => {
                xdp.attach(interface, mode).map_err(|why| refused(interface, generic, &why))?;
                false
            }
        };
        Ok(Attached { native: !generic, by_link })
    }

    /// Attaches the tcx program to both directions of an interface; of the loopback, where every packet passes twice, to one.
    ///
    /// # Errors
    /// A kernel before 6.6, or no such interface.
    pub fn attach_tcx(&mut self, interface: &str) -> Result<()> {
        let directions: &[TcAttachType] =
            if interface == "lo" { &[TcAttachType::Ingress] } else { &[TcAttachType::Ingress, TcAttachType::Egress] };
        let tcx = loaded_tcx(&mut self.ebpf)?;
        for &direction in directions {
            let failed = |why: &ProgramError| {
                Error::new(format!("attach to {interface} beside the host's own traffic"), Chain(why))
                    .hint("host mode needs Linux 6.6 or later; `--capture af_packet` works on any")
            };
            let options = TcAttachOptions::TcxOrder(LinkOrder::default());
            let link = tcx.attach_with_options(interface, direction, options).map_err(|why| failed(&why))?;
            let link = tcx.take_link(link).map_err(|why| failed(&why))?;
            if let Ok(link) = FdLink::try_from(link) {
                self.links.push(link);
            }
        }
        Ok(())
    }

    /// Takes the programs that clone off the host's interface. When this returns, none of them runs any more.
    pub fn detach_tcx(&mut self) {
        self.links.truncate(1);
    }

    /// Takes the programs off their interfaces, the one that was attached last first. Sockets are closed after this, never before: a driver may still be filling them.
    pub fn detach(&mut self) {
        self.detach_tcx();
        self.links.clear();
        if let Ok(xdp) = program::<Xdp>(&mut self.ebpf, names::XDP) {
            // Unloading removes an attachment without a link, too; the program is not used again.
            let _ = xdp.unload();
        }
    }

    /// A program's counters by [`Counter`] number, summed over the CPUs.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn counters(&self, program: Program) -> Result<[u64; Counter::COUNT]> {
        let sums = self.sums(program)?;
        Ok(std::array::from_fn(|counter| sums.get(counter).copied().unwrap_or(0)))
    }

    /// How many of the frames that a program counted were kept together by offload, beyond the first of each packet.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn further_segments(&self, program: Program) -> Result<u64> {
        Ok(self.sums(program)?.get(FURTHER_SEGMENTS).copied().unwrap_or(0))
    }

    fn sums(&self, program: Program) -> Result<Counts> {
        let failed = |why: MapError| Error::new("read the kernel's counters", Chain(&why));
        let cpus = self.counts.get(&(program as u32), 0).map_err(failed)?;
        let mut sums = Counts::default();
        for Wire(cpu) in cpus.iter() {
            for (sum, count) in sums.iter_mut().zip(cpu) {
                *sum += count;
            }
        }
        Ok(sums)
    }

    /// Writes what the programs of a trace build have said since the last time into the sensor's own log. Others say nothing.
    pub fn flush_trace(&mut self) {
        if let Some(flush) = &mut self.trace {
            flush();
        }
    }

    /// A handle to expectations and bypasses, for a thread of its own.
    ///
    /// # Errors
    /// The maps cannot be opened again.
    pub fn tables(&self) -> Result<KernelTables> {
        self.tables.open()
    }

    /// Runs a program on a frame `repeat` times without attaching it, with queue 0 as the frame's queue.
    ///
    /// # Errors
    /// The frame is shorter than an Ethernet header, or `out` is too small for it and its metadata.
    pub fn try_frame(&mut self, program: Program, frame: &[u8], out: &mut [u8], repeat: u32) -> Result<Trial> {
        let failed = |why: ProgramError| Error::new("try a frame in the kernel", Chain(&why));
        let options = TestRunOptions { data_in: Some(frame), data_out: Some(out), repeat, ..TestRunOptions::default() };
        let result = match program {
            Program::Xdp => self::program::<Xdp>(&mut self.ebpf, names::XDP)?.test_run(options),
            Program::Tcx => loaded_tcx(&mut self.ebpf)?.test_run(options),
        };
        let result = result.map_err(failed)?;
        Ok(Trial { action: result.return_value, written: result.data_size_out as usize, duration: result.duration })
    }

    /// How many instructions the verifier went through; `None` on kernels that do not tell.
    pub fn verified_instructions(&mut self) -> Option<u32> {
        program::<Xdp>(&mut self.ebpf, names::XDP).ok()?.info().ok()?.verified_instruction_count()
    }
}

/// The kernel object that this binary carries; empty if it was built without. For tools that load other programs of it.
pub fn object() -> &'static [u8] {
    &OBJECT.0
}

/// A type of the contract, as aya wants it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Wire<T>(T);

// SAFETY: the contract's types are repr(C) integers without padding (their sizes are asserted beside them), and every bit pattern
// is a value of each.
unsafe impl Pod for Wire<Options> {}
// SAFETY: as above.
unsafe impl Pod for Wire<Counts> {}
// SAFETY: as above.
unsafe impl Pod for Wire<Endpoint> {}
// SAFETY: as above.
unsafe impl Pod for Wire<Expectation> {}
// SAFETY: as above.
unsafe impl Pod for Wire<Connection> {}
// SAFETY: as above.
unsafe impl Pod for Wire<Bypassed> {}

/// The object that build.rs found; empty when there was none. The ELF reader wants its headers aligned.
static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/portreeve.o")));

#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

/// An error with its causes: aya's own messages leave out what the kernel said.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The verifier gives up with EAGAIN when a signal comes, and takes long enough for that to happen.
fn patiently(mut load: impl FnMut() -> std::result::Result<(), ProgramError>) -> std::result::Result<(), ProgramError> {
    for _ in 0..5 {
        match load() {
            Err(why) if os_error(&why) == Some(libc::EAGAIN) => {}
            result => return result,
        }
    }
    load()
}

/// The tcx program, which the kernel verifies only when somebody wants it: that takes as long as for the XDP program.
fn loaded_tcx(ebpf: &mut Ebpf) -> Result<&mut SchedClassifier> {
    let tcx: &mut SchedClassifier = program(ebpf, names::TCX)?;
    if tcx.fd().is_err() {
        patiently(|| tcx.load()).map_err(|why| Error::new("load the kernel program for host mode", Chain(&why)))?;
    }
    Ok(tcx)
}

/// What reads the log of a trace build; the programs of others have none.
fn trace(ebpf: &mut Ebpf) -> Option<Box<dyn FnMut() + Send>> {
    let mut logger = EbpfLogger::init(ebpf).ok()?;
    tracing::warn!("the kernel programs are of a trace build: they log each decision, which is slow");
    Some(Box::new(move || logger.flush()))
}

fn refused(interface: &str, generic: bool, why: &ProgramError) -> Error {
    let error = Error::new(format!("attach the XDP program to {interface}"), Chain(why));
    match os_error(why) {
        Some(libc::EBUSY | libc::EEXIST) => {
            let which = present::program_id(interface).map_or_else(String::new, |id| format!(" (id {id})"));
            error.hint(format!(
                "another XDP program{which} is there already: `bpftool link` tells who holds it; end that, \
                 or remove it with `ip link set {interface} xdp off`"
            ))
        }
        Some(libc::EOPNOTSUPP) if !generic => {
            error.hint("its driver has no XDP; allow generic XDP, which is slower, or use `--capture af_packet`")
        }
        _ => error,
    }
}

fn os_error(why: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut cause = Some(why);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        cause = error.source();
    }
    None
}

fn program<'a, P>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    let missing = || Error::new(format!("find {name} in the kernel object"), "it is not there").hint(REBUILD);
    ebpf.program_mut(name).ok_or_else(missing)?.try_into().map_err(|_| missing())
}

const REBUILD: &str = "the object is from another version: run `cargo xtask build-ebpf` and build again";

fn map<T: TryFrom<Map, Error = MapError>>(ebpf: &mut Ebpf, name: &str) -> Result<T> {
    let missing = |why: &dyn fmt::Display| Error::new(format!("find {name} in the kernel object"), why).hint(REBUILD);
    ebpf.take_map(name).ok_or_else(|| missing(&"it is not there"))?.try_into().map_err(|why| missing(&Chain(&why)))
}
