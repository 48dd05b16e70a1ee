//! Contacts fed by hand: whose they are, and a flood of forged sources.

use std::net::Ipv4Addr;

use super::*;
use crate::collector::Detector;
use crate::record::{ConnId, Record, Uid};
use crate::time::Timestamp;

fn scans() -> Scans {
    let settings = Settings::load(None, &["limits.tally_sightings = 16384".to_owned()]).unwrap();
    Scans::new(&settings, settings.sets())
}

fn host(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0xc000_0000 + number).into()
}

fn contact(scans: &mut Scans, micros: u64, (source, peer): (IpAddr, IpAddr), reverse: bool) -> Vec<String> {
    let key = FlowKey { orig_h: source, orig_p: 1023, resp_h: peer, resp_p: 23, transport: Transport::Tcp };
    let id = ConnId { uid: Uid(u128::from(micros)), key };
    let mut raised = Vec::new();
    let at = Timestamp::from_nanos(1_000_000_000_000 + micros * 1000);
    scans.on_fact(at, &Fact::PeerContacted { id, established: false, reverse, outbound: false }, &mut raised);
    let text = |record| match record {
        Record::Notice(notice) => format!("{} {}", notice.note, String::from_utf8_lossy(notice.msg.as_bytes())),
        other => format!("{other:?}"),
    };
    raised.into_iter().map(text).collect()
}

#[test]
fn a_scanner_is_found_in_a_flood_of_forged_sources() {
    let (mut scans, mut raised) = (scans(), Vec::new());
    for number in 0..200_000 {
        let micros = u64::from(number);
        raised.extend(contact(&mut scans, micros, (host(1000 + number), host(0)), false));
        if number % 1000 == 0 {
            raised.extend(contact(&mut scans, micros, (host(1), host(500 + number / 1000)), false));
        }
    }
    let [twenty, hundred] = [20, 100].map(|n| format!("AddressScan 192.0.0.1 has scanned {n} hosts (23/tcp)"));
    let expected = [twenty, "ShutdownThresh shutdown threshold reached for 192.0.0.1".to_owned(), hundred];
    assert_eq!(raised, expected);
    assert!(scans.forgotten() > 300_000, "forged sources are forgotten, and that is counted");
}

#[test]
fn of_a_reverse_contact_the_responder_is_the_source() {
    let mut scans = scans();
    let raised = (0..20).flat_map(|number| contact(&mut scans, u64::from(number), (host(100 + number), host(1)), true));
    assert_eq!(raised.collect::<Vec<_>>(), ["AddressScan 192.0.0.1 has scanned 20 hosts (1023/tcp)"]);
}
