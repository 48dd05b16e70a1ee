//! How long the flow layer waits for what, in packet time. Names and defaults are the manual's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The timeouts, in seconds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// How long a SYN waits for its answer before `connection_attempt`.
    pub tcp_attempt_delay: f64,
    /// How long after a close nobody expects more: a SYN sooner than this is a premature reuse.
    pub tcp_connection_linger: f64,
    /// How long the state of a closed connection is kept.
    pub tcp_close_delay: f64,
    /// How long a FIN that was followed by a RST waits for its `connection_reset`.
    pub tcp_reset_delay: f64,
    /// How long after the FIN of a side that had said nothing before `connection_partial_close` is raised.
    pub tcp_partial_close_delay: f64,
    /// How often a half-closed connection is looked at.
    pub tcp_session_timer: f64,
    /// How long a TCP connection may be silent.
    pub tcp_inactivity_timeout: f64,
    /// The same for interactive protocols (telnet, rlogin, ssh, ftp), once they are established.
    pub tcp_interactive_inactivity_timeout: f64,
    /// How long a UDP flow may be silent.
    pub udp_inactivity_timeout: f64,
    /// How long the fragments of a datagram wait for each other; at most 5 minutes.
    pub frag_timeout: f64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            tcp_attempt_delay: 5.0,
            tcp_connection_linger: 5.0,
            tcp_close_delay: 5.0,
            tcp_reset_delay: 5.0,
            tcp_partial_close_delay: 3.0,
            tcp_session_timer: 6.0,
            tcp_inactivity_timeout: 300.0,
            tcp_interactive_inactivity_timeout: 3600.0,
            udp_inactivity_timeout: 60.0,
            frag_timeout: 30.0,
        }
    }
}

/// A setting in seconds as a duration; what is no sensible length of time is a day.
pub fn seconds(setting: f64) -> Duration {
    const DAY: Duration = Duration::from_hours(24);
    Duration::try_from_secs_f64(setting).map_or(DAY, |duration| duration.min(DAY))
}
