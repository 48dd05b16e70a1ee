//! Damaged files: everything before the damage comes out, and the complaint names the place.

use crate::lab::{file, read, read_paths};
use crate::write::{Classic, MICROS, Order, PcapNg, frame};

fn classic() -> Vec<u8> {
    Classic::new(Order::Little, MICROS, 1).packet(1, 0, &frame(1)).packet(2, 0, &frame(2)).packet(3, 0, &frame(3)).bytes
}

/// The file, and where each of its blocks ends.
fn pcapng() -> (Vec<u8>, Vec<usize>) {
    let file = PcapNg::new(Order::Big);
    let mut ends = vec![file.bytes.len()];
    let file = file.interface(1, 0, &[(9, &[6])]);
    ends.push(file.bytes.len());
    let file = file.packet(0, 1, &frame(1));
    ends.push(file.bytes.len());
    let file = file.block(4, b"names");
    ends.push(file.bytes.len());
    let file = file.packet(0, 2, &frame(2));
    ends.push(file.bytes.len());
    (file.bytes, ends)
}

#[test]
fn a_classic_file_cut_anywhere_gives_what_is_whole() {
    let whole = classic();
    for len in 0..whole.len() {
        let out = read(&whole[..len]);
        let packets = len.saturating_sub(24) / 63;
        assert_eq!(out.frames().len(), packets, "cut at {len}");
        let at = if len < 24 { 0 } else { 24 + packets * 63 };
        let complaint = out.complaint();
        if len >= 24 && len == at {
            assert_eq!(complaint, "", "cut at {len}, between packets");
        } else {
            assert!(complaint.contains(&format!("some.pcap beyond byte {at}:")), "cut at {len}: {complaint}");
            assert!(complaint.ends_with("[3]\n"), "cut at {len}: {complaint}");
        }
    }
}

#[test]
fn a_pcapng_file_cut_anywhere_gives_what_is_whole() {
    let (whole, ends) = pcapng();
    for len in 0..whole.len() {
        let out = read(&whole[..len]);
        let packets = usize::from(len >= ends[2]) + usize::from(len >= ends[4]);
        assert_eq!(out.frames().len(), packets, "cut at {len}");
        assert_eq!(out.errors.len(), usize::from(!ends.contains(&len)), "cut at {len}: {}", out.complaint());
        assert!(out.errors.iter().all(|error| error.exit_status() == 3), "cut at {len}: {}", out.complaint());
    }
}

#[test]
fn lengths_that_lie_end_the_file_there() {
    for captured in [5 << 20, u32::MAX, u32::MAX - 8] {
        let mut file = Classic::new(Order::Big, MICROS, 1).packet(1, 0, &frame(1));
        file.record([2, 0, captured, captured], &frame(2));
        let out = read(&file.bytes);
        assert_eq!(out.frames().len(), 1);
        let expected = format!("beyond byte 87: a packet claims {captured} captured bytes");
        assert!(out.complaint().contains(&expected), "{}", out.complaint());
    }
    let (whole, ends) = pcapng();
    for lie in [0_u32, 8, 11, 0x00ff_fffc, u32::MAX] {
        let mut bytes = whole.clone();
        bytes[ends[1] + 4..ends[1] + 8].copy_from_slice(&lie.to_be_bytes());
        let out = read(&bytes);
        assert_eq!(out.frames().len(), 0, "{lie}");
        assert!(out.complaint().contains(&format!("beyond byte {}:", ends[1])), "{lie}: {}", out.complaint());
    }
    let mut bytes = whole;
    bytes[ends[2] - 1] ^= 4;
    let complaint = read(&bytes).complaint();
    assert!(complaint.contains("a block's two lengths differ"), "{complaint}");
}

#[test]
fn a_flawed_record_costs_only_itself() {
    let file = PcapNg::new(Order::Little)
        .interface(1, 0, &[])
        .packet(0, 1, &frame(1))
        .packet(7, 2, &frame(2))
        .enhanced([0, 0, 3, 4000, 4000], &frame(3))
        .block(6, b"short")
        .packet(0, 4, &frame(4));
    let out = read(&file.bytes);
    assert_eq!(out.times(), [1_000, 4_000]);
    assert_eq!(out.report.flawed_records.get(), 3);
    assert_eq!(out.errors.len(), 1, "one complaint per file: {}", out.complaint());
    assert!(
        out.complaint().contains("at byte 140: a packet of an interface that was not described"),
        "{}",
        out.complaint()
    );
}

#[test]
fn what_is_no_capture_is_an_error() {
    for bytes in [&b"#!/bin/sh\necho this is a script, not a capture\n"[..], b"x", &[0; 100]] {
        let complaint = read(bytes).complaint();
        assert!(complaint.contains("neither a pcap nor a pcapng file"), "{complaint}");
        assert!(complaint.ends_with("[1]\n"), "{complaint}");
    }
    assert!(read(b"").complaint().contains("the file is empty"));
}

#[test]
fn one_damaged_file_does_not_stop_the_others() {
    let whole = classic();
    let (_first, damaged) = file("damaged.pcap", &whole[..100]);
    let (_second, none) = file("none.txt", b"these are notes about something else");
    let (_third, good) = file("good.pcap", &whole);
    let out = read_paths(&[&damaged, &none, &good], 1);
    assert_eq!(out.times(), [1_000_000_000, 1_000_000_000, 2_000_000_000, 3_000_000_000]);
    assert_eq!(out.errors.len(), 2, "{}", out.complaint());
}
