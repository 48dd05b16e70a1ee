//! Rlogin's own bytes: prologue, window messages, control bytes, bounds.

use proptest::prelude::*;

use super::Rlogin;
use crate::analyzers::Analyzer;
use crate::analyzers::testing::Bench;
use crate::event::LoginState;
use crate::flow::EndpointState;
use crate::flow::key::Direction::{self, FromOrig, FromResp};
use crate::flow::key::Transport;

const PROLOGUE: &[u8] = b"\0alice\0root\0vt100/9600\0";

fn bench() -> Bench<Rlogin> {
    Bench::new(Transport::Tcp)
}

fn begun() -> Bench<Rlogin> {
    let mut bench = bench();
    bench.stream(FromOrig, PROLOGUE);
    bench.stream(FromResp, b"\0");
    assert_eq!(bench.said(), ["login_terminal terminal=vt100/9600"]);
    bench
}

#[test]
fn a_trusted_host_needs_no_password() {
    let mut bench = begun();
    bench.stream(FromResp, b"Last login: Mon\r\n");
    let success = "login_success user=root client_user=alice password=<none> line=Last login: Mon";
    assert_eq!(bench.said(), ["login_output_line line=Last login: Mon", success]);
    assert_eq!((bench.conn.login, bench.analyzer.held()), (LoginState::LoggedIn, 0));
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let mut bench = begun();
    bench.stream(FromResp, b"Password: ");
    bench.stream(FromOrig, b"secret\r");
    bench.stream(FromResp, b"\r\nLogin incorrect\r\nlogin: ");
    bench.stream(FromOrig, b"bob\r");
    let said = bench.said();
    let failure = "login_failure user=root client_user=alice password=<hidden> line=Login incorrect";
    assert_eq!(said[0], "login_input_line line=<hidden>");
    assert_eq!((said[3].as_str(), said[4].as_str()), (failure, "login_input_line line=bob"));
}

#[test]
fn names_end_in_nul_or_are_none() {
    let mut early = bench();
    early.stream(FromOrig, b"alice");
    assert_eq!(early.names(), ["bad_rlogin_prolog"]);
    let mut endless = bench();
    endless.stream(FromOrig, b"\0");
    (0..20).for_each(|_| endless.stream(FromOrig, &[b'a'; 100]));
    let said = endless.names();
    assert!(said.contains(&"rlogin_line_size_exceeded".to_owned()), "{said:?}");
    let mut middle = bench();
    middle.conn.orig.state = EndpointState::Partial;
    middle.stream(FromOrig, b"ls\r");
    assert_eq!(middle.names(), ["login_input_line", "login_confused_text"]);
}

#[test]
fn window_sizes_are_no_text_and_what_looks_like_them_is() {
    let mut bench = begun();
    bench.stream(FromOrig, b"l\xff\xffss\0\x18\0\x50\0\0\0\0s\rx\xffy\r\xff\xffsz\r\xff\xffss\r");
    let lines: Vec<String> = bench.said().into_iter().filter(|line| line.starts_with("login_input")).collect();
    let shown = |hidden: &str| format!("login_input_line line={hidden}");
    assert_eq!(lines, ["<hidden>"; 4].map(shown), "a password may be typed ahead");
    let mut after = begun();
    after.stream(FromResp, b"Last login: Mon\r\n");
    after.said();
    after.stream(FromOrig, b"l\xff\xffss\0\x18\0\x50\0\r\n\0s\rx\xffy\r\xff\xffsz\r\xff\xffss\r");
    let texts = ["ls", "x\\xffy", "\\xff\\xffsz", "\\xff\\xffss"];
    assert_eq!(after.said(), texts.map(|text| format!("login_input_line line={text}")));
}

#[test]
fn urgent_control_bytes_are_no_text() {
    for whole in [true, false] {
        let mut bench = bench();
        bench.stream(FromOrig, PROLOGUE);
        bench.call(|rlogin, cx| rlogin.on_urgent(cx, FromResp, 2));
        let bytes = b"\0\x80log\x10in: root\r\n";
        if whole {
            bench.call(|rlogin, cx| rlogin.on_urgent(cx, FromResp, 2));
            bench.stream(FromResp, bytes);
        } else {
            bytes.iter().for_each(|byte| bench.stream(FromResp, &[*byte]));
        }
        assert_eq!(bench.said()[1], "login_output_line line=log\\x10in: root", "an ordinary one is");
    }
    let mut bench = begun();
    let line = [[b'a'; 60].as_slice(), b"\x80", b"b\r\n"].concat();
    bench.stream(FromResp, &line[..20]);
    bench.call(|rlogin, cx| rlogin.on_urgent(cx, FromResp, 62));
    bench.stream(FromResp, &line[20..]);
    assert_eq!(bench.said()[0], format!("login_output_line line={}b", "a".repeat(60)));
}

#[test]
fn a_client_that_goes_on_after_it_was_rejected() {
    let mut bench = bench();
    bench.stream(FromOrig, PROLOGUE);
    bench.stream(FromResp, b"\x01Permission denied.\r\n");
    bench.stream(FromOrig, b"ls\r");
    let said = bench.names();
    assert_eq!(said[1..], ["login_output_line", "login_failure", "rlogin_text_after_rejected", "login_input_line"]);
}

#[test]
fn a_line_without_end_is_cut_and_costs_little() {
    let mut bench = begun();
    for direction in [FromOrig, FromResp] {
        for _ in 0..1000 {
            bench.stream(direction, &[b'a'; 1024]);
            assert!(bench.analyzer.held() <= 4096 && bench.waiting[0].len() + bench.waiting[1].len() <= 2048);
        }
        bench.stream(direction, b"\rb\r");
    }
    let names = bench.names();
    let count = |wanted: &str| names.iter().filter(|name| *name == wanted).count();
    assert_eq!((count("excessive_line"), count("rlogin_line_size_exceeded")), (2, 1));
    assert_eq!((count("login_input_line"), count("login_output_line")), (2, 2));
}

fn play(pieces: &[(Direction, Vec<u8>)], cut: usize) -> Vec<String> {
    let mut bench = bench();
    for (direction, bytes) in pieces {
        bytes.chunks(cut).for_each(|chunk| bench.stream(*direction, chunk));
    }
    [FromOrig, FromResp].into_iter().for_each(|direction| bench.end(direction));
    bench.call(Rlogin::on_close);
    bench.said()
}

proptest! {
    #[test]
    fn the_same_is_said_however_a_stream_is_cut(
        turns in prop::collection::vec((any::<bool>(), prop::collection::vec(prop_oneof![
            Just(b'\r'), Just(b'\n'), Just(0u8), Just(0xffu8), Just(b's'), Just(b':'), Just(b' '), any::<u8>(),
        ], 0..60)), 0..12),
        prologue in any::<bool>(),
        cut in 1usize..9,
    ) {
        let mut pieces = vec![(FromOrig, PROLOGUE.to_vec()), (FromResp, b"\0login: ".to_vec())];
        pieces.truncate(if prologue { 2 } else { 0 });
        let side = |orig| if orig { FromOrig } else { FromResp };
        pieces.extend(turns.into_iter().map(|(orig, bytes)| (side(orig), bytes)));
        prop_assert_eq!(play(&pieces, usize::MAX), play(&pieces, cut));
    }
}
