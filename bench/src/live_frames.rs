//! The generator: one frame, repeated by the kernel and redirected to a device, faster than any socket could send it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use aya::maps::{DevMap, MapData};
use aya::programs::{TestRun, TestRunAttrs, TestRunOptions, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use portreeve_ebpf::names;

use crate::threads::thread_cpu;

/// The generator's programs.
pub struct LiveFrames {
    ebpf: Ebpf,
    _device: DevMap<MapData>,
}

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Frames sent.
    pub frames: u32,
    /// By the wall clock.
    pub wall: Duration,
    /// On this thread's CPU. Receiving a frame on veth happens in the sender's context, so this covers both ends.
    pub cpu: Duration,
}

impl Run {
    /// CPU nanoseconds per frame.
    pub fn nanos(&self) -> f64 {
        self.cpu.as_nanos() as f64 / f64::from(self.frames)
    }

    /// Million frames per second of wall time.
    pub fn millions(&self) -> f64 {
        f64::from(self.frames) / self.wall.as_secs_f64() / 1e6
    }
}

impl LiveFrames {
    /// Loads the generator, sending to a device.
    ///
    /// # Errors
    /// No kernel program in this binary, no privileges, no such device.
    pub fn to(device: &str) -> Result<Self> {
        let object = portreeve::kernel::object();
        if object.is_empty() {
            bail!("this binary was built without the kernel program: run `cargo xtask build-ebpf` and build again");
        }
        let mut ebpf = EbpfLoader::new().load(object)?;
        let index = nix::net::if_::if_nametoindex(device)?;
        let map = ebpf.take_map(names::BENCH_DEVICE).context("the object has no device map")?;
        let mut map: DevMap<MapData> = map.try_into()?;
        map.set(0, index, None, 0)?;
        for name in [names::BENCH_REDIRECT, names::BENCH_DROP] {
            let program: &mut Xdp = ebpf.program_mut(name).context("the object has no such program")?.try_into()?;
            program.load()?;
        }
        Ok(LiveFrames { ebpf, _device: map })
    }

    /// Attaches the program that only drops, and detaches it after `during`.
    ///
    /// # Errors
    /// What attaching or `during` says.
    pub fn with_drop<T>(&mut self, device: &str, during: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let program: &mut Xdp = self.ebpf.program_mut(names::BENCH_DROP).context("no drop program")?.try_into()?;
        let link = program.attach(device, XdpMode::Driver)?;
        let result = during(self);
        let program: &mut Xdp = self.ebpf.program_mut(names::BENCH_DROP).context("no drop program")?.try_into()?;
        program.detach(link)?;
        result
    }

    /// Sends a frame many times. A call costs tens of milliseconds by itself: a million frames and more are worth one.
    ///
    /// # Errors
    /// The kernel has no live frames (before 5.18).
    pub fn send(&mut self, frame: &[u8], frames: u32) -> Result<Run> {
        let program: &mut Xdp = self.ebpf.program_mut(names::BENCH_REDIRECT).context("no generator")?.try_into()?;
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(64),
            ..TestRunOptions::default()
        };
        let (wall, cpu) = (Instant::now(), thread_cpu()?);
        program.test_run(options)?;
        Ok(Run { frames, wall: wall.elapsed(), cpu: thread_cpu()?.saturating_sub(cpu) })
    }
}
