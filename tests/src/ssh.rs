//! SSH packets as a person writes them down: `kexinit kex=a,b cipher=c`, `reply ssh-ed25519`, `newkeys`, `encrypted 52`.

use crate::rpc;
use crate::talk::number;

/// What stands in a KEXINIT unless something else is said. What is for both directions may be `to-server/to-client`.
const LISTS: [(&str, &str); 5] = [
    ("kex", "curve25519-sha256"),
    ("host-key", "ssh-ed25519"),
    ("cipher", "aes128-ctr"),
    ("mac", "hmac-sha2-256"),
    ("compression", "none"),
];

/// One packet, or what looks like encrypted ones.
pub fn message(words: &str) -> Result<Vec<u8>, String> {
    let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
    match kind {
        "kexinit" => Ok(packet(&kexinit(rest)?)),
        // KEXDH_INIT and its likes (30), GEX_INIT (32), GEX_REQUEST (34): a number, and a string of no meaning.
        "init" => {
            Ok(packet(&[&[if rest.is_empty() { 30 } else { number(rest)? as u8 }], &string(&[0xff; 32])[..]].concat()))
        }
        "reply" => Ok(packet(&[&[31], &host_key(rest)[..]].concat())),
        "gex-reply" => Ok(packet(&[&[33], &host_key(rest)[..]].concat())),
        "newkeys" => Ok(packet(&[21])),
        "packet" => Ok(packet(&rpc::hex(rest)?)),
        "encrypted" => Ok(vec![0x5a; number(rest)? as usize]),
        "1" => Ok(packet1(&rpc::hex(rest)?)),
        _ => Err(format!(
            "`ssh {kind}`? known here: kexinit, init, reply, gex-reply, newkeys, packet, encrypted, and 1 for a packet of SSH 1"
        )),
    }
}

fn kexinit(words: &str) -> Result<Vec<u8>, String> {
    let mut lists = LISTS;
    for word in words.split_whitespace() {
        let (name, list) = word.split_once('=').ok_or(format!("`{word}` is not name=list"))?;
        let known = lists.iter_mut().find(|(known, _)| *known == name);
        known.ok_or(format!("`{name}`? known here: kex, host-key, cipher, mac, compression"))?.1 = list;
    }
    let mut message = vec![20; 17];
    for (index, (_, list)) in lists.iter().enumerate() {
        let (there, back) = list.split_once('/').unwrap_or((list, list));
        let both = if index < 2 { vec![*list] } else { vec![there, back] };
        both.iter().for_each(|list| message.extend(string(list.as_bytes())));
    }
    message.extend([string(b""), string(b""), vec![0; 5]].concat());
    Ok(message)
}

/// A host key of this algorithm, and a signature of no meaning.
fn host_key(algorithm: &str) -> Vec<u8> {
    let algorithm = if algorithm.is_empty() { "ssh-ed25519" } else { algorithm };
    let key = [string(algorithm.as_bytes()), string(&[0x6b; 32])].concat();
    [string(&key), string(&[0x66; 32]), string(&[0x73; 64])].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// RFC 4253 section 6: padded to 8 bytes, with at least 4 of padding.
fn packet(message: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (message.len() + 9) % 8) % 8;
    let length = (message.len() + padding + 1) as u32;
    [&length.to_be_bytes()[..], &[padding as u8], message, &vec![0; padding]].concat()
}

/// SSH 1: the padding comes first, and does not count.
fn packet1(message: &[u8]) -> Vec<u8> {
    let length = message.len() + 4;
    [&(length as u32).to_be_bytes()[..], &vec![0; 8 - length % 8], message, b"crc!"].concat()
}
