//! One log file: made at its first record, written in large pieces, set aside when it is time, and patient with a full disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::record::LogName;
use crate::time::Timestamp;

/// Bytes gathered before they are written.
const PIECE: usize = 64 * 1024;
/// While a file cannot be written, lines wait here; notices may use all of it, everything else only the first part.
const WAITING_NOTICES: usize = 16 * 1024 * 1024;
const WAITING_OTHERS: usize = 1024 * 1024;
/// How long to wait before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What is done with a file that is already there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Existing {
    /// A replay starts its logs afresh.
    Replace,
    /// A live sensor continues the logs of its last run.
    Continue,
}

/// When a file is set aside.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// At so many bytes; 0: never.
    pub bytes: u64,
    /// At each multiple of so many seconds of packet time; 0: never.
    pub seconds: u64,
}

/// What stands before the first line and after the last one.
pub trait Frame {
    /// Appends the header of a file begun at `at`.
    fn header(&self, at: Timestamp, out: &mut Vec<u8>);
    /// Appends the footer of a file closed at `at`.
    fn footer(&self, at: Timestamp, out: &mut Vec<u8>);
}

/// One log file.
#[derive(Debug)]
pub struct LogFile<F> {
    path: PathBuf,
    existing: Existing,
    rotation: Rotation,
    frame: F,
    file: Option<File>,
    begun: Option<Timestamp>,
    latest: Timestamp,
    /// Bytes of the file, with those that wait.
    bytes: u64,
    /// What waits to be written, and whose line each line of it is.
    waiting: Vec<u8>,
    lines: Vec<Option<LogName>>,
    /// Bytes in the file of a line whose rest still waits.
    torn: usize,
    retry_at: Option<Instant>,
}

impl<F: Frame> LogFile<F> {
    /// A log at `path`; nothing is made until there is a line for it.
    pub fn new(path: PathBuf, frame: F, existing: Existing, rotation: Rotation) -> Self {
        LogFile {
            path,
            existing,
            rotation,
            frame,
            file: None,
            begun: None,
            latest: Timestamp::ZERO,
            bytes: 0,
            waiting: Vec::new(),
            lines: Vec::new(),
            torn: 0,
            retry_at: None,
        }
    }

