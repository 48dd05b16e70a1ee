//! Cases in which the kernel program must have been told of something before the next frame comes: on a real wire, through AF_XDP, each
//! frame sent when what became of the one before is known. So the order of events is that of a replay, and the logs are the same.

use std::time::{Duration, Instant};
use std::vec::IntoIter;

use portreeve::capture::afxdp::{self, AfXdp};
use portreeve::capture::kernel_gate::KernelGate;
use portreeve::capture::plan::Plan;
use portreeve::capture::{Gate, Losses, OnFrames, Source, Wait, each};
use portreeve::config::{CaptureSettings, Settings};
use portreeve::kernel::{Kernel, Program};
use portreeve::nic::Interface;
use portreeve::sys::PacketSocket;
use portreeve::time::Timestamp;
use portreeve_ebpf::Counter;
use portreeve_tests::case::{self, Case};
use portreeve_tests::expect;
use portreeve_tests::lab::Lab;
use portreeve_tests::play::Scene;
use portreeve_tests::replay::{self, Item};
use portreeve_tests::skip::skip;

/// Long enough for any machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Small rings are made quickly, and one frame at a time needs no larger ones.
const RING: u32 = 512;

#[test]
fn what_the_kernel_must_be_told_in_time_is_told_in_time() {
    if portreeve::kernel::object().is_empty() {
        return skip("the kernel program is not built: run `cargo xtask build-ebpf`");
    }
    let Some(lab) = Lab::enter() else { return };
    let cases: Vec<_> = case::all().into_iter().filter(waits_for_the_kernel).collect();
    assert!(cases.len() >= 16, "{} cases have data connections, or skip what follows", cases.len());
    for (number, case) in cases.iter().enumerate() {
        let (here, there) = (format!("here{number}"), format!("there{number}"));
        lab.wire(&here, &there, 1);
        let live = |settings: &Settings| Lockstep::new(&case.scenes, settings, lab.sender(&here), &there);
        let (source, _, live) = replay::through(&case.talk.settings, live);
        assert_eq!(source.shown, source.redirected(), "{}: every frame that was let in was shown", case.name);
        let file = replay::case(case).logs;
        for log in file.keys().chain(live.keys()) {
            let difference = expect::difference(log, &expect::text(&file, log), &expect::text(&live, log));
            assert!(difference.is_empty(), "{} by AF_XDP:\n{difference}", case.name);
        }
    }
}

/// Whether data is expected, or what follows is skipped; and a wire carries the frames as they are.
fn waits_for_the_kernel(case: &Case) -> bool {
    let carried = |scene: &Scene| match scene {
        Scene::Silence(_) => true,
        Scene::Packet(packet) => packet.bent.snap.is_none() && packet.bent.truncate.is_none(),
    };
    let expected = std::fs::read_to_string(case.path.join("conn.log")).unwrap_or_default();
    case.scenes.iter().all(carried) && (expected.contains("ftp-data") || expected.contains("(skipped)"))
}

/// The frames of a case on a wire, and what comes out of it at the other end, at the case's own times.
struct Lockstep {
    // Dropped in this order: the program is detached before the sockets close.
    kernel: Kernel,
    tapped: AfXdp,
    sender: PacketSocket,
    items: IntoIter<Item>,
    now: Timestamp,
    sent: u64,
    shown: u64,
    ended: bool,
}

impl Lockstep {
    fn new(scenes: &[Scene], settings: &Settings, sender: PacketSocket, interface: &str) -> Lockstep {
        let interface = Interface::find(interface).expect("the lab has made it");
        let mut kernel =
            Kernel::load(&Plan::new(settings, 1, 1).expect("a plan")).expect("the kernel takes the program");
        let gate = Box::new(KernelGate::new(kernel.tables().expect("it has tables"))) as Box<dyn Gate + Send>;
        let capture = CaptureSettings { ring_depth: RING, ..settings.capture.clone() };
        let mut grid = afxdp::open(&interface, &capture, vec![gate]).expect("the kernel has AF_XDP");
        for (slot, socket) in grid.sockets() {
            kernel.set_socket(slot, socket).expect("the socket map has the slot");
        }
        kernel.attach_xdp(&interface.name, false).expect("veth has native XDP");
        let tapped = grid.sources.pop().expect("one worker");
        let items = replay::items(scenes);
        Lockstep { kernel, tapped, sender, items, now: Timestamp::ZERO, sent: 0, shown: 0, ended: false }
    }

    fn counts(&self) -> [u64; Counter::COUNT] {
        self.kernel.counters(Program::Xdp).expect("it can be asked")
    }

    /// Frames that the kernel program has let in.
    fn redirected(&self) -> u64 {
        let counts = self.counts();
        Counter::ALL.iter().zip(counts).filter(|(counter, _)| counter.redirects()).map(|(_, count)| count).sum()
    }
}

impl Source for Lockstep {
    fn drain(&mut self, on_frames: &mut OnFrames<'_>) -> usize {
        let frame = match self.items.next() {
            Some(Item::Frame(frame)) => frame,
            Some(Item::Silence(until)) => {
                self.now = Timestamp::from_nanos(until);
                return 0;
            }
            None => {
                self.ended = true;
                return 0;
            }
        };
        let (now, begun, before) = (Timestamp::from_nanos(frame.at), Instant::now(), self.shown);
        self.now = now;
        self.sender.send(&frame.bytes).expect("the wire takes a frame");
        self.sent += 1;
        while self.counts().iter().sum::<u64>() < self.sent || self.shown < self.redirected() {
            assert!(begun.elapsed() < PATIENCE, "a frame has not come: {:?}", self.counts());
            self.shown += self.tapped.drain(&mut each(|frame, gate| on_frames(&[frame.dated(now)], gate))) as u64;
        }
        (self.shown - before) as usize
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn wait(&mut self, _limit: Duration) -> Wait {
        if self.ended { Wait::Ended } else { Wait::Ready }
    }

    fn losses(&self) -> Losses {
        self.tapped.losses()
    }

    fn gate(&mut self) -> &mut dyn Gate {
        self.tapped.gate()
    }
}
