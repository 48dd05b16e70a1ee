//! Frames through a real wire: what one end sends comes out of the live sources at the other end, whole, once and in order.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use etherparse::{IpNumber, PacketBuilder};

use portreeve::capture::afpacket;
use portreeve::capture::afxdp::{self, Grid};
use portreeve::capture::{BypassReason, Bypassed, Expectation, Frame, Gate, Losses, Source, Wait, each};
use portreeve::config::CaptureSettings;
use portreeve::flow::key::FlowKey;
use portreeve::host::PrivateWire;
use portreeve::kernel::{Kernel, Plan};
use portreeve::nic::Interface;
use portreeve::sys::PacketSocket;
use portreeve_ebpf::{Counter, Options, Ports, Transport, pair_hash, shard_of};
use portreeve_tests::lab::Lab;

const SEED: u64 = 0x5eed;
/// Long enough for any machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// A gate for sources whose filter these tests never change.
struct Fixed;

impl Gate for Fixed {
    fn expect(&mut self, _: Expectation) {}
    fn unexpect(&mut self, _: Expectation) {}
    fn accompany(&mut self, _hosts: [IpAddr; 2]) {}

    fn leave(&mut self, _hosts: [IpAddr; 2]) {}

    fn bypass(&mut self, _: &FlowKey, _: BypassReason) {}
    fn unbypass(&mut self, _: &FlowKey) -> Option<Bypassed> {
        None
    }
}

/// A tapped wire: frames sent into it come out of the sources.
struct Tap {
    // Dropped in this order: the program is detached before the sockets close.
    kernel: Kernel,
    grid: Grid,
    sender: PacketSocket,
    lab: Lab,
}

impl Tap {
    fn new(queues: u32, workers: u32, ring_depth: u32) -> Option<Tap> {
        let lab = Lab::enter()?;
        lab.wire("here", "there", queues);
        let (kernel, grid) = tap("there", workers, ring_depth)?;
        let sender = lab.sender("here");
        Some(Tap { kernel, grid, sender, lab })
    }
}

fn plan(queues: u32, workers: u32) -> Plan {
    let options = Options { seed: SEED, workers, ..Options::DEFAULT };
    let mut ports = Ports::new(options.rules);
    ports.watch(Transport::Udp, 111);
    Plan { options, ports, queues, expectations: 16, bypasses: 16 }
}

fn tap(interface: &str, workers: u32, ring_depth: u32) -> Option<(Kernel, Grid)> {
    let interface = Interface::find(interface).expect("the lab has made it");
    let mut kernel = match Kernel::load(&plan(interface.queues, workers)) {
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

    /// Every fourth pair speaks IPv6.
    fn hosts(pair: u16) -> [IpAddr; 2] {
        let [high, low] = pair.to_be_bytes();
        if pair % 4 == 3 {
            let host = |side| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, side, pair]);
            return [host(1), host(2)];
        }
        [IpAddr::from([10, 0, high, low]), IpAddr::from([10, 1, low, high])]
    }

    /// Frames of 50 to 250 bytes; some pairs have one or two VLAN tags. The number stands at the end.
    fn frame(self) -> Vec<u8> {
        let [client, server] = Self::hosts(self.pair);
        let (from, to, ports) =
            if self.to_server { (client, server, (800, 111)) } else { (server, client, (111, 800)) };
        let mut payload = vec![self.number as u8; (self.number % 191) as usize];
        payload.extend(self.number.to_be_bytes());
        let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let packet = match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => link.ipv4(from.octets(), to.octets(), 64),
            (IpAddr::V6(from), IpAddr::V6(to)) => link.ipv6(from.octets(), to.octets(), 64),
            _ => unreachable!("the hosts of a pair are of one family"),
        };
        let mut frame = Vec::new();
        packet.udp(ports.0, ports.1).write(&mut frame, &payload).expect("a vector takes every byte");
        let tags: &[u8] = match self.pair % 5 {
            3 => &[0x81, 0, 0x20, 5],
            4 => &[0x88, 0xa8, 0, 6, 0x81, 0, 0, 5],
            _ => &[],
        };
        frame.splice(12..12, tags.iter().copied());
        frame
    }

    /// Through a tunnel whose ends are others in each direction.
    fn tunnelled(self) -> Vec<u8> {
        let frame = self.frame();
        let inner = &frame[14 + [0, 0, 0, 4, 8][usize::from(self.pair % 5)]..];
        let protocol = if inner[0] >> 4 == 4 { IpNumber::IPV4 } else { IpNumber::IPV6 };
        let [.., pair] = self.pair.to_be_bytes();
        let relay = 1 + u8::from(self.to_server);
        let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let outer = if self.pair.is_multiple_of(2) {
            link.ipv4([192, 88, 99, relay], [10, 9, relay, pair], 64)
        } else {
            let host = |last| [0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, relay, last];
            link.ipv6(host(0), host(pair), 64)
        };
        let mut frame = Vec::new();
        outer.write(&mut frame, protocol, inner).expect("a vector takes every byte");
        frame
    }

    /// What a received frame claims to be.
    fn claimed(bytes: &[u8], pairs: u64) -> Option<Datagram> {
        Some(Datagram::nth(u64::from_be_bytes(*bytes.last_chunk()?), pairs))
    }

    fn shard(pair: u16, workers: u32) -> u32 {
        let [client, server] = Self::hosts(pair);
        shard_of(pair_hash(SEED, client.into(), server.into()), workers)
    }
}

