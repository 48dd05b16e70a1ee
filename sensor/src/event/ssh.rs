//! The events of an SSH connection.

use super::{Out, text};
use crate::analyzers::wire::ssh::kexinit::{Algorithms, Capabilities};
use crate::record::Value;

/// What was said on an SSH connection, or is inferred from it.
#[derive(Clone, Copy, Debug)]
pub enum SshEvent<'a> {
    /// A line of the server before its identification.
    SshServerPreBannerData {
        /// The line.
        data: &'a [u8],
    },
    /// The identification of the side that opened the connection.
    SshClientVersion {
        /// The whole line.
        version: &'a [u8],
    },
    /// The identification of the other side.
    SshServerVersion {
        /// The whole line.
        version: &'a [u8],
    },
    /// Both identifications are known, and this is the version that they agree on.
    SshVersionAgreed {
        /// 1 or 2.
        version: u8,
    },
    /// What one side can do. Client is whoever begins the key exchange.
    SshCapabilities {
        /// Whose.
        is_server: bool,
        /// What.
        capabilities: &'a Capabilities<'a>,
    },
    /// What both sides will do.
    SshAlgorithms {
        /// What.
        algorithms: &'a Algorithms<'a>,
        /// The side that opened the connection is the server: a tunnel back.
        reversed: bool,
    },
    /// The host key of SSH 1.
    Ssh1ServerHostKey {
        /// The modulus.
        modulus: &'a [u8],
        /// The exponent.
        exponent: &'a [u8],
    },
    /// The host key, as the server sends it.
    Ssh2ServerHostKey {
        /// The key, which begins with the name of its algorithm.
        key: &'a [u8],
    },
    /// Somebody tried to authenticate.
    SshAuthAttempted {
        /// Whether that succeeded.
        authenticated: bool,
    },
    /// Somebody is let in.
    SshAuthSuccessful {
        /// The first request was enough: no proof is wanted, or it was given at once.
        auth_method_none: bool,
    },
    /// The connection ends, and nobody was let in who tried.
    SshAuthFailed,
    /// Everything is encrypted, and whether somebody is let in cannot be told, or not any more.
    SshAuthUnknown,
}

impl SshEvent<'_> {
    /// The event's name.
    pub fn name(&self) -> &'static str {
        match self {
            SshEvent::SshServerPreBannerData { .. } => "ssh_server_pre_banner_data",
            SshEvent::SshClientVersion { .. } => "ssh_client_version",
            SshEvent::SshServerVersion { .. } => "ssh_server_version",
            SshEvent::SshVersionAgreed { .. } => "ssh_version_agreed",
            SshEvent::SshCapabilities { .. } => "ssh_capabilities",
            SshEvent::SshAlgorithms { .. } => "ssh_algorithms",
            SshEvent::Ssh1ServerHostKey { .. } => "ssh1_server_host_key",
            SshEvent::Ssh2ServerHostKey { .. } => "ssh2_server_host_key",
            SshEvent::SshAuthAttempted { .. } => "ssh_auth_attempted",
            SshEvent::SshAuthSuccessful { .. } => "ssh_auth_successful",
            SshEvent::SshAuthFailed => "ssh_auth_failed",
            SshEvent::SshAuthUnknown => "ssh_auth_unknown",
        }
    }

    /// Shows its parameters.
    pub fn fields(&self, out: Out<'_>) {
        match *self {
            SshEvent::SshServerPreBannerData { data } => text(out, "data", data),
            SshEvent::SshClientVersion { version } | SshEvent::SshServerVersion { version } => {
                text(out, "version", version);
            }
            SshEvent::SshVersionAgreed { version } => super::number(out, "version", version.into()),
            SshEvent::SshCapabilities { is_server, capabilities } => {
                capabilities_fields(out, capabilities);
                out("is_server", Value::Bool(is_server));
            }
            SshEvent::SshAlgorithms { algorithms, reversed } => {
                algorithms_fields(out, algorithms);
                out("reversed", Value::Bool(reversed));
            }
            SshEvent::Ssh1ServerHostKey { modulus, exponent } => {
                text(out, "modulus", modulus);
                text(out, "exponent", exponent);
            }
            SshEvent::Ssh2ServerHostKey { key } => text(out, "key", key),
            SshEvent::SshAuthAttempted { authenticated } => out("authenticated", Value::Bool(authenticated)),
            SshEvent::SshAuthSuccessful { auth_method_none } => {
                out("auth_method_none", Value::Bool(auth_method_none));
            }
            SshEvent::SshAuthFailed | SshEvent::SshAuthUnknown => {}
        }
    }
}

fn capabilities_fields(out: Out<'_>, all: &Capabilities<'_>) {
    text(out, "kex_algorithms", all.kex);
    text(out, "server_host_key_algorithms", all.host_key);
    pair(out, ["encryption_client_to_server", "encryption_server_to_client"], all.cipher);
    pair(out, ["mac_client_to_server", "mac_server_to_client"], all.mac);
    pair(out, ["compression_client_to_server", "compression_server_to_client"], all.compression);
    pair(out, ["languages_client_to_server", "languages_server_to_client"], all.languages);
}

fn algorithms_fields(out: Out<'_>, all: &Algorithms<'_>) {
    text(out, "kex_alg", all.kex);
    text(out, "host_key_alg", all.host_key);
    pair(out, ["cipher_client_to_server", "cipher_server_to_client"], all.cipher);
    pair(out, ["mac_client_to_server", "mac_server_to_client"], all.mac);
    pair(out, ["compression_client_to_server", "compression_server_to_client"], all.compression);
}

fn pair(out: Out<'_>, [there, back]: [&'static str; 2], [to_server, to_client]: [&[u8]; 2]) {
    text(out, there, to_server);
    text(out, back, to_client);
}
