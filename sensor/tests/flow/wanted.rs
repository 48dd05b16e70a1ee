//! Frames about which a shard does not ask the capture filter, because it knows the answer.

use std::net::IpAddr;

use portreeve::capture::filter::HostFilter;
use portreeve::capture::plan::Plan;
use portreeve::capture::{BypassReason, Bypassed, Expectation, Frame, Gate, Link};
use portreeve::config::Settings;
use portreeve::event::Verdict;
use portreeve::flow::key::FlowKey;

use crate::lab::{Lab, at};

/// Two filters that are told the same.
struct Twins {
    /// This one the shard asks when it has to,
    asked: HostFilter,
    /// and this one is asked about every frame.
    always: HostFilter,
    known: u64,
}

impl Gate for Twins {
    fn admits(&mut self, frame: &Frame<'_>) -> bool {
        self.asked.admits(frame)
    }

    fn count_wanted(&mut self, frames: u64) {
        self.known += frames;
        self.asked.count_wanted(frames);
    }

    fn expect(&mut self, _expectation: Expectation) {}

    fn unexpect(&mut self, _expectation: Expectation) {}

    fn accompany(&mut self, _hosts: [IpAddr; 2]) {}

    fn leave(&mut self, _hosts: [IpAddr; 2]) {}

    fn bypass(&mut self, key: &FlowKey, why: BypassReason) {
        self.asked.bypass(key, why);
        self.always.bypass(key, why);
    }

    fn unbypass(&mut self, key: &FlowKey) -> Option<Bypassed> {
        let told = self.asked.unbypass(key);
        assert_eq!(told, self.always.unbypass(key));
        told
    }
}

/// Ethernet, IPv4, TCP from port 40,000 to port 21.
const FTP: [u8; 54] = [
    2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    0x9c, 0x40, 0, 21, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0,
];

/// Whatever byte of the headers is changed to whatever, and whatever policy skips meanwhile: the filter would have said the same.
#[test]
fn the_filter_would_say_the_same() {
    let filter = || HostFilter::new(&Plan::new(&Settings::default(), 1, 1).expect("a plan"));
    let (mut lab, mut twins) = (Lab::new(Settings::default()), Twins { asked: filter(), always: filter(), known: 0 });
    let changes = (0..FTP.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte)));
    for (number, (place, byte)) in (0..).zip(changes) {
        let mut bytes = FTP;
        bytes[place] = byte;
        // Most connections are left alone; those that come to be while the verdict is another one are skipped from then on.
        lab.shard.handler().verdict = if number % 11 < 2 { Verdict::SKIP } else { Verdict::CONTINUE };
        for length in [bytes.len(), 38, 37] {
            let frame = Frame::new(at(100_000 + number), Link::Ethernet, &bytes[..length], bytes.len());
            let (wanted, before) = (twins.always.admits(&frame), lab.stats.counters.frames.get());
            lab.shard.on_frames(&[frame], &mut twins);
            assert_eq!(lab.stats.counters.frames.get() - before, u64::from(wanted), "{bytes:02x?}");
        }
    }
    assert_eq!(twins.asked.counters().snapshot(), twins.always.counters().snapshot());
    let kept_out = twins.always.counters().get(portreeve_ebpf::Counter::BypassedSkipped);
    assert!(twins.known > 4_000 && kept_out > 100, "{} {kept_out}", twins.known);
}