    /// Removes what an earlier run has left, so that a log without records is no log.
    pub fn remove_old(&mut self) {
        if self.path.symlink_metadata().is_ok_and(|file| file.is_file())
            && let Err(why) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(log = %self.path.display(), %why, "cannot remove the log of an earlier run");
        }
    }

    /// Adds a line at packet time `at`; it waits for [`LogFile::flush`]. False if too much waits, because the disk has failed for long.
    pub fn line(&mut self, log: LogName, at: Timestamp, line: &[u8]) -> bool {
        if self.begun.is_none() {
            self.begin(at);
        }
        let room = if log == LogName::Notice { WAITING_NOTICES } else { WAITING_OTHERS };
        if self.waiting.len() >= room {
            return false;
        }
        self.latest = self.latest.max(at);
        self.waiting.extend_from_slice(line);
        self.bytes += line.len() as u64;
        self.lines.push(Some(log));
        true
    }

    /// Whether enough waits to be worth a write.
    pub fn is_due(&self) -> bool {
        self.waiting.len() >= PIECE
    }

    /// Whether the last attempt to write has failed.
    pub fn is_failing(&self) -> bool {
        self.retry_at.is_some()
    }

    /// Writes what waits, whether it is time to try again or not.
    pub fn flush_now(&mut self) {
        self.retry_at = self.retry_at.map(|_| Instant::now());
        self.flush();
    }

    /// Writes what waits; after a failure, not before it is time to try again.
    pub fn flush(&mut self) {
        if !self.waiting.is_empty() && self.retry_at.is_none_or(|at| Instant::now() >= at) {
            self.write_waiting();
        }
    }

    /// Sets the file aside if packet time says so.
    pub fn rotate_if_due(&mut self, now: Timestamp) {
        let Some(begun) = self.begun else { return };
        let too_long = self.rotation.bytes > 0 && self.bytes >= self.rotation.bytes;
        let period = self.rotation.seconds.saturating_mul(1_000_000_000);
        let too_old = period > 0 && now.as_nanos() / period > begun.as_nanos() / period;
        if too_long || too_old {
            self.rotate(begun);
        }
    }

    /// Writes the footer and all that waits; returns the logs of the lines that could not be written, one for each.
    pub fn finish(&mut self) -> Vec<LogName> {
        if self.begun.is_some() {
            self.end();
            self.write_waiting();
            self.cut_torn_line();
        }
        self.lines.drain(..).flatten().collect()
    }

    fn begin(&mut self, at: Timestamp) {
        self.begun = Some(at);
        self.latest = at;
        self.waiting.reserve(2 * PIECE);
        self.frame(|frame, out| frame.header(at, out));
    }

    fn end(&mut self) {
        let latest = self.latest;
        self.frame(|frame, out| frame.footer(latest, out));
    }

    /// Header and footer lines belong to no record.
    fn frame(&mut self, append: impl FnOnce(&F, &mut Vec<u8>)) {
        let before = self.waiting.len();
        append(&self.frame, &mut self.waiting);
        let added = self.waiting.get(before..).unwrap_or_default();
        self.bytes += added.len() as u64;
        self.lines.extend(added.iter().filter(|byte| **byte == b'\n').map(|_| None));
    }

    /// A file that cannot be written now is set aside later.
    fn rotate(&mut self, begun: Timestamp) {
        if self.retry_at.is_some() {
            return;
        }
        self.end();
        self.write_waiting();
        if self.retry_at.is_some() {
            return;
        }
        let aside = self.aside(begun);
        match std::fs::rename(&self.path, &aside) {
            Ok(()) => self.file = None,
            Err(why) => {
                tracing::error!(log = %self.path.display(), to = %aside.display(), %why, "cannot set a log aside: it goes on");
            }
        }
        self.begun = None;
        self.bytes = 0;
    }

    /// `conn.2026-11-21-17-00-00.log`, after the time at which the file was begun; a second one of that time gets a number.
    fn aside(&self, begun: Timestamp) -> PathBuf {
        let part =
            |os: Option<&std::ffi::OsStr>| os.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
        let (stem, suffix) = (part(self.path.file_stem()), part(self.path.extension()));
        let date = begun.format_utc("%Y-%m-%d-%H-%M-%S");
        let first = self.path.with_file_name(format!("{stem}.{date}.{suffix}"));
        let others = (1..).map(|number: u32| self.path.with_file_name(format!("{stem}.{date}-{number}.{suffix}")));
        std::iter::once(first.clone()).chain(others).find(|path| !path.exists()).unwrap_or(first)
    }

    fn write_waiting(&mut self) {
        let (written, result) = self.write_all();
        if result.is_ok() {
            self.waiting.clear();
            self.lines.clear();
            self.torn = 0;
        } else {
            self.drop_written(written);
        }
        self.remember(result);
    }

    /// Only a part was written, and it may end within a line.
    fn drop_written(&mut self, written: usize) {
        let part = self.waiting.get(..written).unwrap_or_default();
        let whole = part.iter().filter(|byte| **byte == b'\n').count();
        self.torn = match part.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => part.len() - end - 1,
            None => self.torn + part.len(),
        };
        self.lines.drain(..whole.min(self.lines.len()));
        self.waiting.drain(..written);
    }

    /// A line that will never be whole is no line.
    fn cut_torn_line(&mut self) {
        if let Some(file) = self.file.as_ref().filter(|_| self.torn > 0)
            && let Ok(length) = file.metadata().map(|file| file.len())
            && file.set_len(length.saturating_sub(self.torn as u64)).is_ok()
        {
            self.torn = 0;
        }
    }

    /// How many bytes were written, and why not all of them. The next attempt goes on exactly there, so no line is torn.
    fn write_all(&mut self) -> (usize, io::Result<()>) {
        let file = match &mut self.file {
            Some(file) => file,
            none => match open(&self.path, self.existing) {
                Ok((file, length)) => {
                    self.bytes += length;
                    none.insert(file)
                }
                Err(why) => return (0, Err(why)),
            },
        };
        let mut written = 0;
        while let Some(rest) = self.waiting.get(written..).filter(|rest| !rest.is_empty()) {
            match file.write(rest) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => written += n,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return (written, Err(why)),
            }
        }
        (written, Ok(()))
    }

    /// Says once that an outage has begun, and once that it has ended.
    fn remember(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) => {
                if self.retry_at.take().is_some() {
                    tracing::warn!(log = %self.path.display(), "the log can be written again");
                }
            }
            Err(why) => {
                if self.retry_at.replace(Instant::now() + RETRY).is_none() {
                    tracing::error!(log = %self.path.display(), %why, "cannot write a log: lines wait, notices longest, and it is tried again each second");
                }
            }
        }
    }
}

