//! The loads that a sensor is measured with: what the field agrees on, and what an attacker would send.

use crate::load::Load;
use crate::load::plain::{Size, fragmented, mixed, syn_flood, unwanted};
use crate::load::spoken::{bulk, conversations, storm};

/// Bytes of the shortest and of the longest frame, without their checksums.
const SHORT: Size = Size::Fixed(60);
const LONG: Size = Size::Fixed(1514);

/// 10GbE's rate of IMIX, in frames a second: mean 353.8 bytes with the checksum, and 20 more of silence on the wire.
pub const IMIX_10GBE: f64 = 3.34e6;

/// Every load, by its name.
pub fn loads() -> Vec<Load> {
    let mut heavy =
        mixed("heavy-pair", "datagrams of 64 bytes to the portmapper, all between the same two hosts", 100, SHORT);
    heavy.host_bits = 0;
    for step in &mut heavy.steps {
        step.slot = 0;
    }
    vec![
        mixed("unwanted", "frames of 64 bytes to a port that nobody watches: the filter alone", 0, SHORT),
        mixed(
            "wanted",
            "frames of 64 bytes to the portmapper from a thousand hosts: everything goes to the worker",
            100,
            SHORT,
        ),
        mixed("imix", "IMIX, one frame in ten to the portmapper", 10, Size::Imix),
        mixed("long", "frames of 1518 bytes, one in ten to the portmapper", 10, LONG),
        conversations(
            "conversations",
            "lookups, FTP, Telnet, Rlogin and SSH from beginning to end, nothing else",
            &[],
            0.0,
        ),
        conversations(
            "conversations-10",
            "the same conversations as one frame in ten among IMIX",
            &unwanted(Size::Imix),
            0.9,
        ),
        syn_flood(
            "syn-flood",
            "SYNs from ever new clients, none of them answered; one frame in a thousand is of an attack",
            1000,
        ),
        storm("alert-storm", "portmapper exchanges of ever new clients, one notice in a hundred frames", true),
        storm("alert-quiet", "the same exchanges, and nothing to report", false),
        bulk(
            "bulk",
            "SSH sessions that go on to carry 400 kB each: what policy has finished with stays in the kernel",
            400_000,
        ),
        heavy,
        fragmented("fragments", "datagrams in three fragments each, every second one to the portmapper"),
    ]
}

/// A load by its name.
pub fn load(name: &str) -> Option<Load> {
    loads().into_iter().find(|load| load.name == name)
}
