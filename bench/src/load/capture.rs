//! A capture file as a load: its frames again and again, each round from other clients.

use std::path::Path;
use std::time::Duration;

use anyhow::{Error, Result, ensure};
use portreeve::capture::plan::Plan;
use portreeve::capture::{Frame, Link, Source, Wait, each, pcap};
use portreeve::config::{PortTable, Settings};
use portreeve::flow::key::Transport;
use portreeve_ebpf::load::{Step, Template};
use portreeve_ebpf::parse::protocol;
use portreeve_ebpf::{Fragment, parse};

use super::Load;

/// More frames than this are not kept: each takes the memory of the longest.
const MOST: usize = 400_000;
/// So many rounds have clients of their own, as a power of two: a byte of their addresses tells them apart.
const ROUND_BITS: u32 = 8;

/// Reads the frames of a file, up to 400,000 of them; longer ones than 1520 bytes are cut. In each round the clients' addresses have another
/// second byte, so that its connections are new ones; frames that have a tag, IP options or IPv6 are sent as they are.
///
/// # Errors
/// It cannot be read, or has no Ethernet frames.
pub fn read(file: &Path) -> Result<Load> {
    let settings = Settings::default();
    let plan = Plan::new(&settings, 1, 1).map_err(Error::new)?;
    let ports = PortTable::new(&settings).map_err(Error::new)?;
    let opened = pcap::open(&[file.to_owned()], &plan, &pcap::Settings { progress: false }).map_err(Error::new)?;
    let mut templates = Vec::new();
    for mut source in opened.sources {
        while source.wait(Duration::ZERO) != Wait::Ended && templates.len() < MOST {
            source.drain(&mut each(|frame, _| keep(frame, &ports, &mut templates)));
        }
    }
    ensure!(!templates.is_empty(), "{} has no Ethernet frames that the sensor wants", file.display());
    templates.truncate(MOST);
    let steps = (0..templates.len()).map(|template| Step { template: template as u32, slot: 0 }).collect();
    let what = "the frames of a capture file that the sensor wants, again and again, each round from other clients";
    Ok(Load { name: "replay", what, templates, steps, host_bits: ROUND_BITS, port_bits: 0, seed: 0 })
}

fn keep(frame: Frame<'_>, ports: &PortTable, templates: &mut Vec<Template>) {
    if frame.link == Link::Ethernet {
        let flags = client(frame.bytes, ports).unwrap_or(Template::FIXED);
        templates.push(Template::new(frame.bytes, Template::WANTED | flags));
    }
}

/// Where the client of a frame is: it talks to a port that is listened on. Between two such ports, the lower address is taken for it.
fn client(frame: &[u8], ports: &PortTable) -> Option<u32> {
    let packet = parse(frame);
    let transport = match packet.protocol {
        protocol::TCP => Transport::Tcp,
        protocol::UDP => Transport::Udp,
        _ => return None,
    };
    if packet.l3 != 14 || packet.l4 != 34 || packet.fragment != Fragment::Whole {
        return None;
    }
    let [asks, answers] = packet.ports.map(|port| ports.service(transport, port).is_none());
    let from_client = match (asks, answers) {
        (true, false) => true,
        (false, true) => false,
        _ => frame.get(26..30) <= frame.get(30..34),
    };
    let way = if from_client { 0 } else { Template::ANSWER };
    Some(Template::SHIFTED | Template::CONVERSATION | way)
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;
    use crate::generator::Pace;
    use crate::load::played::Played;
    use crate::lookups::{self, Flows};

    #[test]
    fn each_round_has_clients_of_its_own() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        lookups::write(file.path(), 10, Flows::Lasting).expect("written");
        let load = read(file.path()).expect("read");
        let mut played = Played::new(&load, Pace::FlatOut);
        let mut clients = std::collections::BTreeSet::new();
        for number in 0..20 << ROUND_BITS {
            let packet = SlicedPacket::from_ethernet(played.next(1).expect("a frame")).expect("a packet");
            let Some(NetSlice::Ipv4(ip)) = packet.net else { panic!("frame {number} is not IPv4") };
            let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!("frame {number} is not UDP") };
            let header = ip.header().to_header();
            assert_eq!(header.calc_header_checksum(), header.header_checksum, "frame {number}");
            let sum = udp.to_header().calc_checksum_ipv4(&header, udp.payload());
            assert_eq!(sum, Ok(udp.checksum()), "frame {number}");
            let (client, server) =
                if number % 2 == 0 { (header.source, header.destination) } else { (header.destination, header.source) };
            assert_eq!(server, [198, 19, 0, 0]);
            clients.insert(client);
        }
        assert_eq!(clients.len(), 10 << ROUND_BITS);
    }
}
