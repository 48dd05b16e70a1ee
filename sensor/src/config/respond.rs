//! The settings of responses: what the sensor may do to a connection besides telling of it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{CaptureMode, Settings};
use crate::error::{Error, Result};

/// Responses: RSTs in the name of both ends, where policy terminates a connection. Nothing is ever sent unless this is switched on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RespondSettings {
    /// Whether connections are terminated where policy says so. The set `activate_terminate_connection` says the same.
    pub enabled: bool,
    /// The interface that RSTs leave by. In host mode it may be empty: then the machine's routes say.
    pub interface: String,
    /// How they leave.
    pub through: RespondThrough,
    /// Hosts whose connections are never terminated.
    pub protected: Vec<IpNet>,
    /// Terminations a second in the long run, for the whole program; what is beyond is refused.
    pub rate: u32,
    /// How many may come at once.
    pub burst: u32,
    /// RSTs to each end at a time: the first has the number that is expected next, the others follow in steps, for what may have been
    /// sent meanwhile.
    pub resets: u32,
    /// Such a step, in bytes.
    pub step: u32,
    /// How often RSTs are sent anew, because packets of the connection still come.
    pub resends: u32,
    /// How long after the last RSTs that is done at the earliest, in milliseconds.
    pub resend_millis: u64,
}

impl Default for RespondSettings {
    fn default() -> Self {
        RespondSettings {
            enabled: false,
            interface: String::new(),
            through: RespondThrough::Auto,
            protected: Vec::new(),
            rate: 10,
            burst: 50,
            resets: 4,
            step: 512,
            resends: 10,
            resend_millis: 20,
        }
    }
}

/// How RSTs leave.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RespondThrough {
    /// By the machine's routes in host mode, as frames in tap mode.
    #[default]
    Auto,
    /// As frames with the addresses and tags of those that were captured: for an interface in the network that is watched.
    Ethernet,
    /// As IP packets, routed by this machine.
    Ip,
}

/// The most RSTs to one end at a time.
const MOST_RESETS: u32 = 32;

impl RespondSettings {
    /// Whether connections of this host are never terminated.
    pub fn protects(&self, addr: IpAddr) -> bool {
        self.protected.iter().any(|net| net.contains(&addr))
    }

    /// Finds what contradicts itself.
    pub(super) fn check(&self, settings: &Settings) -> Result<()> {
        let wrong = |why: &str, hint: &str| {
            let error = Error::new("use the settings", format!("`respond` is switched on, but {why}"));
            Err(error.hint(hint).status(Error::USAGE))
        };
        if !settings.terminates() {
            return Ok(());
        }
        let ethernet = match self.through {
            RespondThrough::Auto => settings.capture.mode == CaptureMode::Tap,
            RespondThrough::Ethernet => true,
            RespondThrough::Ip => false,
        };
        if self.interface.is_empty() && (ethernet || settings.capture.mode == CaptureMode::Tap) {
            return wrong(
                "no interface is named for it",
                "a tapped port carries copies only: name an interface that reaches both ends, respond.interface = \"eth0\"",
            );
        }
        if !(1..=MOST_RESETS).contains(&self.resets) {
            return wrong("respond.resets is out of range", "to each end, from 1 to 32 RSTs can be sent at a time");
        }
        if self.rate == 0 || self.burst == 0 {
            return wrong("its rate is 0", "give respond.rate and respond.burst at least 1, or switch it off");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sets: &[&str]) -> Result<Settings> {
        Settings::load(None, &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_tap_needs_an_interface_to_respond_through() {
        let error = check(&["respond.enabled=true"]).unwrap_err();
        assert_eq!(error.exit_status(), Error::USAGE);
        assert!(error.to_string().contains("respond.interface"), "{error}");
        assert!(check(&["policy.replace.activate_terminate_connection=true"]).is_err(), "the manual's name");
        assert!(check(&["respond.enabled=true", "respond.interface=eth1"]).is_ok_and(|settings| settings.terminates()));
        assert!(check(&["respond.enabled=true", "capture.mode=host"]).is_ok());
        assert!(check(&["respond.enabled=true", "capture.mode=host", "respond.through=ethernet"]).is_err());
    }

    #[test]
    fn what_could_never_send_is_told() {
        for wrong in ["respond.resets=0", "respond.resets=33", "respond.rate=0", "respond.burst=0"] {
            assert!(check(&["respond.enabled=true", "capture.mode=host", wrong]).is_err(), "{wrong}");
            assert!(check(&[wrong]).is_ok(), "nobody asked for it: {wrong}");
        }
    }
}
