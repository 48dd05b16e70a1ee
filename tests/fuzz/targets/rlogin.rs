//! Both directions of Rlogin, Rsh or rexec, in one piece and byte by byte: no panic, and the same records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve_tests::{expect, play, replay, talk};

const PROLOGUES: [(u16, &str); 4] =
    [(513, r"\0alice\0root\0xterm/38400\0"), (513, ""), (514, r"0\0alice\0root\0id\0"), (512, r"0\0bob\0secret\0id\0")];

fuzz_target!(|bytes: &[u8]| {
    let ports = ["ports.add.rsh=['514/tcp']".to_owned(), "ports.add.rexec=['512/tcp']".to_owned()];
    let whole = replay::scenes(&scenes(bytes, usize::MAX), &ports);
    let pieces = replay::scenes(&scenes(bytes, 1), &ports);
    assert_eq!((whole.panics, pieces.panics), (0, 0));
    let lines = |outcome: &replay::Outcome| expect::text(&expect::without(&outcome.logs, &["ts"]), "login.log");
    assert_eq!(lines(&whole), lines(&pieces));
});

/// A handshake, a prologue, and what either side says by turns, in pieces of this length.
fn scenes(bytes: &[u8], length: usize) -> Vec<play::Scene> {
    let (first, rest) = bytes.split_first().unwrap_or((&0, b""));
    let (port, prologue) = PROLOGUES[usize::from(first % 4)];
    let mut text = format!("# Fuzzed.\ntcp 10.0.0.9:1023 > 10.0.0.1:{port}\n");
    if !prologue.is_empty() {
        text.push_str(&format!("> {prologue}\n< \\0\n"));
    }
    for (turn, said) in rest.chunks(48).take(32).enumerate() {
        let hex: String = said.iter().map(|byte| format!("{byte:02x}")).collect();
        let (side, cut) = (if turn % 2 == 0 { '<' } else { '>' }, length.min(48));
        text.push_str(&format!("{side} [cut={cut}] hex {hex}\n"));
    }
    text.push_str("!close\n");
    talk::parse(&text).and_then(|talk| play::play(&talk)).expect("a talk")
}
