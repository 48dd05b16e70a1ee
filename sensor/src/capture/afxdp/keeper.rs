//! Keeps fill rings from running empty while a worker cannot: something else has its processor, or the system is making memory for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Builder, JoinHandle, Thread};
use std::time::Duration;

use super::home::Home;
use crate::error::{Error, Result};
use crate::sys;

/// How often it looks while much comes. At four million a second, half of what lies in a fill ring then lasts as long.
const EVERY: Duration = Duration::from_micros(500);
/// So many frames between two looks are few: at such a pace, looking costs more than frames that no cache knows.
const FEW: usize = 4;
/// After so many looks that found few, everything is laid out, and it sleeps: what lies in a fill ring then lasts until the bell has been
/// heard.
const CALM: u32 = 200;

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
            keep(&homes, &stopped);
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

fn keep(homes: &[Arc<Home>], stop: &AtomicBool) {
    homes.iter().for_each(|home| home.bell.is_heard_by(thread::current()));
    let mut calm = CALM;
    while !stop.load(Ordering::Relaxed) {
        let returned: usize = homes.iter().map(|home| home.reinforce()).sum();
        calm = if returned > FEW { 0 } else { calm.saturating_add(1) };
        if calm >= CALM && lay_out(homes) {
            thread::park();
        } else {
            thread::park_timeout(EVERY);
        }
    }
}

/// Has a part of what is kept laid out everywhere; whether nothing is kept any more. From now on, bells are rung: what is given back after
/// its home was looked at is not overlooked.
fn lay_out(homes: &[Arc<Home>]) -> bool {
    homes.iter().for_each(|home| home.bell.asleep.store(true, Ordering::SeqCst));
    homes.iter().filter(|home| !home.lay_out()).count() == 0
}

/// What wakes the keeper.
#[derive(Debug, Default)]
pub(super) struct Bell {
    keeper: OnceLock<Thread>,
    asleep: AtomicBool,
}

impl Bell {
    /// Wakes the keeper if it sleeps, with a system call; otherwise this is a look.
    #[inline]
    pub(super) fn ring(&self) {
        if self.asleep.load(Ordering::SeqCst)
            && self.asleep.swap(false, Ordering::SeqCst)
            && let Some(keeper) = self.keeper.get()
        {
            keeper.unpark();
        }
    }

    fn is_heard_by(&self, keeper: Thread) {
        let _ = self.keeper.set(keeper); // there is one keeper
    }
}
