//! What it costs to decide about a frame: on the host, and by the kernel program (which takes root; without it that part is left out).

mod clock;

use std::hint::black_box;
use std::time::Duration;

use clock::CpuTime;
use criterion::{Criterion, criterion_group, criterion_main};
use portreeve::capture::Gate;
use portreeve::capture::filter::HostFilter;
use portreeve::config::Settings;
use portreeve::kernel::{Kernel, Plan, Program};
use portreeve_bench::micro::samples;

/// Runs of the kernel program for one figure of criterion's.
const REPEATED: u32 = 100_000;

fn on_the_host(criterion: &mut Criterion<CpuTime>) {
    let mut filter = HostFilter::new(&plan());
    let mut group = criterion.benchmark_group("classify/host");
    for (kind, bytes) in samples::kinds() {
        let frame = samples::shown(&bytes);
        group.bench_function(kind, |bencher| bencher.iter(|| filter.admits(black_box(&frame))));
    }
}

/// The kernel says itself how long the runs took: by the wall clock, and without the way into the program.
fn in_the_kernel(criterion: &mut Criterion<CpuTime>) {
    let mut kernel = match Kernel::load(&plan()) {
        Ok(kernel) => kernel,
        Err(why) => return eprintln!("classify/kernel is left out: {why}"),
    };
    let mut group = criterion.benchmark_group("classify/kernel");
    for (kind, bytes) in samples::kinds() {
        let mut out = [0; 512];
        group.bench_function(kind, |bencher| {
            bencher.iter_custom(|iterations| {
                let trial = kernel.try_frame(Program::Xdp, &bytes, &mut out, REPEATED).expect("the kernel runs it");
                Duration::from_nanos(trial.duration.as_nanos() as u64 * iterations)
            });
        });
    }
}

fn plan() -> Plan {
    Plan::new(&Settings::default(), 1, 1).expect("the defaults are a plan")
}

criterion_group! { name = group; config = clock::criterion(); targets = on_the_host, in_the_kernel }
criterion_main!(group);
