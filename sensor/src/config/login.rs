//! The settings of the policy of logins.

use serde::{Deserialize, Serialize};

/// The policy of logins, besides the named sets.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoginSettings {
    /// Notices about what is typed, shown or sent in one session. The manual stops at about two.
    pub max_trouble_notices_per_conn: u32,
    /// Bytes of a server's line that are tried on the patterns; the manual leaves out lines of 256 and more.
    pub max_output_match_len: usize,
    /// Whether a session is no longer analysed, nor captured, once somebody has logged in and nothing about it is hot.
    pub skip_when_logged_in: bool,
}

impl Default for LoginSettings {
    fn default() -> Self {
        LoginSettings { max_trouble_notices_per_conn: 3, max_output_match_len: 4096, skip_when_logged_in: false }
    }
}
