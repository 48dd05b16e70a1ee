//! Everything a user can set: settings, limits, ports, the manual's policy sets.

mod layers;
pub mod limits;
mod ports;
mod settings;

pub use ports::PortTable;
pub use settings::{
    CaptureMode, CaptureSettings, CaptureSource, DecodeSettings, Fragments, NoticeAction, NoticeSettings, OutputFormat,
    OutputSettings, PolicyChanges, PortChanges, PortmapSettings, Settings, SiteSettings, Steering, Unparsed,
    WeirdSettings,
};
