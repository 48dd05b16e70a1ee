//! Loads of whole conversations, many at a time, again and again between other hosts.

use portreeve_ebpf::load::Template;

use super::talk::{Talk, woven};
use super::{Load, talks};

/// Of twenty conversations, so many are portmapper lookups, FTP sessions, Telnet, Rlogin and SSH.
const MIX: [usize; 5] = [8, 4, 3, 1, 4];
/// Conversations that go on at the same time, in twenties.
const TWENTIES: u16 = 2;
/// Where the servers' ports for FTP data begin.
const DATA_PORTS: u16 = 40_000;

/// Conversations of every protocol, with other frames between them so that those are this share of all, 0 to 1.
pub fn conversations(name: &'static str, what: &'static str, others: &[Template], share: f64) -> Load {
    let mut all = Vec::new();
    for turn in 0..TWENTIES {
        let [lookups, ftp, telnet, rlogin, ssh] = MIX;
        all.extend((0..lookups).map(|_| talks::lookup()));
        all.extend((0..ftp as u16).map(|number| talks::ftp(DATA_PORTS + turn * 64 + number * 2)));
        all.extend((0..telnet).map(|_| talks::telnet()));
        all.extend((0..rlogin).map(|_| talks::rlogin()));
        all.extend((0..ssh).map(|_| talks::ssh(2000)));
    }
    load(name, what, &all, others, share)
}

/// Lookups that are notices, each of another client, so that they are one frame in a hundred; or as many that nobody complains about.
pub fn storm(name: &'static str, what: &'static str, noticed: bool) -> Load {
    let one = |number: usize| if noticed && number.is_multiple_of(50) { talks::lookup() } else { talks::ping() };
    load(name, what, &Vec::from_iter((0..200).map(one)), &[], 0.0)
}

/// SSH sessions that carry so many bytes each once they are encrypted.
pub fn bulk(name: &'static str, what: &'static str, bytes: usize) -> Load {
    load(name, what, &Vec::from_iter((0..8).map(|_| talks::ssh(bytes))), &[], 0.0)
}

fn load(name: &'static str, what: &'static str, talks: &[Talk], others: &[Template], share: f64) -> Load {
    let (templates, steps) = woven(talks, others, share, 5);
    Load { name, what, templates, steps, host_bits: 16, port_bits: 4, seed: 5 }
}
