//! What it costs to hand a record over to the collector: into a queue with room and out again, and to a queue that is full.

mod clock;

use std::hint::black_box;
use std::sync::Arc;

use clock::CpuTime;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use portreeve::outbox::{WhenFull, outbox};
use portreeve::record::Message;
use portreeve::stats::WorkerStats;
use portreeve_bench::micro::records;

const SLOTS: usize = 65_536;

fn handing_over(criterion: &mut Criterion<CpuTime>) {
    let message = || Message::record(records::at(), records::conn());
    let (out, inbox) = outbox(SLOTS, WhenFull::Drop, Arc::new(WorkerStats::default()));
    let mut group = criterion.benchmark_group("outbox");
    group.bench_function("push-pop", |bencher| {
        let pass = |message| {
            out.push(message);
            out.publish();
            black_box(inbox.pop()).into_iter().for_each(|message| inbox.give_back(message));
        };
        bencher.iter_batched(message, pass, BatchSize::SmallInput);
    });
    (0..SLOTS).for_each(|_| out.push(message()));
    assert!(inbox.lost() > 0, "some slots are kept for notices");
    group.bench_function("push-full", |bencher| {
        bencher.iter_batched(message, |message| out.push(message), BatchSize::SmallInput);
    });
}

criterion_group! { name = group; config = clock::criterion(); targets = handing_over }
criterion_main!(group);
