//! The settings: one tree, each with a default that suits a machine nobody has tuned.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::bypass::BypassSettings;
use super::counting::{AccountSettings, ScanSettings};
use super::health::HealthSettings;
use super::limits::Limits;
use super::login::LoginSettings;
use super::output::{OutputSettings, RecordSettings};
use super::portmap::PortmapSettings;
use super::ports::PortSpec;
use super::respond::RespondSettings;
use super::sets::{Compiled, DialogueSets};
use super::timeouts::Timeouts;
use super::{PolicySets, layers, sets};
use crate::error::Result;

/// Everything a user can set, checked. Made once, at the start; nothing changes it afterwards.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Worker threads; 0: as many as the machine has cores to spare (live), one (files).
    pub workers: usize,
    /// What keys the hash tables and the uids; 0: from the machine's entropy (live), always the same (files).
    pub seed: u64,
    /// Where packets come from.
    pub capture: CaptureSettings,
    /// What is done with packets before they are connections.
    pub decode: DecodeSettings,
    /// On which ports each analyzer listens.
    pub ports: PortChanges,
    /// What is ours.
    pub site: SiteSettings,
    /// Unusual events.
    pub weird: WeirdSettings,
    /// Notices.
    pub notice: NoticeSettings,
    /// The portmapper's policy.
    pub portmap: PortmapSettings,
    /// The policy of logins.
    pub login: LoginSettings,
    /// Accounts tried, across services.
    pub accounts: AccountSettings,
    /// Scans of what is watched.
    pub scan: ScanSettings,
    /// Terminating connections.
    pub respond: RespondSettings,
    /// The logs.
    pub output: OutputSettings,
    /// Packets that are kept.
    pub record: RecordSettings,
    /// What the sensor says of itself.
    pub health: HealthSettings,
    /// Changes to the manual's named sets.
    pub policy: PolicyChanges,
    /// How long the flow layer waits for what.
    pub timeouts: Timeouts,
    /// Every bound of the program.
    pub limits: Limits,
    /// What was compiled of the sets, once somebody asked for it.
    #[serde(skip)]
    pub compiled: Compiled,
}

impl Settings {
    /// The defaults, then the file, then each `key=value`, later ones winning.
    ///
    /// # Errors
    /// A file that cannot be read, a name that does not exist (the nearest one is named) or a value of the wrong kind, with its
    /// file and line.
    pub fn load(config_file: Option<&Path>, sets: &[String]) -> Result<Settings> {
        layers::load(config_file, sets)
    }

    /// The named sets with the user's changes. [`Settings::load`] has checked them; in settings made by hand, wrong changes do nothing.
    pub fn sets(&self) -> &PolicySets {
        let defaults = || sets::effective(&PolicyChanges::default()).unwrap_or_default();
        self.compiled().sets_or(|| sets::effective(&self.policy).unwrap_or_else(|_| defaults()))
    }

    /// The sets of the login dialogue, compiled once for all workers.
    pub fn dialogue(&self) -> Arc<DialogueSets> {
        self.compiled().dialogue_of(self.sets())
    }

    /// Compiles the named sets with the user's changes.
    pub(super) fn check_sets(&self) -> Result<()> {
        if !self.policy.is_empty() {
            let sets = sets::effective(&self.policy)?;
            self.compiled.sets_or(|| sets);
        }
        Ok(())
    }

    /// What was compiled of these settings' sets; of sets without changes, there is one for all.
    fn compiled(&self) -> &Compiled {
        static UNCHANGED: LazyLock<Compiled> = LazyLock::new(Compiled::default);
        if self.policy.is_empty() { &UNCHANGED } else { &self.compiled }
    }

    /// Whether connections are terminated where policy says so.
    pub fn terminates(&self) -> bool {
        self.respond.enabled || self.sets().activate_terminate_connection
    }
}

/// Where packets come from, and how.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaptureSettings {
    /// Whether the interface carries copies only, or the machine's own traffic.
    pub mode: CaptureMode,
    /// Through what the packets come.
    pub source: CaptureSource,
    /// Who decides which worker gets a packet.
    pub steering: Steering,
    /// Descriptors of each AF_XDP ring; a power of two.
    pub ring_depth: u32,
    /// Frames taken from a ring at a time.
    pub batch: u32,
    /// How long a worker polls its rings before it sleeps, in microseconds.
    pub spin_micros: u64,
    /// Whether zero-copy is tried before copy mode.
    pub zero_copy: bool,
    /// Whether the kernel's generic XDP may be used where the driver has none: much slower, and only on request.
    pub generic: bool,
    /// Whether `tap` may take over an interface that carries an address or the default route.
    pub take_over: bool,
    /// Bytes of the packet socket's buffer (AF_PACKET).
    pub socket_bytes: usize,
    /// Whether the interface is switched to promiscuous mode.
    pub promiscuous: bool,
    /// Whose payload is kept out once nothing further is read of it.
    pub bypass: BypassSettings,
}

