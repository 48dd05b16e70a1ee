//! What two ends say to each other, a message at a time, for each protocol.

use portreeve::analyzers::Service;
use portreeve::flow::key::Direction::{self, FromOrig, FromResp};
use portreeve::flow::key::Transport;

/// How often the middle of a conversation is repeated.
const ROUNDS: usize = 40;

/// The messages of a conversation, in order.
pub type Conversation = Vec<(Direction, Vec<u8>)>;

/// Each protocol's, by its name.
pub fn all() -> Vec<(&'static str, Service, Transport, Conversation)> {
    vec![
        ("portmap", Service::Portmap, Transport::Udp, portmap()),
        ("ftp", Service::Ftp, Transport::Tcp, ftp()),
        ("telnet", Service::Telnet, Transport::Tcp, telnet()),
        ("rlogin", Service::Rlogin, Transport::Tcp, rlogin()),
        ("ssh", Service::Ssh, Transport::Tcp, ssh()),
    ]
}

/// Bytes of a conversation.
pub fn bytes(conversation: &Conversation) -> u64 {
    conversation.iter().map(|(_, message)| message.len() as u64).sum()
}

/// Lookups of NFS, answered.
fn portmap() -> Conversation {
    let words = |xid: u32, rest: &[u32]| [&[xid], rest].concat().into_iter().flat_map(u32::to_be_bytes).collect();
    let call = |xid| words(xid, &[0, 2, 100_000, 2, 3, 0, 0, 0, 0, 100_003, 3, 17, 0]);
    let pair = |xid| [(FromOrig, call(xid)), (FromResp, words(xid, &[1, 0, 0, 0, 0, 2049]))];
    (0..ROUNDS as u32).flat_map(pair).collect()
}

/// Somebody logs in and looks around.
pub fn ftp() -> Conversation {
    let begin = "< 220 harbour FTP server ready.\r\n> USER smith\r\n< 331 Password required for smith.\r\n> PASS Tulip-93\r\n< 230 User smith logged in.\r\n";
    let middle = "> CWD pub/ships\r\n< 250 CWD command successful.\r\n> SIZE manifest.txt\r\n< 213 4711\r\n";
    lines(begin, middle)
}

/// Options, a login, and commands of which each key is a message, echoed.
fn telnet() -> Conversation {
    let mut talk = vec![
        (FromResp, b"\xff\xfd\x18\xff\xfd\x20".to_vec()),
        (FromOrig, b"\xff\xfc\x18\xff\xfc\x20".to_vec()),
        (FromResp, b"\xff\xfb\x01\xff\xfb\x03\r\nharbour login: ".to_vec()),
        (FromOrig, b"smith\r\0".to_vec()),
        (FromResp, b"smith\r\nPassword: ".to_vec()),
        (FromOrig, b"Tulip-93\r\0".to_vec()),
    ];
    talk.push((FromResp, b"\r\nLast login: Mon Nov 16\r\n$ ".to_vec()));
    (0..ROUNDS).for_each(|_| typed(&mut talk, b"\r\0"));
    talk
}

/// The same, after rlogin's first message (RFC 1282).
fn rlogin() -> Conversation {
    let mut talk = vec![
        (FromOrig, b"\0smith\0smith\0vt100/9600\0".to_vec()),
        (FromResp, b"\0Password: ".to_vec()),
        (FromOrig, b"Tulip-93\r".to_vec()),
        (FromResp, b"\r\nLast login: Mon Nov 16\r\n$ ".to_vec()),
    ];
    (0..ROUNDS).for_each(|_| typed(&mut talk, b"\r"));
    talk
}

fn typed(talk: &mut Conversation, end: &[u8]) {
    for key in b"ls -l pub" {
        talk.push((FromOrig, vec![*key]));
        talk.push((FromResp, vec![*key]));
    }
    talk.push((FromOrig, end.to_vec()));
    talk.push((FromResp, b"\r\nMakefile  README  main.c  main.o  manifest.txt\r\n$ ".to_vec()));
}

/// A handshake until the keys are taken into use (RFC 4253).
fn ssh() -> Conversation {
    let names = [
        "curve25519-sha256,ecdh-sha2-nistp256,diffie-hellman-group14-sha256",
        "ssh-ed25519,rsa-sha2-512",
        "chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com",
        "hmac-sha2-256,hmac-sha2-512",
        "hmac-sha2-256,hmac-sha2-512",
        "none,zlib@openssh.com",
        "none,zlib@openssh.com",
        "",
        "",
    ];
    let mut kexinit = vec![20];
    kexinit.extend([7; 16]);
    for list in names {
        kexinit.extend((list.len() as u32).to_be_bytes());
        kexinit.extend(list.as_bytes());
    }
    kexinit.extend([0; 5]);
    let key = [vec![30, 0, 0, 0, 32], vec![9; 32]].concat();
    let answer = [vec![31, 0, 0, 0, 51], vec![8; 51], vec![0, 0, 0, 32], vec![9; 32], vec![0, 0, 0, 83], vec![5; 83]];
    vec![
        (FromResp, b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        (FromOrig, b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        (FromOrig, packet(&kexinit)),
        (FromResp, packet(&kexinit)),
        (FromOrig, packet(&key)),
        (FromResp, packet(&answer.concat())),
        (FromResp, packet(&[21])),
        (FromOrig, packet(&[21])),
    ]
}

/// RFC 4253, section 6: the lengths, the payload, and padding to eight bytes.
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
    let length = 1 + payload.len() + padding;
    [&(length as u32).to_be_bytes()[..], &[padding as u8], payload, &vec![0; padding]].concat()
}

/// A line each, `<` from the server; the middle many times.
fn lines(begin: &str, middle: &str) -> Conversation {
    let text = begin.to_owned() + &middle.repeat(ROUNDS);
    let line = |line: &str| {
        let direction = if line.starts_with('<') { FromResp } else { FromOrig };
        (direction, line.as_bytes().iter().skip(2).copied().collect())
    };
    text.split_inclusive('\n').map(line).collect()
}
