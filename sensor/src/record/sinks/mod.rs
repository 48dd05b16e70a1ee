//! Records become lines of logs. Only this folder knows formats.

mod community;
pub(crate) mod escape;
mod eve;
mod file;
mod identity;
mod json;
pub(crate) mod line;
pub(crate) mod plain;
mod reserve;
mod tsv;

use std::path::Path;

pub use file::{Existing, Rotation};
use file::{Frame, LogFile};
use identity::{Identities, Identity};
use line::Line;
use reserve::Reserve;

use super::{LogName, Record};
use crate::config::{OutputFormat, OutputSettings};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Everything that records are written to.
#[derive(Debug)]
pub struct Sinks {
    format: OutputFormat,
    identities: Identities,
    /// One for each log; of the formats that have one file for all, only the first is used.
    files: Vec<LogFile<Around>>,
    events: Option<LogFile<Around>>,
    /// While it is given up, the disk is full, and only notices are written.
    reserve: Reserve,
    tally: Tally,
    /// Where each line is put together.
    line: Line,
}

/// What became of the records, by log.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    written: [u64; LogName::ALL.len()],
    lost: [u64; LogName::ALL.len()],
}

impl Tally {
    /// Lines written to this log.
    pub fn written(&self, log: LogName) -> u64 {
        self.written[log as usize]
    }

    /// Lines that could not be written to this log.
    pub fn lost(&self, log: LogName) -> u64 {
        self.lost[log as usize]
    }
}

impl Sinks {
    /// Makes the folders and sees that they can be written to.
    ///
    /// # Errors
    /// A folder cannot be made, or nothing can be written there.
    pub fn open(settings: &OutputSettings, existing: Existing) -> Result<Self> {
        let writes = settings.format != OutputFormat::Null;
        if writes {
            check_writable(&settings.log_dir)?;
        }
        let reserve = if writes { Reserve::take(&settings.log_dir) } else { Reserve::none() };
        let rotation = Rotation { bytes: settings.rotate_bytes, seconds: settings.rotate_seconds };
        let file = |log: &LogName| {
            let name = match settings.format {
                OutputFormat::Eve => "eve.json".to_owned(),
                _ => format!("{}.log", log.path()),
            };
            let around = Around { format: settings.format, log: *log };
            LogFile::new(settings.log_dir.join(name), around, existing, rotation)
        };
        let files = LogName::ALL.iter().filter(|_| writes).map(file).collect();
        let events = settings.events.as_deref().map(|path| events(path, existing)).transpose()?;
        let mut sinks = Sinks {
            format: settings.format,
            identities: Identities::new(),
            files,
            events,
            reserve,
            tally: Tally::default(),
            line: Line::default(),
        };
        if existing == Existing::Replace {
            sinks.every_file().for_each(LogFile::remove_old);
        }
        Ok(sinks)
    }

    /// Writes a record, caused at packet time `at`.
    pub fn write(&mut self, at: Timestamp, record: &Record) {
        let log = record.log();
        let (format, file) = match (log, self.format) {
            (LogName::Event, _) => (OutputFormat::ZeekJson, self.events.as_mut()),
            (_, OutputFormat::Eve) => (OutputFormat::Eve, self.files.first_mut()),
            (_, format) => (format, self.files.get_mut(log as usize)),
        };
        let Some(file) = file else {
            self.tally.written[log as usize] += 1;
            return;
        };
        if !self.reserve.is_given_up() {
            file.rotate_if_due(at);
        }
        let identity = record.conn_id().map(|id| self.identities.of(id));
        self.line.clear();
        append(format, record, identity, &mut self.line);
        let kept = file.line(log, at, self.line.as_bytes());
        let is_due = file.is_due();
        let count = if kept { &mut self.tally.written } else { &mut self.tally.lost };
        count[log as usize] += 1;
        if is_due {
            self.flush(log);
        }
    }

    /// Writes what waits, and sets files aside whose time is over at packet time `now`. To be called about once a second.
    pub fn tick(&mut self, now: Timestamp) {
        self.reserve.take_again();
        if !self.reserve.is_given_up() {
            self.every_file().for_each(|file| file.rotate_if_due(now));
        }
        LogName::ALL.iter().for_each(|log| self.flush(*log));
    }

    /// Ends every file, notices first, and says what became of the records.
    pub fn finish(mut self) -> Tally {
        let notices = self.notices();
        self.reserve.give_up();
        self.files.get_mut(notices).into_iter().for_each(LogFile::flush_now);
        let lost = Vec::from_iter(self.every_file().flat_map(LogFile::finish));
        for log in lost {
            self.tally.written[log as usize] -= 1;
            self.tally.lost[log as usize] += 1;
        }
        self.tally
    }

