//! After warm-up nothing is allocated for a packet: 100,000 packets of portmapper traffic, and a Telnet session that types, through filter,
//! decoder, analyzer and policy.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Range;
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
    let half = PACKETS / 2 / lookups.len();
    assert_eq!(allocations(&rounds(&lookups, 0..half), &rounds(&lookups, half..3 * half), false), 0, "of lookups");
    let (login, mut keys) = keystrokes();
    let counted = keys.split_off(keys.len() / 2);
    assert_eq!(allocations(&[login, keys].concat(), &counted, true), 0, "of keystrokes");
    let (before, mut session) = (ftp_session(1), ftp_session(2));
    session.iter_mut().for_each(|frame| frame.at += HOUR);
    let counted = session.split_off(FTP_FIRST_LINE);
    assert_eq!(allocations(&[before, session].concat(), &counted, true), 0, "of an FTP session after its first line");
}

/// What is allocated while the second of these frames are played, after the first. If `heard`, somebody takes what is told after each.
fn allocations(warm_up: &[encode::WireFrame], counted: &[encode::WireFrame], heard: bool) -> u64 {
    let settings = replay::settings(&[], std::path::Path::new("/nonexistent"));
    let stats = Arc::new(WorkerStats::default());
    // Where nobody listens, what does not fit is dropped and counted, as on a live interface whose collector has fallen behind.
    let (outbox, inbox) = outbox(4096, WhenFull::Drop, Arc::clone(&stats));
    let policy = Policy::new(Arc::clone(&settings), Arc::clone(&stats), outbox);
    let ports = PortTable::new(&settings).expect("a port table");
    let mut shard = Shard::new(Arc::clone(&settings), &ports, policy, Arc::clone(&stats));
    let mut source = replay::MemorySource::new(&[], &settings);

    ASKED.store(0, Ordering::Relaxed);
    for (frames, counts) in [(warm_up, false), (counted, true)] {
        COUNTING.store(counts, Ordering::Relaxed);
        for frame in frames {
            let at = Timestamp::from_nanos(frame.at);
            source.show(at, &frame.bytes, &mut |frames, gate| shard.on_frames(frames, gate));
            while let Some(message) = heard.then(|| inbox.pop()).flatten() {
                inbox.give_back(message);
            }
        }
    }
    COUNTING.store(false, Ordering::Relaxed);
    assert!(inbox.offered() > 0, "something was told");
    let shown = stats.counters.frames.get() as usize;
    assert!(shown * 10 > (warm_up.len() + counted.len()) * 8, "only the payload of transfers is filtered: {shown}");
    assert!(stats.outcomes.udp.get() + stats.outcomes.tcp.get() >= shown as u64, "the packets were analysed");
    ASKED.load(Ordering::Relaxed)
}

/// The frames again and again, ten times as fast, a round every 10 ms.
fn rounds(frames: &[encode::WireFrame], rounds: Range<usize>) -> Vec<encode::WireFrame> {
    let at = |round: usize, at| START + round as u64 * 10_000_000 + (at - START) / 10;
    let round = |round| frames.iter().map(move |frame| encode::WireFrame { at: at(round, frame.at), ..frame.clone() });
    rounds.flat_map(round).collect()
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

/// After it, nothing that is over is remembered.
const HOUR: u64 = 3_600_000_000_000;
/// Frames of an FTP session up to its first line: the handshake, and the banner.
const FTP_FIRST_LINE: usize = 4;

/// A session as people have them: a login, and then files, directories, refusals, and replies of several lines.
fn ftp_session(client: u8) -> Vec<encode::WireFrame> {
    let login = "c < 220 The file server of the department, authorised users only.\\r\\n\nc > USER smith\\r\\n\n\
                 c < 331 Password required for smith.\\r\\n\nc > PASS correct horse\\r\\n\nc < 230-Welcome.\\r\\n\n\
                 c < 230 User smith logged in, the limits of the department apply.\\r\\n\nc > TYPE I\\r\\n\nc < 200 Binary.\\r\\n\n";
    let mut text = format!("# A session.\ntcp 10.0.0.{client}:4021 > 10.0.1.1:21 as c\n{login}");
    for number in 0..200 {
        let (port, own) = (5000 + number, 6000 + number);
        text += &format!(
            "c > CWD /pub/a-directory-with-a-rather-long-name/{number}\\r\\n\nc < 250-There is\\r\\n a README here.\\r\\n\n\
             c < 250 CWD command successful, and this is said at some length.\\r\\n\n\
             c > PASV\\r\\n\nc < 227 Entering Passive Mode (10,0,1,1,{},{}).\\r\\n\n\
             tcp 10.0.0.{client}:{own} > 10.0.1.1:{port} as d{number}\n\
             c > RETR a-file-whose-name-does-not-fit-in-place-{number}.tar.gz\\r\\n\n\
             c < 150 Opening BINARY mode data connection for a-file-whose-name-does-not-fit-in-place-{number}.tar.gz (23 bytes).\\r\\n\n\
             d{number} < ten bytes.\n",
            port / 256,
            port % 256,
        );
        // Every other time, the reply comes before the end of the data connection.
        let done = "c < 226 Transfer complete, and thank you for using the file server.\\r\\n\n";
        let closed = format!("d{number} < and as many.\n!close <\n");
        text += &if number % 2 == 0 { format!("{closed}{done}") } else { format!("{done}{closed}") };
        text += "c > DELE a-file-that-is-not-there-and-never-was.txt\\r\\n\n\
                 c < 550 a-file-that-is-not-there-and-never-was.txt: No such file or directory.\\r\\n\nc > NOOP\\r\\n\nc < 200 Ok.\\r\\n\n";
    }
    text += "c > QUIT\\r\\n\nc < 221 Goodbye.\\r\\n\n!close\n";
    let talk = portreeve_tests::talk::parse(&text).expect("a talk");
    encode::all(&portreeve_tests::play::play(&talk).expect("a play"))
}
