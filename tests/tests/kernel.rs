//! The kernel programs against the host's `classify`: verdict, counters, metadata and accounts, frame by frame, by BPF_PROG_TEST_RUN.
//!
//! Unprivileged, only the host's side of the crafted cases runs; the rest says that it was skipped.

mod frames;

use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

use frames::{HOSTS, Host, PORTS, Random, address, random_frame};
use portreeve::kernel::{Kernel, KernelTables, Plan, Program};
use portreeve::sys::bare_xdp_socket;
use portreeve_ebpf::{
    BypassReason, Connection, Counter, Decision, Endpoint, Expectation, Metadata, Options, Rules, Transport, classify,
    pair_hash, shard_of,
};

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_REDIRECT: u32 = 4;
const TCX_NEXT: u32 = u32::MAX;

/// The kernel does not try frames shorter than an Ethernet header,
const SHORTEST: usize = 14;
/// and as socket buffers none that are shorter than the IP header that they announce.
const SHORTEST_BUFFER: usize = 14 + 40;

#[test]
fn crafted_frames_get_their_verdicts() {
    let mut host = Host::new(options(Rules::DEFAULT.with(Rules::ICMP_ERRORS, true)));
    let mut kernel = Pair::load(&host);
    for (name, frame, wanted) in crafted() {
        let decision = classify(frame.as_slice(), &mut host);
        assert_eq!(decision.counter, wanted, "{name}: {decision:?}");
        if let Some(kernel) = &mut kernel {
            kernel.same(&frame, &decision, &host, name);
        }
    }
}

#[test]
fn expectations_and_bypasses_are_followed() {
    let mut host = Host::new(options(Rules::DEFAULT));
    let Some(mut kernel) = Pair::load(&host) else { return };
    let (client, server) = (address(false, 1), address(false, 2));
    let data = Endpoint::new(Transport::Tcp, server, 40_000);
    let bulk = Endpoint::new(Transport::Udp, server, 2049);
    let control = Connection::new(Transport::Tcp, [client, server], [33_333, 111]);
    kernel.expect(&mut host, data, Expectation { why: Expectation::FTP_DATA, mode: Expectation::FULL });
    kernel.expect(&mut host, bulk, Expectation { why: Expectation::RPC_SERVICE, mode: Expectation::CONTROL_ONLY });
    kernel.bypass(&mut host, control, BypassReason::Encrypted);
    let steps = [
        (tcp(33_333, 40_000, 0x18), Counter::Expected),
        (tcp(40_000, 33_333, 0x18), Counter::NoMatch),
        (udp(33_333, 2049), Counter::ControlOnly),
        (tcp(33_333, 111, 0x18), Counter::BypassedEncrypted),
        (tcp(33_333, 111, 0x11), Counter::Port),
        (tcp(33_334, 111, 0x18), Counter::Port),
        (fragment(udp(33_333, 2049), 0x2000), Counter::ControlOnly),
        (fragment(udp(33_333, 2049), 0x0010), Counter::FragmentNoMatch),
    ];
    for (frame, wanted) in steps {
        kernel.step(&frame, &mut host, wanted);
    }
    kernel.tables.forget(&data).unwrap();
    host.expectations.remove(&data);
    kernel.step(&tcp(33_333, 40_000, 0x18), &mut host, Counter::NoMatch);
    let company = Endpoint::company(pair_hash(host.options.seed, client, server));
    let opens = Expectation { why: Expectation::FTP_DATA, mode: Expectation::CONTROL_ONLY };
    kernel.step(&tcp(33_333, 40_000, 0x02), &mut host, Counter::NoMatch);
    kernel.expect(&mut host, company, opens);
    assert_eq!(kernel.tables.company([server, client]), company, "whichever comes first");
    kernel.step(&tcp(33_333, 40_000, 0x02), &mut host, Counter::Expected);
    kernel.step(&tcp(40_000, 33_333, 0x14), &mut host, Counter::Expected);
    kernel.step(&tcp(33_333, 40_000, 0x18), &mut host, Counter::NoMatch);
    kernel.expect(&mut host, data, opens);
    kernel.step(&tcp(33_333, 40_000, 0x18), &mut host, Counter::ControlOnly);
    let transfer = Connection::new(Transport::Tcp, [client, server], [33_333, 40_000]);
    kernel.bypass(&mut host, transfer, BypassReason::FtpData);
    kernel.step(&tcp(33_333, 40_000, 0x18), &mut host, Counter::BypassedFtpData);
    kernel.step(&tcp(33_333, 40_000, 0x11), &mut host, Counter::Expected);
    assert_eq!(kernel.tables.bypassed(&transfer), host.bypassed.get(&transfer).copied());
    let account = kernel.tables.end_bypass(&control).unwrap();
    assert_eq!(account, host.bypassed.remove(&control));
    assert_eq!(
        account.map(|account| (account.reason, account.traffic[0].packets)),
        Some((BypassReason::Encrypted.number(), 1))
    );
    kernel.step(&tcp(33_333, 111, 0x18), &mut host, Counter::Port);
}

