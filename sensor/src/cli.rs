//! The command line as a person types it: strings and numbers, no decisions. The only file that knows clap.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A passive network sensor for the services that still speak in the clear: portmapper, FTP, Telnet, Rlogin, and SSH beside them.
#[derive(Debug, Parser)]
#[command(name = "portreeve", version, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What was typed; a mistake in it, or a wish for help, ends the process here.
    pub fn typed() -> Self {
        Self::parse()
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Analyse capture files: pcap or pcapng, plain, gzip or zstd; folders of them; `-` for standard input.
    Read(Read),
    /// Watch an interface.
    Run(Run),
    /// Check a configuration, and say what is wrong with it and where.
    Check(Configuration),
    /// Print the policy in force: the manual's named sets, with the user's changes.
    Policy(PolicyArgs),
    /// Say whether this machine and this interface can do the job, and what would make it better.
    Doctor(Doctor),
}

/// Where settings come from.
#[derive(Debug, Args, Default, Clone)]
pub struct Configuration {
    /// A configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting by its dotted name, stronger than the file; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// What `read` and `run` have in common.
#[derive(Debug, Args, Default, Clone)]
pub struct Output {
    /// Where the settings come from.
    #[command(flatten)]
    pub configuration: Configuration,
    /// The folder the logs go to [default: the current one].
    #[arg(long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// The format of the logs [default: zeek-json].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Workers; each owns a shard of the connections [default: 1].
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// How the summary at the end is printed; without it, as a table for people.
    #[arg(long, value_enum)]
    pub summary: Option<SummaryFormat>,
    /// Write the event stream itself: one JSON object per event of the analyzers.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Record the packets of connections that are worth it here, one pcapng file each.
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// No progress and no summary; errors only.
    #[arg(long, short)]
    pub quiet: bool,
}

/// `portreeve read`.
#[derive(Debug, Args)]
pub struct Read {
    /// The common options.
    #[command(flatten)]
    pub output: Output,
    /// Capture files, folders of them, or `-`.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `portreeve run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The interface.
    #[arg(short, long, value_name = "IF")]
    pub interface: String,
    /// `tap`: the interface carries only copies (a mirror port). `host`: this machine goes on talking on it [default: tap].
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
    /// How frames come from the kernel [default: auto: AF_XDP where it works, else AF_PACKET].
    #[arg(long, value_enum)]
    pub capture: Option<Capture>,
    /// Stop after so many seconds.
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub duration: Option<Duration>,
    /// Tap an interface that carries an address or the default route: its matching traffic no longer reaches this machine.
    #[arg(long)]
    pub take_over: bool,
    /// Allow XDP in generic (skb) mode where the driver has no native one.
    #[arg(long)]
    pub allow_generic: bool,
    /// Do not try zero-copy (some drivers get it wrong).
    #[arg(long)]
    pub force_copy: bool,
    /// The common options.
    #[command(flatten)]
    pub output: Output,
}

/// `portreeve policy`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Only this set.
    pub name: Option<String>,
    /// Where the settings come from.
    #[command(flatten)]
    pub configuration: Configuration,
}

/// `portreeve doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The interface.
    pub interface: String,
}

/// The formats of the logs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// JSON lines with Zeek's names.
    ZeekJson,
    /// Zeek's tab-separated logs.
    ZeekTsv,
    /// Suricata's EVE JSON, in one file.
    Eve,
    /// Nothing is written: for measurements.
    #[value(hide = true)]
    Null,
}

/// The formats of the summary.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum SummaryFormat {
    /// One JSON object.
    Json,
}

/// The modes of a live sensor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Mode {
    /// The interface carries only copies.
    Tap,
    /// The sensor runs on a machine that must go on talking.
    Host,
}

/// The ways to get frames from the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Capture {
    /// AF_XDP where it works, else AF_PACKET.
    Auto,
    /// AF_XDP or an error.
    AfXdp,
    /// AF_PACKET: nothing is taken from the machine, at a price per packet.
    AfPacket,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("`{text}` is not a possible number of seconds"))
}

/// The option as the person typed it: a value of a settings file.
pub fn value_name<V: ValueEnum>(value: &V) -> String {
    value.to_possible_value().map(|possible| possible.get_name().to_owned()).unwrap_or_default()
}

impl Output {
    /// These options as settings.
    pub fn sets(&self) -> Vec<String> {
        let path = |path: &PathBuf| quoted(&path.to_string_lossy());
        let mut sets = Vec::new();
        sets.extend(self.log_dir.as_ref().map(|dir| format!("output.log_dir={}", path(dir))));
        sets.extend(self.format.map(|format| format!("output.format={}", quoted(&value_name(&format)))));
        sets.extend(self.workers.map(|workers| format!("workers={workers}")));
        sets.extend(self.record.as_ref().map(|dir| format!("record.dir={}", path(dir))));
        sets.extend(self.events.as_ref().map(|file| format!("output.events={}", path(file))));
        sets
    }
}

impl Run {
    /// These options as settings.
    pub fn sets(&self) -> Vec<String> {
        let mut sets = Vec::new();
        sets.extend(self.mode.map(|mode| format!("capture.mode={}", quoted(&value_name(&mode)))));
        sets.extend(self.capture.map(|capture| format!("capture.source={}", quoted(&value_name(&capture)))));
        let flags = [
            (self.take_over, "capture.take_over=true"),
            (self.allow_generic, "capture.generic=true"),
            (self.force_copy, "capture.zero_copy=false"),
        ];
        sets.extend(flags.into_iter().filter(|(given, _)| *given).map(|(_, set)| set.to_owned()));
        sets
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
