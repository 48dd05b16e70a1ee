//! Every case gives the log lines that stand beside it.
//!
//! `cargo test -p portreeve-tests --test golden -- NAME` runs the cases with NAME in theirs; `UPDATE_EXPECT=1` accepts what they give.

use libtest_mimic::{Arguments, Failed, Trial};
use portreeve_tests::case::{self, Case};
use portreeve_tests::{expect, replay};

fn main() {
    let trials = case::all().into_iter().map(|case| Trial::test(case.name.clone(), move || check(&case))).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn check(case: &Case) -> Result<(), Failed> {
    let outcome = replay::case(case);
    expect::compare(&case.path, &outcome.logs)?;
    if outcome.panics > 0 {
        return Err(format!("{} panics in an analyzer", outcome.panics).into());
    }
    if outcome.offered != outcome.filtered + outcome.explained {
        return Err(format!("the ledger does not close: {outcome:?}").into());
    }
    Ok(())
}