#[test]
fn bypasses_give_way_to_newer_ones() {
    let host = Host::new(options(Rules::DEFAULT));
    let Some(mut kernel) = Pair::load(&host) else { return };
    let connection = |port| Connection::new(Transport::Tcp, [address(false, 1), address(false, 2)], [port, 111]);
    let ports = 1000..2000;
    for port in ports.clone() {
        kernel.tables.bypass(&connection(port), BypassReason::SshUnknown).unwrap();
    }
    let (held, given_way): (Vec<u16>, Vec<u16>) =
        ports.partition(|port| kernel.tables.bypassed(&connection(*port)).is_some());
    assert!((1..=64).contains(&held.len()), "{held:?} of 64");
    for port in held {
        assert_eq!(kernel.run(Program::Xdp, &tcp(port, 111, 0x18)).0, XDP_DROP);
        assert_eq!(
            kernel.tables.end_bypass(&connection(port)).unwrap().map(|account| account.traffic[0].packets),
            Some(1)
        );
    }
    let again = given_way[0];
    assert_eq!(kernel.run(Program::Xdp, &tcp(again, 111, 0x18)).0, XDP_REDIRECT);
    for port in given_way {
        assert_eq!(kernel.tables.end_bypass(&connection(port)).unwrap(), None);
    }
    kernel.tables.bypass(&connection(again), BypassReason::SshUnknown).unwrap();
    assert_eq!(kernel.run(Program::Xdp, &tcp(again, 111, 0x18)).0, XDP_DROP);
}

/// The ports of tunnels stand in the port table as if something were always expected there.
#[test]
fn an_expectation_at_a_tunnels_port_leaves_the_tunnel() {
    let mut host = Host::new(options(Rules::DEFAULT));
    let Some(mut kernel) = Pair::load(&host) else { return };
    let endpoint = Endpoint::new(Transport::Udp, address(false, 2), 4789);
    kernel.expect(&mut host, endpoint, Expectation { why: Expectation::RPC_SERVICE, mode: Expectation::FULL });
    kernel.step(&udp(40_000, 4789), &mut host, Counter::Tunnel);
    kernel.tables.forget(&endpoint).unwrap();
    kernel.step(&udp(40_000, 4789), &mut host, Counter::Tunnel);
    let mut host = Host::new(options(Rules::DEFAULT.with(Rules::TUNNELS, false)));
    Pair::load(&host).unwrap().step(&udp(40_000, 4789), &mut host, Counter::NoMatch);
}

/// The directions of a connection through 6to4 relays have different outer addresses.
#[test]
fn directions_in_different_tunnels_meet() {
    let mut host = Host::new(options(Rules::DEFAULT));
    let (there, mut back) = (ipv6(17, &udp_header(40_000, 111)), ipv6(17, &udp_header(111, 40_000)));
    back[22..54].rotate_left(16);
    let (there, mut back) = (ipv4(41, &there[14..]), ipv4(41, &back[14..]));
    back[26..30].copy_from_slice(&[192, 88, 99, 1]);
    let [there, back] = [there, back].map(|frame| (classify(frame.as_slice(), &mut host), frame));
    assert_eq!(there.0.hash, back.0.hash);
    let mut part = there.1.clone();
    part[20] = 0x20;
    let part = (classify(part.as_slice(), &mut host), part);
    assert_ne!(part.0.hash, there.0.hash, "only the addresses of a tunnel's own fragments are in all of them");
    let Some(mut kernel) = Pair::load(&host) else { return };
    for (decision, frame) in [there, back, part] {
        assert_eq!(decision.counter, Counter::Tunnel);
        kernel.same(&frame, &decision, &host, "6to4");
    }
}