/// What one worker saw.
#[derive(Default, Debug)]
struct Seen {
    frames: u64,
    damaged: u64,
    out_of_order: u64,
    /// What the source counts as lost.
    lost: u64,
    /// Frames without the kernel program's hash, or with another one than their addresses have.
    wrong_hash: u64,
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
        let shard = Datagram::shard(claimed.pair, workers);
        self.wrong_hash += u64::from(shard != worker || frame.hash.is_none_or(|hash| shard_of(hash, workers) != shard));
    }
}

fn total(losses: Losses) -> u64 {
    losses.fill_ring_empty + losses.rx_ring_full + losses.invalid_descriptors + losses.socket_full
}

/// How much is sent, between how many pairs of hosts, and how far ahead of what has been received.
#[derive(Clone, Copy)]
struct Load {
    count: u64,
    pairs: u64,
    window: u64,
}

/// Sends the load, and has each source drained in a thread of its own until all has come or is counted as lost.
fn play<S: Source + Send>(sources: &mut [S], sender: &PacketSocket, load: Load) -> Vec<Seen> {
    let Load { count, pairs, window } = load;
    let settled = AtomicU64::new(0);
    let workers = sources.len() as u32;
    let deadline = Instant::now() + PATIENCE;
    let expired = || Instant::now() > deadline;
    thread::scope(|scope| {
        let settled = &settled;
        let threads: Vec<_> = (0..)
            .zip(sources)
            .map(|(worker, source)| {
                scope.spawn(move || {
                    let mut seen = Seen::default();
                    while settled.load(Ordering::SeqCst) < count && !expired() {
                        let drained = source.drain(&mut each(|frame, _| seen.frame(&frame, pairs, (worker, workers))));
                        settled.fetch_add(drained as u64, Ordering::SeqCst);
                        if drained == 0 {
                            source.wait(Duration::from_millis(10));
                            let lost = total(source.losses());
                            settled.fetch_add(lost - seen.lost, Ordering::SeqCst);
                            seen.lost = lost;
                        }
                    }
                    seen
                })
            })
            .collect();
        for number in 0..count {
            while number >= settled.load(Ordering::SeqCst) + window && !expired() {
                thread::yield_now();
            }
            sender.send(&Datagram::nth(number, pairs).frame()).expect("the wire takes a frame");
        }
        threads.into_iter().map(|thread| thread.join().expect("no worker panics")).collect()
    })
}

fn assert_all_came(seen: &[Seen], load: Load) {
    assert_eq!(seen.iter().map(|seen| seen.frames).sum::<u64>(), load.count, "every frame, each once");
    for (worker, seen) in seen.iter().enumerate() {
        assert_eq!(seen.damaged, 0, "worker {worker}");
        assert!(seen.frames > load.count / 4, "worker {worker} has its share");
    }
    let homes = seen.iter().map(|seen| seen.latest.keys().map(|&(pair, _)| pair).collect::<HashSet<_>>().len());
    assert_eq!(homes.sum::<usize>() as u64, load.pairs, "both directions of a pair have one worker");
}

/// On one queue, that is: a sender on a veth spreads even one direction of a connection over several.
fn assert_in_order(seen: &[Seen]) {
    assert!(seen.iter().all(|seen| seen.out_of_order == 0), "the order of each direction is kept");
}

