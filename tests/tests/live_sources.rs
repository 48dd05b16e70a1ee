//! Frames through a real wire: what one end sends comes out of the live sources at the other end, whole, once and in order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use etherparse::PacketBuilder;

use portreeve::capture::afxdp::{self, Grid};
use portreeve::capture::{BypassReason, Bypassed, Expectation, Frame, Gate, Losses, Source, Wait};
use portreeve::config::CaptureSettings;
use portreeve::flow::key::FlowKey;
use portreeve::kernel::{Kernel, Plan};
use portreeve::nic::Interface;
use portreeve::sys::PacketSocket;
use portreeve_ebpf::{Address, Options, Ports, Transport, pair_hash, shard_of};
use portreeve_tests::lab::Lab;

const SEED: u64 = 0x5eed;
/// Long enough for any machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A gate for sources whose filter these tests never change.
struct Fixed;

impl Gate for Fixed {
    fn expect(&mut self, _: Expectation) {}
    fn unexpect(&mut self, _: Expectation) {}
    fn bypass(&mut self, _: &FlowKey, _: BypassReason) {}
    fn unbypass(&mut self, _: &FlowKey) -> Bypassed {
        Bypassed::default()
    }
}

/// A tapped wire: frames sent into it come out of the sources.
struct Tap {
    // Dropped in this order: the program is detached before the sockets close.
    kernel: Kernel,
    grid: Grid,
    sender: PacketSocket,
    _lab: Lab,
}

impl Tap {
    fn new(queues: u32, workers: u32, ring_depth: u32) -> Option<Tap> {
        let lab = Lab::enter()?;
        lab.wire("here", "there", queues);
        let (kernel, grid) = tap("there", workers, ring_depth)?;
        let sender = lab.sender("here");
        Some(Tap { kernel, grid, sender, _lab: lab })
    }
}

fn tap(interface: &str, workers: u32, ring_depth: u32) -> Option<(Kernel, Grid)> {
    let interface = Interface::find(interface).expect("the lab has made it");
    let options = Options { seed: SEED, workers, ..Options::DEFAULT };
    let mut ports = Ports::new();
    ports.watch(Transport::Udp, 111);
    let plan = Plan { options, ports, queues: interface.queues, expectations: 16, bypasses: 16 };
    let mut kernel = match Kernel::load(&plan) {
        Err(why) if why.to_string().contains("built without") => {
            println!("skipped: {why}");
            return None;
        }
        loaded => loaded.expect("the kernel takes the program"),
    };
    let settings = CaptureSettings { ring_depth, ..CaptureSettings::default() };
    let gates = (0..workers).map(|_| Box::new(Fixed) as Box<dyn Gate + Send>).collect();
    let grid = afxdp::open(&interface, &settings, gates).expect("the kernel has AF_XDP");
    assert_eq!(grid.running.queues, interface.queues);
    assert!(!grid.running.zero_copy, "veth copies");
    for (slot, socket) in grid.sockets() {
        kernel.set_socket(slot, socket).expect("the socket map has the slot");
    }
    kernel.attach_xdp(&interface.name, false).expect("veth has native XDP");
    Some((kernel, grid))
}

/// One test datagram: which pair of hosts, in which direction, and its place in the sequence of all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Datagram {
    pair: u16,
    to_server: bool,
    number: u64,
}

impl Datagram {
    fn nth(number: u64, pairs: u64) -> Datagram {
        Datagram { pair: (number % pairs) as u16, to_server: (number / pairs).is_multiple_of(2), number }
    }

    fn hosts(pair: u16) -> [[u8; 4]; 2] {
        let [high, low] = pair.to_be_bytes();
        [[10, 0, high, low], [10, 1, low, high]]
    }

    /// Frames of 50 to 249 bytes.
    fn frame(self) -> Vec<u8> {
        let [client, server] = Self::hosts(self.pair);
        let (from, to, ports) =
            if self.to_server { (client, server, (800, 111)) } else { (server, client, (111, 800)) };
        let mut payload = self.number.to_be_bytes().to_vec();
        payload.resize(8 + (self.number % 200) as usize, self.number as u8);
        let mut frame = Vec::new();
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]).ipv4(from, to, 64);
        builder.udp(ports.0, ports.1).write(&mut frame, &payload).expect("a vector takes every byte");
        frame
    }

    /// What a received frame claims to be.
    fn claimed(bytes: &[u8], pairs: u64) -> Option<Datagram> {
        let number = bytes.get(42..50)?.try_into().ok()?;
        Some(Datagram::nth(u64::from_be_bytes(number), pairs))
    }

    fn shard(pair: u16, workers: u32) -> u32 {
        let [client, server] = Self::hosts(pair);
        shard_of(pair_hash(SEED, Address::v4(client), Address::v4(server)), workers)
    }
}

/// What one worker saw.
#[derive(Default, Debug)]
struct Seen {
    frames: u64,
    damaged: u64,
    out_of_order: u64,
    wrong_shard: u64,
    without_hash: u64,
    latest: HashMap<(u16, bool), u64>,
}

impl Seen {
    fn frame(&mut self, frame: &Frame<'_>, pairs: u64, (worker, workers): (u32, u32)) {
        self.frames += 1;
        let Some(claimed) = Datagram::claimed(frame.bytes, pairs).filter(|d| d.frame() == frame.bytes) else {
            self.damaged += 1;
            return;
        };
        let before = self.latest.insert((claimed.pair, claimed.to_server), claimed.number);
        self.out_of_order += u64::from(before.is_some_and(|before| before >= claimed.number));
        self.wrong_shard += u64::from(Datagram::shard(claimed.pair, workers) != worker);
        self.without_hash += u64::from(frame.hash.is_none_or(|hash| shard_of(hash, workers) != worker));
    }
}

