//! What offload keeps together is several frames on the wire: host mode counts them as such, and loses none without a reason.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, TcpListener, TcpStream};
use std::thread;

use etherparse::PacketBuilder;
use portreeve::sys::{Interfaces, PacketSocket, set_socket_option};
use portreeve_tests::host::connect_here;
use portreeve_tests::lab::Lab;
use portreeve_tests::machine::Machine;
use portreeve_tests::sensor::{self, Sensor};
use serde_json::Value;

/// Addresses of the server and of the client.
const ADDRESSES: [[&str; 2]; 2] = [["10.0.0.1/24", "fd00::1/64"], ["10.0.0.2/24", "fd00::2/64"]];

/// `linux/if_packet.h`: a `struct virtio_net_hdr` stands before what is sent.
const SOL_PACKET: i32 = 263;
const PACKET_VNET_HDR: i32 = 15;

const WRITES: usize = 50;

#[test]
fn super_packets_of_both_directions_are_the_frames_that_they_become() {
    let Some((_lab, client)) = server_and_client() else { return };
    for address in ["10.0.0.1", "fd00::1"] {
        let mut sensor = Sensor::start("host0", &["--mode", "host"]);
        sensor.wait_until_watching();
        let server: IpAddr = address.parse().expect("an address");
        let listener = TcpListener::bind((server, 21)).expect("a listener");
        let done = client.start(move || {
            exchange(&TcpStream::connect((server, 21)).expect("a connection"), 5000);
        });
        exchange(&listener.accept().expect("a client").0, 5000);
        done.recv().expect("the client is done, too");
        let (summary, logs) = sensor.stop();
        assert_eq!(of_ledger(&summary, "unexplained"), 0, "{address}: {summary:#}");
        assert_eq!(of_ledger(&summary, "cloned.private_wire_full"), 0, "{address}: {summary:#}");
        let further = of_ledger(&summary, "host_frames.further_segments");
        assert!(further >= 2 * WRITES as u64, "{address}: there were super-packets: {summary:#}");
        assert!(logs["conn.log"][0].contains("\"history\":\"Sh"), "{address}: from its first packet on: {logs:?}");
    }
}

/// The loopback's packets are as long as 64 KiB.
#[test]
fn what_is_longer_than_the_private_wire_is_counted() {
    let Some(_lab) = sensor::is_built().then(Lab::enter).flatten() else { return };
    let mut sensor = Sensor::start("lo", &["--mode", "host"]);
    sensor.wait_until_watching();
    let listener = TcpListener::bind(("127.0.0.1", 21)).expect("a listener");
    let client = TcpStream::connect(("127.0.0.1", 21)).expect("a connection");
    let (server, _) = listener.accept().expect("a client");
    thread::scope(|scope| {
        scope.spawn(|| exchange(&client, 20_000));
        exchange(&server, 20_000);
    });
    let (summary, _) = sensor.stop();
    assert_eq!(of_ledger(&summary, "unexplained"), 0, "{summary:#}");
    assert_eq!(of_ledger(&summary, "passed.not_cloned"), 0, "{summary:#}");
    assert!(of_ledger(&summary, "passed.too_long") >= 2, "{summary:#}");
}

/// As the packets of guests: nobody has counted their segments; tagged or not, out of the host and into it.
#[test]
fn super_packets_that_nobody_has_counted_are_counted() {
    let Some((lab, client)) = server_and_client() else { return };
    let frames: Vec<_> = [0, 1, 2].into_iter().flat_map(|tags| [false, true].map(|v6| from_guest(v6, tags))).collect();
    let mut sensor = Sensor::start("host0", &["--mode", "host"]);
    sensor.wait_until_watching();
    let host = from_guests(lab.sender("host0"));
    for frame in &frames {
        host.send(frame).expect("the wire takes a frame");
    }
    let there = frames.clone();
    client.run(move || {
        let index = Interfaces::open().expect("a socket").index("far0").expect("the wire's end");
        let far = from_guests(PacketSocket::silent(index).expect("root may send frames"));
        there.iter().for_each(|frame| far.send(frame).expect("the wire takes a frame"));
    });
    let (summary, _) = sensor.stop();
    assert_eq!(of_ledger(&summary, "unexplained"), 0, "{summary:#}");
    assert_eq!(of_ledger(&summary, "passed.not_cloned"), 0, "{summary:#}");
    // Four frames each: 1400 + 1400 + 1400 + 800 bytes of payload.
    assert_eq!(of_ledger(&summary, "wanted.port"), 4 * 2 * frames.len() as u64, "{summary:#}");
    assert_eq!(of_ledger(&summary, "host_frames.further_segments"), 3 * 2 * frames.len() as u64, "{summary:#}");
}

/// 5000 bytes from port 21 in one packet, to be cut every 1400 bytes.
fn from_guest(v6: bool, tags: usize) -> Vec<u8> {
    let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let packet = if v6 {
        link.ipv6(Ipv6Addr::from(0xfd00_u128 << 112 | 1).octets(), Ipv6Addr::from(0xfd00_u128 << 112 | 2).octets(), 64)
    } else {
        link.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
    };
    let mut frame = Vec::new();
    let packet = packet.tcp(21, 40_000 + tags as u16, 1, 65_535).ack(1);
    packet.write(&mut frame, &b"230-a long welcome\r\n".repeat(250)).expect("a vector takes every byte");
    let tag: &[u8] = &[0x81, 0, 0, 5];
    frame.splice(12..12, tag.repeat(tags));
    let l4 = 14 + 4 * tags as u16 + if v6 { 40 } else { 20 };
    // The checksum is to be made by whoever cuts the packet; 1 is TCP over IPv4, 4 over IPv6.
    let header = [u16::from_ne_bytes([1, if v6 { 4 } else { 1 }]), l4 + 20, 1400, l4, 16];
    [header.map(u16::to_ne_bytes).concat(), frame].concat()
}

fn from_guests(socket: PacketSocket) -> PacketSocket {
    set_socket_option(&socket, SOL_PACKET, PACKET_VNET_HDR, &1_i32).expect("this kernel takes packets of guests");
    socket
}

/// This thread's network is the server's, where the sensor runs. Both ends of the wire offload whatever they can.
fn server_and_client() -> Option<(Lab, Machine)> {
    let lab = sensor::is_built().then(Lab::enter).flatten()?;
    let client = Machine::new();
    lab.ip("link add host0 type veth peer name far0");
    lab.ip(&format!("link set far0 netns {}", client.thread));
    connect_here("host0", &ADDRESSES[0]);
    client.run(|| connect_here("far0", &ADDRESSES[1]));
    Some((lab, client))
}

/// Writes and reads so much that the segments are held together, line by line.
fn exchange(mut end: &TcpStream, length: usize) {
    let mut lines = b"230-a long welcome to everybody\r\n".repeat(length / 30);
    lines.truncate(length);
    let mut back = vec![0; length];
    for _ in 0..WRITES {
        end.write_all(&lines).expect("the other end reads");
        end.read_exact(&mut back).expect("the other end writes");
    }
}

fn of_ledger(summary: &Value, line: &str) -> u64 {
    summary["ledger"][line].as_u64().unwrap_or_else(|| panic!("the ledger has no {line}: {summary:#}"))
}
