//! The guard bits in front of the kernel's tables, in memory that is shared with the kernel programs.

use std::mem::offset_of;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use portreeve_ebpf::tables::bypass_slot;
use portreeve_ebpf::{Endpoint, PortWord, Ports, tables};

const WORDS: usize = size_of::<tables::Guards>() / size_of::<u64>();

/// Bits that several threads set and clear, each as often as there are entries behind it.
pub(super) struct Guards {
    words: &'static [AtomicU64; WORDS],
    /// How often each bit was set, less how often it was cleared.
    users: Box<[AtomicU32]>,
}

/// The number of a bit.
#[derive(Clone, Copy)]
pub(super) struct Bit(usize);

impl Bit {
    /// That there may be an expectation at this endpoint's port.
    pub(super) fn expected(endpoint: &Endpoint) -> Self {
        let word = PortWord::index(endpoint.transport(), endpoint.port) as usize;
        Bit((word * size_of::<PortWord>() + offset_of!(PortWord, expected)) * 8 + usize::from(endpoint.port % 64))
    }

    /// That there may be a bypass between the hosts with this hash.
    pub(super) fn bypassed(hash: u32) -> Self {
        Bit(offset_of!(tables::Guards, bypass_slots) * 8 + bypass_slot(hash) as usize)
    }
}

impl Guards {
    /// The map's only value, with these ports in it at first; what is set in them stays set.
    pub(super) fn new(map: impl AsFd, ports: &Ports) -> nix::Result<Self> {
        let words = shared(map)?;
        let first = ports.words().iter().flat_map(|word| [word.watched, word.expected]);
        words.iter().zip(first).for_each(|(word, first)| word.store(first, Ordering::Relaxed));
        let users = words.iter().flat_map(|word| {
            let word = word.load(Ordering::Relaxed);
            (0..u64::BITS).map(move |bit| AtomicU32::new(u32::from(word >> bit & 1 != 0)))
        });
        Ok(Guards { words, users: users.collect() })
    }

    /// There is one more behind this bit.
    pub(super) fn set(&self, bit: Bit) {
        let Some((users, word, mask)) = self.place(bit) else { return };
        if users.fetch_add(1, Ordering::SeqCst) == 0 {
            word.fetch_or(mask, Ordering::SeqCst);
        }
    }

    /// There is one less. Somebody may have set the bit just before it is cleared here: looking again mends that, and at worst leaves a
    /// bit set for nobody, which costs a search in vain until it is used again.
    pub(super) fn clear(&self, bit: Bit) {
        let Some((users, word, mask)) = self.place(bit) else { return };
        if users.fetch_sub(1, Ordering::SeqCst) == 1 {
            word.fetch_and(!mask, Ordering::SeqCst);
            if users.load(Ordering::SeqCst) != 0 {
                word.fetch_or(mask, Ordering::SeqCst);
            }
        }
    }

    fn place(&self, Bit(bit): Bit) -> Option<(&AtomicU32, &AtomicU64, u64)> {
        Some((self.users.get(bit)?, self.words.get(bit / 64)?, 1 << (bit % 64)))
    }
}

/// Maps the memory of the kernel's array into this process (BPF_F_MMAPABLE, Linux 5.5), and leaves it there: a sensor loads its programs
/// once.
fn shared(map: impl AsFd) -> nix::Result<&'static [AtomicU64; WORDS]> {
    const LENGTH: NonZeroUsize = NonZeroUsize::new(size_of::<tables::Guards>()).unwrap();
    // SAFETY: a new mapping, which touches no memory that is there already.
    let memory =
        unsafe { mmap(None, LENGTH, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, map, 0) }?;
    // SAFETY: it begins a page, is as long as the array and is never unmapped; whoever changes it meanwhile, here or in the kernel, changes
    // whole words.
    Ok(unsafe { memory.cast().as_ref() })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use portreeve_ebpf::{Address, Rules, Transport};

    use super::*;

    #[test]
    fn a_bit_is_set_as_long_as_something_is_behind_it() {
        let file = File::from(nix::sys::memfd::memfd_create(c"guards", nix::sys::memfd::MFdFlags::empty()).unwrap());
        file.set_len(size_of::<tables::Guards>() as u64).unwrap();
        let guards = Guards::new(&file, &Ports::new(Rules::DEFAULT)).unwrap();
        let ones = || guards.words.iter().map(|word| word.load(Ordering::SeqCst).count_ones()).sum::<u32>();
        let tunnels = ones();
        let at = |port| Bit::expected(&Endpoint::new(Transport::Udp, Address::v4([10, 0, 0, 1]), port));
        for bit in [at(4789), at(2049), Bit::bypassed(7), at(2049), Bit::bypassed(7)] {
            guards.set(bit);
        }
        assert_eq!(ones(), tunnels + 2);
        for bit in [at(4789), at(2049), Bit::bypassed(7), Bit::bypassed(7)] {
            guards.clear(bit);
        }
        assert_eq!(ones(), tunnels + 1);
        guards.clear(at(2049));
        assert_eq!(ones(), tunnels);
    }
}
