//! Connections whose payload the capture filter keeps out: their sizes are right all the same.

use portreeve::capture::Bypassed;
use portreeve::event::Verdict;

use crate::lab::{C, S, Talk, Tcp};

const GIB: u64 = 1 << 30;

/// The server sends so much, of which the sensor sees nothing; the capture filter counts so much more, because of retransmissions.
fn transfer(size: u64, more: u64, end: impl FnOnce(&mut Talk)) -> (u64, u64, Vec<String>) {
    let mut talk = Talk::new();
    talk.lab.shard.handler().verdict = Verdict::SKIP;
    talk.handshake();
    talk.server_seq = talk.server_seq.wrapping_add(size as u32);
    let packets = size / 1448;
    talk.lab.gate.kept_out =
        Bypassed { packets: [packets / 2, packets], bytes: [packets * 20, size], payload: [0, size + more] };
    end(&mut talk);
    talk.lab.close(talk.clock + 1);
    let weirds = talk.lab.heard().into_iter().filter(|line| line.contains("weird") || line.contains("Gap")).collect();
    let (_, conn) = talk.lab.shard.handler().records.pop().expect("a record");
    (conn.resp.size, conn.missed_bytes, weirds)
}

fn finish(talk: &mut Talk) {
    talk.send(Tcp { fin: true, ..S }, b"");
    talk.send(Tcp { fin: true, ..C }, b"");
    talk.send(S, b"");
}

#[test]
fn a_size_is_exact_however_often_the_numbers_come_round() {
    for size in [0, 1, 1448, GIB, 2 * GIB + 7, 3 * GIB, 4 * GIB - 1, 4 * GIB, 5 * GIB + 3, 40 * GIB + 1] {
        assert_eq!(transfer(size, 0, finish), (size, 0, vec![]), "{size} bytes");
        assert_eq!(transfer(size, GIB, finish), (size, 0, vec![]), "{size} bytes, many of them sent twice");
    }
}

#[test]
fn the_side_that_reads_may_close_first() {
    let reader = |talk: &mut Talk| {
        talk.send(Tcp { fin: true, ..C }, b"");
        talk.send(Tcp { fin: true, ..S }, b"");
        talk.send(C, b"");
    };
    assert_eq!(transfer(6 * GIB, 9000, reader), (6 * GIB, 0, vec![]));
}

#[test]
fn a_transfer_that_is_cut_off_has_the_size_that_is_known() {
    let reset = |talk: &mut Talk| talk.send(Tcp { rst: true, ..S }, b"");
    assert_eq!(transfer(5 * GIB, 9000, reset).0, 5 * GIB, "the RST has a number");
    assert_eq!(transfer(5 * GIB, 9000, |_| {}).0, 5 * GIB + 9000, "only the capture filter's count is known");
}
