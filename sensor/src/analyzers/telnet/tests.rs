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
fn a_session_that_waits_at_its_prompt_costs_nothing_on_the_heap_unless_that_is_long() {
    let mut bench = Bench::<Telnet>::new(Transport::Tcp);
    for (direction, bytes) in TALK {
        bench.stream(direction, bytes);
    }
    bench.stream(FromResp, b"smith@a-host:~$ ");
    assert_eq!((bench.analyzer.held(), bench.waiting[0].len(), bench.waiting[1].len()), (0, 0, 0));
    bench.stream(FromResp, b"\r\nsmith@a-host-with-a-longish-name:~$ ");
    assert_eq!((bench.waiting[0].len(), bench.waiting[1].len()), (0, 0));
    assert!(bench.analyzer.held() <= 160, "one buffer for lines: {}", bench.analyzer.held());
}

#[test]
fn a_session_at_its_worst_is_bounded() {
    let (mut bench, mut worst) = (Bench::<Telnet>::new(Transport::Tcp), 0);
    let variables =
        [b"\xff\xfa\x27\x00\x00DISPLAY\x01".as_slice(), &[b'd'; 1100], b"\x00USER\x01", &[b'u'; 1100]].concat();
    let parts: [(Direction, &[u8]); 8] = [
        (FromResp, b"\xff\xfd\x27\r\nlogin: "),
        (FromOrig, &variables),
        (FromOrig, b"\xff\xf0"),
        (FromOrig, &[b'n'; 1023]),
        (FromOrig, b"\xff\xfa\x18\x00"),
        (FromOrig, &[b't'; 1100]),
        (FromResp, &[b'p'; 1023]),
        (FromResp, &[b"\xff\xfa\x26\x01".as_slice(), &[b'k'; 1100]].concat()),
    ];
    for (direction, bytes) in parts {
        for piece in bytes.chunks(7) {
            bench.stream(direction, piece);
            worst = worst.max(bench.analyzer.held() + bench.waiting[0].len() + bench.waiting[1].len());
        }
    }
    for _ in 0..20 {
        bench.stream(FromOrig, &[&[b'l'; 1023][..], b"\r\n"].concat());
        worst = worst.max(bench.analyzer.held());
    }
    assert!(worst > 2048, "the test reaches what it is about: {worst}");
    assert!(worst <= 2 * 4096, "{worst} bytes on the heap of both directions");
}
