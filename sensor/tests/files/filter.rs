//! The kernel program's likeness: what it lets in, and how it counts.

use std::net::{IpAddr, Ipv4Addr};

use portreeve::capture::filter::HostFilter;
use portreeve::capture::{BypassReason, Bypassed, Expectation, ExpectationMode, ExpectationReason, Frame, Gate, Link};
use portreeve::flow::key::{FlowKey, Transport};
use portreeve::time::Timestamp;
use portreeve_ebpf::Counter;

use crate::lab::plan;
use crate::write::{ethernet, frame, ip, udp};

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];

fn filter() -> HostFilter {
    HostFilter::new(&plan(1))
}

fn admits_at(filter: &mut HostFilter, seconds: u64, link: Link, bytes: &[u8]) -> bool {
    let at = Timestamp::from_parts(seconds, 0);
    filter.admits(&Frame::new(at, link, bytes, bytes.len()))
}

fn admits(filter: &mut HostFilter, bytes: &[u8]) -> bool {
    admits_at(filter, 1, Link::Ethernet, bytes)
}

fn tcp(from: ([u8; 4], u16), to: ([u8; 4], u16), flags: u8, payload: usize) -> Vec<u8> {
    let mut packet = udp(from.0, to.0, [from.1, to.1], &vec![0; 12 + payload]);
    packet[9] = 6;
    packet[32] = 5 << 4;
    packet[33] = flags;
    ethernet(&packet)
}

fn expectation(mode: ExpectationMode) -> Expectation {
    let addr = IpAddr::V4(Ipv4Addr::from(SERVER));
    Expectation { transport: Transport::Udp, addr, port: 700, why: ExpectationReason::RpcService, mode }
}

#[test]
fn every_link_type_gets_the_same_decision() {
    let wanted = ip(CLIENT, b"call");
    let unwanted = udp(CLIENT, SERVER, [1024, 53], b"call");
    let headers: [(Link, &[u8]); 6] = [
        (Link::Ethernet, &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]),
        (Link::RawIp, &[]),
        (Link::LinuxSll, &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0]),
        (Link::LinuxSll2, &[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]),
        (Link::Null, &[2, 0, 0, 0]),
        (Link::Null, &[0, 0, 0, 2]),
    ];
    let mut filter = filter();
    for (link, header) in headers {
        assert!(admits_at(&mut filter, 1, link, &[header, &wanted].concat()), "{link:?}");
        assert!(!admits_at(&mut filter, 1, link, &[header, &unwanted].concat()), "{link:?}");
        // Nothing is too short to be decided.
        (0..header.len() + 30).for_each(|len| {
            let bytes = [header, &wanted].concat();
            admits_at(&mut filter, 1, link, &bytes[..len.min(bytes.len())]);
        });
    }
    assert_eq!(filter.counters().get(Counter::NoMatch), 6);
    assert!(!admits_at(&mut filter, 1, Link::Null, &[7, 0, 0, 0, 1, 2, 3, 4]), "OSI");
    assert!(!admits_at(&mut filter, 1, Link::LinuxSll2, &[&[8, 6][..], &[0; 30]].concat()), "ARP");
    assert_eq!(filter.counters().get(Counter::NotIp), 2);
}

#[test]
fn an_expectation_opens_one_endpoint_for_a_time() {
    let mut filter = filter();
    let (to_it, to_another) = (udp(CLIENT, SERVER, [9, 700], b""), udp(CLIENT, [10, 0, 0, 3], [9, 700], b""));
    assert!(!admits(&mut filter, &ethernet(&to_it)));
    filter.expect(expectation(ExpectationMode::Full));
    filter.expect(expectation(ExpectationMode::Full));
    assert!(admits(&mut filter, &ethernet(&to_it)));
    assert!(!admits(&mut filter, &ethernet(&to_another)));
    filter.expect(expectation(ExpectationMode::ControlOnly));
    assert!(!admits(&mut filter, &ethernet(&to_it)), "of UDP, control is nothing");
    assert_eq!(filter.counters().get(Counter::ControlOnly), 1);
    filter.unexpect(expectation(ExpectationMode::Full));
    filter.unexpect(expectation(ExpectationMode::Full));
    assert!(!admits(&mut filter, &ethernet(&to_it)));
    assert_eq!(filter.counters().get(Counter::NoMatch), 3);
}

