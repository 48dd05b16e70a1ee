//! Everything the two formats can say about a packet.

use crate::lab::read;
use crate::write::{Classic, KUZNETZOV, MICROS, NANOS, Order, PcapNg, frame, ip};

#[test]
fn classic_files_of_every_magic_number_are_read() {
    for order in [Order::Little, Order::Big] {
        for (magic, nanos) in [(MICROS, 5_000), (NANOS, 5), (KUZNETZOV, 5_000)] {
            let file = Classic::new(order, magic, 1).packet(7, 5, &frame(1)).packet(8, 0, &frame(2));
            let out = read(&file.bytes);
            assert_eq!(out.times(), [7_000_000_000 + nanos, 8_000_000_000], "{order:?} {magic:x}");
            assert_eq!(out.frames()[0].bytes, frame(1));
            assert_eq!(out.complaint(), "");
        }
    }
}

#[test]
fn odd_times_are_taken_as_they_are() {
    let file = Classic::new(Order::Little, MICROS, 1)
        .packet(0, 0, &frame(1))
        .packet(0x8000_0000, 0, &frame(2))
        .packet(u32::MAX, 999_999, &frame(3))
        // More than a second's worth of microseconds carries over.
        .packet(10, 1_500_000, &frame(4));
    let out = read(&file.bytes);
    assert_eq!(out.times(), [0, 2_147_483_648_000_000_000, 4_294_967_295_999_999_000, 11_500_000_000]);
    assert_eq!(out.clocks[0].last(), Some(&4_294_967_295_999_999_000), "the clock stays at the newest time");
}

#[test]
fn link_types_are_told_apart() {
    let packet = ip([10, 0, 0, 1], b"call");
    let with = |header: &[u8]| [header, &packet].concat();
    let sll = with(&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0]);
    let sll2 = with(&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
    let cases = [
        (1, "ethernet", frame(1)),
        (101, "raw", packet.clone()),
        (12, "raw", packet.clone()),
        (14, "raw", packet.clone()),
        (228, "raw", packet.clone()),
        (113, "sll", sll),
        (276, "sll2", sll2),
        (0, "null", with(&[2, 0, 0, 0])),
        (0, "null", with(&[0, 0, 0, 2])),
        (108, "null", with(&[0, 0, 0, 2])),
    ];
    for (number, name, bytes) in cases {
        // The frame check sequence bits above the number change nothing.
        for number in [number, number | 0x4400_0000] {
            let out = read(&Classic::new(Order::Little, MICROS, number).packet(1, 0, &bytes).bytes);
            assert_eq!(out.frames().len(), 1, "link type {number:x}");
            assert_eq!((out.frames()[0].link.as_str(), &out.frames()[0].bytes), (name, &bytes));
        }
    }
}

#[test]
fn another_link_type_is_an_error_with_its_name() {
    let out = read(&Classic::new(Order::Big, MICROS, 127).packet(1, 0, &frame(1)).bytes);
    let complaint = out.complaint();
    assert!(complaint.contains("link type 127 (IEEE 802.11 with radiotap), which is not analysed [1]"), "{complaint}");
}

#[test]
fn another_link_type_in_pcapng_costs_only_its_own_packets() {
    let file = PcapNg::new(Order::Little).interface(127, 0, &[]).interface(1, 0, &[]).packet(0, 1, &frame(1)).packet(
        1,
        2,
        &frame(2),
    );
    let out = read(&file.bytes);
    assert_eq!(out.times(), [2_000]);
    assert_eq!((out.report.packets.get(), out.report.unsupported_link.get(), out.filtered), (2, 1, 1));
    assert!(out.complaint().contains("link type 127"), "{}", out.complaint());
}

#[test]
fn cut_packets_keep_their_length() {
    let mut file = Classic::new(Order::Little, MICROS, 1);
    file.record([1, 0, 40, 1500], &frame(1)[..40]);
    // A length on the wire below the captured one is nonsense that some programs write.
    file.record([1, 0, 47, 20], &frame(2));
    let lens: Vec<_> = read(&file.bytes).frames().iter().map(|frame| (frame.bytes.len(), frame.wire_len)).collect();
    assert_eq!(lens, [(40, 1500), (47, 47)]);
}

