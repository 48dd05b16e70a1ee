//! What the kernel program costs a frame that nobody wants, beside a program that only drops: the same live frames on the same veth,
//! in turns, so that other load meets both.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use portreeve::config::Settings;
use portreeve::kernel::{Kernel, Plan, Program};
use portreeve_bench::lab;
use portreeve_bench::live_frames::{LiveFrames, Run};
use portreeve_bench::{program, refusals};
use portreeve_ebpf::Counter;

const FRAMES: u32 = 1 << 20;
const TURNS: usize = 6;

/// Measure what the kernel program costs a frame that nobody wants, beside a program that only drops
#[derive(Parser)]
#[command(name = "filter-cost", version)]
struct Cli {}

fn main() -> ExitCode {
    program::run(|_: Cli| measure())
}

fn measure() -> Result<()> {
    refusals::refuse_machine()?;
    lab::enter()?;
    let mut generator = LiveFrames::to(lab::NEAR)?;
    println!("{:18}{:>16}{:>16}{:>10}{:>14}", "frame of 64 bytes", "drop", "portreeve", "ratio", "wall ratio");
    for (name, frame) in [("UDP, no match", unwanted(17)), ("TCP, no match", unwanted(6)), ("ARP", arp())] {
        let mut bare: Vec<Run> = Vec::new();
        let mut ours: Vec<Run> = Vec::new();
        for _ in 0..TURNS {
            bare.push(generator.with_drop(lab::FAR, |generator| generator.send(&frame, FRAMES))?);
            ours.push(filtered(&mut generator, &frame)?);
        }
        let (bare, ours) = (best(&bare)?, best(&ours)?);
        println!(
            "{name:18}{:>13.1} ns{:>13.1} ns{:>10.3}{:>14.3} ({:.2} and {:.2} million a second)",
            bare.nanos(),
            ours.nanos(),
            bare.nanos() / ours.nanos(),
            ours.millions() / bare.millions(),
            bare.millions(),
            ours.millions()
        );
    }
    Ok(())
}

fn filtered(generator: &mut LiveFrames, frame: &[u8]) -> Result<Run> {
    let plan = Plan::new(&Settings::default(), 1, 1).map_err(anyhow::Error::new)?;
    let mut kernel = Kernel::load(&plan).map_err(anyhow::Error::new)?;
    kernel.attach_xdp(lab::FAR, false).map_err(anyhow::Error::new)?;
    let run = generator.send(frame, FRAMES)?;
    let counters = kernel.counters(Program::Xdp).map_err(anyhow::Error::new)?;
    let unwanted = counters[Counter::NoMatch as usize] + counters[Counter::NotIp as usize];
    ensure!(unwanted >= u64::from(FRAMES), "only {unwanted} of {FRAMES} frames arrived");
    Ok(run)
}

/// The run that was disturbed least.
fn best(runs: &[Run]) -> Result<Run> {
    runs.iter().copied().min_by(|a, b| a.nanos().total_cmp(&b.nanos())).context("no runs")
}

fn unwanted(protocol: u8) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([
        0x08, 0x00, 0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0x30, 0x39,
    ]);
    frame.resize(60, 0);
    frame
}

fn arp() -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([0x08, 0x06]);
    frame.resize(60, 0);
    frame
}
