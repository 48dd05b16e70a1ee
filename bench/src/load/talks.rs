//! Conversations of every protocol that the sensor is there for, as people and programs have them.

use super::frames::{FIRST_PORT, Ports, SERVER};
use super::talk::Talk;

/// RPC over UDP: a call to the portmapper's GETPORT for mountd, and the answer; transaction number in front.
const GETPORT: [u32; 14] = [7, 0, 2, 100_000, 2, 3, 0, 0, 0, 0, 100_005, 3, 17, 0];
const ANSWER: [u32; 7] = [7, 1, 0, 0, 0, 0, 635];
/// A call of the NULL procedure, about which nobody complains, and its answer.
const NULL: [u32; 10] = [7, 0, 2, 100_000, 2, 0, 0, 0, 0, 0];
const NULL_ANSWER: [u32; 6] = [7, 1, 0, 0, 0, 0];
const PORTMAPPER: Ports = Ports { client: FIRST_PORT, server: 111 };
/// What KEXINIT names.
const ALGORITHMS: [&str; 10] = [
    "curve25519-sha256,diffie-hellman-group14-sha256",
    "ssh-ed25519,rsa-sha2-512",
    "chacha20-poly1305@openssh.com,aes128-ctr",
    "chacha20-poly1305@openssh.com,aes128-ctr",
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-256",
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-256",
    "none",
    "none",
    "",
    "",
];

/// Looks a program up. By default, that is a notice for each client.
pub fn lookup() -> Talk {
    exchange(&GETPORT, &ANSWER)
}

/// Asks whether the portmapper is there: no notice.
pub fn ping() -> Talk {
    exchange(&NULL, &NULL_ANSWER)
}

/// An FTP session with a listing and a download; the server's data ports begin at this one.
pub fn ftp(data_port: u16) -> Talk {
    let mut talk = Talk::default();
    let mut control = talk.open(Ports { client: FIRST_PORT, server: 21 });
    talk.say(&mut control, 1, b"220 harbour FTP server ready.\r\n");
    for (command, reply) in [
        ("USER anonymous", "331 Guest login ok, send your email address as password."),
        ("PASS guest@example.org", "230 Guest login ok, access restrictions apply."),
        ("SYST", "215 UNIX Type: L8"),
        ("CWD /pub/tides", "250 CWD command successful."),
        ("TYPE I", "200 Type set to I."),
    ] {
        talk.say(&mut control, 0, format!("{command}\r\n").as_bytes());
        talk.say(&mut control, 1, format!("{reply}\r\n").as_bytes());
    }
    for (number, (command, bytes)) in [("LIST", 900), ("RETR tides-2026.txt", 12_000)].into_iter().enumerate() {
        let port = data_port + number as u16;
        let [a, b, c, d] = SERVER;
        let passive = format!("227 Entering Passive Mode ({a},{b},{c},{d},{},{})\r\n", port >> 8, port & 255);
        talk.say(&mut control, 0, b"PASV\r\n");
        talk.say(&mut control, 1, passive.as_bytes());
        let mut data = talk.open(Ports { client: FIRST_PORT + 20_000 + number as u16 * 16, server: port });
        talk.say(&mut control, 0, format!("{command}\r\n").as_bytes());
        talk.say(&mut control, 1, b"150 Opening BINARY mode data connection.\r\n");
        talk.say(&mut data, 1, &vec![b'~'; bytes]);
        talk.close(&mut data, 1);
        talk.say(&mut control, 1, b"226 Transfer complete.\r\n");
    }
    talk.say(&mut control, 0, b"QUIT\r\n");
    talk.say(&mut control, 1, b"221 Goodbye.\r\n");
    talk.close(&mut control, 1);
    talk
}