/// The file and its length. A line that the last run left unfinished is ended first.
fn open(path: &PathBuf, existing: Existing) -> io::Result<(File, u64)> {
    let fresh = existing == Existing::Replace;
    let mut options = OpenOptions::new();
    options.read(!fresh).write(true).create(true).truncate(fresh).mode(0o640);
    let mut file = options.open(path)?;
    let length = if fresh { 0 } else { file.metadata()?.len() };
    if length > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Around;

    impl Frame for Around {
        fn header(&self, _: Timestamp, out: &mut Vec<u8>) {
            out.extend_from_slice(b"begin\n");
        }

        fn footer(&self, _: Timestamp, out: &mut Vec<u8>) {
            out.extend_from_slice(b"end\n");
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    fn log(path: PathBuf, rotation: Rotation) -> LogFile<Around> {
        LogFile::new(path, Around, Existing::Replace, rotation)
    }

    fn add(log: &mut LogFile<Around>, seconds: u64, text: &str) -> bool {
        log.rotate_if_due(at(seconds));
        log.line(LogName::Conn, at(seconds), text.as_bytes())
    }

    #[test]
    fn a_log_is_set_aside_by_time_and_by_size() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = log(dir.path().join("conn.log"), Rotation { bytes: 30, seconds: 3600 });
        add(&mut log, 1, "one\n");
        add(&mut log, 3599, "two\n");
        add(&mut log, 3600, "thirty bytes and a few more\n");
        add(&mut log, 3600, "thirty bytes and a few more\n");
        add(&mut log, 3601, "last\n");
        assert_eq!(log.finish(), []);
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("conn.1970-01-01-00-00-01.log"), "begin\none\ntwo\nend\n");
        assert_eq!(read("conn.1970-01-01-01-00-00.log"), "begin\nthirty bytes and a few more\nend\n");
        assert_eq!(read("conn.1970-01-01-01-00-00-1.log"), "begin\nthirty bytes and a few more\nend\n");
        assert_eq!(read("conn.log"), "begin\nlast\nend\n");
        let mode = std::fs::metadata(dir.path().join("conn.log")).unwrap().permissions().mode();
        assert_eq!(mode & 0o137, 0, "others may not read it: {mode:o}");
    }

    #[test]
    fn lines_wait_for_a_disk_and_notices_longest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("not-there-yet/conn.log");
        let mut log = log(path.clone(), Rotation::default());
        let text = format!("{}\n", "x".repeat(9_999));
        let kept = (0..1_000).filter(|_| add(&mut log, 1, &text)).count();
        assert_eq!(kept, WAITING_OTHERS.div_ceil(10_000));
        assert!(log.line(LogName::Notice, at(1), b"a notice\n"));
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        assert_eq!(log.finish(), []);
        let written = std::fs::read_to_string(path).unwrap();
        assert_eq!(written.lines().count(), kept + 3);
        assert!(written.ends_with("a notice\nend\n"));
    }

    #[test]
    fn what_was_never_written_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conn.log");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut log = log(path, Rotation::default());
        add(&mut log, 1, "one\n");
        log.line(LogName::Notice, at(1), b"two\n");
        assert_eq!(log.finish(), [LogName::Conn, LogName::Notice]);
    }

    #[test]
    fn a_live_log_is_continued_on_a_new_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conn.log");
        std::fs::write(&path, "whole\ntorn").unwrap();
        let mut log = LogFile::new(path.clone(), Around, Existing::Continue, Rotation::default());
        add(&mut log, 1, "one\n");
        assert_eq!(log.finish(), []);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\ntorn\nbegin\none\nend\n");
    }
}
