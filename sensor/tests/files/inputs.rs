//! Compression, folders, several files.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use portreeve::capture::pcap;
use portreeve::capture::plan::Plan;
use portreeve::config::Settings;

use crate::lab::{file, plan, read, read_paths};
use crate::write::{Classic, MICROS, Order, PcapNg, frame};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn many(packets: u32) -> Vec<u8> {
    (0..packets).fold(Classic::new(Order::Little, MICROS, 1), |file, n| file.packet(n, 0, &frame(n as u8))).bytes
}

#[test]
fn compressed_files_are_read_by_their_magic() {
    let plain = many(20_000);
    let expected = read(&plain).times();
    assert_eq!(expected.len(), 20_000);
    assert_eq!(read(&gzip(&plain)).times(), expected);
    assert_eq!(read(&zstd::encode_all(&plain[..], 1).unwrap()).times(), expected);
    let members = [gzip(&plain[..1000]), gzip(&plain[1000..])].concat();
    assert_eq!(read(&members).times(), expected, "gzip files that were put together");
}

#[test]
fn a_compressed_file_that_ends_early_gives_what_is_whole() {
    let plain = many(20_000);
    for compressed in [gzip(&plain), zstd::encode_all(&plain[..], 1).unwrap()] {
        let out = read(&compressed[..compressed.len() * 3 / 4]);
        assert!(out.frames().len() > 1_000, "{}", out.frames().len());
        assert!(out.complaint().contains("some.pcap beyond byte"), "{}", out.complaint());
        assert!(out.complaint().ends_with("[3]\n"), "{}", out.complaint());
    }
}

#[test]
fn a_folder_is_its_files_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("b.pcap", &Classic::new(Order::Big, MICROS, 1).packet(2, 0, &frame(2)).bytes);
    write("a.pcapng", &PcapNg::new(Order::Big).interface(1, 0, &[]).packet(0, 1, &frame(1)).bytes);
    write("README", b"what these captures are about, at some length");
    write(".hidden", &Classic::new(Order::Big, MICROS, 1).packet(3, 0, &frame(3)).bytes);
    fs::create_dir(folder.path().join("deeper")).unwrap();
    let out = read_paths(&[folder.path()], 1);
    assert_eq!(out.times(), [1_000, 2_000_000_000]);
    assert_eq!((out.complaint().as_str(), out.report.not_captures.get()), ("", 1));
}

#[test]
fn files_are_read_in_the_order_given_and_time_never_steps_back() {
    let (_a, late) = file("late.pcap", &Classic::new(Order::Big, MICROS, 1).packet(9, 0, &frame(2)).bytes);
    let (_b, early) = file("early.pcap", &Classic::new(Order::Big, MICROS, 1).packet(1, 0, &frame(1)).bytes);
    let out = read_paths(&[&late, &early], 1);
    assert_eq!(out.times(), [9_000_000_000, 1_000_000_000]);
    assert_eq!(out.clocks[0].last(), Some(&9_000_000_000));
}

#[test]
fn a_path_that_does_not_exist_is_told_at_once() {
    let open =
        |path: PathBuf| pcap::open(&[path], &plan(1), &pcap::Settings::default()).err().map(|error| error.to_string());
    let complaint = open("/nowhere/some.pcap".into()).unwrap();
    assert!(complaint.starts_with("cannot read /nowhere/some.pcap: No such file"), "{complaint}");
    let empty = tempfile::tempdir().unwrap();
    assert!(open(empty.path().into()).unwrap().starts_with("cannot find a capture file"));
}

#[test]
fn too_many_workers_are_refused() {
    let complaint = Plan::new(&Settings::default(), 1, 100_000).err().unwrap().to_string();
    assert!(complaint.starts_with("cannot start 100000 workers: at most 256"), "{complaint}");
}