#[test]
fn random_frames_get_the_same_verdicts() {
    let strict = Rules(0).with(Rules::PASS, true);
    for (seed, rules) in [(1, Rules::DEFAULT), (2, Rules::DEFAULT.with(Rules::ICMP_ERRORS, true)), (3, strict)] {
        let mut host = Host::new(options(rules));
        let Some(mut kernel) = Pair::load(&host) else { return };
        let mut random = Random(seed);
        for _ in 0..8 {
            kernel.populate(&mut host, &mut random);
        }
        for number in 0..4000 {
            let frame = random_frame(&mut random);
            let decision = classify(frame.as_slice(), &mut host);
            kernel.same(&frame, &decision, &host, &format!("seed {seed}, frame {number}"));
        }
        for (connection, account) in &host.bypassed {
            assert_eq!(kernel.tables.bypassed(connection).as_ref(), Some(account), "{connection:?}");
        }
    }
}

#[test]
fn truncated_frames_get_the_same_verdicts() {
    let mut host = Host::new(options(Rules::DEFAULT.with(Rules::ICMP_ERRORS, true)));
    let Some(mut kernel) = Pair::load(&host) else { return };
    for (name, frame, _) in crafted() {
        for length in SHORTEST..frame.len() {
            let decision = classify(&frame[..length], &mut host);
            kernel.same(&frame[..length], &decision, &host, &format!("{length} bytes of {name}"));
        }
    }
}

#[test]
fn frames_go_to_their_workers_socket() {
    let host = Host::new(Options { workers: 4, ..options(Rules::DEFAULT) });
    let Some(mut kernel) = Pair::load(&host) else { return };
    for worker in 0..4 {
        let mut alone = Pair::load_for(&host, &[worker]).unwrap();
        for frame in [tcp(1, 111, 2), udp(111, 1)] {
            let hash = kernel.metadata(&frame).hash;
            let action = if shard_of(hash, 4) == worker { XDP_REDIRECT } else { XDP_DROP };
            assert_eq!(alone.run(Program::Xdp, &frame).0, action, "worker {worker}");
        }
    }
}

/// The thread that makes a namespace has it for itself, and the namespace ends with the thread.
#[test]
fn another_program_is_named_and_left_alone() {
    let attach = || {
        let host = Host::new(options(Rules::DEFAULT));
        let (Some(mut first), Some(mut second)) = (Pair::load(&host), Pair::load(&host)) else { return };
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let made = Command::new("ip").args(["link", "add", "near", "type", "veth", "peer", "name", "far"]).status();
        assert!(made.unwrap().success());
        let attached = first.kernel.attach_xdp("near", false).unwrap();
        assert!(attached.native && attached.by_link, "{attached:?}");
        let why = second.kernel.attach_xdp("near", false).unwrap_err().to_string();
        assert!(why.contains("another XDP program (id "), "{why}");
        first.kernel.detach();
        second.kernel.attach_xdp("near", false).unwrap();
        let why = second.kernel.attach_xdp("nowhere", false).unwrap_err().to_string();
        assert!(why.contains("nowhere"), "{why}");
    };
    std::thread::spawn(attach).join().unwrap();
}

#[test]
fn costs_are_printed() {
    let host = Host::new(options(Rules::DEFAULT));
    let Some(mut kernel) = Pair::load(&host) else { return };
    println!("verified instructions: {:?}", kernel.kernel.verified_instructions());
    let mut arp = udp(1, 2);
    arp[13] = 6;
    for (name, frame) in
        [("ARP", arp), ("TCP, no match", tcp(1, 2, 0x10)), ("UDP, no match", udp(1, 2)), ("UDP, match", udp(1, 111))]
    {
        let mut out = [0; 512];
        let trial = kernel.kernel.try_frame(Program::Xdp, &frame, &mut out, 1_000_000).unwrap();
        println!("{name}: {} ns a frame", trial.duration.as_nanos());
    }
}

/// A loaded kernel program and the counters that the host expects of it.
struct Pair {
    kernel: Kernel,
    tables: KernelTables,
    expected: [[u64; Counter::COUNT]; 2],
    _sockets: Vec<OwnedFd>,
}

impl Pair {
    fn load(host: &Host) -> Option<Self> {
        Self::load_for(host, &[0, 1, 2, 3])
    }

