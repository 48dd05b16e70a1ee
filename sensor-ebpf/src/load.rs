//! What the benchmarks' generator sends: a script of frames, each made from a template, between hosts of its own.
//!
//! The generator is a kernel program, or a loop that fills the frames of a socket: both take the same steps of the same script.

/// A frame to be copied: Ethernet without tags, IPv4 without options, TCP or UDP or a fragment of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// Bytes of the frame, at most [`Template::LONGEST`], at least [`Template::SHORTEST`].
    pub length: u32,
    /// [`Template::WANTED`] and the other flags.
    pub flags: u32,
    /// The frame, and what follows it.
    pub bytes: [u8; Template::LONGEST],
}

impl Template {
    /// Bytes of the longest frame, without its checksum, and a few.
    pub const LONGEST: usize = 1520;
    /// Bytes of the shortest frame, without its checksum.
    pub const SHORTEST: usize = 60;
    /// Bytes that are changed from frame to frame, all at the beginning.
    pub const HEAD: usize = 54;

    /// Flag: what the sensor is there for; counted apart.
    pub const WANTED: u32 = 1;
    /// Flag: goes to the client, so that its destination is what changes from frame to frame; otherwise its source.
    pub const ANSWER: u32 = 1 << 1;
    /// Flag: belongs to a conversation, so that its client changes from one round of the script to the next; otherwise with every frame.
    pub const CONVERSATION: u32 = 1 << 2;
    /// Flag: ends with the moment at which it should have been sent, `CLOCK_MONOTONIC` in nanoseconds, in the host's byte order.
    pub const STAMPED: u32 = 1 << 3;
    /// Flag: is sent as it is.
    pub const FIXED: u32 = 1 << 4;

    /// Flag: keeps its ports and its client's address, but for the second byte of it, which is what changes.
    pub const SHIFTED: u32 = 1 << 5;

    /// What stands before a stamp.
    pub const STAMP_MAGIC: [u8; 8] = *b"PRVstamp";

    /// A template of a frame; without its end if it is too long, with zeros behind it if it is too short.
    pub fn new(frame: &[u8], flags: u32) -> Self {
        let mut bytes = [0; Self::LONGEST];
        for (to, from) in bytes.iter_mut().zip(frame) {
            *to = *from;
        }
        Template { length: frame.len().clamp(Self::SHORTEST, Self::LONGEST) as u32, flags, bytes }
    }

    /// How the generator's map has its beginning; its rest is that of this number, if it has one.
    pub fn beginning(&self, rest: u32) -> [u8; Beginning::SIZE] {
        let mut all = [0; Beginning::SIZE];
        let fields = [self.length, self.flags, rest].into_iter().flat_map(u32::to_ne_bytes).chain(self.bytes);
        for (to, from) in all.iter_mut().zip(fields) {
            *to = from;
        }
        all
    }

    /// What its beginning does not hold.
    pub fn rest(&self) -> Option<&Rest> {
        self.bytes.last_chunk().filter(|_| self.length as usize > Beginning::BYTES)
    }

    /// Whether it has this flag.
    pub const fn is(&self, flag: u32) -> bool {
        has(self.flags, flag)
    }
}

/// How the generator has a template: most frames of a conversation are short, and come out of two cache lines.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// [`Template::length`].
    pub length: u32,
    /// [`Template::flags`].
    pub flags: u32,
    /// Number of its [`Rest`], where it is longer than [`Beginning::BYTES`].
    pub rest: u32,
    /// The first bytes of the frame.
    pub bytes: [u8; Beginning::BYTES],
}

impl Beginning {
    /// Bytes of a frame that lie here.
    pub const BYTES: usize = 116;
    /// Bytes of this.
    pub const SIZE: usize = size_of::<Beginning>();
}

/// What a longer frame has beyond its [`Beginning`].
pub type Rest = [u8; Template::LONGEST - Beginning::BYTES];

/// One step of a script: which template, and for which of the clients that talk at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Number of the template, less than 2^24.
    pub template: u32,
    /// Second byte of the client's address.
    pub slot: u8,
}

impl Step {
    /// As the generator's map has it.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        self.template & 0xff_ffff | (self.slot as u32) << 24
    }

    /// From the generator's map.
    #[inline(always)]
    pub const fn of(word: u32) -> Self {
        Step { template: word & 0xff_ffff, slot: (word >> 24) as u8 }
    }
}

/// Whether a template's flags have this one.
#[inline(always)]
pub const fn has(flags: u32, flag: u32) -> bool {
    flags & flag != 0
}

/// The state of a generator: first what it is told, then what it counts.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Between two frames, in 1/1024 of a nanosecond; 0: as many as can be sent.
    pub interval: u64,
    /// How late a frame may be sent, in nanoseconds; one that is later is given up, as if it had never been meant to be sent.
    pub slack: u64,
    /// Steps of the script.
    pub steps: u64,
    /// How many clients there are: the client's number modulo this power of two is in its address, the rest in its port.
    pub host_bits: u64,
    /// How many ports a client has, as a power of two less one.
    pub ports: u64,
    /// Where the client's numbers start.
    pub seed: u64,
    /// When the next frame is due, in 1/1024 of a nanosecond of `CLOCK_MONOTONIC`.
    pub due: u64,
    /// The next step.
    pub position: u64,
    /// How often the script has been gone through.
    pub round: u64,
    /// Frames sent.
    pub sent: u64,
    /// Those of them that were [`Template::WANTED`].
    pub wanted: u64,
    /// Frames that were given up, because the generator was held up for longer than `slack`.
    pub missed: u64,
    /// How often the generator found nothing to be due.
    pub idle: u64,
    /// When the first frame was sent, in nanoseconds of `CLOCK_MONOTONIC`.
    pub began: u64,
}

