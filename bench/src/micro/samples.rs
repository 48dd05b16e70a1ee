//! Frames of every kind that a decision is made about, small ones, between the same two hosts.

use etherparse::PacketBuilder;
use portreeve::capture::{Frame, Link};
use portreeve::time::Timestamp;

const CLIENT: [u8; 4] = [198, 18, 0, 1];
const SERVER: [u8; 4] = [198, 19, 0, 1];
const CLIENT6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const SERVER6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
/// A port that an analyzer has, and one that none has.
const WANTED: u16 = 111;
const UNWANTED: u16 = 443;

/// Each kind by its name. The first fragments stand before the later ones, which nobody knows without them.
pub fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let first = fragment(WANTED, 0, true);
    vec![
        ("udp-wanted", udp(WANTED)),
        ("udp-unwanted", udp(UNWANTED)),
        ("tcp-wanted", tcp(WANTED)),
        ("tcp-unwanted", tcp(UNWANTED)),
        ("ipv6-wanted", ipv6(WANTED)),
        ("ipv6-unwanted", ipv6(UNWANTED)),
        ("vlan-wanted", vlan(WANTED)),
        ("vlan-unwanted", vlan(UNWANTED)),
        ("fragment-first", first),
        ("fragment-later", fragment(WANTED, 1480, false)),
        ("arp", arp()),
    ]
}

/// The frame as a source shows it.
pub fn shown(bytes: &[u8]) -> Frame<'_> {
    let at = Timestamp::from_parts(1_700_000_000, 0);
    Frame::new(at, Link::Ethernet, bytes, bytes.len())
}

fn udp(port: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(CLIENT, SERVER, 64);
    ip.udp(40_000, port).write(&mut frame, &[0; 40]).expect("a vector takes everything");
    frame
}

fn tcp(port: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(CLIENT, SERVER, 64);
    ip.tcp(40_000, port, 1, 8192).ack(1).psh().write(&mut frame, &[0; 40]).expect("a vector takes everything");
    frame
}

fn ipv6(port: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6(CLIENT6, SERVER6, 64);
    ip.udp(40_000, port).write(&mut frame, &[0; 40]).expect("a vector takes everything");
    frame
}

fn vlan(port: u16) -> Vec<u8> {
    let mut frame = udp(port);
    frame.splice(12..12, [0x81, 0, 0, 7]);
    frame
}

/// A part of a datagram; only the first has its ports.
fn fragment(port: u16, offset: u16, more: bool) -> Vec<u8> {
    let mut frame = udp(port);
    let [high, low] = ((offset / 8) | (u16::from(more) << 13)).to_be_bytes();
    (frame[20], frame[21]) = (high, low);
    frame
}

fn arp() -> Vec<u8> {
    let mut frame = [[2; 6], [4; 6]].concat();
    frame.extend([8, 6]);
    frame.resize(60, 0);
    frame
}
