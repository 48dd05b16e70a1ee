//! The settings of what is counted across connections: accounts tried, and scans.

use serde::{Deserialize, Serialize};

/// Accounts tried, besides the named sets.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountSettings {
    /// How long an attempt counts after it was last made, in seconds.
    pub window_seconds: u64,
    /// Sources of IPv6 that share so many bits are one source: whoever has a network changes addresses at will.
    pub ipv6_prefix: u8,
}

impl Default for AccountSettings {
    fn default() -> Self {
        AccountSettings { window_seconds: 86_400, ipv6_prefix: 64 }
    }
}

/// Scans, besides the named sets.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScanSettings {
    /// How long a contact counts after it was last made, in seconds.
    pub window_seconds: u64,
    /// How long a worker does not tell the same contact again, in seconds.
    pub retell_seconds: u64,
    /// Sources of IPv6 that share so many bits are one source.
    pub ipv6_prefix: u8,
}

impl Default for ScanSettings {
    fn default() -> Self {
        ScanSettings { window_seconds: 900, retell_seconds: 60, ipv6_prefix: 64 }
    }
}
