//! Whole dialogues over a terminal, however they are cut, and what they cost.

use super::*;
use crate::analyzers::testing::Bench;
use crate::flow::key::Transport;
use Direction::{FromOrig, FromResp};

/// The manual's dialogue: a name, a password, and the server is content.
const TALK: [(Direction, &[u8]); 7] = [
    (FromResp, b"\xff\xfd\x18\xff\xfd\x27SunOS 5.6\r\n\xff\xfb\x01\xff\xfb\x03login: "),
    (FromOrig, b"\xff\xfb\x18\xff\xfb\x27\xff\xfd\x01\xff\xfa\x18\x00vt100\xff\xf0"),
    (FromOrig, b"\xff\xfa\x27\x00\x00DISPLAY\x01host:0\xff\xf0smith\r\0"),
    (FromResp, b"smith\r\nPassword: "),
    (FromOrig, b"secret\r\0"),
    (FromResp, b"\r\nLast login: Mon from somewhere\r\n"),
    (FromOrig, b"ls\r\0"),
];

fn said(piece: usize) -> Vec<String> {
    let mut bench = Bench::<Telnet>::new(Transport::Tcp);
    for (direction, bytes) in TALK {
        for piece in bytes.chunks(piece) {
            bench.stream(direction, piece);
        }
    }
    bench.said()
}

#[test]
fn a_login_is_the_same_however_it_is_cut() {
    let whole = said(usize::MAX);
    assert!(whole.iter().any(|line| line.starts_with("login_success user=smith")), "{whole:#?}");
    assert!(whole.contains(&"login_terminal terminal=vt100".to_owned()), "{whole:#?}");
    assert!(whole.contains(&"login_display display=host:0".to_owned()), "{whole:#?}");
    assert!(!whole.iter().any(|line| line.contains("secret") && !line.contains("secret=")), "{whole:#?}");
    for piece in 1..40 {
        assert_eq!(said(piece), whole, "in pieces of {piece}");
    }
}

#[test]
fn a_session_that_waits_at_its_prompt_costs_nothing_on_the_heap() {
    let mut bench = Bench::<Telnet>::new(Transport::Tcp);
    for (direction, bytes) in TALK {
        bench.stream(direction, bytes);
    }
    bench.stream(FromResp, b"a-host-with-a-longish-name$ ");
    assert_eq!((bench.analyzer.held(), bench.waiting[0].len(), bench.waiting[1].len()), (0, 0, 0));
}
