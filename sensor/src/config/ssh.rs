//! The settings of SSH.

use serde::{Deserialize, Serialize};

/// SSH, besides the named sets.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SshSettings {
    /// Whether a connection is no longer read, nor its payload captured, once it is known who is let in, or that this will never be known:
    /// after `limits.ssh_auth_answers` segments, or from the beginning where everything is compressed.
    pub skip_after_authentication: bool,
}

impl Default for SshSettings {
    fn default() -> Self {
        SshSettings { skip_after_authentication: true }
    }
}
