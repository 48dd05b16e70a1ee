//! Frames between a client, whose address and port the generator changes, and a server.

use etherparse::{PacketBuilder, PacketBuilderStep};
use portreeve_ebpf::load::Template;

/// The client in every template; the generator fills in the zeros.
pub const CLIENT: [u8; 4] = [10, 0, 0, 0];
/// The server that clients talk to.
pub const SERVER: [u8; 4] = [198, 19, 0, 1];
/// Where the client's ports begin.
pub const FIRST_PORT: u16 = 20_000;
/// Bytes of an Ethernet header, and of an IPv4 header.
const ETHERNET: usize = 14;
const IP: usize = 20;

/// One end's number, 0 the client and 1 the server, as an array index.
pub type End = usize;

/// The ports of both ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ports {
    /// The client's, to which the generator adds.
    pub client: u16,
    /// The server's.
    pub server: u16,
}

/// A UDP datagram from one of the ends.
pub fn udp(from: End, ports: Ports, payload: &[u8]) -> Vec<u8> {
    let [source, destination] = in_order(from, ports);
    written(|frame| ip(from).udp(source, destination).write(frame, payload))
}

/// A TCP segment from one of the ends: its number and what it acknowledges, and flags in the letters of tcpdump, A for ACK.
pub fn tcp(from: End, ports: Ports, numbers: [u32; 2], flags: &str, payload: &[u8]) -> Vec<u8> {
    let [source, destination] = in_order(from, ports);
    let mut tcp = ip(from).tcp(source, destination, numbers[0], 8192);
    for flag in flags.bytes() {
        tcp = match flag {
            b'S' => tcp.syn(),
            b'F' => tcp.fin(),
            b'R' => tcp.rst(),
            b'P' => tcp.psh(),
            _ => tcp.ack(numbers[1]),
        };
    }
    written(|frame| tcp.write(frame, payload))
}

/// The same datagram in fragments of so many bytes of IP payload, a multiple of 8.
pub fn fragments(frame: &[u8], size: usize, identification: u16) -> Vec<Vec<u8>> {
    let (headers, payload) = frame.split_at((ETHERNET + IP).min(frame.len()));
    let parts: Vec<&[u8]> = payload.chunks(size).collect();
    let last = parts.len().saturating_sub(1);
    let fragment = |(number, part): (usize, &&[u8])| {
        let mut header = headers.to_vec();
        let more = if number < last { 0x2000 } else { 0 };
        let field = more | (number * size / 8) as u16;
        let total = (IP + part.len()) as u16;
        for (at, value) in [(2, total), (4, identification), (6, field), (10, 0)] {
            header.splice(ETHERNET + at..ETHERNET + at + 2, value.to_be_bytes());
        }
        let sum = checksum(&header[ETHERNET..]);
        header.splice(ETHERNET + 10..ETHERNET + 12, sum.to_be_bytes());
        [&header, *part].concat()
    };
    parts.iter().enumerate().map(fragment).collect()
}

/// What flags a frame has by the end that sends it.
pub const fn direction(from: End) -> u32 {
    if from == 0 { 0 } else { Template::ANSWER }
}

fn ip(from: End) -> PacketBuilderStep<etherparse::IpHeaders> {
    let ends = [CLIENT, SERVER];
    PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(ends[from], ends[1 - from], 64)
}

fn in_order(from: End, ports: Ports) -> [u16; 2] {
    if from == 0 { [ports.client, ports.server] } else { [ports.server, ports.client] }
}

/// RFC 1071.
fn checksum(header: &[u8]) -> u16 {
    let sum: u32 =
        header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}

/// A frame in memory: that cannot fail, as nothing here is longer than a length can say.
fn written<E>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Vec<u8> {
    let mut frame = Vec::with_capacity(128);
    if write(&mut frame).is_err() {
        frame.clear();
    }
    frame
}
