//! The bytes of a client's portmapper connection, in one piece and byte by byte: no panic, and the same records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve_tests::{expect, play, replay, talk};

fuzz_target!(|bytes: &[u8]| {
    let whole = replay::scenes(&scenes(bytes, usize::MAX), &[]);
    let pieces = replay::scenes(&scenes(bytes, 1), &[]);
    assert_eq!((whole.panics, pieces.panics), (0, 0));
    let calls = |outcome: &replay::Outcome| expect::text(&expect::without(&outcome.logs, &["ts", "rtt"]), "portmap.log");
    assert_eq!(calls(&whole), calls(&pieces));
});

/// A handshake, the bytes in pieces of this length, and a close.
fn scenes(bytes: &[u8], length: usize) -> Vec<play::Scene> {
    let hex: String = bytes.iter().take(2048).map(|byte| format!("{byte:02x}")).collect();
    let cut = length.min(2048);
    let text = format!("# Fuzzed.\ntcp 10.0.0.9:832 > 10.0.0.1:111\n> [cut={cut}] hex {hex}\n!close\n");
    talk::parse(&text).and_then(|talk| play::play(&talk)).expect("a talk")
}
