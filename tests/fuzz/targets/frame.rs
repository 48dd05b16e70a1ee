//! One frame, whatever it is: no panic, and it is counted once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve_tests::play::{Bent, Packet, START, Scene};
use portreeve_tests::replay;
use portreeve_tests::talk::Side;

fuzz_target!(|bytes: &[u8]| {
    let payload = bytes.to_vec();
    let packet = Packet {
        at: START,
        conversation: None,
        side: Side::Client,
        endpoints: None,
        tcp: None,
        payload,
        bent: Bent::default(),
    };
    let outcome = replay::scenes(&[Scene::Packet(Box::new(packet))], &[]);
    assert_eq!(outcome.panics, 0);
    assert_eq!(outcome.offered, outcome.filtered + outcome.explained);
});