impl Default for CaptureSettings {
    fn default() -> Self {
        CaptureSettings {
            mode: CaptureMode::Tap,
            source: CaptureSource::Auto,
            steering: Steering::Hash,
            ring_depth: 32_768,
            batch: 64,
            spin_micros: 50,
            zero_copy: true,
            generic: false,
            take_over: false,
            socket_bytes: 64 << 20,
            promiscuous: true,
            bypass: BypassSettings::default(),
        }
    }
}

/// Whether the interface carries copies only.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaptureMode {
    /// Copies only: what the sensor does not want is dropped.
    #[default]
    Tap,
    /// The machine's own traffic: nothing is taken from it, matching packets are cloned.
    Host,
}

/// Through what packets come.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureSource {
    /// AF_XDP where the kernel has it, otherwise AF_PACKET.
    #[default]
    Auto,
    /// AF_XDP only.
    AfXdp,
    /// AF_PACKET only.
    AfPacket,
}

/// Who decides which worker gets a packet.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Steering {
    /// The kernel program hashes the two addresses: right on every NIC.
    #[default]
    Hash,
    /// The NIC's queue: only where its own hash is symmetric and there are as many queues as workers.
    Queue,
}

/// What is done with packets before they are connections.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodeSettings {
    /// Whether TCP and UDP checksums are verified. Off where the NIC fills them in after the capture (offloads, host mode).
    pub checksums: bool,
    /// Whether tunnels (GRE, IP in IP, VXLAN, GENEVE) are looked into.
    pub tunnels: bool,
    /// What the kernel program does with fragments that no first fragment announced.
    pub fragments: Fragments,
    /// What the kernel program does with packets that it cannot parse.
    pub unparsed: Unparsed,
}

impl Default for DecodeSettings {
    fn default() -> Self {
        DecodeSettings {
            checksums: false,
            tunnels: true,
            fragments: Fragments::default(),
            unparsed: Unparsed::default(),
        }
    }
}

/// What the kernel program does with later fragments whose first fragment it has not seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fragments {
    /// They are captured: whoever sends the last fragment first gains nothing.
    #[default]
    All,
    /// They are left out: only those that follow a wanted first fragment are captured.
    Follow,
}

/// What the kernel program does with packets that it cannot parse. They are counted by reason in any case.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unparsed {
    /// They are captured: the sensor decodes more than the kernel program can.
    #[default]
    Capture,
    /// They are left out.
    Count,
}

/// On which ports each analyzer listens: changes to the analyzer table, by analyzer name.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortChanges {
    /// Instead of the table's ports.
    pub replace: BTreeMap<String, Vec<PortSpec>>,
    /// Besides them.
    pub add: BTreeMap<String, Vec<PortSpec>>,
    /// Not these of them.
    pub remove: BTreeMap<String, Vec<PortSpec>>,
}

/// What is ours.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiteSettings {
    /// The manual's `local_nets`.
    pub local_nets: Vec<IpNet>,
    /// The manual's `neighbor_nets`.
    pub neighbor_nets: Vec<IpNet>,
}

/// Unusual events: how often each is written. What is done with each name is the set `weird_action`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WeirdSettings {
    /// How long a weird of the same name on the same connection is not written again, in seconds.
    pub repeat_seconds: u64,
    /// How long a notice per connection, per originator or once is remembered, in seconds.
    pub notice_memory_seconds: u64,
    /// How many of one name are written before sampling begins.
    pub sampling_threshold: u64,
    /// One of so many is written after that; 0: none.
    pub sampling_rate: u64,
    /// How long a name that is quiet stays sampled, in seconds.
    pub sampling_duration_seconds: u64,
    /// Names that are never sampled.
    pub sampling_exempt: Vec<String>,
}

impl Default for WeirdSettings {
    fn default() -> Self {
        WeirdSettings {
            repeat_seconds: 600,
            notice_memory_seconds: 86_400,
            sampling_threshold: 25,
            sampling_rate: 1000,
            sampling_duration_seconds: 600,
            sampling_exempt: Vec::new(),
        }
    }
}

/// Notices: what is done with each kind, and how often.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoticeSettings {
    /// How long the same notice about the same thing is not written again, in seconds.
    pub suppress_seconds: u64,
    /// The same for single kinds.
    pub suppress: BTreeMap<String, u64>,
    /// What is done with single kinds; the others are `alarm`.
    pub actions: BTreeMap<String, NoticeAction>,
}

impl Default for NoticeSettings {
    fn default() -> Self {
        NoticeSettings { suppress_seconds: 3600, suppress: BTreeMap::new(), actions: BTreeMap::new() }
    }
}

/// What is done with a notice.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeAction {
    /// Nothing.
    Ignore,
    /// Written, for the record: the manual's NOTICE_FILE.
    Log,
    /// Written, for a person: the manual's NOTICE_ALARM_ALWAYS.
    #[default]
    Alarm,
}

/// Changes to the manual's named sets, under their own names.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyChanges {
    /// Sets that are replaced whole.
    pub replace: toml::Table,
    /// Members that are added; a table's entry of the same key is overwritten.
    pub add: toml::Table,
    /// Members that are taken out; of a table, a list of keys.
    pub remove: toml::Table,
}

impl PolicyChanges {
    fn is_empty(&self) -> bool {
        self.replace.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}