#[test]
fn pcapng_clocks_are_understood() {
    let clock = |options: &[(u16, &[u8])], order: Order, units: u64| {
        let file = PcapNg::new(order).interface(1, 0, options).packet(0, units, &frame(1));
        read(&file.bytes).times()
    };
    for order in [Order::Little, Order::Big] {
        assert_eq!(clock(&[], order, 5), [5_000], "microseconds without an option");
        assert_eq!(clock(&[(9, &[9])], order, 5), [5], "10^-9");
        assert_eq!(clock(&[(9, &[0])], order, 5), [5_000_000_000], "seconds");
        assert_eq!(clock(&[(9, &[3])], order, 5), [5_000_000], "10^-3");
        assert_eq!(clock(&[(9, &[12])], order, 5_999), [5], "10^-12");
        assert_eq!(clock(&[(9, &[127])], order, u64::MAX), [0], "10^-127");
        assert_eq!(clock(&[(9, &[0x80 | 1])], order, 3), [1_500_000_000], "2^-1");
        assert_eq!(clock(&[(9, &[0x80 | 20])], order, 3 << 19), [1_500_000_000], "2^-20");
        assert_eq!(clock(&[(9, &[0x80 | 64])], order, u64::MAX), [999_999_999], "2^-64");
        let offset = order.u64(100);
        assert_eq!(clock(&[(2, b"eth0"), (14, &offset), (9, &[6])], order, 7), [100_000_007_000], "with an offset");
        let before = order.u64(-1_i64 as u64);
        assert_eq!(clock(&[(14, &before)], order, 1_500_000), [500_000_000], "with an offset below 0");
        assert_eq!(clock(&[(14, &before)], order, 1), [0], "before 1970");
        assert_eq!(clock(&[(0, &[]), (9, &[9])], order, 5), [5_000], "nothing after the end of the options");
        assert_eq!(clock(&[(9, &[0])], order, u64::MAX), [u64::MAX - 1], "beyond every date");
    }
}

#[test]
fn sections_have_their_own_order_and_interfaces() {
    let file = PcapNg::new(Order::Little)
        .interface(1, 0, &[])
        .interface(101, 0, &[(9, &[9])])
        .packet(1, 1, &ip([10, 0, 0, 1], b"raw"))
        .packet(0, 2, &frame(2))
        .section(Order::Big)
        .interface(101, 0, &[])
        .packet(0, 3, &ip([10, 0, 0, 3], b"raw"));
    let out = read(&file.bytes);
    let seen: Vec<_> = out.frames().iter().map(|frame| (frame.nanos, frame.link.as_str())).collect();
    assert_eq!(seen, [(1, "raw"), (2_000, "ethernet"), (3_000, "raw")]);
    assert_eq!(out.complaint(), "");
}

#[test]
fn all_blocks_with_packets_are_read_and_all_others_skipped() {
    let order = Order::Big;
    let mut obsolete = [order.u16(0), order.u16(9)].concat();
    obsolete.extend([0, 4, 47, 47].iter().flat_map(|&word| order.u32(word)));
    obsolete.extend(frame(4));
    let file = PcapNg::new(order)
        .block(0x0000_000a, b"decryption secrets")
        .interface(1, 20, &[])
        .packet(0, 3, &frame(1))
        .block(4, b"names")
        .block(5, &[0; 300_000])
        .simple(47, &frame(2))
        .block(0x4bad, b"custom")
        .block(0x8765_4321, b"")
        .block(2, &obsolete);
    let out = read(&file.bytes);
    let seen: Vec<_> = out.frames().iter().map(|frame| (frame.nanos, frame.bytes.len(), frame.wire_len)).collect();
    // The simple packet has no time and ends at the interface's snap length.
    assert_eq!(seen, [(3_000, 47, 47), (3_000, 20, 47), (4_000, 47, 47)]);
    assert_eq!(out.complaint(), "");
}

#[test]
fn large_packets_are_read_across_chunks() {
    let mut file = Classic::new(Order::Little, MICROS, 1);
    for (n, len) in [(1, 47), (2, 262_144), (3, 47), (4, 2 << 20), (5, 100)] {
        let mut bytes = frame(n);
        bytes.resize(len, n);
        file.record([u32::from(n), 0, len as u32, len as u32], &bytes);
    }
    let out = read(&file.bytes);
    let lens: Vec<_> = out.frames().iter().map(|frame| frame.bytes.len()).collect();
    assert_eq!(lens, [47, 262_144, 47, 2 << 20, 100]);
    assert!(out.frames().iter().zip(1..).all(|(frame, n)| frame.bytes.last() == Some(&n)));
}
