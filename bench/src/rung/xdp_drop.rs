//! The ceiling: an XDP program that drops every frame unseen.

use std::time::Duration;

use anyhow::{Context, Result};
use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use portreeve_ebpf::names;

use super::{Received, Receiver, Rung, measure};
use crate::generator::{Pace, Sent};
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

/// One of the benchmarks' programs; on an interface, until this is dropped.
pub(super) struct Attached {
    pub ebpf: Ebpf,
    name: &'static str,
}

impl Attached {
    pub(super) fn new(interface: &str, name: &'static str) -> Result<Self> {
        let mut program = Self::load(name)?;
        program.attach(interface)?;
        Ok(program)
    }

    pub(super) fn load(name: &'static str) -> Result<Self> {
        let mut loaded = Attached { ebpf: EbpfLoader::new().load(portreeve::kernel::object())?, name };
        loaded.program()?.load()?;
        Ok(loaded)
    }

    pub(super) fn attach(&mut self, interface: &str) -> Result<()> {
        let attached = self.program()?.attach(interface, XdpMode::Driver);
        attached.with_context(|| format!("attach an XDP program to {interface}"))?;
        Ok(())
    }

    fn program(&mut self) -> Result<&mut Xdp> {
        Ok(self.ebpf.program_mut(self.name).context("the kernel object has no such program")?.try_into()?)
    }
}

impl Receiver for Attached {
    fn cpu(&self) -> Option<Duration> {
        None
    }

    fn stop(self, _: &Sent) -> Result<Received> {
        Ok(Received::default())
    }
}
