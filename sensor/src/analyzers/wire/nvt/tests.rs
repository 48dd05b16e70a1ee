//! Lines and commands, however they are cut.

use super::*;
use crate::analyzers::testing::Bench;
use crate::analyzers::wire::lines::IAC;
use crate::analyzers::{Analyzer, Step};
use crate::flow::key::Transport;
use Direction::{FromOrig, FromResp};

/// Writes down what the terminal shows.
#[derive(Debug)]
pub(super) struct Reading<const FTP: bool> {
    nvt: Nvt,
    pub(super) items: Vec<String>,
}

type Telnet = Reading<false>;

impl<const FTP: bool> Default for Reading<FTP> {
    fn default() -> Self {
        Reading { nvt: if FTP { Nvt::ftp() } else { Nvt::telnet() }, items: Vec::new() }
    }
}

impl<const FTP: bool> Analyzer for Reading<FTP> {
    const PDU_MAX: usize = PDU_MAX;

    fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let mut rest = bytes;
        while let Some(item) = self.nvt.next(cx, direction, &mut rest) {
            self.items.push(match item {
                Item::Line(line) => line.escape_ascii().to_string(),
                Item::Terminal(terminal) => format!("terminal {}", terminal.escape_ascii()),
                Item::Display(display) => format!("display {}", display.escape_ascii()),
                Item::Echo(shows) => format!("echo {shows}"),
                Item::Environment(variables) => variables.map(show).collect(),
            });
        }
        Step::leaving(bytes, rest)
    }

    fn on_gap(&mut self, _cx: &mut Context<'_>, direction: Direction, _length: u64) -> Step {
        self.nvt.on_gap(direction);
        Step::Consumed(0)
    }

    fn held(&self) -> usize {
        self.nvt.held()
    }

    fn on_end(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &[u8]) {
        let last = self.nvt.finish(cx, direction, rest).map(|line| format!("{} <end>", line.escape_ascii()));
        self.items.extend(last);
    }
}

fn show(variable: Variable<'_>) -> String {
    let Variable { name, value, user } = variable;
    let value = value.map(|value| value.escape_ascii().to_string());
    format!("[{}{} {value:?}]", name.escape_ascii(), if user { "!" } else { "" })
}

/// The items and events of a client's bytes, sent in pieces of the given length.
fn read<const FTP: bool>(bytes: &[u8], piece: usize) -> (Vec<String>, Vec<String>) {
    let mut bench = Bench::<Reading<FTP>>::new(Transport::Tcp);
    for piece in bytes.chunks(piece) {
        bench.stream(FromOrig, piece);
    }
    bench.end(FromOrig);
    (bench.analyzer.items.clone(), bench.said())
}

#[track_caller]
fn check<const FTP: bool>(bytes: &[u8], items: &[&str], events: &[&str]) {
    for piece in 1..=bytes.len().max(1) {
        let (read, said) = read::<FTP>(bytes, piece);
        assert_eq!(read, items, "items, in pieces of {piece}");
        assert_eq!(said, events, "events, in pieces of {piece}");
    }
}

#[test]
fn telnet_ends_lines_at_cr_lf_and_both() {
    check::<false>(b"a\rb\nc\r\nd\r\0e\r\r\nf", &["a", "b", "c", "d", "e", "", "f <end>"], &[]);
}

#[test]
fn ftp_ends_lines_at_lf() {
    check::<true>(b"USER a\r\nPASS b\r\n\r\nQUIT\r", &["USER a", "PASS b", "", "QUIT <end>"], &[]);
    check::<true>(b"a\nb\nc\r\n", &["a", "b", "c"], &["weird line_terminated_with_single_LF"]);
    check::<true>(b"a\rb\r\nc\rd\r\n", &["a\\rb", "c\\rd"], &["weird line_terminated_with_single_CR"]);
}

