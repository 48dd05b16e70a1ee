//! The maps, and the decision's tables on them.

use core::arch::asm;

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LruHashMap, PerCpuArray, XskMap};
use portreeve_ebpf::counters::{FURTHER_SEGMENTS, SLOTS};
use portreeve_ebpf::tables::{BYPASS_SLOTS, bypass_slot};
use portreeve_ebpf::{
    BypassReason, Bypassed, Connection, Counter, Counts, Endpoint, Expectation, FragmentKey, Guards, Interest, Note,
    Options, PortWord, Rules, Tables, Traffic, Transport,
};

/// Overwritten by the loader, then frozen: the verifier treats its fields as constants.
#[unsafe(no_mangle)]
static OPTIONS: Options = Options::DEFAULT;

#[map]
static COUNTS: PerCpuArray<Counts> = PerCpuArray::with_max_entries(2, 0);
#[map]
static GUARDS: Array<Guards> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static EXPECTATIONS: LruHashMap<Endpoint, Expectation> = LruHashMap::with_max_entries(16_384, 0);
#[map]
static BYPASS: LruHashMap<Connection, Bypassed> = LruHashMap::with_max_entries(65_536, 0);
#[map]
static FRAGMENTS: LruHashMap<FragmentKey, DatedNote> = LruHashMap::with_max_entries(16_384, 0);

/// AF_XDP sockets; the loader sizes it to queues times workers.
#[map]
pub static XSKS: XskMap = XskMap::with_max_entries(64, 0);

/// How long a note holds: Linux gives a datagram up after 30 s, and identifications come round again.
const NOTE_LIFETIME_NS: u64 = 30_000_000_000;

/// A note with the time it was left.
#[repr(C)]
struct DatedNote {
    since: u64,
    note: u64,
}

/// Adds a frame to this CPU's counters. Plain additions: nothing else runs on a CPU between a program's load and its store.
#[inline(always)]
pub fn count(program: u32, counter: Counter) {
    if let Some(counts) = COUNTS.get_ptr_mut(program) {
        // SAFETY: the element exists for the program's whole run and belongs to this CPU; the index is below the number of slots.
        unsafe { *(*counts).get_unchecked_mut(below::<SLOTS>(counter as u32)) += 1 };
    }
}

/// Adds a packet that is so many frames, at least one. Together in one place, so that a reader sees both sums or none.
#[inline(always)]
pub fn count_frames(program: u32, counter: Counter, frames: u64) {
    if let Some(counts) = COUNTS.get_ptr_mut(program) {
        // SAFETY: as above.
        unsafe {
            *(*counts).get_unchecked_mut(below::<SLOTS>(counter as u32)) += frames;
            (*counts)[FURTHER_SEGMENTS] += frames - 1;
        }
    }
}

/// A field of the options, read so that the compiler does not fold the value that the loader replaces.
macro_rules! option {
    ($field:ident) => {
        // SAFETY: the address of a static's own field.
        unsafe { core::ptr::read_volatile(&raw const OPTIONS.$field) }
    };
}

/// The programs' [`Options`].
#[inline(always)]
pub fn rules() -> Rules {
    option!(rules)
}

/// How many workers share each queue's sockets.
#[inline(always)]
pub fn workers() -> u32 {
    option!(workers)
}

/// Index of the interface that clones go to.
#[inline(always)]
pub fn clone_to() -> u32 {
    option!(clone_to)
}

/// The maps as the decision sees them.
pub struct Maps {
    guards: *const Guards,
}

impl Maps {
    /// `None` is for the verifier alone: an array's only element is always there.
    #[inline(always)]
    pub fn open() -> Option<Self> {
        GUARDS.get_ptr(0).map(|guards| Maps { guards })
    }
}

impl Tables for Maps {
    #[inline(always)]
    fn rules(&self) -> Rules {
        rules()
    }

    #[inline(always)]
    fn seed(&self) -> u64 {
        option!(seed)
    }

    #[inline(always)]
    fn interest(&mut self, transport: Transport, port: u16) -> Interest {
        let index = below::<{ PortWord::WORDS }>(PortWord::index(transport, port));
        // SAFETY: the element exists for the program's whole run, and the index lies within its words.
        unsafe { (*self.guards).ports.words().get_unchecked(index) }.interest(port)
    }

    #[inline(always)]
    fn expectation(&mut self, endpoint: &Endpoint) -> Option<Expectation> {
        // SAFETY: the map is preallocated; an element that is replaced meanwhile gives another element's answer for one packet.
        unsafe { EXPECTATIONS.get(endpoint) }.copied()
    }

    #[inline(always)]
    fn may_bypass(&mut self, hash: u32) -> bool {
        let slot = bypass_slot(hash);
        // SAFETY: as above.
        let word = unsafe { (*self.guards).bypass_slots.get_unchecked(below::<{ BYPASS_SLOTS / 64 }>(slot / 64)) };
        (word >> (slot % 64)) & 1 != 0
    }

    #[inline(always)]
    fn bypass(&mut self, connection: &Connection, side: usize, traffic: Traffic) -> Option<BypassReason> {
        let entry = BYPASS.get_ptr_mut(connection)?;
        // SAFETY: as for the counters, but two CPUs may meet here when a NIC splits a connection's directions over queues: each
        // direction has its own sums, so none is lost.
        unsafe {
            let sums = &mut (*entry).traffic[side & 1];
            sums.packets += traffic.packets;
            sums.bytes += traffic.bytes;
            sums.payload += traffic.payload;
            Some(BypassReason::of((*entry).reason))
        }
    }

    #[inline(always)]
    fn note(&mut self, key: &FragmentKey) -> Option<Note> {
        // SAFETY: as for the expectations.
        let DatedNote { since, note } = unsafe { FRAGMENTS.get(key) }?;
        if now().wrapping_sub(*since) > NOTE_LIFETIME_NS {
            return None;
        }
        Some(match note {
            0 => Note::Skip,
            1 => Note::Follow,
            _ => Note::Bypass,
        })
    }

    #[inline(always)]
    fn leave_note(&mut self, key: &FragmentKey, note: Note) {
        if note != Note::Follow && matches!(self.note(key), Some(Note::Follow)) {
            return;
        }
        // A full map evicts its oldest; a failure leaves the later fragments to the setting for unknown ones.
        let _ = FRAGMENTS.insert(key, DatedNote { since: now(), note: note as u64 }, 0);
    }
}

/// An index, which is below `N`, a power of two: said so that the compiler leaves it in and the verifier sees it.
#[inline(always)]
fn below<const N: usize>(index: u32) -> usize {
    let mut index = index as usize;
    // SAFETY: one instruction on a register.
    unsafe { asm!("{index} &= {mask}", index = inout(reg) index, mask = const N - 1, options(pure, nomem)) };
    index
}

/// `CLOCK_MONOTONIC` in nanoseconds.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: no arguments, no effects.
    unsafe { bpf_ktime_get_ns() }
}