/// Sends `count` datagrams between `pairs` pairs of hosts, never more than `window` ahead of the sources, each in its own thread.
fn play<S: Source + Send>(
    sources: &mut [S],
    send: impl Fn(&[u8]),
    (count, pairs): (u64, u64),
    window: u64,
) -> Vec<Seen> {
    let received = AtomicU64::new(0);
    let workers = sources.len() as u32;
    let deadline = Instant::now() + PATIENCE;
    let expired = || Instant::now() > deadline;
    thread::scope(|scope| {
        let received = &received;
        let threads: Vec<_> = (0..)
            .zip(sources)
            .map(|(worker, source)| {
                scope.spawn(move || {
                    let mut seen = Seen::default();
                    while received.load(Ordering::SeqCst) < count && !expired() {
                        let drained = source.drain(&mut |frame, _| seen.frame(&frame, pairs, (worker, workers)));
                        received.fetch_add(drained as u64, Ordering::SeqCst);
                        if drained == 0 {
                            source.wait(Duration::from_millis(10));
                        }
                    }
                    seen
                })
            })
            .collect();
        for number in 0..count {
            while number >= received.load(Ordering::SeqCst) + window && !expired() {
                thread::yield_now();
            }
            send(&Datagram::nth(number, pairs).frame());
        }
        threads.into_iter().map(|thread| thread.join().expect("no worker panics")).collect()
    })
}

fn assert_all_well(seen: &[Seen], count: u64) {
    assert_eq!(seen.iter().map(|seen| seen.frames).sum::<u64>(), count, "every frame, each once");
    for (worker, seen) in seen.iter().enumerate() {
        assert_eq!((seen.damaged, seen.out_of_order), (0, 0), "worker {worker}");
        assert_eq!((seen.wrong_shard, seen.without_hash), (0, 0), "worker {worker}");
        assert!(seen.frames > 0, "worker {worker} has its share");
    }
}

fn frames_arrive(queues: u32, workers: u32) {
    let Some(mut tap) = Tap::new(queues, workers, 2048) else { return };
    let sources = &mut tap.grid.sources;
    let seen = play(sources, |frame| tap.sender.send(frame).expect("the wire takes it"), (20_000, 64), 256);
    assert_all_well(&seen, 20_000);
    assert!(sources.iter().all(|source| source.losses() == Losses::default()));
}

#[test]
fn one_worker_on_one_queue() {
    frames_arrive(1, 1);
}

#[test]
fn two_workers_on_one_queue() {
    frames_arrive(1, 2);
}

#[test]
fn two_workers_on_two_queues() {
    frames_arrive(2, 2);
}

#[test]
fn no_frame_of_the_umem_is_ever_lost() {
    let Some(mut tap) = Tap::new(1, 2, 64) else { return };
    let seen =
        play(&mut tap.grid.sources, |frame| tap.sender.send(frame).expect("the wire takes it"), (100_000, 64), 32);
    assert_all_well(&seen, 100_000);
    for source in &mut tap.grid.sources {
        source.wait(Duration::from_millis(1));
        assert_eq!(source.frames_held(), 0, "all are the kernel's again");
    }
}

#[test]
fn both_directions_of_a_thousand_pairs_meet_in_one_worker() {
    let Some(mut tap) = Tap::new(1, 2, 2048) else { return };
    let seen =
        play(&mut tap.grid.sources, |frame| tap.sender.send(frame).expect("the wire takes it"), (4_000, 1_000), 256);
    assert_all_well(&seen, 4_000);
    let pairs: usize = seen.iter().map(|seen| seen.latest.len()).sum();
    assert_eq!(pairs, 2_000, "no pair has come up in two workers");
}

#[test]
fn a_source_that_was_closed_can_be_opened_again_at_once() {
    let Some(mut first) = Tap::new(2, 2, 2048) else { return };
    for _ in 0..3 {
        first.kernel.detach();
        let Tap { kernel, grid, sender, _lab } = first;
        drop((kernel, grid));
        let (kernel, grid) = tap("there", 2, 2048).expect("it could be loaded before");
        first = Tap { kernel, grid, sender, _lab };
    }
    let seen =
        play(&mut first.grid.sources, |frame| first.sender.send(frame).expect("the wire takes it"), (1_000, 64), 256);
    assert_all_well(&seen, 1_000);
}

#[test]
fn a_source_ends_when_its_interface_goes() {
    for (command, reason) in [("link del there", "vanished"), ("link set there down", "taken down")] {
        let ended = thread::spawn(move || {
            let mut tap = Tap::new(1, 1, 2048)?;
            let source = tap.grid.sources.first_mut().expect("one worker");
            assert_eq!(source.wait(Duration::ZERO), Wait::Idle);
            tap._lab.ip(command);
            let deadline = Instant::now() + PATIENCE;
            while source.wait(Duration::from_millis(50)) != Wait::Ended {
                assert!(Instant::now() < deadline, "{command}: the source does not notice");
            }
            source.why_ended().map(str::to_owned)
        });
        let Some(why) = ended.join().expect("no panic") else { return };
        assert!(why.contains(reason) && why.contains("there"), "{command}: {why}");
    }
}
