//! What hostile or broken senders do to a terminal: one test per mistake that others have made.

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};

use super::tests::Reading;
use crate::analyzers::Analyzer;
use crate::analyzers::testing::Bench;
use crate::analyzers::wire::lines::IAC;
use crate::flow::key::Direction::{FromOrig, FromResp};
use crate::flow::key::Transport;

/// The most that one direction may keep.
const WORST: usize = 4096;

fn telnet() -> Bench<Reading<false>> {
    Bench::new(Transport::Tcp)
}

/// Sends bytes in pieces; what is kept back stays within its bound all the time.
fn send<const FTP: bool>(bench: &mut Bench<Reading<FTP>>, bytes: &[u8], pieces: &[usize]) {
    let mut rest = bytes;
    for length in pieces.iter().cycle() {
        let (piece, later) = rest.split_at(rest.len().min((*length).max(1)));
        bench.stream(FromOrig, piece);
        assert!(bench.analyzer.held() + bench.waiting.concat().len() <= WORST);
        rest = later;
        if rest.is_empty() {
            return;
        }
    }
}

#[test]
fn a_mebibyte_of_iac() {
    for piece in [1, 1460] {
        let mut bench = telnet();
        send(&mut bench, &vec![IAC; 1 << 20], &[piece]);
        send(&mut bench, b"\r\nnext\r\n", &[piece]);
        assert_eq!(bench.analyzer.items, ["\\xff".repeat(1024), "next".to_owned()]);
        assert_eq!(bench.said(), ["excessive_line is_orig=true"]);
    }
}

#[test]
fn a_suboption_that_is_never_closed() {
    let mut bench = telnet();
    send(&mut bench, b"\xff\xfa\x18\x00", &[4]);
    send(&mut bench, &vec![b'x'; 1 << 20], &[1460]);
    assert_eq!(bench.said(), ["weird nvt_option_size_exceeded"]);
    send(&mut bench, b"\xff\xf0smith\r\n", &[3]);
    assert_eq!(bench.analyzer.items.last().map(String::as_str), Some("smith"));
    assert_eq!(bench.analyzer.held(), 0);
}

#[test]
fn a_line_without_end() {
    let mut bench = telnet();
    let bytes = vec![b'x'; 1 << 20];
    bench.call(|analyzer, cx| analyzer.on_stream(cx, FromResp, &bytes));
    let state = format!("{:?}", bench.analyzer);
    for _ in 0..8 {
        bench.call(|analyzer, cx| analyzer.on_stream(cx, FromResp, &bytes));
        assert_eq!(format!("{:?}", bench.analyzer), state, "so that it will be the same after a gibibyte");
    }
    assert_eq!((bench.analyzer.held(), bench.analyzer.items.len()), (0, 1));
    assert_eq!(bench.said(), ["excessive_line is_orig=false"]);
}

#[test]
fn a_million_account_names() {
    let mut bench = telnet();
    for n in 0..1_000_000_u32 {
        let name = [b"\xff\xfa\x25\x03", &b"name".repeat(20)[..], n.to_string().as_bytes(), b"\xff\xf0"].concat();
        bench.call(|analyzer, cx| analyzer.on_stream(cx, FromOrig, &name));
    }
    assert!(bench.analyzer.held() <= 128, "{}", bench.analyzer.held());
    bench.stream(FromResp, b"\xff\xfa\x25\x02\x02\xff\xf0");
    assert_eq!(bench.said(), [format!("authentication_accepted name={}", "name".repeat(16))]);
}

#[test]
fn no_room_costs_a_line_and_nothing_else() {
    let mut bench = telnet();
    bench.limits.buffered_bytes = 0;
    let long = b"a line of some length that does not fit into what is kept inside the connection";
    send(&mut bench, &[&long[..], b"\xff\xf1 and on\r\nnext\r\n"].concat(), &[200]);
    send(&mut bench, b"\xff\xfa\x18\x00vt100\xff\xf0last\r\n", &[1]);
    assert_eq!(bench.analyzer.items, ["next", "last"]);
    assert!(bench.said().iter().all(|line| line.starts_with("weird buffer_budget_exhausted") || line.contains("24")));
}

/// Bytes of which a terminal takes notice, and others.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => proptest::sample::select(b"\xff\xff\xff\xfa\xf0\xfb\xfc\xfd\xfe\xf6\xf7\r\n\0\x01\x02\x03".to_vec()),
        1 => proptest::sample::select(vec![24, 34, 36, 37, 38, 39, 46]),
        1 => b'a'..=b'e',
        1 => any::<u8>(),
    ]
}

fn read<const FTP: bool>(bytes: &[u8], pieces: &[usize]) -> (Vec<String>, Vec<String>) {
    let mut bench = Bench::<Reading<FTP>>::new(Transport::Tcp);
    send(&mut bench, bytes, pieces);
    bench.end(FromOrig);
    (std::mem::take(&mut bench.analyzer.items), bench.said())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn any_bytes_cut_any_way_give_the_same(bytes in vec(byte(), 1..200), pieces in vec(1..9_usize, 1..20)) {
        assert_eq!(read::<false>(&bytes, &[bytes.len()]), read::<false>(&bytes, &pieces));
        assert_eq!(read::<true>(&bytes, &[bytes.len()]), read::<true>(&bytes, &pieces));
    }

    #[test]
    fn long_lines_cut_any_way_give_the_same(
        runs in vec((byte(), 1..1500_usize), 1..6),
        pieces in vec(1..1600_usize, 1..6),
    ) {
        let bytes: Vec<u8> = runs.iter().flat_map(|&(byte, times)| std::iter::repeat_n(byte, times)).collect();
        assert_eq!(read::<false>(&bytes, &[bytes.len()]), read::<false>(&bytes, &pieces));
        assert_eq!(read::<true>(&bytes, &[bytes.len()]), read::<true>(&bytes, &pieces));
    }
}
