//! A run that was never made, with everything in it that a report can meet: for the reports' tests.

use std::time::Duration;

use crate::result::{Cpu, Latency, Loss, Machine, Report, Rung, Scenario, Trial};
use crate::search::{Effort, Goal, Search, in_turns};

/// Two loads on six rungs, one of which loses at every rate.
pub fn sample() -> Report {
    let machine = Machine {
        host: "harbour".into(),
        cpu: "A <fast> processor".into(),
        processors: 2,
        kernel: "6.18.0".into(),
        nic: "veth pair, 1 queue, AF_XDP in copy mode".into(),
        command: "cargo xtask bench drop-rate --quick".into(),
        version: "0.1.0".into(),
        circumstances: vec![("load average".into(), "0.40".into())],
    };
    let scenarios =
        vec![scenario("wanted", "all frames wanted, small", 60.0), scenario("imix", "10 % wanted & IMIX", 353.8)];
    Report { began: "2026-11-22T01:00:00Z".into(), seconds: 312.4, machine, scenarios }
}

fn scenario(name: &str, what: &str, frame_bytes: f64) -> Scenario {
    let rungs = [
        ("xdp-drop", 9.0, 170.0, None),
        ("xsk-drop", 4.1, 240.0, Some(40.0)),
        ("null", 3.9, 250.0, Some(90.0)),
        ("sensor", 3.31, 250.0, Some(190.0)),
        ("af-packet", 1.2, 720.0, Some(230.0)),
        ("tcpdump", 0.0, 900.0, Some(480.0)),
    ];
    Scenario {
        name: name.into(),
        what: what.into(),
        frame_bytes,
        rungs: rungs.map(|(name, capacity, kernel, workers)| rung(name, capacity, kernel, workers)).to_vec(),
    }
}

fn rung(name: &str, capacity: f64, kernel: f64, workers: Option<f64>) -> Rung {
    let mut searches = [Search::new(Effort::FULL)];
    let mut turn = 0_u64;
    let outcome = in_turns(
        &mut searches,
        || true,
        |_, _, pace| {
            turn += 1;
            Ok(trial(capacity, turn, pace, Cpu { generator: kernel, workers }))
        },
    );
    assert!(outcome.is_ok());
    let [search] = searches;
    let (ndr, pdr, mrr) = (search.rate(Goal::Ndr), search.rate(Goal::Pdr), search.largest_receive_rate());
    Rung {
        name: name.into(),
        what: format!("what {name} is, in a sentence & more"),
        trials: search.into_trials(),
        ndr,
        pdr,
        mrr,
    }
}

fn trial(capacity: f64, turn: u64, pace: Option<f64>, cpu: Cpu) -> Trial {
    let lasting = Duration::from_secs(2).as_secs_f64();
    let wave = ((turn * 7919) % 100) as f64 / 50.0 - 1.0;
    let all = 1e9 / cpu.generator;
    let offered = (pace.unwrap_or(all * (1.0 + 0.01 * wave)).min(all) * lasting) as u64;
    // What loses at every rate still receives something.
    let taken = if capacity > 0.0 {
        capacity * 1e6 * (1.0 + 0.004 * wave)
    } else {
        (offered as f64 / lasting * 0.98).min(0.4e6)
    };
    let received = offered.min((taken * lasting) as u64);
    let busy = offered as f64 / lasting / (taken * 1.02).max(offered as f64 / lasting);
    let points = [0.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99, 100.0];
    let nanos = |number: usize| (900.0 / (1.05 - busy) * 1.6_f64.powi(number as i32)) as u64;
    let latency = Latency {
        until: "worker".into(),
        count: received,
        points: points.iter().enumerate().map(|(number, percentile)| (*percentile, nanos(number))).collect(),
    };
    Trial {
        pace,
        seconds: lasting,
        offered,
        received,
        lost: vec![Loss { stage: "redirected.fill_ring_empty".into(), frames: offered - received }],
        unexplained: 0,
        cpu,
        latency: cpu.workers.map(|_| latency),
    }
}
