//! The charts of a scenario: what is on which axis.

use crate::result::{Figure, Rung, Scenario, Trial};

use super::bars::{self, Bar};
use super::chart::{Axis, Chart, Guide, Line, Scale};
use super::{SENSOR, number};

/// Frames offered against frames received.
pub fn received(scenario: &Scenario) -> Chart {
    let most = most_offered(scenario);
    let lines = lines(scenario, Trial::received_rate, |rung| {
        let ndr = rung.ndr?.value;
        Some((ndr, ndr, format!("{}: nothing lost up to {} a second (NDR)", rung.name, number::rate(ndr))))
    });
    Chart {
        title: "Frames received against frames offered".into(),
        x: offered(most),
        y: Axis { label: "received, million frames a second".into(), scale: Scale::up_to(most) },
        lines,
        guides: vec![Guide { ends: [(0.0, 0.0), (most, most)], text: "nothing lost".into() }],
    }
}

/// Frames offered against the share that was lost.
pub fn lost(scenario: &Scenario) -> Chart {
    let most = most_offered(scenario);
    let Scale::Millions(right) = Scale::up_to(most) else { unreachable!("it is even") };
    Chart {
        title: "Share of frames lost against frames offered".into(),
        x: offered(most),
        y: Axis { label: "lost, share of the frames offered".into(), scale: Scale::Share },
        lines: lines(scenario, Trial::loss, |_| None),
        guides: vec![Guide { ends: [(0.0, 0.005), (right, 0.005)], text: "0.5 % (PDR)".into() }],
    }
}

/// How long frames took at half the non-drop rate; none where nothing was measured.
pub fn latency(scenario: &Scenario) -> Option<Chart> {
    let measured = scenario.rungs.iter().enumerate().filter_map(|(number, rung)| Some((number, rung, rung.latency()?)));
    let lines = Vec::from_iter(measured.map(|(number, rung, latency)| {
        let path = Vec::from_iter(latency.points.iter().map(|(percentile, nanos)| (*percentile, *nanos as f64)));
        let told = latency.points.iter().filter(|(percentile, _)| [50.0, 90.0, 99.0, 99.9, 100.0].contains(percentile));
        let points = told.map(|(percentile, nanos)| {
            let took = number::nanos(*nanos as f64);
            (
                *percentile,
                *nanos as f64,
                format!("{}: {percentile} % within {took} (until the {})", rung.name, latency.until),
            )
        });
        Line { name: rung.name.clone(), colour: colour(scenario, number), path, points: points.collect(), mark: None }
    }));
    let times = || lines.iter().flat_map(|line| &line.path).map(|(_, nanos)| nanos.max(1.0).log10());
    let (from, to) = (times().reduce(f64::min)?.floor() as i32, times().reduce(f64::max)?.ceil() as i32);
    Some(Chart {
        title: "Latency by percentile, at half the non-drop rate".into(),
        x: Axis { label: "percentile of the frames or records".into(), scale: Scale::Nines(4.0) },
        y: Axis { label: "time taken".into(), scale: Scale::Nanos(from, to.max(from + 1)) },
        lines,
        guides: Vec::new(),
    })
}

/// What a frame costs on each rung: an SVG element; none where nothing was measured.
pub fn cost(scenario: &Scenario) -> Option<String> {
    let bar = |rung: &Rung| {
        let kernel = rung.kernel_cost()?.value;
        Some(Bar { name: rung.name.clone(), kernel, workers: rung.worker_cost().map(|cost| cost.value) })
    };
    let bars = Vec::from_iter(scenario.rungs.iter().filter_map(bar));
    (!bars.is_empty()).then(|| bars::svg("Processor time per frame, in nanoseconds", &bars))
}

/// The number of a rung's colour: the sensor has the first wherever it stands, so that it is the same on every page.
pub fn colour(scenario: &Scenario, number: usize) -> usize {
    let sensor = scenario.rungs.iter().position(|rung| rung.name == SENSOR);
    match sensor {
        Some(sensor) if sensor == number => 1,
        Some(sensor) if number > sensor => number % 8 + 1,
        _ => (number + 1) % 8 + 1,
    }
}

fn offered(most: f64) -> Axis {
    Axis { label: "offered, million frames a second".into(), scale: Scale::up_to(most) }
}

fn most_offered(scenario: &Scenario) -> f64 {
    scenario.rungs.iter().flat_map(|rung| &rung.trials).map(Trial::offered_rate).fold(0.0, f64::max)
}

/// A line for each rung: through the medians of each pace, with a point for each trial.
fn lines(
    scenario: &Scenario,
    measure: impl Fn(&Trial) -> f64,
    mark: impl Fn(&Rung) -> Option<(f64, f64, String)>,
) -> Vec<Line> {
    let line = |(number, rung): (usize, &Rung)| {
        let medians = rung.by_pace().into_iter().filter_map(|trials| {
            let median = |of: &dyn Fn(&Trial) -> f64| Figure::median(trials.iter().map(|trial| of(trial)).collect());
            Some((median(&Trial::offered_rate)?.value, median(&measure)?.value))
        });
        let mut path = Vec::from_iter(medians);
        path.sort_by(|a, b| a.0.total_cmp(&b.0));
        let points = rung.trials.iter().map(|trial| (trial.offered_rate(), measure(trial), told(rung, trial)));
        Line {
            name: rung.name.clone(),
            colour: colour(scenario, number),
            path,
            points: points.collect(),
            mark: mark(rung),
        }
    };
    scenario.rungs.iter().enumerate().map(line).collect()
}

/// What a point says when it is pointed at.
fn told(rung: &Rung, trial: &Trial) -> String {
    let (offered, received) = (number::rate(trial.offered_rate()), number::rate(trial.received_rate()));
    let mut text = format!(
        "{}: {offered} a second offered, {received} received, {} lost",
        rung.name,
        number::percent(trial.loss())
    );
    for loss in trial.lost.iter().filter(|loss| loss.frames > 0) {
        text += &format!("; {} at {}", number::count(loss.frames), loss.stage);
    }
    text
}
