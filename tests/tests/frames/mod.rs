//! Frames for the tests of the decision: crafted ones, and endless random ones that are mostly valid, from a fixed seed.

use std::collections::{HashMap, HashSet};

use portreeve_ebpf::tables::bypass_slot;
use portreeve_ebpf::{
    Address, BypassReason, Bypassed, Connection, Endpoint, Expectation, FragmentKey, Interest, Note, Options, Ports,
    Rules, Tables, Traffic, Transport, pair_hash,
};

/// The hosts of all random frames: few, so that fragments, expectations and bypassed connections are met again.
pub const HOSTS: u8 = 4;
/// Ports of the random frames; the first of each transport is watched.
pub const PORTS: [u16; 8] = [111, 21, 4789, 6081, 2049, 40_000, 33_333, 0];

/// Xorshift: the same frames in every run, and no dependency.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// A frame as networks carry them, and sometimes as they should not.
pub fn random_frame(random: &mut Random) -> Vec<u8> {
    let mut frame = vec![0x02; 12];
    for _ in 0..random.pick(&[0, 0, 0, 0, 0, 0, 1, 1, 2, 3]) {
        frame.extend(random.pick(&[0x8100_u16, 0x88a8, 0x9100]).to_be_bytes());
        frame.extend(random.bytes(2));
    }
    let is_v6 = random.percent(40);
    let packet = if is_v6 { random_ipv6(random) } else { random_ipv4(random) };
    match random.below(20) {
        0 => {
            let kind = random.next() as u16;
            frame.extend(kind.to_be_bytes());
        }
        1 => labels(random, &mut frame),
        _ => frame.extend(if is_v6 { [0x86, 0xdd] } else { [0x08, 0x00] }),
    }
    frame.extend(packet);
    spoil(random, &mut frame);
    frame
}

fn labels(random: &mut Random, frame: &mut Vec<u8>) {
    frame.extend(random.pick(&[0x8847_u16, 0x8848]).to_be_bytes());
    let count = 1 + random.below(5);
    for label in 1..=count {
        frame.extend([random.next() as u8, random.next() as u8, u8::from(label == count), 64]);
    }
}

fn spoil(random: &mut Random, frame: &mut Vec<u8>) {
    if random.percent(15) {
        for _ in 0..=random.below(3) {
            let at = 12 + random.below(frame.len() as u64 - 12) as usize;
            frame[at] = if random.percent(50) { frame[at] ^ (1 << random.below(8)) } else { random.next() as u8 };
        }
    }
    if random.percent(15) {
        frame.truncate(14 + random.below(frame.len() as u64 - 13) as usize);
    }
}

fn random_ipv4(random: &mut Random) -> Vec<u8> {
    let ihl = if random.percent(75) { 5 } else { 5 + random.below(11) as u8 };
    let protocol = random.pick(&[6, 6, 6, 17, 17, 17, 1, 4, 41, 47, 51, 50, 132]);
    let fragment = random.pick(&[0, 0, 0, 0x4000, 0x2000, 0x2010, 0x0020_u16]);
    let body = if protocol == 51 {
        [authentication(random, 6), transport(random, 6)].concat()
    } else {
        transport(random, protocol)
    };
    let total = u16::from(ihl) * 4 + body.len() as u16;
    let total = match random.below(20) {
        0 => random.below(64) as u16,
        1 => 0,
        2 => total + random.below(100) as u16,
        _ => total,
    };
    let mut packet = vec![0x40 | ihl, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, random.below(4) as u8]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([
        64,
        protocol,
        0,
        0,
        10,
        0,
        0,
        random.below(u64::from(HOSTS)) as u8,
        10,
        0,
        0,
        random.below(u64::from(HOSTS)) as u8,
    ]);
    packet.extend(random.bytes(usize::from(ihl - 5) * 4));
    packet.extend(body);
    packet
}

fn random_ipv6(random: &mut Random) -> Vec<u8> {
    let last = random.pick(&[6, 6, 6, 17, 17, 17, 58, 4, 41, 47, 50, 59]);
    let mut body = transport(random, last);
    let mut next = last;
    for _ in 0..random.pick(&[0, 0, 0, 0, 1, 1, 2, 3, 5, 6, 7, 8]) {
        let kind = random.pick(&[0, 43, 44, 51, 60, 60]);
        let header = match kind {
            44 => fragment_header(random, next),
            51 => authentication(random, next),
            _ => options(random, next),
        };
        body = [header, body].concat();
        next = kind;
    }
    let length = match random.below(20) {
        0 => random.below(64) as u16,
        1 => 0,
        2 => body.len() as u16 + random.below(100) as u16,
        _ => body.len() as u16,
    };
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([next, 64]);
    for _ in 0..2 {
        packet.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, random.below(u64::from(HOSTS)) as u8]);
    }
    packet.extend(body);
    packet
}

fn fragment_header(random: &mut Random, next: u8) -> Vec<u8> {
    let offset = random.pick(&[0, 0, 1, 1, 0x10, 0x11_u16]);
    let mut header = vec![next, 0];
    header.extend(offset.to_be_bytes());
    header.extend([0, 0, 0, random.below(4) as u8]);
    header
}