impl Run {
    /// Number of fields, each a word of 64 bits.
    pub const WORDS: usize = size_of::<Run>() / 8;

    /// Times are kept in this many parts of a nanosecond, so that a rate of many millions a second can be met.
    pub const PARTS: u64 = 1024;

    /// As the generator's map has it.
    pub const fn to_words(&self) -> [u64; Self::WORDS] {
        [
            self.interval,
            self.slack,
            self.steps,
            self.host_bits,
            self.ports,
            self.seed,
            self.due,
            self.position,
            self.round,
            self.sent,
            self.wanted,
            self.missed,
            self.idle,
            self.began,
        ]
    }

    /// From the generator's map.
    pub const fn of(words: [u64; Self::WORDS]) -> Self {
        let [interval, slack, steps, host_bits, ports, seed, due, position, round, sent, wanted, missed, idle, began] =
            words;
        Run { interval, slack, steps, host_bits, ports, seed, due, position, round, sent, wanted, missed, idle, began }
    }

    /// Whether a frame is due at this time, in nanoseconds, and when it should have been sent; counts if not.
    #[inline(always)]
    pub fn take_turn(&mut self, now: u64) -> Option<u64> {
        if self.sent == 0 {
            self.began = now;
        }
        if self.interval == 0 {
            return Some(now);
        }
        let (now, slack) = (now * Self::PARTS, self.slack * Self::PARTS);
        if self.due == 0 {
            self.due = now;
        }
        if now < self.due {
            self.idle += 1;
            return None;
        }
        if now - self.due > slack {
            let late = (now - self.due - slack) / self.interval + 1;
            self.missed += late;
            self.due += late * self.interval;
            if now < self.due {
                return None;
            }
        }
        let due = self.due;
        self.due += self.interval;
        Some(due / Self::PARTS)
    }

    /// Goes to the next step.
    #[inline(always)]
    pub fn advance(&mut self, wanted: bool) {
        self.sent += 1;
        self.wanted += wanted as u64;
        self.position += 1;
        if self.position >= self.steps {
            self.position = 0;
            self.round += 1;
        }
    }

    /// The client of the frame that comes next, by its template's flags.
    #[inline(always)]
    pub fn client(&self, flags: u32) -> Client {
        let number = if has(flags, Template::CONVERSATION) { self.round } else { self.sent };
        // An odd factor: each number of so many bits comes once before any comes again, in an order that looks like none.
        let number = number.wrapping_add(self.seed).wrapping_mul(0x9e37_79b1);
        let hosts = (1_u64 << (self.host_bits & 31)) - 1;
        Client { host: (number & hosts) as u16, port: (number >> (self.host_bits & 31) & self.ports) as u16 }
    }
}

/// What tells one client from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The last two bytes of its address, which a template has as 0.
    pub host: u16,
    /// What is added to the template's port.
    pub port: u16,
}

/// Where things stand in a frame.
const PROTOCOL: usize = 23;
const IP_CHECKSUM: usize = 24;
const UDP_CHECKSUM: usize = 40;
const TCP_CHECKSUM: usize = 50;

/// Gives a frame's head its client, as its template's flags say. The checksums stay right.
#[inline(always)]
pub fn patch(head: &mut [u8; Template::HEAD], flags: u32, slot: u8, client: Client) {
    if has(flags, Template::FIXED) {
        return;
    }
    if has(flags, Template::SHIFTED) {
        let at = if has(flags, Template::ANSWER) { 31 } else { 27 };
        return shift(head, at, client.host as u8);
    }
    if has(flags, Template::ANSWER) {
        patch_at::<30, 36>(head, slot, client);
    } else {
        patch_at::<26, 34>(head, slot, client);
    }
}

#[inline(always)]
fn patch_at<const ADDRESS: usize, const PORT: usize>(head: &mut [u8; Template::HEAD], slot: u8, client: Client) {
    let [high, low] = client.host.to_be_bytes();
    head[ADDRESS + 1] = slot;
    head[ADDRESS + 2] = high;
    head[ADDRESS + 3] = low;
    let port = u16::from_be_bytes([head[PORT], head[PORT + 1]]).wrapping_add(client.port);
    [head[PORT], head[PORT + 1]] = port.to_be_bytes();
    let address = slot as u32 + client.host as u32;
    add_to_checksum::<IP_CHECKSUM>(head, address);
    if head[PROTOCOL] == 17 {
        add_to_checksum::<UDP_CHECKSUM>(head, address + client.port as u32);
    } else {
        add_to_checksum::<TCP_CHECKSUM>(head, address + client.port as u32);
    }
}

/// Changes the low byte of a word of an address.
#[inline(always)]
fn shift(head: &mut [u8; Template::HEAD], at: usize, by: u8) {
    let old = head[at];
    head[at] = old ^ by;
    let growth = 0xffff + head[at] as u32 - old as u32;
    add_to_checksum::<IP_CHECKSUM>(head, growth);
    if head[PROTOCOL] == 17 {
        add_to_checksum::<UDP_CHECKSUM>(head, growth);
    } else {
        add_to_checksum::<TCP_CHECKSUM>(head, growth);
    }
}

/// RFC 1624: what is covered has grown by this much. None at all, of UDP, stays none.
#[inline(always)]
fn add_to_checksum<const AT: usize>(head: &mut [u8; Template::HEAD], growth: u32) {
    let old = u16::from_be_bytes([head[AT], head[AT + 1]]);
    if old != 0 {
        let sum = !old as u32 & 0xffff;
        let sum = sum + growth;
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        [head[AT], head[AT + 1]] = (!(sum as u16)).to_be_bytes();
    }
}
