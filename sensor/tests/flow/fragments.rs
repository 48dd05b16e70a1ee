//! IP fragments: whole again in any order, the first version counts, and every bound holds.

use portreeve::config::Settings;

use crate::lab::{CLIENT, Lab, SERVER, udp};

/// Cuts the IP payload of a frame into fragments of `size` bytes.
fn cut(frame: &[u8], id: u16, size: usize) -> Vec<Vec<u8>> {
    let (head, payload) = frame.split_at(34);
    let parts = payload.chunks(size).enumerate();
    let count = payload.len().div_ceil(size);
    parts.map(|(i, part)| piece(head, id, i * size, part, i + 1 < count)).collect()
}

fn piece(head: &[u8], id: u16, offset: usize, part: &[u8], more: bool) -> Vec<u8> {
    let mut fragment = [head, part].concat();
    fragment[16..18].copy_from_slice(&u16::try_from(20 + part.len()).expect("small").to_be_bytes());
    fragment[18..20].copy_from_slice(&id.to_be_bytes());
    let field = u16::try_from(offset / 8).expect("small") | if more { 0x2000 } else { 0 };
    fragment[20..22].copy_from_slice(&field.to_be_bytes());
    fragment
}

fn call() -> Vec<u8> {
    udp(CLIENT, 1023, SERVER, 111, &[7; 200])
}

#[test]
fn any_order_makes_one_datagram() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let parts = cut(&call(), 9, 80);
        let mut lab = Lab::new(Settings::default());
        for (i, &part) in order.iter().enumerate() {
            lab.feed(100_000 + i as u64, &parts[part]);
        }
        assert_eq!(lab.outcomes(), [("udp", 1), ("fragment_held", 2)]);
        lab.close(100_010);
        let (_, conn) = lab.shard.handler().records.pop().expect("one record");
        assert_eq!((conn.orig.size, conn.orig.ip_bytes), (200, 208 + 60));
    }
}

#[test]
fn overlaps_are_told() {
    let frame = call();
    let parts = cut(&frame, 9, 80);
    let mut other = parts[1].clone();
    other[40] ^= 1;
    for (again, weird) in [(&parts[1], "fragment_overlap"), (&other, "fragment_inconsistency")] {
        let mut lab = Lab::new(Settings::default());
        [&parts[0], &parts[1], again, &parts[2]].into_iter().for_each(|part| lab.feed(100_000, part));
        let flow: Vec<String> = lab.heard().into_iter().filter(|line| line.contains("flow")).collect();
        assert_eq!(flow, [format!("100000 flow {weird}")]);
        assert_eq!(lab.outcomes(), [("udp", 1), ("fragment_held", 3)]);
    }
}

#[test]
fn contradictions_and_oddities_are_named() {
    let head = &call()[..34];
    let cases = [
        (vec![piece(head, 1, 80, &[0; 80], false), piece(head, 1, 160, &[0; 80], true)], "fragment_size_inconsistency"),
        (vec![piece(head, 1, 0, &[0; 16], true)], "excessively_small_fragment"),
        (vec![piece(head, 1, 64_000, &[0; 80], false)], "excessively_large_fragment"),
    ];
    for (parts, weird) in cases {
        let mut lab = Lab::new(Settings::default());
        parts.iter().for_each(|part| lab.feed(100_000, part));
        assert_eq!(lab.heard(), [format!("100000 flow {weird}")]);
    }
}

#[test]
fn datagrams_and_fragments_are_bounded() {
    let mut settings = Settings::default();
    (settings.limits.fragmented_datagrams, settings.limits.fragments_per_datagram) = (2, 3);
    let mut lab = Lab::new(settings);
    let first: Vec<_> = (0..3).map(|id| cut(&call(), id, 80)).collect();
    first.iter().for_each(|parts| lab.feed(100_000, &parts[0]));
    // The first datagram has given way: its rest begins another one, which is never whole.
    first.iter().rev().for_each(|parts| parts[1..].iter().for_each(|part| lab.feed(100_001, part)));
    assert_eq!(lab.outcomes(), [("udp", 2), ("fragment_held", 7)]);
    let many = cut(&call(), 50, 8);
    many.iter().for_each(|part| lab.feed(100_002, part));
    assert_eq!(lab.stats.outcomes.fragment_dropped.get(), many.len() as u64 - 3);
}

#[test]
fn fragments_do_not_wait_for_ever() {
    let parts = cut(&call(), 9, 104);
    let mut lab = Lab::new(Settings::default());
    lab.feed(100_000, &parts[0]);
    lab.feed(131_000, &parts[1]);
    assert_eq!(lab.outcomes(), [("fragment_held", 2)]);
}
