//! What `read` is pointed at: files, folders and standard input, plain or compressed.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// One file to read.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// The file, or `-`.
    path: PathBuf,
    /// Found in a folder: it may be something else than a capture.
    pub found: bool,
    /// Its size as stored; 0 if unknown.
    pub size: u64,
}

impl Input {
    /// The inputs behind the arguments, in their order; a folder stands for its files, by name.
    pub fn list(paths: &[PathBuf]) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for path in paths {
            if is_stdin(path) {
                inputs.push(Input { path: path.clone(), found: false, size: 0 });
                continue;
            }
            let cannot = |why: io::Error| Error::new(format!("read {}", path.display()), why);
            let about = fs::metadata(path).map_err(cannot)?;
            if about.is_dir() {
                inputs.extend(folder(path).map_err(cannot)?);
            } else {
                let size = if about.is_file() { about.len() } else { 0 };
                inputs.push(Input { path: path.clone(), found: false, size });
            }
        }
        if inputs.is_empty() {
            return Err(Error::new("find a capture file", "no file is named, and the folders hold none"));
        }
        Ok(inputs)
    }

    /// The name for messages.
    pub fn name(&self) -> String {
        if is_stdin(&self.path) { "standard input".to_owned() } else { self.path.display().to_string() }
    }

    /// Whether reading may wait for somebody who writes: a pipe, a socket, a terminal.
    pub fn may_wait(&self) -> bool {
        is_stdin(&self.path) || self.size == 0
    }

    /// Opens the file and takes off its compression, which its first bytes tell. `read` counts the bytes taken from the file.
    pub fn open(&self, read: &Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
        let inner: Box<dyn Read + Send> =
            if is_stdin(&self.path) { Box::new(io::stdin()) } else { Box::new(File::open(&self.path)?) };
        let mut raw = Counted { inner, read: Arc::clone(read) };
        let mut head = Vec::with_capacity(4);
        raw.by_ref().take(4).read_to_end(&mut head)?;
        let compression = Compression::of(&head);
        let whole = Cursor::new(head).chain(raw);
        Ok(match compression {
            None => Box::new(whole),
            Some(Compression::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(whole)),
            Some(Compression::Zstd) => Box::new(zstd::Decoder::new(whole)?),
        })
    }
}

enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            // RFC 8878 section 3.1.1: a frame, or a skippable frame in front of it.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Compression::Zstd),
            _ => None,
        }
    }
}

/// Counts what is read, for the progress bar.
struct Counted {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The plain files of a folder by name, without hidden ones.
fn folder(path: &Path) -> io::Result<Vec<Input>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let about = fs::metadata(&path)?;
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if about.is_file() && !hidden {
            files.push(Input { path, found: true, size: about.len() });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
