//! The ceiling: an XDP program that drops every frame unseen.

use std::time::Duration;

use anyhow::{Context, Result};
use aya::programs::xdp::XdpLinkId;
use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use portreeve_ebpf::names;

use super::{Received, Receiver, Rung, measure};
use crate::generator::Pace;
use crate::lab::Lab;
use crate::load::Load;
use crate::result::Trial;

/// Drops everything in the kernel.
#[derive(Debug)]
pub struct XdpDrop;

impl Rung for XdpDrop {
    fn name(&self) -> &'static str {
        "xdp-drop"
    }

    fn what(&self) -> &'static str {
        "an XDP program that only drops: what this wire can carry at all"
    }

    fn trial(&mut self, lab: &mut Lab, load: &Load, pace: Pace, lasting: Duration) -> Result<Trial> {
        let program = Attached::new(&lab.far, names::BENCH_DROP)?;
        measure(lab, load, pace, lasting, program)
    }
}

/// One of the benchmarks' programs on an interface, until this is dropped.
pub(super) struct Attached {
    pub ebpf: Ebpf,
    _link: XdpLinkId,
}

impl Attached {
    pub(super) fn new(interface: &str, name: &str) -> Result<Self> {
        let mut ebpf = EbpfLoader::new().load(portreeve::kernel::object())?;
        let program: &mut Xdp = ebpf.program_mut(name).context("the kernel object has no such program")?.try_into()?;
        program.load()?;
        let link = program.attach(interface, XdpMode::Driver)?;
        Ok(Attached { ebpf, _link: link })
    }
}

impl Receiver for Attached {
    fn cpu(&self) -> Option<Duration> {
        None
    }

    fn stop(self) -> Result<Received> {
        Ok(Received::default())
    }
}
