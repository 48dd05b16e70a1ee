//! Disk space kept for notices: given up when the disk is full, taken again before anything else is written.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::posix_fallocate;

/// Room for some thousand notices; on a small disk for some hundred.
const SIZES: [i64; 2] = [1024 * 1024, 128 * 1024];

/// A file that only takes up room.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Held,
    GivenUp,
    /// There was never room for it: one does without.
    Without,
}

impl Reserve {
    /// Takes the room, if there is so much.
    pub fn take(dir: &Path) -> Self {
        let path = dir.join(".portreeve.reserve");
        let state = if fill(&path) { State::Held } else { State::Without };
        Reserve { path, state }
    }

    /// No reserve, for where nothing is written.
    pub fn none() -> Self {
        Reserve { path: PathBuf::new(), state: State::Without }
    }

    /// Whether only notices may be written for now.
    pub fn is_given_up(&self) -> bool {
        self.state == State::GivenUp
    }

    /// Gives the room up. False if there is none to give.
    pub fn give_up(&mut self) -> bool {
        let held = self.state == State::Held;
        if held {
            self.remove();
            self.state = State::GivenUp;
        }
        held
    }

    /// Takes the room again, if it was given up and the disk has so much: then it has some for all logs.
    pub fn take_again(&mut self) {
        if self.is_given_up() && fill(&self.path) {
            self.state = State::Held;
        }
    }

    fn remove(&self) {
        if let Err(why) = std::fs::remove_file(&self.path) {
            tracing::warn!(file = %self.path.display(), %why, "cannot remove the space kept for notices");
        }
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if self.state == State::Held {
            self.remove();
        }
    }
}

fn fill(path: &Path) -> bool {
    let file: Option<File> = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).ok();
    let filled = file.is_some_and(|file| SIZES.into_iter().any(|size| posix_fallocate(&file, 0, size).is_ok()));
    if !filled {
        let _ = std::fs::remove_file(path);
    }
    filled
}
