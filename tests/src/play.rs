//! A talk becomes packets: sequence numbers, flags and times are filled in, as two ordinary hosts would.

use std::net::SocketAddr;
use std::time::Duration;

use crate::talk::{Conversation, Fragments, Options, Side, Step, Talk};

/// When every case begins: nanoseconds since 1970. Records are compared relative to it.
pub const START: u64 = 1_700_000_000_000_000_000;

/// What a host advertises.
const WINDOW: u16 = 64_240;

/// From one packet to the next.
const PACE: Duration = Duration::from_millis(1);

/// What the sensor is shown, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Scene {
    /// A packet.
    Packet(Box<Packet>),
    /// Nothing, until this moment (nanoseconds since 1970).
    Silence(u64),
}

/// One packet, before it is put into bytes.
#[derive(Clone, PartialEq, Debug)]
pub struct Packet {
    /// When, in nanoseconds since 1970.
    pub at: u64,
    /// Which conversation it belongs to; `None` for a raw frame.
    pub conversation: Option<usize>,
    /// Who sends.
    pub side: Side,
    /// From, to.
    pub endpoints: Option<(SocketAddr, SocketAddr)>,
    /// The TCP header; `None` for UDP.
    pub tcp: Option<Tcp>,
    /// What it carries; for a raw frame, all of it.
    pub payload: Vec<u8>,
    /// How the frame differs from an ordinary one.
    pub bent: Bent,
}

/// The fields of a TCP header that matter here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tcp {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// The window, as it is on the wire.
    pub window: u16,
    /// Flags by name.
    pub flags: Vec<String>,
}

/// What was done to a frame.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Bent {
    /// VLAN tags, outermost first.
    pub vlan: Vec<u16>,
    /// Captured up to this length only.
    pub snap: Option<usize>,
    /// Really only this long.
    pub truncate: Option<usize>,
    /// Travelled in fragments.
    pub fragments: Option<Fragments>,
    /// The transport checksum is wrong.
    pub bad_checksum: bool,
}

/// Plays a talk from beginning to end.
pub fn play(talk: &Talk) -> Result<Vec<Scene>, String> {
    let mut player = Player::new(talk);
    for step in &talk.steps {
        player.step(step)?;
    }
    Ok(player.scenes)
}

/// The same between other hosts: `10.0.0.9` becomes `10.NUMBER.0.9`.
pub fn elsewhere(scenes: &[Scene], number: u8) -> Vec<Scene> {
    let moved = |address: SocketAddr| match address {
        SocketAddr::V4(v4) => {
            let [a, _, c, d] = v4.ip().octets();
            SocketAddr::from(([a, number, c, d], v4.port()))
        }
        SocketAddr::V6(v6) => {
            let mut segments = v6.ip().segments();
            segments[2] = u16::from(number);
            SocketAddr::from((segments, v6.port()))
        }
    };
    let mut scenes = scenes.to_vec();
    for scene in &mut scenes {
        if let Scene::Packet(packet) = scene {
            packet.endpoints = packet.endpoints.map(|(from, to)| (moved(from), moved(to)));
        }
    }
    scenes
}

struct Player<'a> {
    talk: &'a Talk,
    /// The next sequence number of each conversation's client and server.
    next: Vec<[u32; 2]>,
    vlan: Vec<Vec<u16>>,
    snap: Option<usize>,
    now: u64,
    scenes: Vec<Scene>,
}