    fn load_for(host: &Host, workers: &[u32]) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: loading a program into the kernel takes root");
            return None;
        }
        let plan = Plan { options: host.options, ports: host.ports.clone(), queues: 4, expectations: 64, bypasses: 64 };
        let mut kernel = match Kernel::load(&plan) {
            Ok(kernel) => kernel,
            Err(why) if why.to_string().contains("built without") => {
                println!("skipped: {why}");
                return None;
            }
            Err(why) => panic!("{why}"),
        };
        let mut sockets = Vec::new();
        for worker in workers {
            let socket = bare_xdp_socket().unwrap();
            kernel.set_socket(*worker, socket.as_fd()).unwrap();
            sockets.push(socket);
        }
        let tables = kernel.tables().unwrap();
        Some(Pair { kernel, tables, expected: [[0; Counter::COUNT]; 2], _sockets: sockets })
    }

    fn expect(&mut self, host: &mut Host, endpoint: Endpoint, expectation: Expectation) {
        host.expect(endpoint, expectation);
        self.tables.expect(&endpoint, expectation).unwrap();
    }

    fn bypass(&mut self, host: &mut Host, connection: Connection, reason: BypassReason) {
        host.start_bypass(connection, reason);
        self.tables.bypass(&connection, reason).unwrap();
    }

    /// Something random to expect and something random to bypass.
    fn populate(&mut self, host: &mut Host, random: &mut Random) {
        let transport = random.pick(&[Transport::Tcp, Transport::Udp]);
        let is_v6 = random.percent(50);
        let mut side = || (address(is_v6, random.below(u64::from(HOSTS)) as u8), random.pick(&PORTS));
        let (a, b) = (side(), side());
        let mode = random.pick(&[Expectation::FULL, Expectation::CONTROL_ONLY]);
        self.expect(host, Endpoint::new(transport, a.0, a.1), Expectation { why: Expectation::FTP_DATA, mode });
        if random.percent(50) {
            let company = Endpoint::company(pair_hash(host.options.seed, a.0, b.0));
            self.expect(host, company, Expectation { why: Expectation::FTP_DATA, mode: Expectation::CONTROL_ONLY });
        }
        let connection = Connection::new(transport, [a.0, b.0], [111, b.1]);
        if !host.bypassed.contains_key(&connection.swapped()) {
            let reason = random.pick(&BypassReason::ALL);
            self.bypass(host, connection, reason);
        }
    }

    fn step(&mut self, frame: &[u8], host: &mut Host, wanted: Counter) {
        let decision = classify(frame, host);
        assert_eq!(decision.counter, wanted, "{decision:?}");
        self.same(frame, &decision, host, "step");
    }

    /// Both programs do with this frame what the host decided. Notes and accounts are shared between them, so tcx goes second and
    /// only where it cannot change either.
    fn same(&mut self, frame: &[u8], decision: &Decision, host: &Host, name: &str) {
        let (action, out) = self.run(Program::Xdp, frame);
        let leftover = if host.options.rules.has(Rules::PASS) { XDP_PASS } else { XDP_DROP };
        let wanted = if decision.counter.redirects() { XDP_REDIRECT } else { leftover };
        assert_eq!(action, wanted, "{name}: {decision:?}\n{frame:02x?}");
        self.count(Program::Xdp, decision.counter, name, decision);
        if decision.counter.redirects() {
            let (block, rest) = out.split_at(Metadata::SIZE);
            let read = Metadata::read(block).expect("a metadata block");
            assert_eq!(read, Metadata::new(decision.hash, read.ktime), "{name}");
            assert_eq!(rest, frame, "{name}: the frame itself");
        } else {
            assert_eq!(out, frame, "{name}: the frame itself");
        }
        if !decision.counter.bypasses() && frame.len() >= SHORTEST_BUFFER {
            assert_eq!(self.run(Program::Tcx, frame).0, TCX_NEXT, "{name}");
            let counter = if decision.counter.redirects() { Counter::Undelivered } else { decision.counter };
            self.count(Program::Tcx, counter, name, decision);
        }
    }

    fn count(&mut self, program: Program, counter: Counter, name: &str, decision: &Decision) {
        let expected = &mut self.expected[program as usize];
        expected[counter as usize] += 1;
        let counters = self.kernel.counters(program).unwrap();
        let differing =
            Counter::ALL.iter().filter(|counter| counters[**counter as usize] != expected[**counter as usize]);
        assert_eq!(counters, *expected, "{name}: {decision:?}; differing: {:?}", differing.collect::<Vec<_>>());
    }

    fn run(&mut self, program: Program, frame: &[u8]) -> (u32, Vec<u8>) {
        let mut out = vec![0; frame.len() + 64];
        let trial = self.kernel.try_frame(program, frame, &mut out, 1).unwrap();
        out.truncate(trial.written);
        (trial.action, out)
    }

    fn metadata(&mut self, frame: &[u8]) -> Metadata {
        let (_, out) = self.run(Program::Xdp, frame);
        Metadata::read(&out[..Metadata::SIZE]).expect("a metadata block")
    }
}

