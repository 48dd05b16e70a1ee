//! Expectations in numbers that no honest network has, and between workers.

use super::*;
use crate::capture::Expectation;
use crate::capture::{BypassReason, Bypassed};
use crate::policy::neighbours;
use crate::record::Uid;

#[derive(Default)]
struct Notebook {
    expected: Vec<u16>,
    gone: Vec<u16>,
    met: i32,
}

impl Gate for Notebook {
    fn expect(&mut self, expectation: Expectation) {
        self.expected.push(expectation.port);
    }

    fn unexpect(&mut self, expectation: Expectation) {
        self.gone.push(expectation.port);
    }

    fn accompany(&mut self, _hosts: [IpAddr; 2]) {
        self.met += 1;
    }

    fn leave(&mut self, _hosts: [IpAddr; 2]) {
        self.met -= 1;
    }

    fn bypass(&mut self, _key: &FlowKey, _why: BypassReason) {}

    fn unbypass(&mut self, _key: &FlowKey) -> Option<Bypassed> {
        None
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_parts(seconds, 0)
}

fn control(client: u32) -> ConnId {
    let (orig_h, resp_h) = (IpAddr::from((0x0b00_0000 + client).to_be_bytes()), IpAddr::from([10, 0, 0, 1]));
    let key = FlowKey { orig_h, resp_h, orig_p: 4000, resp_p: 21, transport: Transport::Tcp };
    ConnId { uid: Uid(client.into()), key }
}

fn data(control: &ConnId, from: IpAddr, port: u16) -> FlowKey {
    FlowKey { orig_h: from, orig_p: 5000, resp_p: port, ..control.key }
}

#[test]
fn a_hundred_thousand_expectations_are_bounded_and_the_newest_holds() {
    let mut settings = Settings::default();
    settings.limits.ftp_data_expected = 1000;
    let (mut expected, stats, mut gate) = (ExpectedData::new(&settings), WorkerStats::default(), Notebook::default());
    for n in 0..100_000 {
        let control = control(n);
        let port = (n % 50_000) as u16 + 1024;
        expected.begin_session(at(1), &control, &stats);
        let (place, host) = (Place::To(control.key.orig_h, port), control.key.resp_h);
        assert_eq!(expected.expect(at(1), place, host, &control, &stats), Answer::Expected);
        assert_eq!(
            expected.place(at(1), &FlowKey { orig_h: host, resp_h: control.key.orig_h, ..data(&control, host, port) }),
            Some(place)
        );
        expected.settle(at(1), &mut gate, &stats);
    }
    assert_eq!((expected.places.len(), expected.order.len()), (1000, 1000));
    assert!(expected.per_client.len() <= 1000 && expected.sessions.len() <= 1000);
    assert_eq!(gate.expected.len() - gate.gone.len(), 1000, "the capture filter was told of each that gave way");
    assert!(stats.counters.expectations_evicted.get() > 98_000);
    expected.settle(at(62), &mut gate, &stats);
    assert!(expected.places.len() <= 1, "all have expired but the server's data port");
    (0..100_000).for_each(|n| expected.end_session(&control(n)));
    expected.settle(at(200), &mut gate, &stats);
    assert_eq!((expected.places.len(), expected.per_client.len(), expected.per_server.len(), gate.met), (0, 0, 0, 0));
    assert_eq!(gate.expected.len(), gate.gone.len());
}

#[test]
fn workers_tell_each_other_and_keep_what_they_use() {
    let settings = Settings::default();
    let mut neighbours = neighbours(2);
    let (mut here, mut there) = (ExpectedData::new(&settings), ExpectedData::new(&settings));
    there.meet(neighbours.remove(1));
    here.meet(neighbours.remove(0));
    let (stats, control, third) = (WorkerStats::default(), control(1), IpAddr::from([172, 16, 0, 1]));
    let (place, mut gate) = (Place::To(control.key.resp_h, 2427), Notebook::default());
    here.expect(at(1), place, control.key.orig_h, &control, &stats);
    here.settle(at(1), &mut gate, &stats);
    let key = data(&control, third, 2427);
    assert_eq!(there.expected(at(1), &key), Some(Service::FtpData), "without a look in between");
    there.begin_data(place);
    here.forget(at(2), place, &control);
    here.settle(at(2), &mut gate, &stats);
    assert_eq!(gate.gone, [2427]);
    there.settle(at(2), &mut gate, &stats);
    assert_eq!(gate.expected, [2427, 2427], "its connection goes on");
    assert_eq!(there.expected(at(2), &key), None, "and no other is expected");
    there.end_data(at(3), place);
    there.settle(at(3), &mut gate, &stats);
    assert_eq!(gate.gone, [2427, 2427]);
}
