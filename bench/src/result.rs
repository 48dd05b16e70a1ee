//! What a run has found, as it is kept: a file of it can be drawn again and compared with another.

use serde::{Deserialize, Serialize};

/// One run of the drop-rate benchmark.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// When it began: RFC 3339, UTC.
    pub began: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What it ran on.
    pub machine: Machine,
    /// What was measured, one load after another.
    pub scenarios: Vec<Scenario>,
}

/// Where and how a run was made: figures mean nothing without it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The host's name.
    pub host: String,
    /// The processor's model.
    pub cpu: String,
    /// Processors that this run could use.
    pub processors: usize,
    /// The kernel's release.
    pub kernel: String,
    /// The interface that was listened on, its driver, queues, and what the sensor made of it.
    pub nic: String,
    /// The command that was given.
    pub command: String,
    /// The sensor's version, with the commit where it is known.
    pub version: String,
    /// What else bears on the figures, as name and value: load average, mitigations, governor.
    pub circumstances: Vec<(String, String)>,
}

/// One load, and how every rung of the ladder did under it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Scenario {
    /// The load's name, as `--load` takes it.
    pub name: String,
    /// What it is made of, in a sentence.
    pub what: String,
    /// Bytes of a frame without its checksum, on average.
    pub frame_bytes: f64,
    /// The rungs, the cheapest first.
    pub rungs: Vec<Rung>,
}

/// One way of taking frames, from a program that only drops them to the whole sensor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Rung {
    /// Its name.
    pub name: String,
    /// What it is, in a sentence.
    pub what: String,
    /// All that was tried, in the order of time.
    pub trials: Vec<Trial>,
    /// Frames a second at which nothing was lost in 3 of 3 trials. None: something was lost at every rate that was tried.
    pub ndr: Option<Figure>,
    /// Frames a second at which not more than 0.5 % was lost in 3 of 3 trials.
    pub pdr: Option<Figure>,
    /// The largest receive rate: frames received a second while as many were sent as could be.
    pub mrr: Option<Figure>,
}

/// One load at one pace for some seconds.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// Frames a second that were asked for. None: as many as the generator could make.
    pub pace: Option<f64>,
    /// How long frames were sent, in seconds.
    pub seconds: f64,
    /// Frames sent.
    pub offered: u64,
    /// Frames that this rung dealt with as it should: those it filters out by intent are among them.
    pub received: u64,
    /// Frames lost, by the stage that lost them; stages without loss may be left out.
    pub lost: Vec<Loss>,
    /// Frames that no stage accounts for.
    pub unexplained: u64,
    /// What it cost.
    pub cpu: Cpu,
    /// How long frames took, where this rung can tell.
    pub latency: Option<Latency>,
}

/// Frames lost at one stage of the ledger.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Loss {
    /// The stage, and its reason: `veth_ring_full`, `redirected.fill_ring_empty`, ...
    pub stage: String,
    /// How many.
    pub frames: u64,
}

/// Processor time per frame, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Cpu {
    /// Of the core that sends, per frame offered. On veth the kernel's receiving side runs there, the XDP program included.
    pub generator: f64,
    /// Of the cores that receive in user space, together, per frame offered, without what they spun for frames that had not come. None:
    /// there is no such side.
    pub workers: Option<f64>,
}

/// How long it took, in nanoseconds: until the worker, from the moment at which a frame should have been sent; until the record, from the
/// moment at which the kernel saw the packet that gave it.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// Until when: `worker`, `record`.
    pub until: String,
    /// Frames, or records, that were measured.
    pub count: u64,
    /// Percentile (0 to 100) and nanoseconds, ascending; 50, 90, 99, 99.9 and 100 are among them.
    pub points: Vec<(f64, u64)>,
}

/// A measured figure, and the range in which it lies.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// The least that it could be.
    pub low: f64,
    /// The most that it could be.
    pub high: f64,
}

impl Trial {
    /// Frames sent a second.
    pub fn offered_rate(&self) -> f64 {
        per(self.offered as f64, self.seconds)
    }

    /// Frames received a second, over the time in which they were sent.
    pub fn received_rate(&self) -> f64 {
        per(self.received as f64, self.seconds)
    }

    /// The share that was lost, 0 to 1. What nothing accounts for is lost, too.
    pub fn loss(&self) -> f64 {
        per(self.offered.saturating_sub(self.received) as f64, self.offered as f64)
    }
}

impl Rung {
    /// The trials by their pace, slowest first; those at full speed come last.
    pub fn by_pace(&self) -> Vec<Vec<&Trial>> {
        let mut sorted = Vec::from_iter(&self.trials);
        sorted.sort_by(|a, b| a.pace.unwrap_or(f64::INFINITY).total_cmp(&b.pace.unwrap_or(f64::INFINITY)));
        sorted.chunk_by(|a, b| a.pace == b.pace).map(<[_]>::to_vec).collect()
    }

