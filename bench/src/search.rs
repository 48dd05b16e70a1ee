//! The search for the rates that a rung can take: by bisection, all rungs in turns, so that the machine's other work meets them alike.

use std::time::Duration;

use anyhow::Result;

use crate::result::{Figure, Trial};

/// Trials in a row that must be good.
const TRIALS: usize = 3;
/// A rate is given up when it was bad so often: one disturbed trial is the machine's, and the three begin anew.
const GIVEN_UP: usize = 2;

/// A trial without loss says nothing about a pace of which the generator kept less than this: other work was in its way.
const KEPT: f64 = 0.95;
/// After so many of them the pace counts as one that cannot be had.
const UNKEPT: usize = 3;

/// The share that may be lost at a rate which is to be found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Goal {
    /// The non-drop rate: nothing.
    Ndr,
    /// The partial drop rate: 0.5 %.
    Pdr,
}

/// How thorough a search is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Effort {
    /// How long a trial sends.
    pub lasting: Duration,
    /// How closely a rate is found, as a share of the largest receive rate.
    pub closeness: f64,
    /// Points of the curve at the least, evenly from none to all that can be sent.
    pub curve: u32,
    /// How long all searches together may take: what is not found by then stays as unsure as it is.
    pub limit: Duration,
}

/// The search for one rung's rates: it says what to try next, and is told what came of it.
#[derive(Debug)]
pub struct Search {
    effort: Effort,
    trials: Vec<Trial>,
}

/// What is known of a rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Good,
    Bad,
    Open,
}

impl Goal {
    const ALL: [Goal; 2] = [Goal::Ndr, Goal::Pdr];

    fn loss(self) -> f64 {
        match self {
            Goal::Ndr => 0.0,
            Goal::Pdr => 0.005,
        }
    }
}

impl Effort {
    /// Some minutes for the whole ladder.
    pub const FULL: Effort =
        Effort { lasting: Duration::from_secs(2), closeness: 1.0 / 32.0, curve: 8, limit: Duration::from_secs(480) };
    /// Less than one.
    pub const QUICK: Effort =
        Effort { lasting: Duration::from_millis(300), closeness: 1.0 / 10.0, curve: 4, limit: Duration::from_secs(50) };
}

/// Carries out searches in turns, one trial of each at a time, until all have ended or there is no time left. `trial` is told which one
/// it is for, and the pace.
///
/// # Errors
/// A trial failed.
pub fn in_turns(
    searches: &mut [Search],
    mut time_left: impl FnMut() -> bool,
    mut trial: impl FnMut(usize, &Search, Option<f64>) -> Result<Trial>,
) -> Result<()> {
    let mut ended = false;
    while !ended && time_left() {
        ended = true;
        for (number, search) in searches.iter_mut().enumerate() {
            if let Some(pace) = search.next_pace() {
                ended = false;
                let trial = trial(number, search, pace)?;
                search.trials.push(trial);
            }
        }
    }
    Ok(())
}

impl Search {
    /// A search in which nothing was tried yet.
    pub fn new(effort: Effort) -> Self {
        Search { effort, trials: Vec::new() }
    }

    /// What was tried, in the order of time.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// What was tried, when there is nothing left to try.
    pub fn into_trials(self) -> Vec<Trial> {
        self.trials
    }

    /// The highest rate that meets a goal, as frames were really sent; between it and `high` nothing is known. A rate at which nothing was
    /// lost meets both: where the sender was held up in the search for the other, this one is higher.
    pub fn rate(&self, goal: Goal) -> Option<Figure> {
        let lossless = (goal == Goal::Pdr).then(|| self.found(Goal::Ndr)).flatten();
        self.found(goal).into_iter().chain(lossless).max_by(|one, other| one.value.total_cmp(&other.value))
    }

