//! What it costs to put the segments of a stream in order: as they were sent, with neighbours swapped, and with every eighth late.

mod clock;

use std::hint::black_box;

use clock::CpuTime;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use portreeve::analyzers::Step;
use portreeve::config::limits::Limits;
use portreeve::flow::pool::Pool;
use portreeve::flow::stream::{Sink, Stream};

/// Segments of one stream, and bytes of each.
const SEGMENTS: usize = 256;
const BYTES: usize = 1460;

fn reassembly(criterion: &mut Criterion<CpuTime>) {
    let sent: Vec<usize> = (0..SEGMENTS).collect();
    let swapped: Vec<usize> = sent.iter().map(|number| number ^ 1).collect();
    let mut late = sent.clone();
    // Not before something was acknowledged: until then the stream keeps little above a hole.
    late[8..].chunks_mut(8).for_each(|eight| eight.rotate_left(1));
    let mut group = criterion.benchmark_group("reassembly");
    group.throughput(Throughput::Bytes((SEGMENTS * BYTES) as u64));
    let (limits, mut pool) = (Limits::default(), Pool::new());
    for (name, order) in [("in-order", sent), ("swapped", swapped), ("late", late)] {
        group.bench_function(name, |bencher| {
            let heard = |stream: &mut Stream| hear(stream, &order, &limits, &mut pool);
            bencher.iter_batched_ref(Stream::default, heard, BatchSize::SmallInput);
        });
    }
}

/// The other side acknowledges every other segment, as far as it has them all.
fn hear(stream: &mut Stream, order: &[usize], limits: &Limits, pool: &mut Pool) -> u64 {
    let mut ears = Ears::default();
    for (arrived, number) in order.iter().enumerate() {
        let bytes = black_box([*number as u8; BYTES]);
        stream.on_data(1 + (number * BYTES) as u64, &bytes, limits, pool, &mut ears);
        if arrived % 2 == 1 {
            stream.on_ack(stream.next(), pool, &mut ears);
        }
    }
    stream.end(pool);
    assert_eq!(ears.bytes, (SEGMENTS * BYTES) as u64, "every byte came, once");
    ears.bytes
}

/// Uses everything up.
#[derive(Default)]
struct Ears {
    bytes: u64,
}

impl Sink for Ears {
    fn bytes(&mut self, bytes: &[u8]) -> Step {
        self.bytes += black_box(bytes).len() as u64;
        Step::Consumed(bytes.len())
    }

    fn gap(&mut self, _seq: u64, _length: u64) {}

    fn inconsistent(&mut self, _seq: u64, _length: usize) {}

    fn ack_above_hole(&mut self, _seq: u64) {}

    fn forgotten(&mut self, _length: u64) {}

    fn room(&mut self, _bytes: usize) -> bool {
        true
    }

    fn limit(&mut self, _name: &'static str) {}

    fn pdu_max(&self) -> usize {
        4096
    }
}

criterion_group! { name = group; config = clock::criterion(); targets = reassembly }
criterion_main!(group);
