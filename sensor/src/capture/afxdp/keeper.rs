//! Keeps fill rings from running empty while a worker cannot: something else has its processor, or the system is making memory for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, park_timeout};
use std::time::Duration;

use super::home::Home;
use crate::error::{Error, Result};
use crate::sys;

/// How often it looks, also while nothing comes: the first frames may find the worker asleep. At four million a second, half of what lies
/// in a fill ring lasts as long.
const EVERY: Duration = Duration::from_micros(500);

/// A thread that looks after the homes of all queues, as long as this is there.
#[derive(Debug)]
pub(super) struct Keeper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread, which leaves the workers' processors alone.
    pub(super) fn start(homes: Vec<Arc<Home>>, workers: usize) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let body = move || {
            sys::leave_first_cpus(workers);
            sys::take_short_turns();
            while !stopped.load(Ordering::Relaxed) {
                homes.iter().for_each(|home| home.reinforce());
                park_timeout(EVERY);
            }
        };
        let thread = Builder::new().name("keeper".to_owned()).spawn(body);
        let thread = thread.map_err(|why| Error::new("start the thread that looks after the fill rings", why))?;
        Ok(Keeper { stop, thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