#[test]
fn more_expectations_than_the_table_holds_cost_the_oldest() {
    let mut plan = plan(1);
    plan.expectations = 16;
    let mut filter = HostFilter::new(&plan);
    for port in 1000..2000 {
        filter.expect(Expectation { port, ..expectation(ExpectationMode::Full) });
        assert!(admits(&mut filter, &ethernet(&udp(CLIENT, SERVER, [9, port], b""))), "the new one is in: {port}");
    }
    let gone = filter.counters().expectations_evicted.get();
    assert!((984..1000).contains(&gone), "{gone}");
    assert!(!admits(&mut filter, &ethernet(&udp(CLIENT, SERVER, [9, 1000], b""))));
}

#[test]
fn a_bypass_keeps_payload_out_and_counts_it() {
    let mut filter = filter();
    let key = FlowKey {
        orig_h: CLIENT.into(),
        resp_h: SERVER.into(),
        orig_p: 40_000,
        resp_p: 111,
        transport: Transport::Tcp,
    };
    let (client, server) = ((CLIENT, 40_000), (SERVER, 111));
    assert!(admits(&mut filter, &tcp(client, server, 0x10, 100)));
    filter.bypass(&key, BypassReason::Encrypted);
    filter.bypass(&key, BypassReason::Encrypted);
    assert!(!admits(&mut filter, &tcp(client, server, 0x10, 100)));
    assert!(!admits(&mut filter, &tcp(server, client, 0x18, 1000)));
    assert!(!admits(&mut filter, &tcp(server, client, 0x18, 1000)));
    assert!(admits(&mut filter, &tcp(server, client, 0x11, 0)), "FIN comes up");
    assert!(admits(&mut filter, &tcp((CLIENT, 40_001), server, 0x10, 5)), "another connection of the same hosts");
    assert_eq!(filter.counters().get(Counter::BypassedEncrypted), 3);
    assert_eq!(filter.unbypass(&key), Some(Bypassed { packets: [1, 2], bytes: [140, 2 * 1040], payload: [100, 2000] }));
    assert_eq!(filter.unbypass(&key), None);
    assert!(admits(&mut filter, &tcp(client, server, 0x10, 100)));
}

#[test]
fn later_fragments_follow_the_first_for_a_while() {
    let fragment = |port: u16, id: u8, place: u8| {
        let mut packet = udp(CLIENT, SERVER, [1024, port], &[0; 16]);
        packet[5] = id;
        (packet[6], packet[7]) = if place == 0 { (0x20, 0) } else { (0, place) };
        ethernet(&packet)
    };
    let mut filter = filter();
    assert!(admits_at(&mut filter, 1, Link::Ethernet, &fragment(111, 1, 0)));
    assert!(!admits_at(&mut filter, 1, Link::Ethernet, &fragment(53, 2, 0)));
    assert!(admits_at(&mut filter, 2, Link::Ethernet, &fragment(111, 1, 3)));
    assert!(!admits_at(&mut filter, 2, Link::Ethernet, &fragment(53, 2, 3)));
    let unknown = filter.counters().get(Counter::FragmentNoMatch);
    assert_eq!(unknown, 1);
    // Half a minute later the same identification means another datagram.
    admits_at(&mut filter, 40, Link::Ethernet, &fragment(53, 2, 3));
    assert_eq!(filter.counters().get(Counter::FragmentNoMatch), 1);
}

#[test]
fn each_frame_is_counted_once() {
    let mut filter = filter();
    let frames = [frame(1), vec![], vec![0; 14], tcp((CLIENT, 1), (SERVER, 2), 2, 0), frame(2)[..20].to_vec()];
    frames.iter().for_each(|frame| _ = admits(&mut filter, frame));
    assert_eq!(filter.counters().snapshot().iter().sum::<u64>(), 5);
}