fn assert_steered(seen: &[Seen]) {
    assert!(seen.iter().all(|seen| seen.wrong_hash == 0), "steering is the contract's");
}

fn frames_arrive(queues: u32, workers: u32) {
    let Some(mut tap) = Tap::new(queues, workers, 2048) else { return };
    let load = Load { count: 20_000, pairs: 64, window: 256 };
    let seen = play(&mut tap.grid.sources, &tap.sender, load);
    assert_all_came(&seen, load);
    assert_steered(&seen);
    if queues == 1 {
        assert_in_order(&seen);
    }
    assert!(tap.grid.sources.iter().all(|source| source.losses() == Losses::default()));
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
    let load = Load { count: 100_000, pairs: 64, window: 32 };
    let seen = play(&mut tap.grid.sources, &tap.sender, load);
    // 64 frames go round more than a thousand times. A worker that the machine takes off its CPU may keep so many that the kernel has
    // none left: such a loss is counted, and no frame is missing afterwards.
    assert_eq!(seen.iter().map(|seen| seen.frames + seen.lost).sum::<u64>(), load.count);
    assert!(seen.iter().all(|seen| seen.damaged == 0 && seen.frames > load.count / 4));
    for source in &mut tap.grid.sources {
        source.wait(Duration::from_millis(1));
        assert_eq!(source.frames_held(), 0, "all are the kernel's again");
    }
}

/// After a while in which nothing came, all frames of a deep ring are in play; while much comes, only a few thousand are, and the others come
/// into play without the worker.
#[test]
fn what_a_worker_sleeps_through_waits_for_it() {
    let Some(mut tap) = Tap::new(1, 1, 32_768) else { return };
    sleep_through(&mut tap, Load { count: 30_000, pairs: 64, window: 0 });
    let load = Load { count: 40_000, pairs: 64, window: 256 };
    assert_all_came(&play(&mut tap.grid.sources, &tap.sender, load), load);
    sleep_through(&mut tap, Load { count: 20_000, pairs: 64, window: 0 });
}

fn sleep_through(tap: &mut Tap, load: Load) {
    for number in 0..load.count {
        tap.sender.send(&Datagram::nth(number, load.pairs).frame()).expect("the wire takes a frame");
        if number % 256 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let source = &mut tap.grid.sources[0];
    let mut seen = Seen::default();
    while source.drain(&mut each(|frame, _| seen.frame(&frame, load.pairs, (0, 1)))) > 0 {}
    assert_eq!(source.losses(), Losses::default());
    assert_all_came(&[seen], load);
}

/// What looks after the rings need not look where nothing comes.
#[test]
fn nobody_is_awake_where_nothing_comes() {
    let Some(mut tap) = Tap::new(1, 1, 32_768) else { return };
    let load = Load { count: 40_000, pairs: 64, window: 256 };
    play(&mut tap.grid.sources, &tap.sender, load);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = turns_of_keepers();
        thread::sleep(Duration::from_millis(300));
        let after = turns_of_keepers();
        if before.iter().any(|(thread, turns)| *turns > 0 && after.get(thread) == Some(turns)) {
            break;
        }
        assert!(Instant::now() < deadline, "it looks on: {before:?}, then {after:?}");
    }
}

/// How often each thread that looks after rings has given its processor back. Other tests have some, too.
fn turns_of_keepers() -> HashMap<String, u64> {
    let threads = fs::read_dir("/proc/self/task").expect("this process has threads").flatten();
    let turns = threads.filter_map(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        let turns = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        (name.trim() == "keeper").then_some((thread.file_name().into_string().ok()?, turns.trim().parse().ok()?))
    });
    turns.collect()
}

#[test]
fn both_directions_of_a_thousand_pairs_meet_in_one_worker() {
    let Some(mut tap) = Tap::new(1, 2, 2048) else { return };
    let load = Load { count: 4_000, pairs: 1_000, window: 256 };
    let seen = play(&mut tap.grid.sources, &tap.sender, load);
    assert_all_came(&seen, load);
    assert_steered(&seen);
}

