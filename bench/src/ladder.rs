//! One scenario on every rung of the ladder, with the progress shown.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::generator::Pace;
use crate::lab::Lab;
use crate::load::Load;
use crate::report;
use crate::result::{Rung as Measured, Scenario, Trial};
use crate::rung::Rung;
use crate::search::{Effort, Goal, Search, in_turns};

/// Searches the rates of a load on all rungs, in turns.
///
/// # Errors
/// A trial failed: which, and why.
pub fn climb(lab: &mut Lab, load: &Load, rungs: &mut [Box<dyn Rung>], effort: Effort) -> Result<Scenario> {
    let mut searches = Vec::from_iter(rungs.iter().map(|_| Search::new(effort)));
    let progress = progress(load.name);
    let begun = Instant::now();
    let time_left = || begun.elapsed() < effort.limit;
    in_turns(&mut searches, time_left, |number, search, pace| {
        let rung = &mut rungs[number];
        progress.inc(1);
        progress.set_message(doing(rung.name(), search, pace));
        let pace = pace.map_or(Pace::FlatOut, Pace::PerSecond);
        let trial = rung.trial(lab, load, pace, effort.lasting);
        let trial = trial.with_context(|| format!("{} under {}", rung.name(), load.name))?;
        if trial.unexplained > 0 {
            progress.println(format!("{}: {} frames are unexplained", rung.name(), trial.unexplained));
        }
        Ok(trial)
    })?;
    progress.finish_and_clear();
    let rungs = rungs.iter().zip(searches).map(|(rung, search)| found(rung.as_ref(), search));
    let (name, what, frame_bytes) = (load.name.to_owned(), load.what.to_owned(), load.frame_bytes());
    Ok(Scenario { name, what, frame_bytes, rungs: rungs.collect() })
}

fn found(rung: &dyn Rung, search: Search) -> Measured {
    let (ndr, pdr, mrr) = (search.rate(Goal::Ndr), search.rate(Goal::Pdr), search.largest_receive_rate());
    let (name, what) = (rung.name().to_owned(), rung.what().to_owned());
    Measured { name, what, trials: search.into_trials(), ndr, pdr, mrr }
}

/// How many trials there will be is not known before they are made: a spinner, the time, and what is being tried.
fn progress(load: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise}  {prefix}, trial {pos}: {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(load);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn doing(rung: &str, search: &Search, pace: Option<f64>) -> String {
    let pace = pace
        .map_or_else(|| "as many frames as can be sent".to_owned(), |pace| format!("{} a second", report::rate(pace)));
    match search.trials().last().map(Trial::loss) {
        Some(loss) => format!("{rung}, {pace} (before: {} lost)", report::percent(loss)),
        None => format!("{rung}, {pace}"),
    }
}