    /// What a frame costs the core that sends and the kernel, at full speed: a paced generator waits, and that is no cost.
    pub fn kernel_cost(&self) -> Option<Figure> {
        Figure::median(self.at_full_speed().map(|trial| trial.cpu.generator).collect())
    }

    /// What a frame that got through costs the cores in user space, at full speed.
    pub fn worker_cost(&self) -> Option<Figure> {
        let cost = |trial: &Trial| trial.cpu.workers.map(|cost| cost / (1.0 - trial.loss()).max(f64::EPSILON));
        Figure::median(self.at_full_speed().filter_map(cost).collect())
    }

    /// The latency that was measured nearest to half the non-drop rate, at which rungs are compared.
    pub fn latency(&self) -> Option<&Latency> {
        let half = self.ndr?.value / 2.0;
        let distance = |trial: &&Trial| (trial.offered_rate() - half).abs();
        let measured = self.trials.iter().filter(|trial| trial.latency.is_some());
        measured.min_by(|a, b| distance(a).total_cmp(&distance(b))).and_then(|trial| trial.latency.as_ref())
    }

    /// Frames that nothing accounts for, in all trials together.
    pub fn unexplained(&self) -> u64 {
        self.trials.iter().map(|trial| trial.unexplained).sum()
    }

    /// Where frames were lost, in all trials together; the worst place first.
    pub fn lost(&self) -> Vec<Loss> {
        let mut sums = std::collections::BTreeMap::<&str, u64>::new();
        for loss in self.trials.iter().flat_map(|trial| &trial.lost) {
            *sums.entry(&loss.stage).or_default() += loss.frames;
        }
        let mut lost = Vec::from_iter(sums.into_iter().filter(|(_, frames)| *frames > 0));
        lost.sort_by_key(|(_, frames)| std::cmp::Reverse(*frames));
        lost.into_iter().map(|(stage, frames)| Loss { stage: stage.to_owned(), frames }).collect()
    }

    fn at_full_speed(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| trial.pace.is_none())
    }
}

impl Latency {
    /// Nanoseconds within which so many percent of the frames arrived, if that percentile was kept.
    pub fn at(&self, percentile: f64) -> Option<u64> {
        self.points.iter().find(|(kept, _)| (kept - percentile).abs() < 1e-9).map(|(_, nanos)| *nanos)
    }
}

impl Figure {
    /// The median of what was measured several times, between the least and the most; none of nothing.
    pub fn median(mut measured: Vec<f64>) -> Option<Self> {
        measured.sort_by(f64::total_cmp);
        let (low, high) = (*measured.first()?, *measured.last()?);
        let middle = measured.len() / 2;
        let value = if measured.len() % 2 == 1 {
            measured[middle]
        } else {
            f64::midpoint(measured[middle - 1], measured[middle])
        };
        Some(Figure { value, low, high })
    }
}

/// A ratio that is 0 where nothing was measured.
fn per(amount: f64, of: f64) -> f64 {
    if of > 0.0 { amount / of } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_loss_are_of_the_time_in_which_frames_were_sent() {
        let trial = Trial { seconds: 2.0, offered: 1000, received: 995, ..Trial::default() };
        assert_eq!((trial.offered_rate(), trial.received_rate()), (500.0, 497.5));
        assert!((trial.loss() - 0.005).abs() < 1e-12);
        assert_eq!(Trial::default().loss(), 0.0);
    }

    #[test]
    fn a_median_lies_between_the_least_and_the_most() {
        assert_eq!(Figure::median(vec![3.0, 1.0, 9.0]), Some(Figure { value: 3.0, low: 1.0, high: 9.0 }));
        assert_eq!(Figure::median(vec![4.0, 1.0]), Some(Figure { value: 2.5, low: 1.0, high: 4.0 }));
        assert_eq!(Figure::median(Vec::new()), None);
    }

    #[test]
    fn a_report_survives_its_file() {
        let latency = Latency { until: "worker".into(), count: 9, points: vec![(50.0, 700), (99.9, 12_000)] };
        let trial = Trial { pace: Some(1e6), latency: Some(latency), ..Trial::default() };
        let rung =
            Rung { name: "xdp-drop".into(), what: String::new(), trials: vec![trial], ndr: None, pdr: None, mrr: None };
        let scenario = Scenario { name: "wanted".into(), what: String::new(), frame_bytes: 60.0, rungs: vec![rung] };
        let report =
            Report { began: String::new(), seconds: 1.5, machine: Machine::default(), scenarios: vec![scenario] };
        let text = serde_json::to_string(&report).expect("plain data");
        assert_eq!(serde_json::from_str::<Report>(&text).expect("what was written"), report);
        assert_eq!(report.scenarios[0].rungs[0].trials[0].latency.as_ref().and_then(|it| it.at(99.9)), Some(12_000));
    }
}
