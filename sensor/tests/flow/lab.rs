//! A shard with a handler that writes down what it hears, and packets to feed it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use etherparse::PacketBuilder;
use portreeve::capture::{BypassReason, Bypassed, Expectation, Frame, Gate, Link};
use portreeve::config::{PortTable, Settings};
use portreeve::event::{Event, Handler, Verdict};
use portreeve::flow::Conn;
use portreeve::flow::key::FlowKey;
use portreeve::flow::shard::Shard;
use portreeve::stats::WorkerStats;
use portreeve::time::Timestamp;

pub const CLIENT: [u8; 4] = [10, 0, 0, 1];
pub const SERVER: [u8; 4] = [10, 0, 0, 2];

/// Writes down every event as text, with its time in milliseconds.
#[derive(Debug, Default)]
pub struct Notebook {
    pub lines: Vec<String>,
    pub records: Vec<(String, Conn)>,
    /// Names of the protocols' events, which the other tests do not want to hear.
    pub rpc: Vec<&'static str>,
    pub verdict: Verdict,
}

impl Handler for Notebook {
    fn handle(&mut self, now: Timestamp, conn: &mut Conn, event: &Event<'_>) -> Verdict {
        let name = match event {
            Event::Connection(event) => format!("{event:?}"),
            Event::Weird { name, .. } => format!("weird {name}"),
            Event::Rpc(_) | Event::Ftp(_) | Event::Nvt(_) | Event::Login(_) | Event::Ssh(_) => {
                self.rpc.push(event.name());
                return self.verdict;
            }
        };
        if name == "ConnectionStateRemove" {
            self.records.push((conn.state().to_owned(), summary(conn)));
        }
        self.lines.push(format!("{} {name}", now.as_nanos() / 1_000_000));
        self.verdict
    }

    fn flow_weird(&mut self, now: Timestamp, _hosts: Option<(IpAddr, IpAddr)>, name: &'static str) {
        self.lines.push(format!("{} flow {name}", now.as_nanos() / 1_000_000));
    }
}

/// `Conn` is not `Clone` on purpose; a test keeps the facts that it looks at.
fn summary(conn: &Conn) -> Conn {
    let mut copy = Conn::new(conn.id, conn.start);
    (copy.last, copy.orig, copy.resp) = (conn.last, conn.orig, conn.resp);
    (copy.history, copy.missed_bytes, copy.service) = (conn.history.clone(), conn.missed_bytes, conn.service);
    copy
}

/// A gate that remembers what it was asked.
#[derive(Debug, Default)]
pub struct Remembering {
    pub bypassed: Vec<FlowKey>,
    /// What it says next of what it kept out.
    pub kept_out: Bypassed,
}

impl Gate for Remembering {
    fn expect(&mut self, _expectation: Expectation) {}

    fn unexpect(&mut self, _expectation: Expectation) {}

    fn accompany(&mut self, _hosts: [IpAddr; 2]) {}

    fn leave(&mut self, _hosts: [IpAddr; 2]) {}

    fn bypass(&mut self, key: &FlowKey, _why: BypassReason) {
        self.bypassed.push(*key);
    }

    fn unbypass(&mut self, _key: &FlowKey) -> Option<Bypassed> {
        Some(std::mem::take(&mut self.kept_out))
    }
}

/// A shard under test.
pub struct Lab {
    pub shard: Shard<Notebook>,
    pub gate: Remembering,
    pub stats: Arc<WorkerStats>,
}

impl Lab {
    pub fn new(settings: Settings) -> Self {
        let stats = Arc::new(WorkerStats::default());
        let ports = PortTable::new(&settings).expect("default ports");
        let shard = Shard::new(Arc::new(settings), &ports, Notebook::default(), Arc::clone(&stats));
        Lab { shard, gate: Remembering::default(), stats }
    }

    /// Feeds one frame, at so many milliseconds.
    pub fn feed(&mut self, millis: u64, bytes: &[u8]) {
        let frame = Frame::new(at(millis), Link::Ethernet, bytes, bytes.len());
        self.shard.on_frames(&[frame], &mut self.gate);
    }

    pub fn close(&mut self, millis: u64) {
        self.shard.close_all(at(millis), &mut self.gate);
    }

