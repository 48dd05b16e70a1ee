//! Old and weak algorithms: what two sides should not have agreed on.

use std::collections::BTreeSet;

use crate::analyzers::wire::ssh::kexinit::Algorithms;
use crate::policy::notice::About;
use crate::policy::words::put;
use crate::policy::{Note, Policy, Seen};

impl Policy {
    pub(super) fn ssh_weak_version(&mut self, seen: &mut Seen<'_>, version: u8) {
        if self.sets.ssh_weak_versions.contains(&version) {
            let mut weak = Vec::new();
            put(&mut weak, format_args!("version {version}"));
            self.ssh_weak(seen, &weak);
        }
    }

    pub(super) fn ssh_weak_algorithms(&mut self, seen: &mut Seen<'_>, chosen: &Algorithms<'_>) {
        let sets = &self.sets;
        let [to_server, to_client] = chosen.cipher;
        let [mac_to_server, mac_to_client] = chosen.mac;
        let mut weak = Vec::new();
        let mut check = |kind: &str, set: &BTreeSet<String>, name: &[u8]| {
            if let Some(name) = std::str::from_utf8(name).ok().filter(|&name| set.contains(name)) {
                let comma = if weak.is_empty() { "" } else { ", " };
                put(&mut weak, format_args!("{comma}{kind} {name}"));
            }
        };
        check("kex", &sets.ssh_weak_kex_algs, chosen.kex);
        check("host key", &sets.ssh_weak_host_key_algs, chosen.host_key);
        check("cipher", &sets.ssh_weak_ciphers, to_server);
        if to_client != to_server {
            check("cipher", &sets.ssh_weak_ciphers, to_client);
        }
        // A cipher with its own authentication leaves the MAC unused (RFC 5647 section 5.1).
        let own = |cipher: &[u8]| cipher.ends_with(b"-gcm@openssh.com") || cipher.starts_with(b"chacha20-poly1305");
        if !own(to_server) {
            check("mac", &sets.ssh_weak_macs, mac_to_server);
        }
        if !own(to_client) && mac_to_client != mac_to_server {
            check("mac", &sets.ssh_weak_macs, mac_to_client);
        }
        if !weak.is_empty() {
            self.ssh_weak(seen, &weak);
        }
    }

    /// One notice a day for what is weak about a server.
    fn ssh_weak(&mut self, seen: &mut Seen<'_>, weak: &[u8]) {
        let detail = (self.digest(weak), 0);
        let about = About { src: None, dst: Some(seen.conn.id.key.resp_h), detail };
        let _ = self.notice(seen, Note::SSH_WeakAlgorithm, about, |words, conn, out| {
            words.id_string(out, &conn.id.key);
            out.extend_from_slice(b" weak SSH: ");
            out.extend_from_slice(weak);
            None
        });
    }
}
