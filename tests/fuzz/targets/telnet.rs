//! Both directions of a Telnet connection, in one piece and byte by byte: no panic, and the same records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve_tests::{expect, play, replay, talk};

fuzz_target!(|bytes: &[u8]| {
    let whole = replay::scenes(&scenes(bytes, usize::MAX), &[]);
    let pieces = replay::scenes(&scenes(bytes, 1), &[]);
    assert_eq!((whole.panics, pieces.panics), (0, 0));
    for log in ["login.log", "weird.log"] {
        let lines = |outcome: &replay::Outcome| sorted(&expect::without(&outcome.logs, &["ts", "duration"]), log);
        assert_eq!(lines(&whole), lines(&pieces));
    }
});

/// A handshake, a prompt, and bytes of either side by turns in pieces of this length.
fn scenes(bytes: &[u8], length: usize) -> Vec<play::Scene> {
    let greeting = "\\xff\\xfd\\x18\\xff\\xfb\\x26\\xff\\xfd\\x26login: ";
    let mut text = format!("# Fuzzed.\ntcp 10.0.0.9:1025 > 10.0.0.1:23\n< {greeting}\n");
    for (turn, said) in bytes.chunks(64).take(32).enumerate() {
        let hex: String = said.iter().map(|byte| format!("{byte:02x}")).collect();
        let (side, cut) = (if turn % 2 == 0 { '>' } else { '<' }, length.min(64));
        text.push_str(&format!("{side} [cut={cut}] hex {hex}\n"));
    }
    text.push_str("!close\n");
    talk::parse(&text).and_then(|talk| play::play(&talk)).expect("a talk")
}

fn sorted(logs: &expect::Logs, name: &str) -> Vec<String> {
    let mut lines: Vec<String> = expect::text(logs, name).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}