fn options(rules: Rules) -> Options {
    Options { seed: 0x0123_4567_89ab_cdef, rules, ..Options::DEFAULT }
}

/// Host 1 to host 2.
fn ipv4(protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([
        0x08,
        0x00,
        0x45,
        0,
        0,
        20 + body.len() as u8,
        0,
        9,
        0,
        0,
        64,
        protocol,
        0,
        0,
        10,
        0,
        0,
        1,
        10,
        0,
        0,
        2,
    ]);
    frame.extend(body);
    frame
}

fn ipv6(next: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, body.len() as u8, next, 64]);
    for host in [1, 2] {
        frame.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    frame.extend(body);
    frame
}

fn ports(source: u16, destination: u16) -> Vec<u8> {
    [source.to_be_bytes(), destination.to_be_bytes()].concat()
}

fn udp_header(source: u16, destination: u16) -> Vec<u8> {
    [ports(source, destination), vec![0, 12, 0, 0, 1, 2, 3, 4]].concat()
}

fn udp(source: u16, destination: u16) -> Vec<u8> {
    ipv4(17, &udp_header(source, destination))
}

fn tcp(source: u16, destination: u16, flags: u8) -> Vec<u8> {
    ipv4(6, &[ports(source, destination), vec![0; 8], vec![0x50, flags, 0, 0, 0, 0, 0, 0, b'x']].concat())
}

/// With IPv4 flags and fragment offset.
fn fragment(mut frame: Vec<u8>, field: u16) -> Vec<u8> {
    frame[20..22].copy_from_slice(&field.to_be_bytes());
    frame
}

/// With something between the addresses and the type.
fn tagged(frame: &[u8], tags: &[u8]) -> Vec<u8> {
    [&frame[..12], tags, &frame[12..]].concat()
}

fn labelled(frame: &[u8], labels: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x88, 0x47], labels, &frame[14..]].concat()
}

