//! Memory: what is asked for ahead, pages and their size, how much is in use.

use std::fs;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// What the kernel says of the machine's memory.
const MEMINFO: &str = "/proc/meminfo";

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

/// The same of a value that will be written, and that another processor has: no other may have it then.
#[inline]
pub fn prefetch_to_write<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..size_of::<T>().div_ceil(64) {
        let address = std::ptr::from_ref(value).cast::<u8>().wrapping_add(line * 64);
        // SAFETY: a prefetch is a hint: it reads nothing, and faults at no address. (A processor without this one does nothing.)
        unsafe { std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, readonly)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
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

/// Lays pages under memory that nothing was written to yet, all at once and near the processor that this runs on (Linux 5.14). Ask
/// [`available_bytes`] first: where there are too few, the kernel ends the process.
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

/// Memory that can be taken now without taking it from anybody, in bytes: of the machine, and of the control groups that this process is
/// in (version 2). As much as there can be, if the kernel does not say.
pub fn available_bytes() -> u64 {
    let machine = kib_in(MEMINFO, "MemAvailable:").unwrap_or(u64::MAX);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    machine.min(group.map_or(u64::MAX, |group| room_in_groups(Path::new("/sys/fs/cgroup"), group)))
}

/// What a control group, and those that it is in, leave of their limits.
fn room_in_groups(root: &Path, group: &str) -> u64 {
    let number = |file: PathBuf| fs::read_to_string(file).ok()?.trim_end().parse::<u64>().ok();
    let room =
        |group: &Path| Some(number(group.join("memory.max"))?.saturating_sub(number(group.join("memory.current"))?));
    let group = root.join(group);
    group.ancestors().take_while(|above| above.starts_with(root)).filter_map(room).min().unwrap_or(u64::MAX)
}

/// Huge pages that nobody has, together in bytes; 0 if the kernel does not say.
pub fn free_huge_bytes() -> u64 {
    let pages = number_in(MEMINFO, "HugePages_Free:").unwrap_or(0);
    pages.saturating_mul(kib_in(MEMINFO, "Hugepagesize:").unwrap_or(0))
}

fn status_bytes(name: &str) -> u64 {
    kib_in("/proc/self/status", name).unwrap_or(0)
}

/// The same in bytes, where the file has KiB.
fn kib_in(file: &str, name: &str) -> Option<u64> {
    number_in(file, name).map(|kib| kib.saturating_mul(1024))
}

/// The number in the line of a file that begins with this name.
fn number_in(file: &str, name: &str) -> Option<u64> {
    let lines = fs::read_to_string(file).ok()?;
    let line = lines.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_of_the_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = |path: &str, max: &str, current: &str| {
            let folder = root.path().join(path);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("memory.max"), max).unwrap();
            fs::write(folder.join("memory.current"), current).unwrap();
        };
        let room = || room_in_groups(root.path(), "system.slice/portreeve.service");
        group("system.slice/portreeve.service", "max\n", "5000\n");
        assert_eq!(room(), u64::MAX);
        group("system.slice", "9000\n", "6000\n");
        assert_eq!(room(), 3000);
        group("system.slice/portreeve.service", "7000\n", "5000\n");
        assert_eq!(room(), 2000);
        group("system.slice/portreeve.service", "7000\n", "8000\n");
        assert_eq!(room(), 0);
    }

    #[test]
    fn no_more_is_available_than_there_is() {
        let total = kib_in(MEMINFO, "MemTotal:").unwrap();
        assert!((1..=total).contains(&available_bytes()), "{} of {total}", available_bytes());
    }

    #[test]
    fn what_was_populated_is_resident() {
        const BYTES: usize = 256 << 20;
        let before = resident_bytes();
        let stock = stock(BYTES);
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown > BYTES as u64 / 2, "{grown} of {}", stock.capacity());
    }
}
