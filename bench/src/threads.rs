//! Processor time by thread, as the kernel accounts for it: threads that work beside each other are to be told apart.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

/// How often the threads are looked at: what one does after the last look is missed.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Does `work`, and says how long each thread that was started in it was on a processor, by its name.
///
/// # Errors
/// The work failed.
pub fn watch<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, BTreeMap<String, Duration>)> {
    let before = Vec::from_iter(threads());
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut used = BTreeMap::new();
            while !ended.load(Ordering::Relaxed) {
                for (id, name, time) in threads() {
                    if !before.iter().any(|(known, ..)| *known == id) {
                        used.insert((id, name), time);
                    }
                }
                std::thread::sleep(LOOK_EVERY);
            }
            used
        });
        let outcome = work();
        ended.store(true, Ordering::Relaxed);
        let mut by_name = BTreeMap::<String, Duration>::new();
        for ((_, name), time) in watcher.join().unwrap_or_default() {
            *by_name.entry(name).or_default() += time;
        }
        outcome.map(|outcome| (outcome, by_name))
    })
}

/// The threads of this process: id, name, time on a processor.
fn threads() -> impl Iterator<Item = (u64, String, Duration)> {
    fs::read_dir("/proc/self/task").into_iter().flatten().flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?.trim_end().to_owned();
        // The first number is the time on a processor, in nanoseconds.
        let accounts = fs::read_to_string(entry.path().join("schedstat")).ok()?;
        let nanos = accounts.split_whitespace().next()?.parse().ok()?;
        Some((id, name, Duration::from_nanos(nanos)))
    })
}
