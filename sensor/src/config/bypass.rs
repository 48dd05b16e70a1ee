//! The settings of bypasses: whose payload dies in the capture filter.

use serde::{Deserialize, Serialize};

use crate::capture::BypassReason;

/// Which connections' payload is kept out of the capture once nothing further is read of them. What is not kept out is delivered, and only
/// counted. Sizes and states in conn.log are the same in either case: SYN, FIN and RST are always captured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BypassSettings {
    /// Those that policy skips: `skip_logins_to`, `non_ASCII_hosts`, skipped authentication, `login.skip_when_logged_in`.
    pub skipped: bool,
    /// Those whose rest is encrypted: AUTH TLS and GSSAPI in FTP, encryption of both sides in Telnet.
    pub encrypted: bool,
    /// SSH, as soon as somebody is let in.
    pub ssh_authenticated: bool,
    /// SSH of which it will not be known who is let in: after `limits.ssh_auth_answers` segments of the server, or from the key exchange on
    /// where everything is compressed.
    pub ssh_unknown: bool,
    /// FTP's data connections, after `limits.ftp_data_payload_bytes`.
    pub ftp_data: bool,
}

impl BypassSettings {
    /// Whether payload is kept out for this reason.
    pub const fn allows(&self, why: BypassReason) -> bool {
        match why {
            BypassReason::Skipped => self.skipped,
            BypassReason::Encrypted => self.encrypted,
            BypassReason::SshAuthenticated => self.ssh_authenticated,
            BypassReason::SshUnknown => self.ssh_unknown,
            BypassReason::FtpData => self.ftp_data,
        }
    }
}

impl Default for BypassSettings {
    fn default() -> Self {
        BypassSettings { skipped: true, encrypted: true, ssh_authenticated: true, ssh_unknown: true, ftp_data: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn each_reason_has_a_setting_of_its_name() {
        for why in BypassReason::ALL {
            let off = Settings::load(None, &[format!("capture.bypass.{} = false", why.name())]).unwrap().capture.bypass;
            let refused = BypassReason::ALL.into_iter().filter(|&reason| !off.allows(reason)).collect::<Vec<_>>();
            assert_eq!(refused, [why]);
        }
    }
}
