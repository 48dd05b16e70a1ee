//! Digests by which SSH's software and hosts are known: HASSH, and the fingerprint of a host key. The door of `md5` and `sha2`.

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::analyzers::wire::ssh::kexinit::Capabilities;
use crate::text::{Buffers, Text};

/// The MD5 of what one side can do: software is known by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hassh([u8; 16]);

impl Hassh {
    /// In hexadecimal.
    pub fn text(self) -> Text {
        let mut text = [0; 32];
        data_encoding::HEXLOWER.encode_mut(&self.0, &mut text);
        Text::new(&text, text.len())
    }
}

/// Lists whose digest is remembered: there are far fewer kinds of software than connections.
const REMEMBERED: usize = 16;

/// The lists that were digested lately, each in the place that their length says, and what came of them.
#[derive(Default, Debug)]
pub struct Hasshes {
    recent: [(Vec<u8>, Option<Hassh>); REMEMBERED],
    lists: Vec<u8>,
}

impl Hasshes {
    /// Of the lists for the direction in which this side sends.
    pub fn of(&mut self, all: &Capabilities<'_>, is_server: bool) -> Hassh {
        let lists = &mut self.lists;
        lists.clear();
        lists.extend_from_slice(all.kex);
        for [to_server, to_client] in [all.cipher, all.mac, all.compression] {
            lists.push(b';');
            lists.extend_from_slice(if is_server { to_client } else { to_server });
        }
        let (known, hassh) = &mut self.recent[lists.len() % REMEMBERED];
        if known != lists {
            known.clone_from(lists);
            *hassh = None;
        }
        *hassh.get_or_insert_with(|| Hassh(Md5::digest(lists).into()))
    }
}

/// The SHA-256 of a host key.
pub(super) fn of_host_key(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// A fingerprint as `ssh-keygen -l` prints it.
pub(super) fn text(fingerprint: &[u8; 32], buffers: &Buffers) -> Text {
    let mut text = *b"SHA256:___________________________________________";
    data_encoding::BASE64_NOPAD.encode_mut(fingerprint, &mut text["SHA256:".len()..]);
    buffers.text(&text, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_what_others_compute() {
        let all = Capabilities { kex: b"k", cipher: [b"c", b"d"], mac: [b"m", b"n"], ..Capabilities::default() };
        let mut hasshes = Hasshes::default();
        // printf 'k;c;m;' | md5sum, printf 'k;d;n;' | md5sum, printf key | sha256sum
        for _ in 0..2 {
            assert_eq!(hasshes.of(&all, false).text().as_bytes(), b"96cab12b560ab5c05905784435d831e1");
            assert_eq!(hasshes.of(&all, true).text().as_bytes(), b"c6236b0357590c30eb69e404b35a332f");
        }
        let fingerprint = text(&of_host_key(b"key"), &Buffers::default());
        assert_eq!(fingerprint.as_bytes(), b"SHA256:LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmtoM");
    }
}
