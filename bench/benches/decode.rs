//! What it costs to take the headers off a frame.

mod clock;

use std::hint::black_box;

use clock::CpuTime;
use criterion::{Criterion, criterion_group, criterion_main};
use portreeve::config::DecodeSettings;
use portreeve::packet;
use portreeve_bench::micro::samples;

fn decode(criterion: &mut Criterion<CpuTime>) {
    let settings = DecodeSettings::default();
    let mut group = criterion.benchmark_group("decode");
    for (kind, bytes) in samples::kinds().into_iter().filter(|(kind, _)| !kind.ends_with("-unwanted")) {
        let frame = samples::shown(&bytes);
        group.bench_function(kind.trim_end_matches("-wanted"), |bencher| {
            bencher.iter(|| packet::decode(black_box(&frame), black_box(&settings)).is_ok());
        });
    }
}

criterion_group! { name = group; config = clock::criterion(); targets = decode }
criterion_main!(group);
