//! SSH_MSG_KEXINIT: what each side can do, and what both will do (RFC 4253 section 7.1).

use std::collections::BTreeSet;

use super::super::reader::Reader;
use super::packet::string;
use crate::config::limits::Limits;

/// The message's number and the cookie.
const BEFORE_LISTS: usize = 17;

/// What one side can do: lists of names with commas between them, the best first.
#[derive(Clone, Copy, Default, Debug)]
pub struct Capabilities<'a> {
    /// How keys are exchanged.
    pub kex: &'a [u8],
    /// What the server's host key is.
    pub host_key: &'a [u8],
    /// Ciphers, client to server and server to client; likewise what follows.
    pub cipher: [&'a [u8]; 2],
    /// Message authentication codes.
    pub mac: [&'a [u8]; 2],
    /// Compression.
    pub compression: [&'a [u8]; 2],
    /// Languages.
    pub languages: [&'a [u8]; 2],
}

/// What both sides will do; an empty name: they have nothing in common.
#[derive(Clone, Copy, Default, Debug)]
pub struct Algorithms<'a> {
    /// How keys are exchanged.
    pub kex: &'a [u8],
    /// What the server's host key is.
    pub host_key: &'a [u8],
    /// The cipher, client to server and server to client; likewise what follows.
    pub cipher: [&'a [u8]; 2],
    /// The message authentication code; it stands for nothing if the cipher has its own.
    pub mac: [&'a [u8]; 2],
    /// Compression.
    pub compression: [&'a [u8]; 2],
}

/// What is wrong with a KEXINIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// It ends early.
    Truncated,
    /// A list has so many bytes, more than the bound.
    LongList(usize),
    /// A list has so many names, more than the bound.
    ManyNames(usize),
}

impl<'a> Capabilities<'a> {
    /// Reads the message.
    pub fn new(message: &'a [u8], limits: &Limits) -> Result<Self, Wrong> {
        let mut reader = Reader::new(message.get(BEFORE_LISTS..).ok_or(Wrong::Truncated)?);
        let mut list = || {
            let list = string(&mut reader).ok_or(Wrong::Truncated)?;
            if list.len() > limits.ssh_string_bytes {
                return Err(Wrong::LongList(list.len()));
            }
            let names = memchr::memchr_iter(b',', list).count().saturating_add(1);
            if names > limits.ssh_algorithms { Err(Wrong::ManyNames(names)) } else { Ok(list) }
        };
        Ok(Capabilities {
            kex: list()?,
            host_key: list()?,
            cipher: [list()?, list()?],
            mac: [list()?, list()?],
            compression: [list()?, list()?],
            languages: [list()?, list()?],
        })
    }
}

impl<'a> Algorithms<'a> {
    /// Of each kind, the first of the client's that the server has.
    pub fn new(client: &Capabilities<'a>, server: &Capabilities<'_>) -> Self {
        let both = |client: [&'a [u8]; 2], server: [&[u8]; 2]| {
            let ([there, back], [its_there, its_back]) = (client, server);
            [first_common(there, its_there), first_common(back, its_back)]
        };
        Algorithms {
            kex: first_common(client.kex, server.kex),
            host_key: first_common(client.host_key, server.host_key),
            cipher: both(client.cipher, server.cipher),
            mac: both(client.mac, server.mac),
            compression: both(client.compression, server.compression),
        }
    }

    /// Whether nothing is compressed: otherwise lengths tell nothing.
    pub fn is_uncompressed(&self) -> bool {
        self.compression.iter().all(|name| *name == b"none")
    }
}

/// Most servers have what the client likes best. Otherwise each list is gone through once, however long it is.
fn first_common<'a>(client: &'a [u8], server: &[u8]) -> &'a [u8] {
    let mut wanted = names(client);
    let Some(best) = wanted.next() else { return b"" };
    if names(server).any(|name| name == best) {
        return best;
    }
    let known: BTreeSet<&[u8]> = names(server).collect();
    wanted.find(|name| known.contains(name)).unwrap_or_default()
}

/// The names of a list.
pub fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').filter(|name| !name.is_empty())
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn message(lists: &[&[u8]]) -> Vec<u8> {
        let mut message = vec![20; BEFORE_LISTS];
        for list in lists {
            message.extend((list.len() as u32).to_be_bytes());
            message.extend(*list);
        }
        message
    }

    #[test]
    fn the_client_s_order_decides() {
        let client = message(&[b"a,b,c", b"k", b"x,y", b"y", b"m", b"m", b"none", b"none", b"", b""]);
        let server = message(&[b"c,b", b"l", b"y,x", b"x", b"m", b"m", b"zlib,none", b"none", b"", b""]);
        let limits = Limits::default();
        let client = Capabilities::new(&client, &limits).expect("a KEXINIT");
        let server = Capabilities::new(&server, &limits).expect("a KEXINIT");
        let chosen = Algorithms::new(&client, &server);
        assert_eq!((chosen.kex, chosen.host_key, chosen.cipher), (&b"b"[..], &b""[..], [&b"x"[..], b""]));
        assert!(chosen.is_uncompressed());
    }

    #[test]
    fn lists_are_bounded() {
        let limits = Limits { ssh_string_bytes: 8, ssh_algorithms: 3, ..Limits::default() };
        let of = |kex| Capabilities::new(&message(&[kex, b"", b"", b"", b"", b"", b"", b"", b"", b""]), &limits).err();
        assert_eq!(of(b"a,b,c"), None);
        assert_eq!(of(b"a,b,c,d"), Some(Wrong::ManyNames(4)));
        assert_eq!(of(b"longer,than"), Some(Wrong::LongList(11)));
        assert_eq!(Capabilities::new(&message(&[b"a"]), &limits).err(), Some(Wrong::Truncated));
    }
}