    /// Writes what waits for this log. When the disk turns out to be full, the room kept for notices is given to them.
    fn flush(&mut self, log: LogName) {
        let notices = self.notices();
        if log == LogName::Event {
            self.events.iter_mut().for_each(LogFile::flush);
            return;
        }
        let place = if self.format == OutputFormat::Eve { 0 } else { log as usize };
        let Some(file) = self.files.get_mut(place).filter(|_| place == notices || !self.reserve.is_given_up()) else {
            return;
        };
        file.flush();
        if file.is_failing()
            && self.reserve.give_up()
            && let Some(file) = self.files.get_mut(notices)
        {
            file.flush_now();
        }
    }

    /// Where notices are written.
    fn notices(&self) -> usize {
        if self.format == OutputFormat::Eve { 0 } else { LogName::Notice as usize }
    }

    fn every_file(&mut self) -> impl Iterator<Item = &mut LogFile<Around>> {
        let used = if self.format == OutputFormat::Eve { 1 } else { usize::MAX };
        self.files.iter_mut().take(used).chain(&mut self.events)
    }
}

fn events(path: &Path, existing: Existing) -> Result<LogFile<Around>> {
    check_writable(path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    let around = Around { format: OutputFormat::ZeekJson, log: LogName::Event };
    Ok(LogFile::new(path.to_owned(), around, existing, Rotation::default()))
}

/// What a format puts around the lines of a log.
#[derive(Clone, Copy, Debug)]
struct Around {
    format: OutputFormat,
    log: LogName,
}

impl Frame for Around {
    fn header(&self, at: Timestamp, out: &mut Vec<u8>) {
        if self.format == OutputFormat::ZeekTsv {
            tsv::header(self.log, at, out);
        }
    }

    fn footer(&self, at: Timestamp, out: &mut Vec<u8>) {
        if self.format == OutputFormat::ZeekTsv {
            tsv::footer(at, out);
        }
    }
}

fn append(format: OutputFormat, record: &Record, identity: Option<&Identity>, out: &mut Line) {
    let community_id = identity.map(Identity::community_id);
    match format {
        OutputFormat::ZeekJson => json::line(record, identity, out),
        OutputFormat::ZeekTsv => tsv::line(record, community_id, out),
        OutputFormat::Eve => eve::line(record, community_id, out),
        OutputFormat::Null => {}
    }
}

fn check_writable(dir: &Path) -> Result<()> {
    let fail = |why| {
        Error::new(format!("write logs to {}", dir.display()), why)
            .hint("Choose another folder with --log-dir, or make this one writable.")
    };
    std::fs::create_dir_all(dir).map_err(fail)?;
    nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK)
        .map_err(|errno| fail(errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples;

    fn names(dir: &Path) -> Vec<String> {
        let mut names = Vec::from_iter(
            std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()),
        );
        names.sort();
        names
    }

    fn run(settings: &OutputSettings, existing: Existing, records: &[Record]) -> Tally {
        let mut sinks = Sinks::open(settings, existing).unwrap();
        records.iter().for_each(|record| sinks.write(samples::AT, record));
        sinks.finish()
    }

    #[test]
    fn a_log_is_made_at_its_first_record() {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = OutputSettings { log_dir: dir.path().to_owned(), ..OutputSettings::default() };
        run(&settings, Existing::Replace, &[samples::conn().into(), samples::weird().into()]);
        assert_eq!(names(dir.path()), ["conn.log", "weird.log"]);
        run(&settings, Existing::Continue, &[samples::conn().into()]);
        assert_eq!(std::fs::read_to_string(dir.path().join("conn.log")).unwrap().lines().count(), 2);
        run(&settings, Existing::Replace, &[samples::portmap().into()]);
        assert_eq!(names(dir.path()), ["portmap.log"], "a replay leaves nothing of the one before");
        settings.format = OutputFormat::Eve;
        run(&settings, Existing::Replace, &[samples::conn().into(), samples::portmap().into()]);
        assert_eq!(names(dir.path()), ["eve.json", "portmap.log"]);
        assert_eq!(std::fs::read_to_string(dir.path().join("eve.json")).unwrap().lines().count(), 2);
    }

    #[test]
    fn the_null_format_counts_and_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let log_dir = dir.path().join("never-made");
        let settings =
            OutputSettings { log_dir: log_dir.clone(), format: OutputFormat::Null, ..OutputSettings::default() };
        let tally = run(&settings, Existing::Replace, &[samples::conn().into()]);
        assert_eq!(tally.written(LogName::Conn), 1);
        assert!(!log_dir.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_with_a_hint() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = OutputSettings { log_dir: file.path().join("logs"), ..OutputSettings::default() };
        let text = Sinks::open(&settings, Existing::Replace).unwrap_err().to_string();
        assert!(text.starts_with("cannot write logs to ") && text.contains("--log-dir"), "{text}");
    }
}
