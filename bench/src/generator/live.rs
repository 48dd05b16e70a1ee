//! Live frames: the kernel makes them from a script and redirects them to a device, faster than any socket could send them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use aya::maps::{Array, DevMap, MapData};
use aya::programs::{ProgramError, TestRun, TestRunAttrs, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::Signal;
use portreeve_ebpf::load::{Beginning, Rest, Run, Template};
use portreeve_ebpf::names;

use super::{Generator, Pace, Sent};
use crate::load::Load;
use crate::threads::thread_cpu;

/// What ends a run: the kernel goes on until a signal comes.
const ENOUGH: Signal = Signal::SIGUSR2;
/// A frame costs more than this: what ends a run whose signal was lost.
const LEAST_NANOS: u64 = 25;
/// How often idleness is tried out, to know what it costs.
const IDLE_TURNS: u32 = 1 << 19;
/// Frames that leave together.
const BATCH: u32 = 64;

/// Sends to a device by XDP.
#[derive(Debug)]
pub struct LiveFrames {
    device: u32,
}

impl LiveFrames {
    /// A generator that sends to this device.
    ///
    /// # Errors
    /// No kernel program in this binary, no such device.
    pub fn to(device: &str) -> Result<Self> {
        if portreeve::kernel::object().is_empty() {
            bail!("this binary was built without the kernel program: run `cargo xtask build-ebpf` and build again");
        }
        signal_hook::flag::register(ENOUGH as i32, Arc::new(AtomicBool::new(false)))?;
        Ok(LiveFrames { device: nix::net::if_::if_nametoindex(device)? })
    }
}

impl Generator for LiveFrames {
    fn send(&mut self, load: &Load, pace: Pace, lasting: Duration) -> Result<Sent> {
        let mut program = Program::new(self.device, load)?;
        let idle = program.idle_cost(load)?;
        program.tell(load.run(pace))?;
        let cpu = thread_cpu()?;
        let ended = program.run(lasting)?;
        let cpu = thread_cpu()?.saturating_sub(cpu);
        let counted = program.counted()?;
        Ok(Sent {
            frames: counted.sent,
            wanted: counted.wanted,
            missed: counted.missed,
            wall: Duration::from_nanos(ended.saturating_sub(counted.began)),
            cpu: cpu.saturating_sub(Duration::from_secs_f64(idle * counted.idle as f64)),
        })
    }
}

/// The generator's program with one load's script.
struct Program {
    ebpf: Ebpf,
    run: Array<MapData, [u64; Run::WORDS]>,
    frame: Vec<u8>,
    _device: DevMap<MapData>,
}

impl Program {
    fn new(device: u32, load: &Load) -> Result<Self> {
        let mut ebpf = EbpfLoader::new()
            .map_max_entries(names::BENCH_TEMPLATES, load.templates.len() as u32)
            .map_max_entries(names::BENCH_RESTS, load.templates.iter().filter_map(Template::rest).count().max(1) as u32)
            .map_max_entries(names::BENCH_STEPS, load.steps.len() as u32)
            .load(portreeve::kernel::object())?;
        let mut take = |name| ebpf.take_map(name).with_context(|| format!("the kernel object has no {name}"));
        let mut to: DevMap<MapData> = take(names::BENCH_DEVICE)?.try_into()?;
        to.set(0, device, None, 0)?;
        let mut templates: Array<MapData, [u8; Beginning::SIZE]> = take(names::BENCH_TEMPLATES)?.try_into()?;
        let mut rests: Array<MapData, Rest> = take(names::BENCH_RESTS)?.try_into()?;
        let mut written = 0;
        for (number, template) in load.templates.iter().enumerate() {
            templates.set(number as u32, template.beginning(written), 0)?;
            if let Some(rest) = template.rest() {
                rests.set(written, rest, 0)?;
                written += 1;
            }
        }
        let mut steps: Array<MapData, u32> = take(names::BENCH_STEPS)?.try_into()?;
        for (number, step) in load.steps.iter().enumerate() {
            steps.set(number as u32, step.word(), 0)?;
        }
        let run = take(names::BENCH_RUN)?.try_into()?;
        let mut program = Program { ebpf, run, frame: vec![0; load.longest()], _device: to };
        program.xdp()?.load().context("live frames take Linux 5.18 or later")?;
        Ok(program)
    }

    fn xdp(&mut self) -> Result<&mut Xdp> {
        Ok(self.ebpf.program_mut(names::BENCH_SEND).context("the kernel object has no generator")?.try_into()?)
    }

    fn tell(&mut self, run: Run) -> Result<()> {
        Ok(self.run.set(0, run.to_words(), 0)?)
    }

    fn counted(&self) -> Result<Run> {
        Ok(Run::of(self.run.get(&0, 0)?))
    }

    /// Seconds that a look at the clock costs with nothing to send.
    fn idle_cost(&mut self, load: &Load) -> Result<f64> {
        self.tell(Run { due: u64::MAX, ..load.run(Pace::PerSecond(1.0)) })?;
        let cpu = thread_cpu()?;
        self.repeat(IDLE_TURNS)?;
        let cpu = thread_cpu()?.saturating_sub(cpu);
        Ok(cpu.as_secs_f64() / self.counted()?.idle.max(1) as f64)
    }

    /// Sends for some time, and says when that ended, by `CLOCK_MONOTONIC`.
    fn run(&mut self, lasting: Duration) -> Result<u64> {
        let sender = pthread_self();
        let most = lasting.as_nanos() / u128::from(LEAST_NANOS) + u128::from(IDLE_TURNS);
        let ended = thread::scope(|scope| {
            let begun = Instant::now();
            let clock = scope.spawn(move || {
                thread::sleep(lasting.saturating_sub(begun.elapsed()));
                pthread_kill(sender, ENOUGH)?;
                Ok::<_, nix::Error>(portreeve::sys::monotonic_nanos())
            });
            let sent = self.repeat(u32::try_from(most).unwrap_or(u32::MAX));
            let ended = clock.join().map_err(|_| anyhow::anyhow!("the clock has panicked"))?;
            sent.and(Ok(ended?))
        })?;
        Ok(ended)
    }

    fn repeat(&mut self, times: u32) -> Result<()> {
        let frame = std::mem::take(&mut self.frame);
        let options = TestRunOptions {
            data_in: Some(&frame),
            repeat: times,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::default()
        };
        let result = self.xdp()?.test_run(options);
        self.frame = frame;
        match result {
            Ok(_) => Ok(()),
            Err(why) if was_interrupted(&why) => Ok(()),
            Err(why) => Err(why).context("send live frames"),
        }
    }
}

fn was_interrupted(why: &ProgramError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(why);
    while let Some(error) = cause {
        if let Some(system) = error.downcast_ref::<std::io::Error>() {
            return system.kind() == std::io::ErrorKind::Interrupted;
        }
        cause = error.source();
    }
    false
}
