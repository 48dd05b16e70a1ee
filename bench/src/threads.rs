//! Processor time by thread, as the kernel accounts for it: threads that work beside each other are to be told apart.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

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

/// CPU time of this thread, interrupts on its account included: the first field of its schedstat.
///
/// # Errors
/// The kernel does not tell.
pub fn thread_cpu() -> Result<Duration> {
    let fields = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = fields.split_whitespace().next().context("an empty schedstat")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// CPU time so far of the threads of this process that are alive and have such a name.
pub fn cpu_of(wanted: impl Fn(&str) -> bool) -> Duration {
    threads_of("self").filter(|(_, name, _)| wanted(name)).map(|(.., time)| time).sum()
}

/// CPU time so far of the threads of another process that are alive.
pub fn cpu_of_process(id: u32) -> Duration {
    threads_of(&id.to_string()).map(|(.., time)| time).sum()
}

fn threads() -> impl Iterator<Item = (u64, String, Duration)> {
    threads_of("self")
}

/// The threads of a process: id, name, time on a processor.
fn threads_of(process: &str) -> impl Iterator<Item = (u64, String, Duration)> + use<> {
    fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?.trim_end().to_owned();
        // The first number is the time on a processor, in nanoseconds.
        let accounts = fs::read_to_string(entry.path().join("schedstat")).ok()?;
        let nanos = accounts.split_whitespace().next()?.parse().ok()?;
        Some((id, name, Duration::from_nanos(nanos)))
    })
}