    fn found(&self, goal: Goal) -> Option<Figure> {
        let (pace, upper) = match self.verdict(None, goal) {
            Verdict::Good => (None, None),
            _ => {
                let (lower, upper) = self.bracket(goal)?;
                (Some(lower?), Some(upper))
            }
        };
        let good = self.tried_at(pace).filter(|trial| meets(trial, goal) && is_kept(trial));
        let rates = good.map(Trial::offered_rate);
        let figure = Figure::median(rates.collect())?;
        Some(Figure { value: figure.low, low: figure.low, high: upper.unwrap_or(figure.high).max(figure.low) })
    }

    /// Frames received a second while as many were sent as could be.
    pub fn largest_receive_rate(&self) -> Option<Figure> {
        Figure::median(self.tried_at(None).map(Trial::received_rate).collect())
    }

    /// The pace to try next, `None` within for no pace at all; `None` when everything is found.
    fn next_pace(&self) -> Option<Option<f64>> {
        if self.tried_at(None).count() < TRIALS {
            return Some(None);
        }
        let all = self.all_that_can_be_sent()?;
        Goal::ALL.into_iter().find_map(|goal| self.bisect(goal)).or_else(|| self.gap_in_curve(all).map(Some))
    }

    /// What would bring the goal's bracket closer together.
    fn bisect(&self, goal: Goal) -> Option<Option<f64>> {
        match self.verdict(None, goal) {
            Verdict::Good => return None,
            Verdict::Open => return Some(None),
            Verdict::Bad => {}
        }
        let (lower, upper) = self.bracket(goal)?;
        let lower = lower.unwrap_or(0.0);
        let close = self.effort.closeness * self.largest_receive_rate()?.value;
        if upper - lower <= close {
            return None;
        }
        let within = |pace: &f64| *pace > lower && *pace < upper;
        let open = self.paces().filter(within).find(|pace| self.verdict(Some(*pace), goal) == Verdict::Open);
        Some(Some(open.unwrap_or_else(|| self.guess(close).find(within).unwrap_or(f64::midpoint(lower, upper)))))
    }

    /// Where a rate is likely to be: just below or just above what was received of all that could be sent.
    fn guess(&self, close: f64) -> impl Iterator<Item = f64> {
        let likely = self.largest_receive_rate().map(|rate| rate.value);
        likely.into_iter().flat_map(move |rate| [rate - 0.45 * close, rate + 0.45 * close])
    }

    /// The highest good pace below the lowest bad one. Where everything was bad, the first is none.
    fn bracket(&self, goal: Goal) -> Option<(Option<f64>, f64)> {
        let all = self.all_that_can_be_sent()?;
        let of = |verdict| self.paces().filter(move |pace| self.verdict(Some(*pace), goal) == verdict);
        let upper = of(Verdict::Bad).fold(all, f64::min);
        let lower = of(Verdict::Good).filter(|pace| *pace < upper).max_by(f64::total_cmp);
        Some((lower, upper))
    }

    /// Good: three in a row were. Bad: too many were not.
    fn verdict(&self, pace: Option<f64>, goal: Goal) -> Verdict {
        let (mut in_a_row, mut bad, mut unkept) = (0, 0, 0);
        for trial in self.tried_at(pace) {
            match (meets(trial, goal), is_kept(trial)) {
                (true, true) => in_a_row += 1,
                (true, false) => unkept += 1,
                (false, _) => (in_a_row, bad) = (0, bad + 1),
            }
            if in_a_row == TRIALS {
                return Verdict::Good;
            }
            if bad == GIVEN_UP || unkept == UNKEPT {
                return Verdict::Bad;
            }
        }
        Verdict::Open
    }

    /// A point of the curve that no trial is near; half the non-drop rate, at which latency is compared, is one of them.
    fn gap_in_curve(&self, all: f64) -> Option<f64> {
        let apart = all / f64::from(self.effort.curve);
        let even = (1..self.effort.curve).map(|step| f64::from(step) * apart);
        let half = self.rate(Goal::Ndr).map(|rate| rate.value / 2.0);
        let near = |pace: f64, within: f64| self.paces().any(|tried| (tried - pace).abs() < within);
        half.into_iter()
            .find(|pace| !near(*pace, pace / 20.0))
            .or_else(|| even.into_iter().find(|pace| !near(*pace, apart / 2.0)))
    }

