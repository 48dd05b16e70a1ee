//! Conversations as frames: TCP with the right numbers, UDP in turns; and how many of them are woven into one script.

use std::ops::Range;

use portreeve_ebpf::load::{Step, Template};

use super::frames::{End, Ports, direction, tcp, udp};

/// Flags of every frame of a conversation.
const FLAGS: u32 = Template::WANTED | Template::CONVERSATION;
/// Bytes that one segment carries at most.
const SEGMENT: usize = 1448;

/// A conversation's frames, in their order.
#[derive(Clone, Default, Debug)]
pub struct Talk {
    /// What the generator makes frames from.
    pub templates: Vec<Template>,
}

/// A TCP connection in a talk.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    ports: Ports,
    /// What each end sends next.
    next: [u32; 2],
}

impl Talk {
    /// A UDP datagram.
    pub fn datagram(&mut self, from: End, ports: Ports, payload: &[u8]) {
        self.frame(from, &udp(from, ports, payload));
    }

    /// Opens a connection.
    pub fn open(&mut self, ports: Ports) -> Connection {
        let mut connection = Connection { ports, next: [1_000_000, 2_000_000] };
        self.segment(&mut connection, 0, "S", b"");
        self.segment(&mut connection, 1, "SA", b"");
        self.segment(&mut connection, 0, "A", b"");
        connection
    }

    /// One end says something, in as many segments as it takes; the other acknowledges every second one.
    pub fn say(&mut self, connection: &mut Connection, from: End, payload: &[u8]) {
        for (number, part) in payload.chunks(SEGMENT).enumerate() {
            self.segment(connection, from, "PA", part);
            if number % 2 == 1 {
                self.segment(connection, 1 - from, "A", b"");
            }
        }
    }

    /// Both ends finish, this one first.
    pub fn close(&mut self, connection: &mut Connection, first: End) {
        self.segment(connection, first, "FA", b"");
        self.segment(connection, 1 - first, "FA", b"");
        self.segment(connection, first, "A", b"");
    }

    fn segment(&mut self, connection: &mut Connection, from: End, flags: &str, payload: &[u8]) {
        let acknowledged = if flags == "S" { 0 } else { connection.next[1 - from] };
        let frame = tcp(from, connection.ports, [connection.next[from], acknowledged], flags, payload);
        let counted = u32::from(flags.contains(['S', 'F']));
        connection.next[from] = connection.next[from].wrapping_add(payload.len() as u32 + counted);
        self.frame(from, &frame);
    }

    fn frame(&mut self, from: End, frame: &[u8]) {
        self.templates.push(Template::new(frame, FLAGS | direction(from)));
    }
}

/// Weaves talks into one script, each in a slot of its own: all go on at the same time, each in its own order, and `others` come between
/// them so often that they are this share of all frames.
pub fn woven(talks: &[Talk], others: &[Template], share: f64, seed: u64) -> (Vec<Template>, Vec<Step>) {
    let mut templates: Vec<Template> = others.to_vec();
    let mut left: Vec<(u8, Range<u32>)> = Vec::new();
    for (slot, talk) in talks.iter().enumerate() {
        // Equal talks share their frames, which then stay in the processor's caches.
        let equal = talks.iter().take(slot).position(|other| other.templates == talk.templates);
        let range = equal.and_then(|place| left.get(place)).map(|(_, range)| range.clone()).unwrap_or_else(|| {
            let first = templates.len() as u32;
            templates.extend(&talk.templates);
            first..templates.len() as u32
        });
        left.push((slot as u8, range));
    }
    let (mut steps, mut random, mut between) = (Vec::new(), Random(seed), 0.0);
    while !left.is_empty() {
        let place = random.below(left.len());
        let Some((slot, talk)) = left.get_mut(place) else { break };
        let slot = *slot;
        match talk.next() {
            Some(template) => steps.push(Step { template, slot }),
            None => {
                left.swap_remove(place);
                continue;
            }
        }
        between += share / (1.0 - share).max(1e-3);
        while between >= 1.0 && !others.is_empty() {
            between -= 1.0;
            steps.push(Step { template: random.below(others.len()) as u32, slot: random.below(64) as u8 });
        }
    }
    (templates, steps)
}

/// Numbers without an order, always the same for a seed.
#[derive(Clone, Copy, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next one, less than `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}