/// A frame for each way through the decision. Later cases may follow the notes of earlier ones.
#[allow(clippy::too_many_lines, reason = "a table")]
fn crafted() -> Vec<(&'static str, Vec<u8>, Counter)> {
    let rpc = udp(40_000, 111);
    let qinq = [0x88, 0xa8, 0, 7, 0x81, 0x00, 0, 8];
    let options = |next: u8| vec![next, 0, 0, 0, 0, 0, 0, 0];
    let chain = |count: usize| [options(60).repeat(count - 1), options(17), udp_header(1, 111)].concat();
    let part = |offset_and_more: u16| [vec![17, 0], offset_and_more.to_be_bytes().to_vec(), vec![0, 0, 0, 5]].concat();
    let mut bad_header = rpc.clone();
    bad_header[14] = 0x44;
    let mut lying_total = rpc.clone();
    lying_total[17] = 19;
    let mut no_total = rpc.clone();
    no_total[17] = 0;
    let quote = |destination: u16| [vec![3, 3, 0, 0, 0, 0, 0, 0], udp(40_000, destination)[14..].to_vec()].concat();
    let quote6 = [vec![1, 4, 0, 0, 0, 0, 0, 0], ipv6(17, &udp_header(40_000, 111))[14..].to_vec()].concat();
    vec![
        ("UDP to a watched port", rpc.clone(), Counter::Port),
        ("UDP from a watched port", udp(111, 40_000), Counter::Port),
        ("TCP to a watched port", tcp(40_000, 21, 0x18), Counter::Port),
        ("UDP between others", udp(1, 2), Counter::NoMatch),
        ("TCP between others", tcp(1, 2, 0x10), Counter::NoMatch),
        ("one VLAN tag", tagged(&rpc, &[0x81, 0x00, 0, 7]), Counter::Port),
        ("two VLAN tags", tagged(&rpc, &qinq), Counter::Port),
        ("three VLAN tags", tagged(&rpc, &[&qinq[..], &[0x91, 0x00, 0, 9]].concat()), Counter::TooDeep),
        ("an MPLS label", labelled(&rpc, &[0, 1, 1, 64]), Counter::Port),
        (
            "four MPLS labels",
            labelled(&rpc, &[[0, 1, 0, 64]; 3].concat().into_iter().chain([0, 1, 1, 64]).collect::<Vec<_>>()),
            Counter::Port,
        ),
        ("five MPLS labels", labelled(&rpc, &[0, 1, 0, 64].repeat(5)), Counter::TooDeep),
        (
            "ARP",
            {
                let mut arp = rpc.clone();
                arp[13] = 6;
                arp
            },
            Counter::NotIp,
        ),
        ("IPv6 UDP", ipv6(17, &udp_header(1, 111)), Counter::Port),
        ("IPv6 UDP between others", ipv6(17, &udp_header(1, 2)), Counter::NoMatch),
        ("six extension headers", ipv6(0, &chain(6)), Counter::Port),
        ("seven extension headers", ipv6(0, &chain(7)), Counter::TooDeep),
        (
            "authentication header",
            ipv4(51, &[vec![17, 1, 0, 0], vec![0; 8], udp_header(1, 111)].concat()),
            Counter::Port,
        ),
        ("extension header past the end", ipv6(60, &[17, 9, 0, 0, 0, 0, 0, 0]), Counter::ShortExtension),
        ("no room for ports", ipv4(17, &[0, 111]), Counter::ShortTransport),
        ("header of 16 bytes", bad_header, Counter::BadNetwork),
        ("shorter than its header", lying_total, Counter::BadNetwork),
        ("length 0, from segmentation offload", no_total, Counter::Port),
        ("cut in the IP header", rpc[..30].to_vec(), Counter::ShortNetwork),
        ("cut in a tag", tagged(&rpc, &qinq)[..16].to_vec(), Counter::ShortLink),
        ("later fragment, first not seen", fragment(udp(1, 2), 0x0008), Counter::Fragment),
        ("first fragment, not wanted", fragment(udp(1, 2), 0x2000), Counter::NoMatch),
        ("its later fragment", fragment(udp(7, 7), 0x0008), Counter::FragmentNoMatch),
        ("first fragment, wanted", fragment(rpc.clone(), 0x2000), Counter::Port),
        ("its later fragment, wanted", fragment(udp(7, 7), 0x0008), Counter::Fragment),
        ("an overlapping first fragment", fragment(udp(1, 2), 0x2000), Counter::NoMatch),
        ("does not undo the note", fragment(udp(7, 7), 0x0008), Counter::Fragment),
        ("later fragment of TCP", fragment(tcp(1, 2, 0), 0x0008), Counter::Fragment),
        ("IPv6 first fragment", ipv6(44, &[part(1), udp_header(1, 111)].concat()), Counter::Port),
        ("IPv6 later fragment", ipv6(44, &[part(8), vec![0; 8]].concat()), Counter::Fragment),
        (
            "IPv6 fragment of a fragment",
            ipv6(44, &[vec![44, 0, 0, 1, 0, 0, 0, 6], part(1), udp_header(1, 111)].concat()),
            Counter::TooDeep,
        ),
        ("IPv6 atomic fragment", ipv6(44, &[part(0), udp_header(1, 2)].concat()), Counter::NoMatch),
        ("IP in IP", ipv4(4, &rpc[14..]), Counter::Tunnel),
        ("IPv6 in IP", ipv4(41, &ipv6(17, &udp_header(1, 111))[14..]), Counter::Tunnel),
        ("IP in IPv6", ipv6(4, &rpc[14..]), Counter::Tunnel),
        ("another version in IP", ipv4(41, &rpc[14..]), Counter::Tunnel),
        ("GRE", ipv4(47, &[0, 0, 8, 0]), Counter::Tunnel),
        ("VXLAN", udp(40_000, 4789), Counter::Tunnel),
        ("VXLAN port and a watched one", udp(111, 4789), Counter::Port),
        ("ICMP error about a watched port", ipv4(1, &quote(111)), Counter::IcmpError),
        ("ICMP error about another", ipv4(1, &quote(2)), Counter::OtherProtocol),
        ("ICMPv6 error about a watched port", ipv6(58, &quote6), Counter::IcmpError),
        ("ping", ipv4(1, &[8, 0, 0, 0, 0, 0, 0, 0]), Counter::OtherProtocol),
        ("SCTP", ipv4(132, &udp_header(111, 111)), Counter::OtherProtocol),
    ]
}
