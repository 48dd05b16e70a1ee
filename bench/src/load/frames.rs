//! Frames between a client, whose address and port the generator changes, and a server.

use etherparse::{PacketBuilder, PacketBuilderStep, ip_number};
use portreeve_ebpf::load::Template;

/// The client in every template; the generator fills in the zeros.
pub const CLIENT: [u8; 4] = [10, 0, 0, 0];
/// The server that clients talk to.
pub const SERVER: [u8; 4] = [198, 19, 0, 1];
/// Where the client's ports begin.
pub const FIRST_PORT: u16 = 20_000;

/// One end's number, 0 the client and 1 the server, as an array index.
pub type End = usize;

/// A UDP datagram from one of the ends.
pub fn udp(from: End, port: u16, payload: &[u8]) -> Vec<u8> {
    let ports = ports(from, port);
    written(|frame| ip(from).udp(ports[0], ports[1]).write(frame, payload))
}

/// A TCP segment from one of the ends; `flags` in the letters of tcpdump.
pub fn tcp(from: End, port: u16, numbers: [u32; 2], flags: &str, payload: &[u8]) -> Vec<u8> {
    let ports = ports(from, port);
    let mut tcp = ip(from).tcp(ports[0], ports[1], numbers[0], 8192);
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

/// A packet of another protocol than TCP and UDP.
pub fn other(payload: &[u8]) -> Vec<u8> {
    written(|frame| ip(0).write(frame, ip_number::GRE, payload))
}

/// What flags a frame has by the end that sends it.
pub const fn direction(from: End) -> u32 {
    if from == 0 { 0 } else { Template::ANSWER }
}

fn ip(from: End) -> PacketBuilderStep<etherparse::IpHeaders> {
    let ends = [CLIENT, SERVER];
    PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(ends[from], ends[1 - from], 64)
}

fn ports(from: End, port: u16) -> [u16; 2] {
    if from == 0 { [FIRST_PORT, port] } else { [port, FIRST_PORT] }
}

/// A frame in memory: that cannot fail, as nothing here is longer than a length can say.
fn written<E>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Vec<u8> {
    let mut frame = Vec::with_capacity(128);
    if write(&mut frame).is_err() {
        frame.clear();
    }
    frame
}
