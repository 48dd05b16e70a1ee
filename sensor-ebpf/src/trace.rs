//! A trace build's log: each decision as a line, which the sensor gives to its own log.

use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use aya_log_ebpf::info;
use portreeve_ebpf::counters::SLOTS;
use portreeve_ebpf::{Counter, Decision};

/// The decision that this CPU has just made. Between decision and line, because there is no room on the stack for both at a time.
#[map]
static DECIDED: PerCpuArray<Decided> = PerCpuArray::with_max_entries(1, 0);

#[repr(C)]
struct Decided {
    counter: u32,
    protocol: u32,
    hash: u32,
    length: u32,
}

/// Room for the longest name of a counter.
const WIDTH: usize = 24;

/// The counters' names by number. All of one length and behind no pointer: the verifier follows a copy of bytes with a known length,
/// and the loader has no relocations inside of data.
static NAMES: [[u8; WIDTH]; SLOTS] = padded();

/// Keeps a decision about a frame of `length` bytes for [`write`].
#[inline(always)]
pub fn keep(decision: &Decision, length: usize) {
    let Decision { packet, counter, hash } = decision;
    store(*counter as u32, u32::from(packet.protocol), *hash, length as u32);
}

/// Inlined, it would cost the decision's function stack that it does not have.
#[inline(never)]
fn store(counter: u32, protocol: u32, hash: u32, length: u32) {
    if let Some(decided) = DECIDED.get_ptr_mut(0) {
        // SAFETY: the element exists for the program's whole run and belongs to this CPU.
        unsafe { *decided = Decided { counter, protocol, hash, length } };
    }
}

/// Logs the last decision.
#[inline(never)]
pub fn write() {
    let Some(Decided { counter, protocol, hash, length }) = DECIDED.get(0) else { return };
    // SAFETY: ASCII.
    let name = unsafe { core::str::from_utf8_unchecked(&NAMES[*counter as usize & (SLOTS - 1)]) };
    info!((), "{} {} bytes, protocol {}, hash {:x}", name, *length, *protocol, *hash);
}

const fn padded() -> [[u8; WIDTH]; SLOTS] {
    let mut names = [[b' '; WIDTH]; SLOTS];
    let mut number = 0;
    while number < Counter::COUNT {
        let name = Counter::NAMES[number].as_bytes();
        let mut at = 0;
        while at < name.len() {
            names[number][at] = name[at];
            at += 1;
        }
        number += 1;
    }
    names
}
