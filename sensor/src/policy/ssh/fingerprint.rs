//! Digests by which SSH's software and hosts are known: HASSH, and the fingerprint of a host key. The door of `md5` and `sha2`.

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::analyzers::wire::ssh::kexinit::Capabilities;
use crate::text::Text;

/// The MD5 of what one side can do: software is known by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Hassh([u8; 16]);

impl Hassh {
    /// Of the lists for the direction in which this side sends.
    pub fn new(all: &Capabilities<'_>, is_server: bool) -> Self {
        let mut digest = Md5::new();
        digest.update(all.kex);
        for [to_server, to_client] in [all.cipher, all.mac, all.compression] {
            digest.update(b";");
            digest.update(if is_server { to_client } else { to_server });
        }
        Hassh(digest.finalize().into())
    }

    /// In hexadecimal.
    pub fn text(self) -> Text {
        Text::new(data_encoding::HEXLOWER.encode(&self.0).as_bytes(), 32)
    }
}

/// The SHA-256 of a host key.
pub(super) fn of_host_key(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// A fingerprint as `ssh-keygen -l` prints it.
pub(super) fn text(fingerprint: &[u8; 32]) -> Text {
    let text = format!("SHA256:{}", data_encoding::BASE64_NOPAD.encode(fingerprint));
    Text::new(text.as_bytes(), text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_what_others_compute() {
        let all = Capabilities { kex: b"k", cipher: [b"c", b"d"], mac: [b"m", b"n"], ..Capabilities::default() };
        // printf 'k;c;m;' | md5sum, printf 'k;d;n;' | md5sum, printf key | sha256sum
        assert_eq!(Hassh::new(&all, false).text().as_bytes(), b"96cab12b560ab5c05905784435d831e1");
        assert_eq!(Hassh::new(&all, true).text().as_bytes(), b"c6236b0357590c30eb69e404b35a332f");
        assert_eq!(text(&of_host_key(b"key")).as_bytes(), b"SHA256:LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmtoM");
    }
}