    /// What was heard since the last time.
    pub fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.shard.handler().lines)
    }

    /// The same without weirds: what analyzers think of the payload does not matter to every test.
    pub fn events(&mut self) -> Vec<String> {
        self.heard().into_iter().filter(|line| !line.contains("weird")).collect()
    }

    /// Every outcome that is not 0.
    pub fn outcomes(&self) -> Vec<(&'static str, u64)> {
        self.stats.outcomes.snapshot().into_iter().filter(|(_, n)| *n > 0).collect()
    }
}

/// A moment of packet time; the epoch itself is avoided.
pub fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

/// A UDP datagram in an Ethernet frame.
pub fn udp(src: [u8; 4], src_port: u16, dst: [u8; 4], dst_port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(src, dst, 64).udp(src_port, dst_port);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).expect("a vector takes everything");
    frame
}

/// A TCP conversation that keeps its own sequence numbers.
pub struct Talk {
    pub lab: Lab,
    pub clock: u64,
    pub client_seq: u32,
    pub server_seq: u32,
    pub client_port: u16,
    /// Every segment has an urgent pointer that points nowhere: nothing about it is different, but no segment is like that.
    pub urges: bool,
}

/// A segment still to be changed.
#[derive(Clone, Copy, Default)]
pub struct Tcp {
    pub from_server: bool,
    pub syn: bool,
    pub ack: bool,
    pub fin: bool,
    pub rst: bool,
    /// Relative to where the sender stands.
    pub seq: i32,
    /// Relative to where the other side stands.
    pub acked: i32,
}

pub const C: Tcp = Tcp { from_server: false, syn: false, ack: true, fin: false, rst: false, seq: 0, acked: 0 };
pub const S: Tcp = Tcp { from_server: true, ..C };

impl Talk {
    pub fn new() -> Self {
        Talk::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        Talk {
            lab: Lab::new(settings),
            clock: 100_000,
            client_seq: 1000,
            server_seq: 5000,
            client_port: 1023,
            urges: false,
        }
    }

    /// SYN, SYN-ACK, ACK.
    pub fn handshake(&mut self) {
        self.send(Tcp { syn: true, ack: false, ..C }, b"");
        self.send(Tcp { syn: true, ..S }, b"");
        self.send(C, b"");
    }

    /// Sends a segment; its sender moves on by what it takes, unless it was sent out of place.
    pub fn send(&mut self, how: Tcp, payload: &[u8]) {
        self.clock += 1;
        let (own, peer) =
            if how.from_server { (self.server_seq, self.client_seq) } else { (self.client_seq, self.server_seq) };
        let seq = own.wrapping_add_signed(how.seq);
        let ends = if how.from_server {
            (SERVER, 111, CLIENT, self.client_port)
        } else {
            (CLIENT, self.client_port, SERVER, 111)
        };
        let mut builder =
            PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(ends.0, ends.2, 64).tcp(ends.1, ends.3, seq, 8192);
        if how.syn {
            builder = builder.syn();
        }
        if how.fin {
            builder = builder.fin();
        }
        if how.rst {
            builder = builder.rst();
        }
        if how.ack {
            builder = builder.ack(peer.wrapping_add_signed(how.acked));
        }
        if self.urges {
            builder = builder.urg(0);
        }
        let mut frame = Vec::new();
        builder.write(&mut frame, payload).expect("a vector takes everything");
        self.lab.feed(self.clock, &frame);
        if how.seq == 0 {
            let taken = payload.len() as u32 + u32::from(how.syn) + u32::from(how.fin);
            let own = if how.from_server { &mut self.server_seq } else { &mut self.client_seq };
            *own = own.wrapping_add(taken);
        }
    }

    /// Bytes that the sensor does not see.
    pub fn lose(&mut self, bytes: u32) {
        self.client_seq = self.client_seq.wrapping_add(bytes);
    }

    /// What happened, without times.
    pub fn names(&mut self) -> Vec<String> {
        let names = self.lab.heard().into_iter();
        names.map(|line| line.split_once(' ').map(|(_, name)| name.to_owned()).unwrap_or_default()).collect()
    }

    /// Ends the input; the state and history of the only connection.
    pub fn record(&mut self) -> (String, String) {
        self.lab.close(self.clock);
        let (state, conn) = self.lab.shard.handler().records.pop().expect("one record");
        (state, conn.history.as_str().to_owned())
    }
}
