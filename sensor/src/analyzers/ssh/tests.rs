//! SSH, byte by byte.

use super::*;
use crate::analyzers::testing::Bench;
use crate::flow::key::Transport;

/// A packet of SSH 2 with a message.
fn packet(message: &[u8]) -> Vec<u8> {
    let padding = 8 + (8 - (message.len() + 5) % 8) % 8;
    let mut packet = ((message.len() + padding + 1) as u32).to_be_bytes().to_vec();
    packet.push(padding as u8);
    packet.extend(message);
    packet.resize(packet.len() + padding, 0);
    packet
}

fn kexinit(cipher: &str, compression: &str) -> Vec<u8> {
    let mut message = vec![20; 17];
    let lists = ["curve25519-sha256", "ssh-ed25519", cipher, cipher, "m", "m", compression, compression, "", ""];
    for list in lists {
        message.extend((list.len() as u32).to_be_bytes());
        message.extend(list.as_bytes());
    }
    message.extend([0; 5]);
    packet(&message)
}

/// A connection on which both sides have sent NEWKEYS.
fn keyed(compression: &str) -> Bench<Ssh> {
    let mut bench = Bench::<Ssh>::new(Transport::Tcp);
    bench.stream(Direction::FromResp, b"SSH-2.0-there\r\n");
    bench.stream(Direction::FromOrig, b"SSH-2.0-here\r\n");
    for direction in [Direction::FromOrig, Direction::FromResp] {
        bench.stream(direction, &kexinit("aes128-ctr,aes256-ctr", compression));
    }
    bench.stream(Direction::FromOrig, &packet(b"\x1e\0\0\0\x02xx"));
    bench.stream(Direction::FromResp, &packet(b"\x1f\0\0\0\x0f\0\0\0\x0bssh-ed25519"));
    bench.stream(Direction::FromResp, &packet(&[21]));
    bench.stream(Direction::FromOrig, &packet(&[21]));
    bench
}

#[test]
fn the_negotiation_is_stated_and_forgotten() {
    let mut bench = keyed("none");
    let names = ["ssh_server_version", "ssh_client_version", "ssh_version_agreed", "ssh_capabilities"];
    assert_eq!(bench.said().len(), 7, "{names:?}, the other capabilities, the algorithms and the key");
    assert_eq!(bench.analyzer.held(), 0);
}

#[test]
fn attempts_are_counted_until_somebody_is_let_in() {
    let mut bench = keyed("none");
    bench.said();
    for (asks, answers) in [(52, 52), (68, 84), (84, 84), (100, 84), (84, 36)] {
        bench.stream(Direction::FromOrig, &vec![0; asks]);
        bench.stream(Direction::FromResp, &vec![0; answers]);
    }
    let attempted = |yes| format!("ssh_auth_attempted authenticated={yes}");
    let successful = "ssh_auth_successful auth_method_none=false".to_owned();
    assert_eq!(bench.said(), [attempted(false), attempted(false), attempted(true), successful]);
    bench.call(Ssh::on_close);
    assert!(bench.said().is_empty());
}

#[test]
fn nothing_is_inferred_where_lengths_tell_nothing() {
    let mut bench = keyed("zlib@openssh.com");
    bench.stream(Direction::FromOrig, &[0; 64]);
    assert_eq!(bench.said().last().map(String::as_str), Some("ssh_auth_unknown"));
    let mut bench = keyed("none");
    bench.said();
    bench.stream(Direction::FromOrig, &[0; 64]);
    for _ in 0..200 {
        bench.stream(Direction::FromResp, &[0; 500]);
    }
    let said = bench.said();
    assert_eq!(said.last().map(String::as_str), Some("ssh_auth_unknown"));
    assert_eq!(said.len(), bench.limits.ssh_auth_answers as usize - 1, "two are measures, one says that it ends");
}

#[test]
fn the_side_that_connected_can_be_the_server() {
    let mut bench = Bench::<Ssh>::new(Transport::Tcp);
    for direction in [Direction::FromOrig, Direction::FromResp] {
        bench.stream(direction, b"SSH-2.0-x\r\n");
        bench.stream(direction, &kexinit(if direction.is_orig() { "a,b" } else { "b,a" }, "none"));
    }
    bench.said();
    bench.stream(Direction::FromResp, &packet(b"\x1e\0\0\0\x02xx"));
    let said = bench.said().join("\n");
    assert!(said.contains("cipher_client_to_server=b ") && said.contains("reversed=true"), "{said}");
}

#[test]
fn every_bound_is_reached() {
    let mut bench = Bench::<Ssh>::new(Transport::Tcp);
    for _ in 0..=bench.limits.ssh_lines_before_version {
        bench.stream(Direction::FromResp, b"welcome\r\n");
    }
    assert_eq!(bench.said().len(), usize::from(bench.limits.ssh_lines_before_version));
    let mut bench = Bench::<Ssh>::new(Transport::Tcp);
    bench.stream(Direction::FromOrig, &[b"SSH-2.0-".as_slice(), &[b'x'; 300], b"\n"].concat());
    assert_eq!(bench.said()[0], "weird SSH_max_version_length_exceeded 309 > 255");
    bench.stream(Direction::FromOrig, &[0, 1, 0, 0, 0]);
    assert_eq!(bench.said().last().map(String::as_str), Some("weird SSH_max_packet_length_exceeded 65536 > 35000"));
}
