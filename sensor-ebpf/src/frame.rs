//! A packet in the kernel, as the two pointers that the verifier knows how to reason about.

use core::arch::asm;

use portreeve_ebpf::Bytes;

/// The part of a packet that a program may read.
pub struct Frame {
    start: usize,
    end: usize,
    length: usize,
}

impl Frame {
    /// # Safety
    /// `start` and `end` are the `data` and `data_end` of the running program's context, and the packet is not resized while this lives.
    pub const unsafe fn new(start: usize, end: usize, length: usize) -> Self {
        Frame { start, end, length }
    }
}

impl Bytes for Frame {
    #[inline(always)]
    fn length(&self) -> usize {
        self.length
    }

    #[inline(always)]
    fn part<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        let first = self.start + at;
        if first + N > self.end {
            return None;
        }
        // SAFETY: the N bytes lie between data and data_end; the verifier checks the same comparison again.
        Some(unsafe { &*(first as *const [u8; N]) })
    }

    #[inline(always)]
    fn forget_way(&self, offset: usize, bound: usize) -> usize {
        let mut same = offset;
        // SAFETY: two instructions on registers that cancel each other. The verifier cannot know what the length is, so afterwards it
        // knows nothing of the offset but the bound below, whatever way it took.
        unsafe {
            asm!("{same} ^= {length}", "{same} ^= {length}", same = inout(reg) same, length = in(reg) self.length)
        };
        same & (bound - 1)
    }
}
