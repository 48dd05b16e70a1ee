//! The generators and the ladder on a wire of their own: what is sent arrives, and every frame is accounted for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portreeve_bench::generator::Pace;
use portreeve_bench::generator::transmit::Transmit;
use portreeve_bench::lab::{Lab, NEAR};
use portreeve_bench::rung::{BareXsk, NullSensor, Rung, Sensor, XdpDrop};
use portreeve_bench::scenario;
use portreeve_tests::skip::{skip, without_root};

const LASTING: Duration = Duration::from_millis(300);
/// So slow that a busy machine without optimization keeps up.
const GENTLE: Pace = Pace::PerSecond(5_000.0);

fn lab() -> Option<(Lab, MutexGuard<'static, ()>)> {
    if without_root() {
        return None;
    }
    if portreeve::kernel::object().is_empty() {
        skip("there is no kernel program: run `cargo xtask build-ebpf`");
        return None;
    }
    // Another test's sensor in this process would be taken for one's own, and one's own for started before it is.
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    Some((Lab::veth().expect("a veth pair"), alone))
}

#[test]
fn every_rung_accounts_for_every_frame_even_when_it_is_overrun() {
    let Some((mut lab, _alone)) = lab() else { return };
    let load = scenario::load("imix").expect("it is one of them");
    let packet = Sensor::by_af_packet(&[]).expect("settings");
    let rungs: [Box<dyn Rung>; 4] =
        [Box::new(XdpDrop), Box::new(BareXsk), Box::new(NullSensor::with(&[]).expect("settings")), Box::new(packet)];
    for mut rung in rungs {
        for pace in [Pace::FlatOut, GENTLE] {
            let trial = rung.trial(&mut lab, &load, pace, LASTING).expect("a trial");
            let lost: u64 = trial.lost.iter().map(|loss| loss.frames).sum();
            assert!(trial.offered > 0, "{}: {trial:?}", rung.name());
            assert_eq!(trial.unexplained, 0, "{}: {trial:?}", rung.name());
            assert_eq!(trial.received + lost, trial.offered, "{}: {trial:?}", rung.name());
        }
    }
}

#[test]
fn the_sensor_understands_what_is_said_in_live_frames() {
    let Some((mut lab, _alone)) = lab() else { return };
    let load = scenario::load("conversations").expect("it is one of them");
    let mut sensor = Sensor::full(&[]).expect("settings");
    let trial = sensor.trial(&mut lab, &load, GENTLE, 4 * LASTING).expect("a trial");
    assert_eq!(trial.unexplained, 0, "{trial:?}");
    let rounds = trial.offered / load.steps.len() as u64;
    assert!(rounds > 0, "{trial:?}");
    let summary = sensor.summary.expect("a summary");
    // Sixteen lookups to a round, each by a host of its own; some of the last round may have been sent as well.
    let noticed = summary.notices.get("SensitivePortmapperAccess").copied().unwrap_or(0);
    assert!((16 * rounds..=16 * (rounds + 1)).contains(&noticed), "{noticed} in {rounds} rounds: {summary:?}");
    for log in ["ftp", "login", "ssh", "portmap"] {
        assert!(summary.logs.contains_key(log), "no {log}.log: {summary:?}");
    }
    assert!(!summary.logs.contains_key("weird"), "{summary:?}");
}

#[test]
fn af_xdp_sends_the_same_load() {
    let Some((lab, _alone)) = lab() else { return };
    let mut lab = lab.with(Box::new(Transmit::on(NEAR).expect("a socket")));
    let load = scenario::load("wanted").expect("it is one of them");
    for pace in [Pace::FlatOut, GENTLE] {
        let trial = NullSensor::with(&[]).expect("settings").trial(&mut lab, &load, pace, LASTING).expect("a trial");
        assert!(trial.offered >= 64, "{trial:?}");
        assert_eq!(trial.unexplained, 0, "{trial:?}");
        let latency = trial.latency.expect("every frame is stamped");
        assert!(latency.at(50.0).is_some_and(|nanos| nanos > 0 && nanos < 1_000_000_000), "{latency:?}");
    }
}
