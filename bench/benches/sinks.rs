//! How many records a second become lines of a log, by format. The files are written, and thrown away.

mod clock;

use std::hint::black_box;
use std::time::Duration;

use clock::{CpuTime, thread_time};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portreeve::config::{OutputFormat, OutputSettings};
use portreeve::record::Record;
use portreeve::record::sinks::{Existing, Sinks};
use portreeve_bench::micro::records;

/// Records of one file: then it is begun anew, so that no disk is filled.
const RECORDS: u64 = 100_000;

fn sinks(criterion: &mut Criterion<CpuTime>) {
    let folder = tempfile::tempdir().expect("a folder for the logs");
    let mut group = criterion.benchmark_group("sinks");
    group.throughput(Throughput::Elements(1));
    for (name, format) in [("json", OutputFormat::ZeekJson), ("tsv", OutputFormat::ZeekTsv), ("eve", OutputFormat::Eve)]
    {
        let settings = OutputSettings { log_dir: folder.path().into(), format, ..OutputSettings::default() };
        for (kind, record) in [("conn", Record::from(records::conn())), ("login", Box::new(records::login()).into())] {
            group.bench_function(BenchmarkId::new(kind, name), |bencher| {
                bencher.iter_custom(|count| write(&settings, &record, count));
            });
        }
    }
}

fn write(settings: &OutputSettings, record: &Record, count: u64) -> Duration {
    let (mut took, mut left) = (Duration::ZERO, count);
    while left > 0 {
        let now = left.min(RECORDS);
        let mut sinks = Sinks::open(settings, Existing::Replace).expect("the logs are opened");
        let started = thread_time();
        for _ in 0..now {
            sinks.write(records::at(), black_box(record));
        }
        let tally = sinks.finish();
        took += thread_time().saturating_sub(started);
        assert_eq!(tally.written(record.log()), now);
        left -= now;
    }
    took
}

criterion_group! { name = group; config = clock::criterion(); targets = sinks }
criterion_main!(group);