    fn all_that_can_be_sent(&self) -> Option<f64> {
        Figure::median(self.tried_at(None).map(Trial::offered_rate).collect()).map(|figure| figure.value)
    }

    fn paces(&self) -> impl Iterator<Item = f64> {
        self.trials.iter().filter_map(|trial| trial.pace)
    }

    fn tried_at(&self, pace: Option<f64>) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(move |trial| trial.pace == pace)
    }
}

fn meets(trial: &Trial, goal: Goal) -> bool {
    trial.offered > 0 && trial.loss() <= goal.loss()
}

fn is_kept(trial: &Trial) -> bool {
    trial.pace.is_none_or(|pace| trial.offered_rate() >= KEPT * pace)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rung that takes so many frames a second, more or less, and of which now and then a trial is disturbed.
    struct Simulated {
        capacity: f64,
        noise: f64,
        disturbed_every: u64,
        turn: u64,
    }

    const GENERATOR: f64 = 5e6;

    impl Simulated {
        fn new(capacity: f64) -> Self {
            Simulated { capacity, noise: 0.0, disturbed_every: u64::MAX, turn: 0 }
        }

        fn trial(&mut self, pace: Option<f64>, lasting: Duration) -> Trial {
            self.turn += 1;
            let wave = ((self.turn * 7919) % 100) as f64 / 50.0 - 1.0;
            let capacity = self.capacity * (1.0 + self.noise * wave);
            let sent = pace.unwrap_or(GENERATOR).min(GENERATOR);
            let offered = (sent * lasting.as_secs_f64()) as u64;
            let mut received = offered.min((capacity * lasting.as_secs_f64()) as u64);
            if self.turn.is_multiple_of(self.disturbed_every) {
                received = received * 9 / 10;
            }
            Trial { pace, seconds: lasting.as_secs_f64(), offered, received, ..Trial::default() }
        }
    }

    fn search(mut rung: Simulated, effort: Effort) -> Search {
        let mut searches = [Search::new(effort)];
        in_turns(&mut searches, || true, |_, _, pace| Ok(rung.trial(pace, effort.lasting))).expect("it cannot fail");
        let [search] = searches;
        search
    }

    #[test]
    fn the_rates_are_found_as_closely_as_asked() {
        for capacity in [0.3e6, 1.1e6, 2.5e6, 3.334e6, 4.9e6] {
            for effort in [Effort::FULL, Effort::QUICK] {
                let search = search(Simulated::new(capacity), effort);
                let within = effort.closeness * capacity;
                let (ndr, pdr) = (search.rate(Goal::Ndr).expect("found"), search.rate(Goal::Pdr).expect("found"));
                assert!(ndr.value <= capacity && capacity - ndr.value <= within, "{capacity}: {ndr:?}");
                assert!(pdr.value <= capacity * 1.006 && capacity - pdr.value <= within, "{capacity}: {pdr:?}");
                assert!(ndr.low <= capacity && capacity <= ndr.high + 1.0 && pdr.value >= ndr.value);
                let mrr = search.largest_receive_rate().expect("found").value;
                assert!((mrr - capacity).abs() < 10.0, "{capacity}: {mrr}");
                assert!(search.trials().len() < 45, "{} trials", search.trials().len());
            }
        }
    }

    #[test]
    fn noise_costs_closeness_and_not_more() {
        let search = search(Simulated { noise: 0.02, ..Simulated::new(3e6) }, Effort::FULL);
        let (ndr, pdr) = (search.rate(Goal::Ndr).expect("found"), search.rate(Goal::Pdr).expect("found"));
        assert!((2.7e6..=3.06e6).contains(&ndr.value), "{ndr:?}");
        assert!((ndr.value..=3.1e6).contains(&pdr.value), "{pdr:?}");
    }

    #[test]
    fn one_disturbed_trial_does_not_decide() {
        let search = search(Simulated { disturbed_every: 7, ..Simulated::new(3e6) }, Effort::FULL);
        let ndr = search.rate(Goal::Ndr).expect("found");
        assert!((2.8e6..=3e6).contains(&ndr.value), "{ndr:?}");
    }

    #[test]
    fn what_never_loses_is_done_after_three_trials_and_the_curve() {
        let search = search(Simulated::new(9e6), Effort::FULL);
        let whole = Figure { value: GENERATOR, low: GENERATOR, high: GENERATOR };
        assert_eq!((search.rate(Goal::Ndr), search.rate(Goal::Pdr)), (Some(whole), Some(whole)));
        assert_eq!(search.trials().len(), 3 + 7);
    }

    #[test]
    fn what_always_loses_has_no_rate_and_still_an_end() {
        let search = search(Simulated { disturbed_every: 1, ..Simulated::new(3e6) }, Effort::FULL);
        assert_eq!((search.rate(Goal::Ndr), search.rate(Goal::Pdr)), (None, None));
        assert!(search.trials().len() < 45, "{} trials", search.trials().len());
    }

    #[test]
    fn what_loses_nothing_loses_no_half_percent() {
        let mut search = Search::new(Effort::QUICK);
        let trial = |pace, offered: u64, lost| Trial {
            pace,
            seconds: 1.0,
            offered,
            received: offered - lost,
            ..Trial::default()
        };
        search.trials.extend([1_700_000, 2_200_000, 2_200_000].map(|offered| trial(None, offered, 1000)));
        search.trials.extend([(); 3].map(|()| trial(Some(2.1e6), 2_100_000, 0)));
        let [ndr, pdr] = Goal::ALL.map(|goal| search.rate(goal).map(|rate| rate.value));
        assert_eq!((ndr, pdr), (Some(2.1e6), Some(2.1e6)), "although one of those without pace was slower");
    }

    #[test]
    fn a_pace_that_was_not_kept_is_not_reached() {
        let mut search = Search::new(Effort::FULL);
        let slow =
            |pace| Trial { pace: Some(pace), seconds: 1.0, offered: 800_000, received: 800_000, ..Trial::default() };
        search.trials.extend([1e6, 1e6].map(slow));
        assert_eq!(search.verdict(Some(1e6), Goal::Ndr), Verdict::Open);
        search.trials.push(slow(1e6));
        assert_eq!(search.verdict(Some(1e6), Goal::Ndr), Verdict::Bad);
        search.trials.extend([0.8e6; 3].map(slow));
        assert_eq!(search.verdict(Some(0.8e6), Goal::Ndr), Verdict::Good);
    }

    #[test]
    fn when_time_is_up_what_is_known_so_far_counts() {
        for turns in 0..12 {
            let (mut rung, mut searches, mut left) = (Simulated::new(3e6), [Search::new(Effort::FULL)], 0..turns);
            let time_left = || left.next().is_some();
            in_turns(&mut searches, time_left, |_, _, pace| Ok(rung.trial(pace, Effort::FULL.lasting)))
                .expect("it cannot fail");
            let [search] = searches;
            assert_eq!(search.trials().len(), turns);
            assert!(search.rate(Goal::Ndr).is_none_or(|rate| rate.low <= 3e6 && rate.high >= 3e6), "after {turns}");
        }
    }

    #[test]
    fn rungs_take_turns() {
        let mut rungs = [Simulated::new(1e6), Simulated::new(4e6), Simulated::new(9e6)];
        let mut searches = [(); 3].map(|()| Search::new(Effort::QUICK));
        let mut order = Vec::new();
        in_turns(
            &mut searches,
            || true,
            |rung, search, pace| {
                order.push((search.trials().len(), rung));
                Ok(rungs[rung].trial(pace, Effort::QUICK.lasting))
            },
        )
        .expect("it cannot fail");
        assert!(order.is_sorted(), "no rung is ahead of another: {order:?}");
    }
}