#[test]
fn packet_sockets_bring_the_same() {
    for workers in [1, 2] {
        let Some(lab) = Lab::enter() else { return };
        lab.wire("here", "there", 1);
        let interface = Interface::find("there").expect("the lab has made it");
        // A block is closed after some milliseconds, full or not: there are enough of them for a reader that has to wait for its CPU.
        let settings = CaptureSettings { socket_bytes: 64 << 20, ..CaptureSettings::default() };
        let mut sources = afpacket::open(&interface, &settings, &plan(1, workers)).expect("root may open them").sources;
        // Without XDP the frames pass the backlog of a CPU, which holds 1000.
        let load = Load { count: 20_000, pairs: 1_000, window: 512 };
        let seen = play(&mut sources, &lab.sender("here"), load);
        assert_all_came(&seen, load);
        assert_in_order(&seen);
        assert!(sources.iter().all(|source| source.losses() == Losses::default()));
        let counted: u64 = sources.iter().map(|source| source.filter_counters().get(Counter::Port)).sum();
        assert_eq!(counted, load.count);
    }
}

#[test]
fn directions_in_different_tunnels_meet_in_one_packet_socket() {
    let Some(lab) = Lab::enter() else { return };
    lab.wire("here", "there", 1);
    let interface = Interface::find("there").expect("the lab has made it");
    let settings = CaptureSettings { socket_bytes: 8 << 20, ..CaptureSettings::default() };
    let mut sources = afpacket::open(&interface, &settings, &plan(1, 2)).expect("root may open them").sources;
    let sender = lab.sender("here");
    for number in 0..100 {
        sender.send(&Datagram::nth(number, 50).tunnelled()).expect("the wire takes a frame");
    }
    let mut pairs = [HashMap::new(), HashMap::new()];
    let (mut drained, deadline) = (0, Instant::now() + PATIENCE);
    while drained < 100 && Instant::now() < deadline {
        for (source, pairs) in sources.iter_mut().zip(&mut pairs) {
            let mut seen = |frame: Frame<'_>| {
                let claimed = Datagram::claimed(frame.bytes, 50).expect("a number at the end");
                *pairs.entry(claimed.pair).or_insert(0) += 1;
            };
            source.wait(Duration::from_millis(1));
            drained += source.drain(&mut each(|frame, _| seen(frame)));
        }
    }
    assert!(pairs.iter().flat_map(HashMap::values).all(|&frames| frames == 2), "{pairs:?}");
    assert!(pairs.iter().all(|pairs| pairs.len() > 10) && pairs[0].len() + pairs[1].len() == 50, "{pairs:?}");
}

#[test]
fn what_came_before_a_packet_socket_was_shut_is_still_seen() {
    let Some(lab) = Lab::enter() else { return };
    lab.wire("here", "there", 1);
    let interface = Interface::find("there").expect("the lab has made it");
    let settings = CaptureSettings { socket_bytes: 4 << 20, ..CaptureSettings::default() };
    let mut capture = afpacket::open(&interface, &settings, &plan(1, 1)).expect("root may open them");
    let sender = lab.sender("here");
    let send = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            sender.send(&Datagram::nth(number, 10).frame()).expect("the wire takes a frame");
        }
    };
    send(0..100);
    capture.intake.shut();
    send(100..200);
    let mut seen = Seen::default();
    while capture.sources[0].drain(&mut each(|frame, _| seen.frame(&frame, 10, (0, 1)))) > 0 {}
    assert_eq!((seen.frames, seen.damaged), (100, 0));
}

#[test]
fn a_source_that_was_closed_can_be_opened_again_at_once() {
    let Some(mut tap) = Tap::new(2, 2, 2048) else { return };
    for _ in 0..3 {
        tap.kernel.detach();
        let Tap { kernel, grid, sender, lab } = tap;
        drop((kernel, grid));
        let (kernel, grid) = self::tap("there", 2, 2048).expect("it could be loaded before");
        tap = Tap { kernel, grid, sender, lab };
    }
    let load = Load { count: 1_000, pairs: 64, window: 256 };
    assert_all_came(&play(&mut tap.grid.sources, &tap.sender, load), load);
}

fn ends<S: Source>(lab: &Lab, source: &mut S, command: &str) -> String {
    assert_eq!(source.wait(Duration::ZERO), Wait::Idle);
    lab.ip(command);
    let deadline = Instant::now() + PATIENCE;
    while source.wait(Duration::from_millis(50)) != Wait::Ended {
        assert!(Instant::now() < deadline, "{command}: the source does not notice");
    }
    assert_eq!(source.wait(Duration::from_secs(1)), Wait::Ended, "and stays so");
    source.why_ended().expect("it is before its time").to_owned()
}

