//! What one idle connection costs in memory, everything added up: its place in the tables, and what it keeps on the heap.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portreeve::config::PortTable;
use portreeve::flow::shard::Shard;
use portreeve::outbox::{Inbox, WhenFull, outbox};
use portreeve::policy::Policy;
use portreeve::stats::WorkerStats;
use portreeve::time::Timestamp;
use portreeve_tests::play::START;
use portreeve_tests::{encode, play, replay, talk};

/// The system's allocator, and how many bytes were asked of it and not given back.
struct Counting;

static KEPT: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "the trait of an allocator is unsafe; this one only counts and passes on")]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        KEPT.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        KEPT.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Connections that are opened, after as many that are not counted.
const OPENED: usize = 1000;
/// Connections that there is room for: index, wheel and slots are made at the start.
const ROOM: usize = 4096;

/// One test: the count is of the whole process.
#[test]
fn an_idle_connection_is_small() {
    drop(shard_of(1)); // what a process makes once
    let place = (shard_of(2 * ROOM).2 - shard_of(ROOM).2) / ROOM;
    let ftp = place + kept(&format!("tcp CLIENT > 10.0.0.1:21\n{}", login("smith", "secret")));
    let guest = place + kept(&format!("tcp CLIENT > 10.0.0.1:21\n{}", login("anonymous", "guest@example.org")));
    let telnet = place + kept(&format!("tcp CLIENT > 10.0.0.1:23\n{TELNET}"));
    let lookup = place + kept(&format!("udp CLIENT > 10.0.0.1:111\n{LOOKUP}"));
    println!("place {place}, ftp {ftp}, guest {guest}, telnet {telnet}, lookup {lookup}");
    assert!(ftp < 1024, "{ftp} bytes of an idle FTP session after its login");
    assert!(guest < 1024, "{guest} bytes of an idle FTP session of a guest");
    assert!(telnet < 1024, "{telnet} bytes of an idle session of Telnet");
    assert!(lookup <= 424, "{lookup} bytes of a lookup that was answered");
}

/// A login, and what clients ask for after it. Everything is acknowledged at last.
fn login(user: &str, password: &str) -> String {
    format!(
        "< 220 FTP server ready.\\r\\n\n> USER {user}\\r\\n\n< 331 Password required.\\r\\n\n> PASS {password}\\r\\n\n\
         < 230 User logged in, proceed.\\r\\n\n> SYST\\r\\n\n< 215 UNIX Type: L8\\r\\n\n> PWD\\r\\n\n\
         < 257 \"/home/smith\" is the current directory.\\r\\n\n> TYPE I\\r\\n\n< 200 Type set to I.\\r\\n\n> [ack]\n"
    )
}

/// A login, and a prompt.
const TELNET: &str =
    "< login: \n> smith\\r\\0\n< smith\\r\\nPassword: \n> x\\r\\0\n< \\r\\nLast login: Mon\\r\\n$ \n> [ack]\n";

/// GETPORT of the NFS server over UDP.
const LOOKUP: &str = "> hex 00000001 00000000 00000002 000186a0 00000002 00000003 0000000000000000 0000000000000000 \
                      000186a3 00000003 00000011 00000000\n\
                      < hex 00000001 00000001 00000000 0000000000000000 00000000 00000801\n";

/// A shard with room for so many connections, where it tells what it sees, and what it took to make it.
fn shard_of(room: usize) -> (Shard<Policy>, Inbox, usize) {
    let settings = replay::settings(&[format!("limits.connections = {room}")], std::path::Path::new("/nonexistent"));
    let stats = Arc::new(WorkerStats::default());
    let (outbox, inbox) = outbox(16, WhenFull::Drop, Arc::clone(&stats));
    let policy = Policy::new(Arc::clone(&settings), Arc::clone(&stats), outbox);
    let ports = PortTable::new(&settings).expect("a port table");
    let before = KEPT.load(Ordering::Relaxed);
    let shard = Shard::new(settings, &ports, policy, stats);
    (shard, inbox, KEPT.load(Ordering::Relaxed) - before)
}

/// What the heap keeps of one more such conversation.
fn kept(conversation: &str) -> usize {
    let (mut shard, inbox, _) = shard_of(ROOM);
    let settings = replay::settings(&[], std::path::Path::new("/nonexistent"));
    let mut source = replay::MemorySource::new(&[], &settings);
    let mut before = 0;
    for number in 0..2 * OPENED {
        if number == OPENED {
            before = KEPT.load(Ordering::Relaxed);
        }
        let text = format!("# One.\n{}", conversation.replace("CLIENT", &format!("10.0.0.9:{}", 1025 + number)));
        let talk = talk::parse(&text).expect("a talk");
        for frame in encode::all(&play::play(&talk).expect("a play")) {
            let at = Timestamp::from_nanos(START + number as u64 * 1_000_000 + (frame.at - START) / 100);
            source.show(at, &frame.bytes, &mut |frames, gate| shard.on_frames(frames, gate));
            while let Some(message) = inbox.pop() {
                inbox.give_back(message);
            }
        }
    }
    (KEPT.load(Ordering::Relaxed) - before).div_ceil(OPENED)
}