impl<'a> Player<'a> {
    fn new(talk: &'a Talk) -> Self {
        let next = talk.conversations.iter().map(|c| [c.isn, c.isn.wrapping_add(4000)]).collect();
        let vlan = vec![Vec::new(); talk.conversations.len()];
        Player { talk, next, vlan, snap: None, now: START, scenes: Vec::new() }
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Open(index) => self.open(*index),
            Step::Send { conversation, side, options, payload } => self.send(*conversation, *side, options, payload),
            Step::Wait(time) => {
                self.now += time.as_nanos() as u64;
                self.scenes.push(Scene::Silence(self.now));
            }
            Step::Lose(index, side, count) => {
                let next = &mut self.next[*index][*side as usize];
                *next = next.wrapping_add(*count);
            }
            Step::Vlan(index, tags) => self.vlan[*index].clone_from(tags),
            Step::Snap(length) => self.snap = Some(*length),
            Step::Double => {
                let again = Packet { at: self.tick(), ..self.last()?.clone() };
                self.scenes.push(Scene::Packet(Box::new(again)));
            }
            Step::Swap => self.swap()?,
            Step::Fragment(fragments) => self.last()?.bent.fragments = Some(*fragments),
            Step::Truncate(length) => self.last()?.bent.truncate = Some(*length),
            Step::TruncateEach => self.truncate_each()?,
            Step::Frame(bytes) => self.raw(bytes),
        }
        Ok(())
    }

    fn open(&mut self, index: usize) {
        if self.talk.conversations[index].handshake {
            for (side, flags) in
                [(Side::Client, &["syn"][..]), (Side::Server, &["syn", "ack"]), (Side::Client, &["ack"])]
            {
                self.send(index, side, &Options::flags(flags), &[]);
            }
        }
    }

    fn send(&mut self, index: usize, side: Side, options: &Options, payload: &[u8]) {
        if options.prefixes {
            (0..payload.len()).for_each(|length| self.packet(index, side, options, &payload[..length]));
        }
        let mut rest = payload;
        let mut cuts = options.cut.iter().copied();
        while let Some(length) = cuts.next().or(options.cut.last().copied()).filter(|length| *length < rest.len()) {
            let (piece, after) = rest.split_at(length.max(1));
            self.packet(index, side, options, piece);
            rest = after;
        }
        self.packet(index, side, options, rest);
    }

    fn packet(&mut self, index: usize, side: Side, options: &Options, payload: &[u8]) {
        let conversation: &Conversation = &self.talk.conversations[index];
        let endpoints = match side {
            Side::Client => (conversation.client, conversation.server),
            Side::Server => (conversation.server, conversation.client),
        };
        let tcp = conversation.tcp.then(|| self.header(index, side, options, payload));
        let bent = Bent {
            vlan: self.vlan[index].clone(),
            snap: self.snap,
            bad_checksum: options.bad_checksum,
            ..Bent::default()
        };
        let at = self.tick();
        let payload = payload.to_vec();
        let packet = Packet { at, conversation: Some(index), side, endpoints: Some(endpoints), tcp, payload, bent };
        self.scenes.push(Scene::Packet(Box::new(packet)));
    }

    fn header(&mut self, index: usize, side: Side, options: &Options, payload: &[u8]) -> Tcp {
        let flags = match options.flags.is_empty() {
            true => vec!["psh".into(), "ack".into()],
            false => options.flags.clone(),
        };
        let has = |name: &str| flags.iter().any(|flag| flag == name);
        let peer = self.next[index][side.other() as usize];
        let next = &mut self.next[index][side as usize];
        let seq = next.wrapping_add(options.seq as u32);
        let end = seq.wrapping_add(payload.len() as u32 + u32::from(has("syn")) + u32::from(has("fin")));
        if (end.wrapping_sub(*next) as i32) > 0 {
            *next = end;
        }
        let ack = if has("ack") { peer.wrapping_add(options.ack as u32) } else { 0 };
        Tcp { seq, ack, window: options.window.unwrap_or(WINDOW), flags }
    }

    fn raw(&mut self, bytes: &[u8]) {
        let (at, bent) = (self.tick(), Bent { snap: self.snap, ..Bent::default() });
        let side = Side::Client;
        let packet = Packet { at, conversation: None, side, endpoints: None, tcp: None, payload: bytes.to_vec(), bent };
        self.scenes.push(Scene::Packet(Box::new(packet)));
    }

    /// The contents change places; the times stay where they are.
    fn swap(&mut self) -> Result<(), String> {
        match self.scenes.as_mut_slice() {
            [.., Scene::Packet(a), Scene::Packet(b)] => {
                std::mem::swap(a, b);
                std::mem::swap(&mut a.at, &mut b.at);
                Ok(())
            }
            _ => Err("`!swap` needs two frames in a row before it".into()),
        }
    }

    fn truncate_each(&mut self) -> Result<(), String> {
        let whole = self.last()?.clone();
        self.scenes.pop();
        let length = crate::encode::frames(&whole, 0).iter().map(|frame| frame.bytes.len()).max().unwrap_or(0);
        for length in 0..=length {
            let mut shorter = Packet { at: self.tick(), ..whole.clone() };
            shorter.bent.truncate = Some(length);
            self.scenes.push(Scene::Packet(Box::new(shorter)));
        }
        Ok(())
    }

    fn last(&mut self) -> Result<&mut Packet, String> {
        match self.scenes.last_mut() {
            Some(Scene::Packet(packet)) => Ok(packet),
            _ => Err("there is no frame yet that this could happen to".into()),
        }
    }

    fn tick(&mut self) -> u64 {
        let at = self.now;
        self.now += PACE.as_nanos() as u64;
        at
    }
}

impl Options {
    fn flags(flags: &[&str]) -> Self {
        Options { flags: flags.iter().map(|flag| (*flag).into()).collect(), ..Options::default() }
    }
}