#[test]
fn nul_is_left_out_and_said_once() {
    check::<true>(b"US\0ER\0 a\r\nx\0\r\n", &["USER a", "x"], &["weird NUL_in_line"]);
    check::<false>(b"\0sm\0ith\r\n", &["smith"], &["weird NUL_in_line"]);
}

#[test]
fn commands_are_not_text() {
    check::<true>(b"\xff\xf4\xff\xf2AB\xff\xf1OR\xff\xfb\x18\r\n", &["ABOR"], &[]);
    check::<false>(b"a\xff\xffb\r\xff\xf1\nc\n", &["a\\xffb", "c"], &[]);
    check::<false>(b"smitx\xff\xf7h\xff\xf8jones\r\n", &["smitx\\x08h\\x15jones"], &[]);
}

#[test]
fn suboptions_are_read_in_any_cut() {
    check::<false>(b"lo\xff\xfa\x18\x00VT\xff\xff\xff\xf0gin\r", &["terminal VT\\xff", "login"], &[]);
    let ended = ["bad_option_termination is_orig=true command=250 option=24"];
    check::<false>(b"\xff\xfa\x18\x00x\xff\xfb\x01a\r", &["terminal x", "a"], &ended);
}

#[test]
fn a_line_that_is_too_long_is_cut_and_told_once() {
    let mut line = vec![b'a'; 3000];
    line.extend_from_slice(b"\r\nshort\r\n");
    let twice = [line.clone(), line].concat();
    let cut = "a".repeat(1024);
    for piece in [1, 7, 1023, 1024, 1025, 2000, 8000] {
        for (read, said) in [read::<false>(&twice, piece), read::<true>(&twice, piece)] {
            assert_eq!(read, [&cut, "short", &cut, "short"], "in pieces of {piece}");
            assert_eq!(said, ["excessive_line is_orig=true"], "in pieces of {piece}");
        }
    }
}

#[test]
fn line_ends_at_every_place_around_the_bounds() {
    for (bound, byte) in [(48, b'x'), (1024, b'x'), (1024, IAC)] {
        for length in bound - 3..bound + 3 {
            for end in [&b"\r\n"[..], b"\n", b"\r\0", b"\r", b"\0\r\n"] {
                let mut bytes = vec![byte; length * if byte == IAC { 2 } else { 1 }];
                bytes.extend_from_slice(end);
                bytes.extend_from_slice(b"next\r\n");
                let (telnet, ftp) = (read::<false>(&bytes, bytes.len()), read::<true>(&bytes, bytes.len()));
                for piece in [1, 2, 3, 47, 48, 49, 1023, 1024, 1025] {
                    assert_eq!(read::<false>(&bytes, piece), telnet, "{length} {end:?} in pieces of {piece}");
                    assert_eq!(read::<true>(&bytes, piece), ftp, "{length} {end:?} in pieces of {piece}");
                }
                assert_eq!(telnet.1.contains(&"excessive_line is_orig=true".to_owned()), length >= 1024);
            }
        }
    }
}

#[test]
fn nothing_is_kept_for_an_idle_terminal() {
    let mut bench = Bench::<Telnet>::new(Transport::Tcp);
    bench.stream(FromResp, b"Welcome to a host with quite a long banner, and no end of it yet \xff\xf1");
    assert!(bench.analyzer.held() > 0);
    bench.stream(FromResp, b"\r\n\xff\xfa\x18\x01\xff\xf0login: ");
    bench.stream(FromOrig, b"smith");
    assert_eq!((bench.analyzer.held(), &bench.waiting), (0, &[Vec::new(), Vec::new()]));
}

#[test]
fn a_gap_forgets_what_was_begun() {
    let mut bench = Bench::<Telnet>::new(Transport::Tcp);
    bench.stream(FromOrig, b"lost\xff\xfa\x18");
    bench.gap(FromOrig, 10);
    bench.stream(FromOrig, b"found\r\n");
    assert_eq!(bench.analyzer.items, ["found"]);
}
