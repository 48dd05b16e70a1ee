//! Whatever the bytes are, reading ends, and every packet found is counted.

use proptest::prelude::*;

use crate::lab::{file, read_paths};
use crate::write::{Classic, KUZNETZOV, MICROS, NANOS, Order, PcapNg, frame};

fn reads(bytes: &[u8]) {
    let (_folder, path) = file("some.pcap", bytes);
    let one = read_paths(&[&path], 1);
    let shown = one.frames().len() as u64;
    assert!(shown <= one.filtered);
    assert_eq!(one.filtered + one.report.unsupported_link.get(), one.report.packets.get());
    let three = read_paths(&[&path], 3);
    assert_eq!(three.filtered, one.filtered);
    assert_eq!(three.complaint(), one.complaint());
}

fn whole() -> Vec<Vec<u8>> {
    let classic =
        |order, magic| (0..6).fold(Classic::new(order, magic, 1), |file, n| file.packet(n, n, &frame(n as u8))).bytes;
    let pcapng = |order| {
        let file = PcapNg::new(order).interface(1, 0, &[(9, &[0x86]), (14, &[0; 8])]).interface(113, 64, &[]);
        let file = file.packet(0, 1, &frame(1)).block(5, &[0; 40]).simple(47, &frame(2)).packet(1, 3, &frame(3));
        file.section(order).interface(1, 0, &[]).packet(0, 1, &frame(1)).bytes
    };
    let orders = [Order::Little, Order::Big];
    let classics = orders.into_iter().flat_map(|order| [MICROS, NANOS, KUZNETZOV].map(|magic| classic(order, magic)));
    classics.chain(orders.map(pcapng)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn random_bytes(which in 0..8_usize, bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let head = &whole()[which];
        reads(&[&head[..24], &bytes].concat());
        reads(&bytes);
    }

    #[test]
    fn changed_files(which in 0..8_usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = whole().swap_remove(which);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        reads(&bytes);
    }
}
