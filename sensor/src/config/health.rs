//! The settings of what the sensor says of itself: stats.log, and capture_loss.log.

use serde::{Deserialize, Serialize};

/// What the sensor says of itself, and of loss in front of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthSettings {
    /// How often a live run writes what it has counted to stats.log, in seconds; 0: never.
    pub stats_seconds: u64,
    /// How often a live run says in capture_loss.log how much of what was acknowledged it has not seen, in seconds; 0: never. The first
    /// time is after a minute.
    pub capture_loss_seconds: u64,
    /// From how many gaps in a hundred acknowledgements on that is a notice.
    pub too_much_loss_percent: u64,
    /// Whether a replay says how much its capture has lost: once, at the end.
    pub judge_captures: bool,
}

impl Default for HealthSettings {
    fn default() -> Self {
        HealthSettings {
            stats_seconds: 300,
            capture_loss_seconds: 900,
            too_much_loss_percent: 10,
            judge_captures: false,
        }
    }
}
