//! The lines of ssh.log: one per connection on which at least one side has identified itself.

use super::fingerprint::{self, Hassh};
use crate::analyzers::wire::ssh::kexinit::Algorithms;
use crate::policy::{Policy, Seen};
use crate::record::SshRecord;
use crate::text::Text;
use crate::time::Timestamp;

/// What is remembered of an SSH connection until its line is written: once somebody is let in, or at its end.
#[derive(Debug)]
pub struct SshSession {
    /// When something was said first.
    ts: Timestamp,
    /// The identifications, of the side that opened the connection first.
    pub(super) versions: [Option<Text>; 2],
    /// The side that opened the connection is the server.
    pub(super) reversed: bool,
    pub(super) version: Option<u8>,
    pub(super) auth_success: Option<bool>,
    pub(super) auth_attempts: u32,
    /// Somebody was let in at the first request.
    pub(super) none: bool,
    pub(super) algorithms: Option<Box<Names>>,
    /// Of client and server.
    pub(super) hassh: [Option<Hassh>; 2],
    pub(super) host_key: Option<[u8; 32]>,
}

const _: () = assert!(size_of::<SshSession>() <= 256, "one is kept until somebody is let in");

/// The names of what both sides do.
#[derive(Debug)]
pub(super) struct Names {
    kex: Text,
    host_key: Text,
    cipher: Text,
    mac: Text,
    compression: Text,
}

impl SshSession {
    pub(super) fn new(now: Timestamp) -> Self {
        SshSession {
            ts: now,
            versions: [None, None],
            reversed: false,
            version: None,
            auth_success: None,
            auth_attempts: 0,
            none: false,
            algorithms: None,
            hassh: [None, None],
            host_key: None,
        }
    }

    /// Bytes on the heap, besides its own.
    pub fn held(&self) -> usize {
        let names = self.algorithms.as_ref().map_or(0, |names| {
            let texts = [&names.kex, &names.host_key, &names.cipher, &names.mac, &names.compression];
            size_of::<Names>() + texts.into_iter().map(Text::held).sum::<usize>()
        });
        names + self.versions.iter().flatten().map(Text::held).sum::<usize>()
    }
}

impl Policy {
    /// The names of what was negotiated; where the two directions differ, both.
    pub(super) fn ssh_names(&self, chosen: &Algorithms<'_>) -> Box<Names> {
        let of = |[to_server, to_client]: [&[u8]; 2]| {
            if to_server == to_client {
                return self.text(to_server);
            }
            self.text(&[b"To server: ", to_server, b", to client: ", to_client].concat())
        };
        Box::new(Names {
            kex: self.text(chosen.kex),
            host_key: self.text(chosen.host_key),
            cipher: of(chosen.cipher),
            mac: of(chosen.mac),
            compression: of(chosen.compression),
        })
    }

    /// Writes the line of a connection, unless nobody has identified himself.
    pub(super) fn log_ssh(&mut self, seen: &mut Seen<'_>, session: SshSession) {
        let [orig, resp] = session.versions;
        if orig.is_none() && resp.is_none() {
            return;
        }
        let (client, server) = if session.reversed { (resp, orig) } else { (orig, resp) };
        let said = |name: Text| Some(name).filter(|name| !name.is_empty());
        let names = session.algorithms.map(|names| {
            let Names { kex, host_key, cipher, mac, compression } = *names;
            [kex, host_key, cipher, mac, compression].map(said)
        });
        let [kex_alg, host_key_alg, cipher_alg, mac_alg, compression_alg] = names.unwrap_or_default();
        let [hassh, hassh_server] = session.hassh.map(|hassh| hassh.map(Hassh::text));
        self.write(
            seen.now,
            Box::new(SshRecord {
                ts: session.ts,
                id: seen.conn.id,
                version: session.version.map(u64::from),
                auth_success: session.auth_success,
                auth_attempts: session.auth_attempts.into(),
                direction: self.direction(seen),
                client,
                server,
                cipher_alg,
                mac_alg,
                compression_alg,
                kex_alg,
                host_key_alg,
                host_key_fingerprint: session.host_key.map(|key| fingerprint::text(&key, &self.buffers)),
                hassh,
                hassh_server,
                auth_method: session.none.then_some("none"),
            }),
        );
    }

    /// Zeek's `direction`: only between us and others.
    fn direction(&self, seen: &Seen<'_>) -> Option<&'static str> {
        let key = &seen.conn.id.key;
        match (self.is_local_addr(key.orig_h), self.is_local_addr(key.resp_h)) {
            (true, false) => Some("OUTBOUND"),
            (false, true) => Some("INBOUND"),
            _ => None,
        }
    }
}
