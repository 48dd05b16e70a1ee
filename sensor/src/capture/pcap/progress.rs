//! A progress bar on standard error, if a person watches.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// How much of the inputs has been read. The only file that knows indicatif.
pub(super) struct Progress {
    read: Arc<AtomicU64>,
    /// `None`: nobody watches, or nobody knows how much there is.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar up to `total` bytes, if it is `wanted`, standard error is a terminal, and the total is known (not 0).
    pub fn new(wanted: bool, total: u64) -> Self {
        let bar = (wanted && total > 0 && stderr().is_terminal()).then(|| {
            let look = "{wide_msg} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
            let style = ProgressStyle::with_template(look).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style)
        });
        Progress { read: Arc::default(), bar }
    }

    /// Counts the bytes taken from the files, before decompression.
    pub fn counter(&self) -> &Arc<AtomicU64> {
        &self.read
    }

    /// Shows which file it is.
    pub fn start(&self, name: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(name.to_owned());
        }
    }

    /// Shows how far it is.
    pub fn update(&self) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.read.load(Ordering::Relaxed));
        }
    }

    /// Leaves no trace on the terminal.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
