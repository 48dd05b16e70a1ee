//! Whether anything is lost on the way to a worker that only counts: wanted live frames at a given rate, with the default settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, ensure};
use portreeve::capture::filter::HostFilter;
use portreeve::capture::{Losses, Source, afxdp};
use portreeve::config::Settings;
use portreeve::kernel::{Kernel, Plan, Program};
use portreeve::nic::Interface;
use portreeve::sys;
use portreeve_bench::lab;
use portreeve_bench::live_frames::LiveFrames;
use portreeve_bench::threads::thread_cpu;
use portreeve_ebpf::Counter;

/// Sent in one go, as fast as the kernel can; the pause after it makes the rate. A call costs tens of milliseconds by itself.
const BURST: u32 = 1 << 20;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let millions: f64 = arguments.next().map_or(Ok(2.0), |word| word.parse())?;
    let seconds: f64 = arguments.next().map_or(Ok(10.0), |word| word.parse())?;
    lab::enter()?;
    let mut generator = LiveFrames::to(lab::NEAR)?;
    let interface = Interface::find(lab::FAR).map_err(Error::new)?;
    let settings = Settings::default();
    let plan = Plan::new(&settings, interface.queues, 1).map_err(Error::new)?;
    let mut kernel = Kernel::load(&plan).map_err(Error::new)?;
    let grid =
        afxdp::open(&interface, &settings.capture, vec![Box::new(HostFilter::new(&plan))]).map_err(Error::new)?;
    for (slot, socket) in grid.sockets() {
        kernel.set_socket(slot, socket).map_err(Error::new)?;
    }
    kernel.attach_xdp(&interface.name, false).map_err(Error::new)?;
    println!("{:?}", grid.running);

    let stop = Arc::new(AtomicBool::new(false));
    let source = grid.sources.into_iter().next().context("one worker")?;
    let worker = thread::spawn({
        let stop = Arc::clone(&stop);
        move || count(source, &stop)
    });
    let (sent, took) = send(&mut generator, millions * 1e6, seconds)?;
    kernel.detach();
    stop.store(true, Ordering::Relaxed);
    let (received, losses, cpu) = worker.join().map_err(|_| Error::msg("the worker has panicked"))?;

    let redirected = kernel.counters(Program::Xdp).map_err(Error::new)?[Counter::Port as usize];
    println!(
        "sent        {sent:>12} in {:.2} s: {:.2} million a second",
        took.as_secs_f64(),
        sent as f64 / took.as_secs_f64() / 1e6
    );
    println!("redirected  {redirected:>12}");
    println!(
        "received    {received:>12}, {:.0} ns of the worker's CPU each",
        cpu.as_nanos() as f64 / received.max(1) as f64
    );
    println!("lost        {losses:?}");
    let lost = losses.fill_ring_empty + losses.rx_ring_full + losses.invalid_descriptors;
    ensure!(redirected == received + lost, "the ledger does not close");
    Ok(())
}

/// Bursts at full speed, as many as make the rate on average.
fn send(generator: &mut LiveFrames, rate: f64, seconds: f64) -> Result<(u64, Duration)> {
    let frame = wanted();
    let (start, mut sent) = (Instant::now(), 0_u64);
    while start.elapsed().as_secs_f64() < seconds {
        generator.send(&frame, BURST)?;
        sent += u64::from(BURST);
        let due = Duration::from_secs_f64(sent as f64 / rate);
        thread::sleep(due.saturating_sub(start.elapsed()));
    }
    Ok((sent, start.elapsed()))
}

fn count(mut source: afxdp::AfXdp, stop: &AtomicBool) -> (u64, Losses, Duration) {
    if sys::pin_to_cpu(1).is_err() {
        println!("there is no second CPU: generator and worker share one, and this measures nothing");
    }
    let (mut frames, mut bytes) = (0_u64, 0_u64);
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        let drained = source.drain(&mut |frame, _| {
            frames += 1;
            bytes += frame.bytes.len() as u64;
        });
        if drained == 0 {
            if stopping {
                break;
            }
            source.wait(Duration::from_millis(100));
        }
    }
    assert_eq!(bytes, frames * 60);
    (frames, source.losses(), thread_cpu().unwrap_or_default())
}

fn wanted() -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([
        0x08, 0x00, 0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0, 111, 0, 26,
    ]);
    frame.resize(60, 0);
    frame
}