#[test]
fn a_source_ends_when_its_interface_goes() {
    for (command, reason) in [("link del there", "there has vanished"), ("link set there down", "there was taken down")]
    {
        let Some(mut tap) = Tap::new(1, 1, 2048) else { return };
        let why = ends(&tap.lab, tap.grid.sources.first_mut().expect("one worker"), command);
        assert!(why.contains(reason), "{command}: {why}");
    }
}

#[test]
fn a_packet_socket_ends_when_its_interface_goes() {
    for (command, reason) in [("link del there", "there has vanished"), ("link set there down", "there was taken down")]
    {
        let Some(lab) = Lab::enter() else { return };
        lab.wire("here", "there", 1);
        let interface = Interface::find("there").expect("the lab has made it");
        let settings = CaptureSettings { socket_bytes: 4 << 20, ..CaptureSettings::default() };
        let mut sources = afpacket::open(&interface, &settings, &plan(1, 1)).expect("root may open them").sources;
        let why = ends(&lab, sources.first_mut().expect("one worker"), command);
        assert!(why.contains(reason), "{command}: {why}");
    }
}

#[test]
fn the_private_wire_of_host_mode_comes_and_goes() {
    let Some(lab) = Lab::enter() else { return };
    lab.wire("here", "there", 1);
    lab.ip("link add ptrv999999999a type veth peer name ptrv999999999b"); // no process has this number
    let host = Interface::find("here").expect("the lab has made it");
    let wire = PrivateWire::new(&host).expect("root may make a wire");
    assert!(Interface::find("ptrv999999999a").is_err(), "what a dead sensor has left is removed");
    for end in [&wire.cloned_to, &wire.tapped] {
        assert!(end.up && end.addresses.is_empty() && end.is_veth() && end.mtu >= host.mtu, "{end:?}");
    }
    let names = [wire.cloned_to.name.clone(), wire.tapped.name.clone()];
    drop(wire);
    assert!(names.iter().all(|name| Interface::find(name).is_err()), "nothing is left");
}

/// An interface that hears later that it has a carrier drops what is sent until then: the first packets of a run.
#[test]
fn the_private_wire_carries_from_the_first_frame_on() {
    let Some(lab) = Lab::enter() else { return };
    lab.wire("here", "there", 1);
    let host = Interface::find("here").expect("the lab has made it");
    for round in 0..20 {
        let wire = PrivateWire::new(&host).expect("root may make a wire");
        lab.sender(&wire.cloned_to.name).send(&Datagram::nth(0, 1).frame()).expect("the wire takes a frame");
        let table = fs::read_to_string("/proc/thread-self/net/dev").expect("the kernel tells");
        let line = table.lines().find(|line| line.contains(&wire.cloned_to.name)).expect("its line");
        // Its name, eight columns of what it received, then bytes and packets that it has sent.
        assert_eq!(line.split_whitespace().nth(10), Some("1"), "round {round}: {line}");
    }
}

#[test]
fn host_mode_clones_both_directions_and_takes_nothing_away() {
    let Some(lab) = Lab::enter() else { return };
    lab.wire("here", "there", 1);
    let host = Interface::find("here").expect("the lab has made it");
    let wire = PrivateWire::new(&host).expect("root may make a wire");
    let mut plan = plan(wire.tapped.queues, 1);
    plan.options.clone_to = wire.cloned_to.index;
    let Ok(mut kernel) = Kernel::load(&plan) else { return };
    let gates: Vec<Box<dyn Gate + Send>> = vec![Box::new(Fixed)];
    let settings = CaptureSettings { ring_depth: 2048, ..CaptureSettings::default() };
    let mut grid = afxdp::open(&wire.tapped, &settings, gates).expect("the kernel has AF_XDP");
    for (slot, socket) in grid.sockets() {
        kernel.set_socket(slot, socket).expect("the socket map has the slot");
    }
    kernel.attach_xdp(&wire.tapped.name, false).expect("veth has native XDP");
    kernel.attach_tcx(&host.name).expect("this kernel has tcx");
    let load = Load { count: 2_000, pairs: 10, window: 256 };
    for (number, sender) in (0..load.count).zip([lab.sender("here"), lab.sender("there")].iter().cycle()) {
        sender.send(&Datagram::nth(number, load.pairs).frame()).expect("the wire takes a frame");
        if number % 100 == 99 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let mut seen = Seen::default();
    while grid.sources[0].drain(&mut each(|frame, _| seen.frame(&frame, load.pairs, (0, 1)))) > 0 {}
    assert_all_came(&[seen], load);
    kernel.detach();
}
