//! The settings of what is written: logs, and packets.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::analyzers::{Row, Service, TABLE};

/// The logs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputSettings {
    /// Where they are written.
    pub log_dir: PathBuf,
    /// How.
    pub format: OutputFormat,
    /// Where the event stream goes, if anywhere: `--events`.
    pub events: Option<PathBuf>,
    /// A log is closed and a new one begun at so many bytes; 0: never.
    pub rotate_bytes: u64,
    /// A log is closed and a new one begun after so many seconds; 0: never.
    pub rotate_seconds: u64,
    /// Messages that may wait between a worker and the collector.
    pub queue: usize,
    /// What records say of passwords. Those of guests are their identity, and are always told.
    pub passwords: PasswordOutput,
    /// The key of their digests, so that those of several runs can be compared; empty: another one in each live run.
    pub password_key: String,
}

impl Default for OutputSettings {
    fn default() -> Self {
        OutputSettings {
            log_dir: PathBuf::from("."),
            format: OutputFormat::ZeekJson,
            events: None,
            rotate_bytes: 0,
            rotate_seconds: 0,
            queue: 65_536,
            passwords: PasswordOutput::Hidden,
            password_key: String::new(),
        }
    }
}

/// What records say of passwords.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PasswordOutput {
    /// That there was one.
    #[default]
    Hidden,
    /// A keyed digest: equal passwords can be told, and nothing else.
    Digest,
    /// The password itself.
    Clear,
}

/// The shape of the logs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OutputFormat {
    /// JSON lines with Zeek's names.
    #[default]
    ZeekJson,
    /// Zeek's tab-separated values.
    ZeekTsv,
    /// Suricata's EVE.
    Eve,
    /// Nothing is written, everything is counted: for measurements.
    #[value(hide = true)]
    Null,
}

/// Packets of the connections that policy finds worth keeping. A file with them has passwords in it: only its owner may read it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordSettings {
    /// Where the files go; empty: nothing is recorded.
    pub dir: PathBuf,
    /// Connections of these analyzers are remembered from their first packet on, so that what led to a notice is recorded as well.
    pub services: Vec<String>,
    /// Bytes of that memory, per worker.
    pub ring_bytes: usize,
    /// Whether the lines of a login session are kept as text beside its packets; passwords in it as `output.passwords` says.
    pub transcripts: bool,
    /// Connections recorded at the same time.
    pub connections: usize,
    /// Bytes of one connection's file.
    pub connection_bytes: u64,
    /// How long one connection is recorded, in seconds.
    pub seconds: u64,
    /// Bytes of all files of one run.
    pub total_bytes: u64,
}

impl Default for RecordSettings {
    fn default() -> Self {
        RecordSettings {
            dir: PathBuf::new(),
            services: ["ftp", "telnet", "rlogin", "rsh", "rexec"].map(str::to_owned).to_vec(),
            ring_bytes: 32 << 20,
            transcripts: true,
            connections: 512,
            connection_bytes: 4 << 20,
            seconds: 3600,
            total_bytes: 4 << 30,
        }
    }
}

impl RecordSettings {
    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        !self.dir.as_os_str().is_empty()
    }

    /// The analyzers whose connections are remembered.
    pub fn services(&self) -> Vec<Service> {
        let named = |row: &&Row| self.services.iter().any(|name| name == row.name);
        TABLE.iter().filter(named).map(|row| row.service).collect()
    }
}
