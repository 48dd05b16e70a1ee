//! Two kept runs beside each other: what has changed, and whether that is more than the machine's noise.

use std::fmt::Write;

use crate::report::{nanos, rate};
use crate::result::{Figure, Report, Rung};

/// Ranges that overlap, or medians that differ by less than this, say nothing: other work moves them so far by itself.
const NOISE: f64 = 0.02;

/// What is compared of a rung.
struct Measure {
    name: &'static str,
    of: fn(&Rung) -> Option<Figure>,
    shown: fn(f64) -> String,
    more_is_better: bool,
}

const MEASURES: [Measure; 5] = [
    Measure { name: "NDR", of: |rung| shaken(rung, rung.ndr), shown: rate, more_is_better: true },
    Measure { name: "PDR", of: |rung| shaken(rung, rung.pdr), shown: rate, more_is_better: true },
    Measure { name: "largest received", of: |rung| rung.mrr, shown: rate, more_is_better: true },
    Measure { name: "kernel per frame", of: Rung::kernel_cost, shown: nanos, more_is_better: false },
    Measure { name: "workers per frame", of: Rung::worker_cost, shown: nanos, more_is_better: false },
];

/// The differences as a table: of what both runs have, and what only one of them has.
pub fn differences(old: &Report, new: &Report) -> String {
    let mut text = String::new();
    if old.machine.cpu != new.machine.cpu || old.machine.nic != new.machine.nic {
        let _ = writeln!(
            text,
            "Not the same machine: {} ({}), then {} ({}).",
            old.machine.cpu, old.machine.nic, new.machine.cpu, new.machine.nic
        );
    }
    let _ =
        writeln!(text, "{:<18} {:<18} {:>26} {:>26} {:>9}", "", "", old.machine.version, new.machine.version, "change");
    for scenario in &new.scenarios {
        let before = old.scenarios.iter().find(|before| before.name == scenario.name);
        let Some(before) = before else {
            let _ = writeln!(text, "{}: not in the older run", scenario.name);
            continue;
        };
        let _ = writeln!(text, "{}", scenario.name);
        for rung in &scenario.rungs {
            match before.rungs.iter().find(|before| before.name == rung.name) {
                Some(before) => lines(&mut text, before, rung),
                None => {
                    let _ = writeln!(text, "  {}: not in the older run", rung.name);
                }
            }
        }
    }
    text
}

fn lines(text: &mut String, old: &Rung, new: &Rung) {
    let mut name = new.name.as_str();
    for Measure { name: measure, of, shown, more_is_better } in MEASURES {
        let (before, after) = (of(old), of(new));
        if before.is_none() && after.is_none() {
            continue;
        }
        let [before_shown, after_shown] =
            [before, after].map(|figure| figure.map_or("none".into(), |figure| spread(figure, shown)));
        let verdict = match before.zip(after) {
            Some((before, after)) => judge(before, after, more_is_better),
            None => String::new(),
        };
        let _ = writeln!(text, "  {name:<16} {measure:<18} {before_shown:>26} {after_shown:>26} {verdict}");
        name = "";
    }
}

/// A rate that was found by a search, with the machine's own unrest added to its range: that of the trials at full speed.
fn shaken(rung: &Rung, found: Option<Figure>) -> Option<Figure> {
    let (found, most) = (found?, rung.mrr?);
    Some(Figure { low: found.low * most.low / most.value, high: found.high * most.high / most.value, ..found })
}

/// `3.31 M (3.25 M..3.36 M)`.
fn spread(figure: Figure, shown: fn(f64) -> String) -> String {
    format!("{} ({}..{})", shown(figure.value), shown(figure.low), shown(figure.high)).replace('\u{a0}', " ")
}

fn judge(before: Figure, after: Figure, more_is_better: bool) -> String {
    let change = if before.value > 0.0 { after.value / before.value - 1.0 } else { 0.0 };
    let overlap = before.low <= after.high && after.low <= before.high;
    let verdict = match (overlap || change.abs() < NOISE, (change > 0.0) == more_is_better) {
        (true, _) => "within noise",
        (false, true) => "better",
        (false, false) => "worse",
    };
    format!("{:>8.1}%  {verdict}", change * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Cpu, Machine, Scenario, Trial};

    fn report(ndr: Figure, cost: f64) -> Report {
        let trial = |cost| Trial {
            seconds: 1.0,
            offered: 1000,
            received: 1000,
            cpu: Cpu { generator: cost, workers: None },
            ..Trial::default()
        };
        let trials = [cost * 0.99, cost, cost * 1.01].map(trial).to_vec();
        let rung =
            Rung { name: "portreeve".into(), what: String::new(), trials, ndr: Some(ndr), pdr: None, mrr: Some(ndr) };
        let scenario = Scenario { name: "wanted".into(), what: String::new(), frame_bytes: 60.0, rungs: vec![rung] };
        Report { began: String::new(), seconds: 1.0, machine: Machine::default(), scenarios: vec![scenario] }
    }

    fn figure(value: f64) -> Figure {
        Figure { value, low: value, high: value * 1.05 }
    }

    fn verdicts(old: &Report, new: &Report) -> Vec<String> {
        let text = differences(old, new);
        let words = text.lines().filter_map(|line| line.split_once("%  ")).map(|(_, verdict)| verdict.to_owned());
        words.collect()
    }

    #[test]
    fn a_difference_counts_where_the_ranges_are_apart() {
        let old = report(figure(3e6), 250.0);
        assert_eq!(verdicts(&old, &report(figure(3.1e6), 252.0)), ["within noise", "within noise", "within noise"]);
        assert_eq!(verdicts(&old, &report(figure(3.5e6), 300.0)), ["better", "better", "worse"]);
        assert_eq!(verdicts(&old, &report(figure(2e6), 200.0)), ["worse", "worse", "better"]);
    }

    #[test]
    fn what_only_one_run_has_is_said() {
        let (old, mut new) = (report(figure(3e6), 250.0), report(figure(3e6), 250.0));
        new.scenarios[0].rungs[0].name = "another".into();
        assert!(differences(&old, &new).contains("another: not in the older run"));
        new.scenarios[0].name = "imix".into();
        assert!(differences(&old, &new).contains("imix: not in the older run"));
        new.machine.cpu = "another processor".into();
        assert!(differences(&old, &new).starts_with("Not the same machine"));
    }
}
