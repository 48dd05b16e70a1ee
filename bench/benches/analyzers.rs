//! What an analyzer costs for a byte of its protocol, with the streams behind it and without policy.

mod clock;

use clock::CpuTime;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use portreeve_bench::micro::conversations;
use portreeve_bench::micro::listener::Listener;

fn analyzers(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("analyzers");
    for (name, service, transport, conversation) in conversations::all() {
        let fresh = || Listener::new(service, transport);
        assert!(fresh().hear(&conversation), "{name}: the analyzer listens to the end");
        group.throughput(Throughput::Bytes(conversations::bytes(&conversation)));
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(fresh, |listener| listener.hear(&conversation), BatchSize::SmallInput);
        });
    }
}

criterion_group! { name = group; config = clock::criterion(); targets = analyzers }
criterion_main!(group);
