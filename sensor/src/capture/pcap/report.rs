//! What the reader found: how much there was, and what was wrong with it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;
use crate::stats::Counter;

/// Written by the reader, read by the engine when the sources have ended; the counters at any time.
#[derive(Debug, Default)]
pub struct Report {
    /// Files opened, or tried.
    pub files: Counter,
    /// Files in folders that are no captures.
    pub not_captures: Counter,
    /// Packets found: what the ledger calls offered.
    pub packets: Counter,
    /// Their bytes on the wire.
    pub bytes: Counter,
    /// Packets of a link type that is not analysed; they go to no filter.
    pub unsupported_link: Counter,
    /// Records left out because they contradict themselves.
    pub flawed_records: Counter,
    errors: Mutex<Vec<Error>>,
    complete: AtomicBool,
}

impl Report {
    /// Most errors kept; a folder can hold any number of damaged files.
    const ERRORS: usize = 1000;

    /// What was wrong, in the order in which it was found. Each error carries the exit status that it deserves.
    pub fn errors(&self) -> Vec<Error> {
        self.errors.lock().map(|mut errors| std::mem::take(&mut *errors)).unwrap_or_default()
    }

    /// Whether the last input was read to its end (or to where it is damaged). `false` after the sources have ended: the reader stopped
    /// on the way.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    pub(super) fn tell(&self, error: Error) {
        if let Ok(mut errors) = self.errors.lock()
            && errors.len() < Self::ERRORS
        {
            errors.push(error);
        }
    }

    pub(super) fn complete(&self) {
        self.complete.store(true, Ordering::Release);
    }
}
