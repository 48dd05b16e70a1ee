//! Reassembly: however a stream was cut, repeated and shuffled, the listener hears the same bytes.

use portreeve::analyzers::Step;
use portreeve::config::limits::Limits;
use portreeve::flow::pool::Pool;
use portreeve::flow::stream::{Sink, Stream};
use proptest::prelude::*;

/// Takes messages of a length that their first byte tells, as an analyzer does.
struct Ear {
    heard: Vec<u8>,
    gaps: Vec<(u64, u64)>,
    inconsistent: usize,
    limits: Vec<&'static str>,
    room: usize,
    refused: usize,
    deaf: bool,
}

impl Default for Ear {
    fn default() -> Self {
        let (heard, gaps, limits) = (Vec::new(), Vec::new(), Vec::new());
        Ear { heard, gaps, inconsistent: 0, limits, room: usize::MAX, refused: 0, deaf: false }
    }
}

impl Sink for Ear {
    fn bytes(&mut self, bytes: &[u8]) -> Step {
        if self.deaf {
            return Step::More;
        }
        let length = usize::from(bytes[0] % 7) + 1;
        match bytes.get(..length) {
            Some(message) => {
                self.heard.extend_from_slice(message);
                Step::Consumed(length)
            }
            None => Step::More,
        }
    }

    fn gap(&mut self, seq: u64, length: u64) {
        self.gaps.push((seq, length));
    }

    fn inconsistent(&mut self, _seq: u64, _length: usize) {
        self.inconsistent += 1;
    }

    fn ack_above_hole(&mut self, _seq: u64) {}

    fn forgotten(&mut self, _length: u64) {}

    fn room(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.room;
        self.refused += if fits { 0 } else { bytes };
        fits
    }

    fn limit(&mut self, name: &'static str) {
        self.limits.push(name);
    }

    fn pdu_max(&self) -> usize {
        64
    }
}

/// A stream with its listener.
struct Line {
    stream: Stream,
    pool: Pool,
    ear: Ear,
    limits: Limits,
}

impl Line {
    fn new() -> Self {
        Line { stream: Stream::default(), pool: Pool::new(), ear: Ear::default(), limits: Limits::default() }
    }

    fn data(&mut self, seq: u64, bytes: &[u8]) {
        self.stream.on_data(seq, bytes, &self.limits, &mut self.pool, &mut self.ear);
    }

    fn ack(&mut self, ack: u64) {
        self.stream.on_ack(ack, &mut self.pool, &mut self.ear);
    }

    /// Everything that was delivered, consumed or not.
    fn delivered(&self) -> Vec<u8> {
        [&self.ear.heard, self.stream.rest()].concat()
    }
}

proptest! {
    #[test]
    fn any_segmentation_gives_the_same_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 1..1500),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 1usize..200), 1..60),
        order in any::<u64>(),
        acks in any::<bool>(),
    ) {
        let mut segments: Vec<(usize, usize)> = cuts.iter().map(|(at, len)| {
            let start = at.index(bytes.len());
            (start, (start + len).min(bytes.len()))
        }).collect();
        // Random pieces first, in a random order, and then everything again in order.
        let mut seed = order;
        for i in (1..segments.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            segments.swap(i, (seed >> 33) as usize % (i + 1));
        }
        segments.extend((0..bytes.len()).step_by(100).map(|start| (start, (start + 100).min(bytes.len()))));
        let mut line = Line::new();
        for (start, end) in segments {
            line.data(1 + start as u64, &bytes[start..end]);
            if acks {
                let next = line.stream.next();
                line.ack(next);
            }
        }
        prop_assert_eq!(line.delivered(), bytes);
        prop_assert_eq!((line.ear.inconsistent, line.ear.gaps.len()), (0, 0));
        line.stream.end(&mut line.pool);
        prop_assert_eq!(line.stream.held(), 0);
    }
}

#[test]
fn another_version_is_told_wherever_the_first_one_lies() {
    let mut line = Line::new();
    line.data(1, b"\x06abcdef");
    line.data(20, b"waiting");
    line.data(1, b"\x06abXdef"); // delivered, not acknowledged
    line.data(20, b"wXiting"); // above a hole
    assert_eq!(line.ear.inconsistent, 2);
    line.ack(8);
    line.data(1, b"\x06abYdef"); // acknowledged: nobody will ever take it
    assert_eq!(line.ear.inconsistent, 2);
    line.data(8, &[0; 12]);
    assert!(line.delivered().ends_with(b"waiting"));
}

#[test]
fn an_acknowledged_hole_is_a_gap() {
    let mut line = Line::new();
    line.data(11, &[0; 5]);
    line.data(21, &[0; 5]);
    line.ack(18);
    assert_eq!(line.ear.gaps, [(1, 10), (16, 2)]);
    line.ack(26);
    assert_eq!(line.ear.gaps, [(1, 10), (16, 2), (18, 3)]);
    assert_eq!(line.delivered().len(), 10);
}

#[test]
fn what_waits_above_a_hole_is_bounded() {
    let mut line = Line::new();
    line.limits.stream_bytes_without_any_acks = 100;
    line.data(11, &[0; 101]);
    assert_eq!(line.ear.limits, ["above_hole_data_without_any_acks"]);
    assert_eq!(line.ear.gaps, [(1, 10)]);

    let mut line = Line::new();
    line.limits.stream_bytes = 100;
    line.data(1, &[0; 1]);
    line.ack(2);
    line.data(11, &[0; 101]);
    assert_eq!(line.ear.limits, ["excessive_data_without_further_acks"]);

    let mut line = Line::new();
    (0..40).for_each(|i| line.data(10 + 10 * i, &[0; 1]));
    assert!(line.ear.limits.len() >= 7, "a shredded stream loses its first holes");

    let mut line = Line::new();
    line.ear.room = 50;
    line.data(11, &[0; 51]);
    assert_eq!((line.ear.refused, line.stream.held()), (51, 0));
    line.data(11, &[0; 50]);
    assert!(line.stream.held() >= 50);
}

#[test]
fn a_message_without_end_is_forgotten() {
    let mut line = Line::new();
    line.ear.deaf = true;
    line.data(1, &[0; 1000]);
    assert!(line.stream.rest().len() < 64);
    assert!(line.ear.limits.iter().all(|name| *name == "message_too_long") && line.ear.limits.len() == 15);
}
