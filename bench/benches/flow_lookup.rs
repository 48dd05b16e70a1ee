//! What it costs to find a packet's connection among many, and to note the packet: hashbrown with the same record, and the sensor's table,
//! one packet at a time and a batch at a time. The flows come in random order, so that each look meets cold memory.

mod clock;

use std::hint::black_box;
use std::time::Duration;

use clock::{CpuTime, thread_time};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use hashbrown::HashMap;
use portreeve::flow::key::FlowKey;
use portreeve::flow::table::Table;
use portreeve_bench::micro::flows::{self, Packets, Record};

const SIZES: [u32; 3] = [10_000, 1_000_000, 4_000_000];
/// Packets of a batch: the sensor's default.
const BATCH: usize = 64;
/// Packets of a turn, and turns, of the comparison at the end.
const PACKETS: u64 = 1 << 20;
const TURNS: usize = 9;

fn main() {
    lookups();
    if !std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        SIZES.iter().for_each(|&flows| compare(flows));
    }
    clock::criterion().final_summary();
}

fn lookup(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("flow_lookup");
    for flows in SIZES {
        group.throughput(Throughput::Elements(1));
        measure(&mut group, "hashbrown", flows, hashbrown(flows));
        measure(&mut group, "single", flows, single(table(flows), flows));
        measure(&mut group, "batch", flows, batched(table(flows), flows));
    }
}

type Group<'a> = criterion::BenchmarkGroup<'a, CpuTime>;

fn measure(group: &mut Group<'_>, name: &str, flows: u32, mut look: impl FnMut(u64) -> u64) {
    group.bench_function(BenchmarkId::new(name, flows), |bencher| {
        bencher.iter_custom(|iterations| time(iterations, &mut look));
    });
}

/// The three in turns, so that other load meets all of them; the turn that was disturbed least counts.
fn compare(flows: u32) {
    let (mut hashbrown, mut single) = (hashbrown(flows), single(table(flows), flows));
    let mut batched = batched(table(flows), flows);
    let mut best = [f64::MAX; 3];
    for _ in 0..TURNS {
        let turns = [time(PACKETS, &mut hashbrown), time(PACKETS, &mut single), time(PACKETS, &mut batched)];
        for (best, turn) in best.iter_mut().zip(turns) {
            *best = best.min(turn.as_nanos() as f64 / PACKETS as f64);
        }
    }
    let [hashbrown, single, batched] = best;
    println!(
        "{flows:>9} flows: hashbrown {hashbrown:.1} ns, ours {single:.1} ns ({:.2}), in batches {batched:.1} ns ({:.2})",
        hashbrown / single,
        hashbrown / batched
    );
}

/// Processor time of so many looks, as few as one batch too many.
fn time(packets: u64, look: &mut impl FnMut(u64) -> u64) -> Duration {
    let started = thread_time();
    black_box(look(packets));
    thread_time().saturating_sub(started)
}

/// A map from the connection to its record, whichever side sent.
fn hashbrown(flows: u32) -> impl FnMut(u64) -> u64 {
    let mut map = HashMap::with_capacity(flows as usize);
    map.extend((0..flows).map(flows::key).map(|key| (canonical(key), Record::new(key))));
    let mut packets = Packets::of(flows);
    move |count| (0..count).filter_map(|_| Some(map.get_mut(&canonical(packets.key()))?.touch())).sum()
}

fn canonical(key: FlowKey) -> FlowKey {
    if (key.orig_h, key.orig_p) <= (key.resp_h, key.resp_p) { key } else { key.reverse() }
}

fn table(flows: u32) -> Table<Record> {
    let mut table = Table::new(flows as usize, 7);
    for key in (0..flows).map(flows::key) {
        table.insert(Record::new(key)).expect("there is room");
    }
    table
}

fn single(mut table: Table<Record>, flows: u32) -> impl FnMut(u64) -> u64 {
    let mut packets = Packets::of(flows);
    move |count| {
        let looks = (0..count).filter_map(|_| {
            let (id, _) = table.find(&packets.key())?;
            Some(table.get_mut(id)?.touch())
        });
        looks.sum()
    }
}

/// In three passes over a batch: the index is asked for, then the slots, and then both are there.
fn batched(mut table: Table<Record>, flows: u32) -> impl FnMut(u64) -> u64 {
    let mut packets = Packets::of(flows);
    let (mut batch, mut likely) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
    move |count| {
        let mut sum = 0;
        for _ in 0..count.div_ceil(BATCH as u64) {
            batch.clear();
            batch.extend((0..BATCH).map(|_| packets.key()).map(|key| (key, table.hash(&key))));
            batch.iter().for_each(|(_, hash)| table.prefetch(*hash));
            likely.clear();
            likely.extend(batch.iter().map(|(_, hash)| table.prefetch_found(*hash)));
            for ((key, hash), likely) in batch.iter().zip(&likely) {
                if let Some((id, _)) = table.find_near(key, *hash, *likely) {
                    sum += table.get_mut(id).map_or(0, Record::touch);
                }
            }
        }
        sum
    }
}

criterion_group! { name = lookups; config = clock::criterion(); targets = lookup }
