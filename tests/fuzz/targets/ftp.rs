//! Both directions of an FTP control connection, in one piece and byte by byte: no panic, and the same records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve_tests::{expect, play, replay, talk};

fuzz_target!(|bytes: &[u8]| {
    let whole = replay::scenes(&scenes(bytes, usize::MAX), &[]);
    let pieces = replay::scenes(&scenes(bytes, 1), &[]);
    assert_eq!((whole.panics, pieces.panics), (0, 0));
    let lines = |outcome: &replay::Outcome| expect::text(&expect::without(&outcome.logs, &["ts"]), "ftp.log");
    assert_eq!(lines(&whole), lines(&pieces));
});

/// A handshake, a greeting, and lines of either side by turns in pieces of this length.
fn scenes(bytes: &[u8], length: usize) -> Vec<play::Scene> {
    let mut text = "# Fuzzed.\ntcp 10.0.0.9:4021 > 10.0.0.1:21\n< 220 ready\\r\\n\n".to_owned();
    for (turn, said) in bytes.chunks(64).take(32).enumerate() {
        let hex: String = said.iter().map(|byte| format!("{byte:02x}")).collect();
        let (side, cut) = (if turn % 2 == 0 { '>' } else { '<' }, length.min(64));
        text.push_str(&format!("{side} [cut={cut}] hex {hex}\n"));
    }
    text.push_str("!close\n");
    talk::parse(&text).and_then(|talk| play::play(&talk)).expect("a talk")
}
