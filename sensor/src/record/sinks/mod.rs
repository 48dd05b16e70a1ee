//! Records become lines of logs. Only this folder knows formats.

mod community;
mod escape;
mod eve;
mod file;
mod json;
mod plain;
mod tsv;

use std::path::Path;

use community::CommunityIds;
pub use file::{Existing, Rotation};
use file::{Frame, LogFile};

use super::{LogName, Record};
use crate::config::{OutputFormat, OutputSettings};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Everything that records are written to.
#[derive(Debug)]
pub struct Sinks {
    format: OutputFormat,
    community_ids: CommunityIds,
    /// One for each log; of the formats that have one file for all, only the first is used.
    files: Vec<LogFile<Around>>,
    events: Option<LogFile<Around>>,
    tally: Tally,
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
    /// Makes the folder and sees that it can be written to.
    ///
    /// # Errors
    /// The folder cannot be made, or nothing can be written there.
    pub fn open(settings: &OutputSettings, existing: Existing) -> Result<Self> {
        if settings.format != OutputFormat::Null {
            check_writable(&settings.log_dir)?;
        }
        let rotation = Rotation { bytes: settings.rotate_bytes, seconds: settings.rotate_seconds };
        let file = |log: &LogName| {
            let (name, around) = match settings.format {
                OutputFormat::Eve => ("eve.json".to_owned(), Around { format: settings.format, log: *log }),
                format => (format!("{}.log", log.path()), Around { format, log: *log }),
            };
            LogFile::new(settings.log_dir.join(name), around, existing, rotation)
        };
        let events = settings.events.as_ref().map(|path| {
            let around = Around { format: OutputFormat::ZeekJson, log: LogName::Event };
            LogFile::new(path.clone(), around, existing, Rotation::default())
        });
        Ok(Sinks {
            format: settings.format,
            community_ids: CommunityIds::new(),
            files: LogName::ALL.iter().map(file).collect(),
            events,
            tally: Tally::default(),
        })
    }

    /// Writes a record, caused at packet time `at`.
    pub fn write(&mut self, at: Timestamp, record: &Record) {
        let log = record.log();
        let Sinks { format, community_ids, files, events, tally } = self;
        let (format, file) = match (log, &*format) {
            (LogName::Event, _) => (OutputFormat::ZeekJson, events.as_mut()),
            (_, OutputFormat::Null) => (OutputFormat::Null, None),
            (_, OutputFormat::Eve) => (OutputFormat::Eve, files.first_mut()),
            (_, format) => (*format, files.get_mut(log as usize)),
        };
        let Some(file) = file else {
            tally.written[log as usize] += 1;
            return;
        };
        let kept = file.line(log, at, |out| {
            let community_id = match log {
                LogName::Event => None,
                _ => record.conn_id().map(|id| community_ids.of(id)),
            };
            append(format, record, community_id, out);
        });
        let count = if kept { &mut tally.written } else { &mut tally.lost };
        count[log as usize] += 1;
    }

    /// Writes what waits, and sets files aside whose time is over at packet time `now`.
    pub fn tick(&mut self, now: Timestamp) {
        for file in self.files.iter_mut().chain(&mut self.events) {
            file.rotate_if_due(now);
            file.flush();
        }
    }

    /// Ends every file, and says what became of the records.
    pub fn finish(mut self) -> Tally {
        for file in self.files.iter_mut().chain(&mut self.events) {
            for log in file.finish() {
                self.tally.written[log as usize] -= 1;
                self.tally.lost[log as usize] += 1;
            }
        }
        self.tally
    }
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

fn append(format: OutputFormat, record: &Record, community_id: Option<&[u8]>, out: &mut Vec<u8>) {
    match format {
        OutputFormat::ZeekJson => json::line(record, community_id, out),
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
