//! After warm-up nothing is allocated for a packet: 100,000 packets of portmapper traffic, and a Telnet session that types, through filter,
//! decoder, analyzer and policy.

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

/// One test: the count is of the whole process.
#[test]
fn nothing_is_allocated_per_packet_after_warm_up() {
    let lookups = lookups();
    assert_eq!(allocations(&lookups, PACKETS / 2 / lookups.len(), PACKETS / lookups.len()), 0, "of lookups");
    let (login, keys) = keystrokes();
    assert_eq!(allocations(&[login, keys].concat(), 0, 1), 0, "of keystrokes");
}

/// What is allocated while the frames are played so many rounds, after the warm-up; without one, while the second half is.
fn allocations(frames: &[encode::WireFrame], warm_up: usize, rounds: usize) -> u64 {
    let settings = replay::settings(&[], std::path::Path::new("/nonexistent"));
    let stats = Arc::new(WorkerStats::default());
    // Nobody listens: what does not fit is dropped and counted, as on a live interface whose collector has fallen behind.
    let (outbox, _inbox) = outbox(4096, WhenFull::Drop, Arc::clone(&stats));
    let policy = Policy::new(Arc::clone(&settings), Arc::clone(&stats), outbox);
    let ports = PortTable::new(&settings).expect("a port table");
    let mut shard = Shard::new(Arc::clone(&settings), &ports, policy, Arc::clone(&stats));
    let mut source = replay::MemorySource::new(&[], &settings);

    let first = if warm_up == 0 { frames.len() / 2 } else { warm_up * frames.len() };
    ASKED.store(0, Ordering::Relaxed);
    let mut played = 0;
    for round in 0..warm_up + rounds {
        for frame in frames {
            COUNTING.store(played >= first, Ordering::Relaxed);
            let at = Timestamp::from_nanos(START + round as u64 * 10_000_000 + (frame.at - START) / 10);
            source.show(at, &frame.bytes, &mut |frame, gate| shard.on_frame(frame, gate));
            played += 1;
        }
    }
    COUNTING.store(false, Ordering::Relaxed);
    assert!(stats.outcomes.udp.get() + stats.outcomes.tcp.get() >= played as u64, "the packets were analysed");
    ASKED.load(Ordering::Relaxed)
}

/// Lookups over UDP and TCP, answered.
fn lookups() -> Vec<encode::WireFrame> {
    let wanted = ["portmap/getport-is-answered", "portmap/getport-over-tcp", "portmap/null-is-quiet"];
    let cases = case::all().into_iter().filter(|case| wanted.contains(&case.name.as_str()));
    let scenes: Vec<Scene> =
        cases.enumerate().flat_map(|(n, case)| portreeve_tests::play::elsewhere(&case.scenes, n as u8)).collect();
    encode::all(&scenes)
}

/// A login, and then commands: each key a segment, echoed; the answers in pieces that end anywhere.
fn keystrokes() -> (Vec<encode::WireFrame>, Vec<encode::WireFrame>) {
    let login = "< login: \n> smith\\r\\0\n< smith\\r\\nPassword: \n> x\\r\\0\n< \\r\\nLast login: Mon\\r\\n$ \n";
    let keys =
        "!times 9\n> a\n!times 9\n< a\n> \\r\\0\n< \\r\\nA line of some length that is cut\n< in the middle\\r\\n$ \n";
    let text = format!("# A session.\ntcp 10.0.0.9:1025 > 10.0.0.1:23\n{login}{}", keys.repeat(400));
    let talk = portreeve_tests::talk::parse(&text).expect("a talk");
    let mut frames = encode::all(&portreeve_tests::play::play(&talk).expect("a play"));
    let keys = frames.split_off(8);
    (frames, keys)
}