fn authentication(random: &mut Random, next: u8) -> Vec<u8> {
    let words = 1 + random.below(6) as u8;
    [vec![next, words, 0, 0], random.bytes(usize::from(words) * 4 + 4)].concat()
}

fn options(random: &mut Random, next: u8) -> Vec<u8> {
    let units = if random.percent(90) { random.below(3) as u8 } else { random.below(12) as u8 };
    [vec![next, units], random.bytes(usize::from(units) * 8 + 6)].concat()
}

fn transport(random: &mut Random, protocol: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    match protocol {
        6 | 17 => {
            for _ in 0..2 {
                bytes.extend(random_port(random).to_be_bytes());
            }
            if protocol == 6 {
                bytes.extend(random.bytes(8));
                bytes.extend([
                    random.pick(&[0x50, 0x50, 0x50, 0x80, 0xf0, 0x10]),
                    random.pick(&[0x10, 0x10, 0x18, 0x02, 0x12, 0x11, 0x04]),
                ]);
                bytes.extend(random.bytes(6));
            } else {
                bytes.extend([0, 8, 0, 0]);
            }
        }
        1 | 58 => {
            bytes.extend([random.pick(&[3, 3, 1, 1, 8, 128]), 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend(quoted(random, protocol == 58));
        }
        4 | 41 => bytes.extend(quoted(random, protocol == 41)),
        _ => {}
    }
    let payload = random.below(40) as usize;
    bytes.extend(random.bytes(payload));
    bytes
}

fn quoted(random: &mut Random, is_v6: bool) -> Vec<u8> {
    let mut packet = if is_v6 {
        [vec![0x60, 0, 0, 0, 0, 8, random.pick(&[6, 17, 58]), 64], random.bytes(32)].concat()
    } else {
        [vec![0x45, 0, 0, 28, 0, 0, 0, random.pick(&[0, 0, 0, 9]), 64, random.pick(&[6, 17, 1])], random.bytes(10)]
            .concat()
    };
    for _ in 0..2 {
        packet.extend(random_port(random).to_be_bytes());
    }
    packet.extend(random.bytes(4));
    packet
}

fn random_port(random: &mut Random) -> u16 {
    if random.percent(85) { random.pick(&PORTS) } else { random.next() as u16 }
}

/// The tables on the host, without bounds: what the kernel's answers are compared with.
pub struct Host {
    pub options: Options,
    pub ports: Ports,
    pub expectations: HashMap<Endpoint, Expectation>,
    pub bypassed: HashMap<Connection, Bypassed>,
    pub slots: HashSet<u32>,
    pub notes: HashMap<FragmentKey, Note>,
}

impl Host {
    /// Watches 111 and 21 in both transports.
    pub fn new(options: Options) -> Self {
        let mut ports = Ports::new(options.rules);
        for port in [111, 21] {
            ports.watch(Transport::Tcp, port);
            ports.watch(Transport::Udp, port);
        }
        let (expectations, bypassed) = (HashMap::new(), HashMap::new());
        Host { options, ports, expectations, bypassed, slots: HashSet::new(), notes: HashMap::new() }
    }

    pub fn expect(&mut self, endpoint: Endpoint, expectation: Expectation) {
        self.ports.expect(endpoint.transport(), endpoint.port, true);
        self.expectations.insert(endpoint, expectation);
    }

    pub fn start_bypass(&mut self, connection: Connection, reason: BypassReason) {
        let [a, b] = connection.addresses;
        self.slots.insert(bypass_slot(pair_hash(self.options.seed, a, b)));
        self.bypassed.insert(connection, Bypassed::new(reason));
    }
}

impl Tables for Host {
    fn rules(&self) -> Rules {
        self.options.rules
    }

    fn seed(&self) -> u64 {
        self.options.seed
    }

    fn interest(&mut self, transport: Transport, port: u16) -> Interest {
        self.ports.interest(transport, port)
    }

    fn expectation(&mut self, endpoint: &Endpoint) -> Option<Expectation> {
        self.expectations.get(endpoint).copied()
    }

    fn may_bypass(&mut self, hash: u32) -> bool {
        self.slots.contains(&bypass_slot(hash))
    }

    fn bypass(&mut self, connection: &Connection, side: usize, traffic: Traffic) -> Option<BypassReason> {
        let account = self.bypassed.get_mut(connection)?;
        let sums = &mut account.traffic[side];
        sums.packets += traffic.packets;
        sums.bytes += traffic.bytes;
        sums.payload += traffic.payload;
        Some(BypassReason::of(account.reason))
    }

    fn note(&mut self, key: &FragmentKey) -> Option<Note> {
        self.notes.get(key).copied()
    }

    fn leave_note(&mut self, key: &FragmentKey, note: Note) {
        if note == Note::Follow || self.notes.get(key) != Some(&Note::Follow) {
            self.notes.insert(*key, note);
        }
    }
}

/// Host number `host` of the random frames.
pub fn address(is_v6: bool, host: u8) -> Address {
    if is_v6 {
        Address::v6([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host])
    } else {
        Address::v4([10, 0, 0, host])
    }
}
