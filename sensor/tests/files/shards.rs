//! One worker or many: the same frames, the same clock, each pair of hosts in one place.

use std::collections::HashMap;

use portreeve::capture::{Expectation, ExpectationMode, ExpectationReason};
use portreeve::flow::key::Transport;

use crate::lab::{file, read_paths, read_with};
use crate::write::{Classic, MICROS, Order, ethernet, udp};

/// So many packets among 200 pairs of hosts, in both directions, with quiet and busy times.
fn conversation(packets: u32) -> Vec<u8> {
    let mut file = Classic::new(Order::Little, MICROS, 1);
    for n in 0..packets {
        let (client, server) = ([10, 0, 0, (n % 200) as u8], [10, 0, 1, (n % 7) as u8]);
        let frame = match n % 3 {
            0 => udp(server, client, [111, 900], &n.to_be_bytes()),
            1 => udp(client, server, [900, 53], &n.to_be_bytes()),
            _ => udp(client, server, [900, 111], &n.to_be_bytes()),
        };
        file = file.packet(n / 1000 * 10, (n % 1000) * 500, &ethernet(&frame));
    }
    file.bytes
}

#[test]
fn the_workers_see_together_what_one_sees() {
    let (_folder, path) = file("some.pcap", &conversation(30_000));
    let one = read_paths(&[&path], 1);
    assert_eq!(one.frames().len(), 20_000);
    assert!(one.frames().iter().all(|frame| frame.hash.is_none()));
    for workers in [2, 3, 8] {
        let many = read_paths(&[&path], workers);
        assert_eq!(many.shards.len(), workers as usize);
        assert!(many.shards.iter().all(|frames| frames.len() > 20_000 / workers as usize / 2), "they share the work");
        let mut together: Vec<_> = many.shards.concat();
        assert!(together.iter().all(|frame| frame.hash.is_some()));
        together.iter_mut().for_each(|frame| frame.hash = None);
        together.sort();
        let mut expected = one.frames().to_vec();
        expected.sort();
        assert!(together == expected, "{workers} workers");
        assert_eq!((many.filtered, many.report.packets.get()), (30_000, 30_000));
        for clocks in many.clocks {
            assert_eq!(clocks, one.clocks[0], "timers fire at the same places");
        }
    }
}

#[test]
fn a_pair_of_hosts_stays_in_one_shard() {
    let (_folder, path) = file("some.pcap", &conversation(10_000));
    let out = read_paths(&[&path], 4);
    let mut homes = HashMap::new();
    for (shard, frame) in
        out.shards.iter().enumerate().flat_map(|(shard, frames)| frames.iter().map(move |f| (shard, f)))
    {
        let mut pair = [frame.bytes[26..30].to_vec(), frame.bytes[30..34].to_vec()];
        pair.sort();
        assert_eq!(*homes.entry(pair).or_insert(shard), shard);
    }
}

#[test]
fn every_shard_learns_of_an_expectation() {
    // One host looks up a service, and much later many others use it.
    let mut capture = Classic::new(Order::Little, MICROS, 1);
    capture = capture.packet(1, 0, &ethernet(&udp([10, 0, 0, 1], [10, 0, 1, 1], [900, 111], b"where")));
    for n in 0..40_000_u32 {
        capture = capture.packet(2, n, &ethernet(&udp([10, 0, 2, 1], [10, 0, 2, 2], [5, 5], b"something else")));
    }
    for host in 1..=100 {
        capture = capture.packet(9, 0, &ethernet(&udp([10, 0, 0, host], [10, 0, 1, 1], [900, 700], b"call")));
    }
    let (_folder, path) = file("some.pcap", &capture.bytes);
    let out = read_with(&[&path], 4, &mut |_, kept, gate| {
        if kept.nanos == 1_000_000_000 {
            gate.expect(Expectation {
                transport: Transport::Udp,
                addr: [10, 0, 1, 1].into(),
                port: 700,
                why: ExpectationReason::RpcService,
                mode: ExpectationMode::Full,
            });
        }
    });
    assert_eq!(out.shards.iter().map(Vec::len).sum::<usize>(), 101);
}