/// Somebody at a terminal: each key is a segment, and its echo another.
pub fn telnet() -> Talk {
    let mut talk = Talk::default();
    let mut login = talk.open(Ports { client: FIRST_PORT, server: 23 });
    talk.say(&mut login, 1, b"\xff\xfd\x18\xff\xfd\x20\xff\xfb\x01\xff\xfb\x03");
    talk.say(&mut login, 0, b"\xff\xfc\x18\xff\xfc\x20\xff\xfd\x01\xff\xfd\x03");
    talk.say(&mut login, 1, b"\r\nharbour login: ");
    typed(&mut talk, &mut login, "smith", true);
    talk.say(&mut login, 1, b"\r\nPassword: ");
    typed(&mut talk, &mut login, "Tulip-93", false);
    talk.say(&mut login, 1, b"\r\nLast login: Mon Nov 16 08:12:44 from quay\r\n$ ");
    for command in ["cd /usr/src", "ls -l", "make test", "exit"] {
        typed(&mut talk, &mut login, command, true);
        talk.say(&mut login, 1, b"\r\nMakefile  README  main.c  tide.c\r\n$ ");
    }
    talk.close(&mut login, 1);
    talk
}

/// The same by Rlogin, which tells the names first.
pub fn rlogin() -> Talk {
    let mut talk = Talk::default();
    let mut login = talk.open(Ports { client: 513, server: 513 });
    talk.say(&mut login, 0, b"\0smith\0smith\0vt100/38400\0");
    talk.say(&mut login, 1, b"\0");
    talk.say(&mut login, 1, b"Last login: Mon Nov 16 08:12:44 from quay\r\n$ ");
    typed(&mut talk, &mut login, "uptime", true);
    talk.say(&mut login, 1, b"\r\n 8:12am up 12 days, 2 users\r\n$ ");
    talk.close(&mut login, 0);
    talk
}

/// An SSH handshake, a login, and then so many bytes that only the two of them can read.
pub fn ssh(bytes: usize) -> Talk {
    let mut talk = Talk::default();
    let mut session = talk.open(Ports { client: FIRST_PORT, server: 22 });
    talk.say(&mut session, 1, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    talk.say(&mut session, 0, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    let lists = ALGORITHMS.iter().flat_map(|list| string(list.as_bytes()));
    let mut kexinit = vec![20; 17];
    kexinit.extend(lists.chain([0; 5]));
    talk.say(&mut session, 0, &packet(&kexinit));
    talk.say(&mut session, 1, &packet(&kexinit));
    talk.say(&mut session, 0, &packet(&[&[30], &string(&[0xff; 32])[..]].concat()));
    let key = [string(b"ssh-ed25519"), string(&[0x6b; 32])].concat();
    let reply = [&[31], &string(&key)[..], &string(&[0x66; 32]), &string(&[0x73; 83])].concat();
    talk.say(&mut session, 1, &packet(&reply));
    talk.say(&mut session, 1, &packet(&[21]));
    talk.say(&mut session, 0, &packet(&[21]));
    for (from, length) in [(0, 44), (1, 44), (0, 60), (1, 52), (0, 148), (1, 28), (0, 112), (1, 500)] {
        talk.say(&mut session, from, &vec![0x5a; length]);
    }
    talk.say(&mut session, 1, &vec![0xa5; bytes]);
    talk.close(&mut session, 0);
    talk
}

fn exchange(call: &[u32], answer: &[u32]) -> Talk {
    let mut talk = Talk::default();
    for (from, words) in [(0, call), (1, answer)] {
        let message: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        talk.datagram(from, PORTMAPPER, &message);
    }
    talk
}

/// Keys, with their echoes if there are any, and the return key.
fn typed(talk: &mut Talk, login: &mut super::talk::Connection, line: &str, echoed: bool) {
    for key in line.bytes() {
        talk.say(login, 0, &[key]);
        if echoed {
            talk.say(login, 1, &[key]);
        }
    }
    talk.say(login, 0, b"\r");
}

/// RFC 4253, section 6, without encryption.
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 8 - (payload.len() + 5) % 8 + 8;
    let length = (payload.len() + padding + 1) as u32;
    [&length.to_be_bytes()[..], &[padding as u8], payload, &vec![0; padding]].concat()
}

/// RFC 4251, section 5.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}
