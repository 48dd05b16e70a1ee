//! Everything a user can set: settings, limits, ports, the manual's policy sets.

mod bypass;
mod counting;
mod health;
mod layers;
pub mod limits;
mod login;
mod output;
mod portmap;
mod ports;
mod respond;
pub mod sets;
mod settings;
mod timeouts;

pub use bypass::BypassSettings;
pub use counting::{AccountSettings, ScanSettings};
pub use health::HealthSettings;
pub use login::LoginSettings;
pub use output::{OutputFormat, OutputSettings, PasswordOutput, RecordSettings};
pub use portmap::PortmapSettings;
pub use ports::{PortSpec, PortTable};
pub use respond::{RespondSettings, RespondThrough};
pub use sets::{DialogueSets, PolicySets};
pub use settings::{
    CaptureMode, CaptureSettings, CaptureSource, DecodeSettings, Fragments, NoticeAction, NoticeSettings,
    PolicyChanges, PortChanges, Settings, SiteSettings, Steering, Unparsed, WeirdSettings,
};
pub use timeouts::{Timeouts, seconds};
