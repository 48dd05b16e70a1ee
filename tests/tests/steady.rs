//! After warm-up nothing is allocated for a packet: 100,000 packets of portmapper traffic through filter, decoder, analyzer and policy.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use portreeve::config::PortTable;
use portreeve::flow::shard::Shard;
use portreeve::outbox::{WhenFull, outbox};
use portreeve::policy::Policy;
use portreeve::stats::WorkerStats;
use portreeve::time::Timestamp;
use portreeve_tests::play::{START, Scene};
use portreeve_tests::{case, encode, replay};

/// The system's allocator, and how often it was asked while it mattered.
struct Counting;

static COUNTING: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicU64 = AtomicU64::new(0);

#[expect(unsafe_code, reason = "the trait of an allocator is unsafe; this one only counts and passes on")]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(u64::from(COUNTING.load(Ordering::Relaxed)), Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PACKETS: usize = 100_000;

#[test]
fn nothing_is_allocated_per_packet_after_warm_up() {
    let settings = replay::settings(&[], std::path::Path::new("/nonexistent"));
    let stats = Arc::new(WorkerStats::default());
    // Nobody listens: what does not fit is dropped and counted, as on a live interface whose collector has fallen behind.
    let (outbox, _inbox) = outbox(4096, WhenFull::Drop, Arc::clone(&stats));
    let policy = Policy::new(Arc::clone(&settings), Arc::clone(&stats), outbox);
    let ports = PortTable::new(&settings).expect("a port table");
    let mut shard = Shard::new(Arc::clone(&settings), &ports, policy, Arc::clone(&stats));
    let mut source = replay::MemorySource::new(&[], &settings);

    let frames = lookups();
    let mut round = 0;
    let mut play = |packets: usize| {
        let mut played = 0;
        while played < packets {
            for frame in &frames {
                let at = Timestamp::from_nanos(START + round * 10_000_000 + (frame.at - START) / 10);
                source.show(at, &frame.bytes, &mut |frame, gate| shard.on_frame(frame, gate));
                played += 1;
            }
            round += 1;
        }
    };
    play(PACKETS / 2);
    COUNTING.store(true, Ordering::Relaxed);
    play(PACKETS);
    COUNTING.store(false, Ordering::Relaxed);
    assert_eq!(ASKED.load(Ordering::Relaxed), 0, "allocations during {PACKETS} packets");
    assert!(stats.outcomes.udp.get() + stats.outcomes.tcp.get() >= PACKETS as u64, "the packets were analysed");
}

/// Lookups over UDP and TCP, answered.
fn lookups() -> Vec<encode::WireFrame> {
    let wanted = ["portmap/getport-is-answered", "portmap/getport-over-tcp", "portmap/null-is-quiet"];
    let cases = case::all().into_iter().filter(|case| wanted.contains(&case.name.as_str()));
    let scenes: Vec<Scene> =
        cases.enumerate().flat_map(|(n, case)| portreeve_tests::play::elsewhere(&case.scenes, n as u8)).collect();
    encode::all(&scenes)
}
