//! Memory: what is asked for ahead, pages and their size, how much is in use.

use std::mem::MaybeUninit;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// Asks the processor for the memory of a value that will be needed soon; does not wait for it.
#[inline]
pub fn prefetch<T>(value: &T) {
    prefetch_front(value, size_of::<T>());
}

/// The same of no more than the first `bytes` of it.
#[inline]
pub fn prefetch_front<T>(value: &T, bytes: usize) {
    prefetch_memory(std::ptr::from_ref(value).cast(), bytes.min(size_of::<T>()));
}

/// The same of so many bytes of memory from `start` on.
#[inline]
pub fn prefetch_memory(start: *const u8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..bytes.div_ceil(64) {
        let address = start.cast::<i8>().wrapping_add(line * 64);
        // SAFETY: a prefetch is a hint: it reads nothing, and faults at no address.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, bytes);
}

/// Asks for large pages under memory that nothing was written to yet: a look into it then costs no walk through page tables of its own.
/// A kernel that has none goes on with small ones.
pub fn prefer_huge_pages<T>(memory: &mut [MaybeUninit<T>]) {
    advise(memory, libc::MADV_HUGEPAGE);
}

/// Asks for small pages under memory that nothing was written to yet, and that fills little by little: a large one takes milliseconds at
/// its first use, and most of it may never be needed.
pub fn prefer_small_pages<T>(memory: &mut [MaybeUninit<T>]) {
    advise(memory, libc::MADV_NOHUGEPAGE);
}

/// Lays pages under memory that nothing was written to yet, all at once and near the processor that this runs on (Linux 5.14). Where
/// there are too few, the rest comes at its first use, as it would have.
pub fn populate<T>(memory: &mut [MaybeUninit<T>]) {
    advise(memory, libc::MADV_POPULATE_WRITE);
}

/// Lets the allocator keep what was freed. What it hands back to the kernel, the next burst has to fetch again, page by page; and the
/// tables that all this memory is for have bounds.
pub fn keep_freed_memory() {
    /// `mi_option_purge_delay` of mimalloc 2 and 3, which its bindings do not name; -1 is never.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: sets a number of the allocator's own, which it reads anew each time; its environment variable goes before.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, -1) };
}

/// So many bytes, pages and all. When they are freed, the allocator has them for what it is asked for later: see [`keep_freed_memory`].
pub fn stock(bytes: usize) -> Vec<u8> {
    let mut stock = Vec::with_capacity(bytes);
    populate(stock.spare_capacity_mut());
    stock
}

fn advise<T>(memory: &mut [MaybeUninit<T>], advice: libc::c_int) {
    const PAGE: usize = 4096;
    let bytes = memory.as_mut_ptr_range();
    let (start, end) = (bytes.start.addr().next_multiple_of(PAGE), bytes.end.addr() / PAGE * PAGE);
    if start < end {
        // SAFETY: the pages lie within the slice, and the advice changes neither their contents nor their protection.
        unsafe { libc::madvise(bytes.start.with_addr(start).cast(), end - start, advice) };
    }
}

/// Memory of the whole process that is in use now, in bytes; 0 if the kernel does not say.
pub fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

/// The most memory that the whole process has had in use, in bytes; 0 if the kernel does not say.
pub fn peak_bytes() -> u64 {
    status_bytes("VmHWM:")
}

fn status_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// Lets this process lock as much memory as it may: frame memory is charged to that limit. With CAP_IPC_LOCK there is none; without
/// it, and without the right to raise the limit, the kernel's refusal of the memory is the error to report.
pub fn raise_memlock() {
    if setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_err()
        && let Ok((_, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK)
    {
        let _ = setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard);
    }
}
