//! Both directions of an SSH connection before encryption, in one piece and byte by byte: no panic, and the same line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve_tests::{expect, play, replay, talk};

fuzz_target!(|bytes: &[u8]| {
    let whole = replay::scenes(&scenes(bytes, usize::MAX), &[]);
    let pieces = replay::scenes(&scenes(bytes, 1), &[]);
    assert_eq!((whole.panics, pieces.panics), (0, 0));
    // Who is let in is inferred from the lengths of segments, and so is none of this.
    let inferred = ["ts", "auth_success", "auth_attempts", "auth_method"];
    let lines = |outcome: &replay::Outcome| expect::text(&expect::without(&outcome.logs, &inferred), "ssh.log");
    assert_eq!(lines(&whole), lines(&pieces));
});

/// A handshake, both identifications unless the first byte is odd, and packets or bytes of either side by turns in pieces of this length.
fn scenes(bytes: &[u8], length: usize) -> Vec<play::Scene> {
    let mut text = "# Fuzzed.\ntcp 10.0.0.9:40022 > 10.0.0.1:22\n".to_owned();
    if bytes.first().is_none_or(|byte| byte % 2 == 0) {
        text.push_str("< SSH-2.0-there\\r\\n\n> SSH-2.0-here\\r\\n\n> ssh kexinit\n< ssh kexinit\n");
    }
    for (turn, said) in bytes.chunks(64).take(32).enumerate() {
        let hex: String = said.iter().map(|byte| format!("{byte:02x}")).collect();
        let (side, cut) = (if turn % 2 == 0 { '>' } else { '<' }, length.min(64));
        let kind = if said.len() % 3 == 0 { "ssh packet" } else { "hex" };
        text.push_str(&format!("{side} [cut={cut}] {kind} {hex}\n"));
    }
    text.push_str("!close\n");
    talk::parse(&text).and_then(|talk| play::play(&talk)).expect("a talk")
}
