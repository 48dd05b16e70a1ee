//! One trial of each rung, flat out and at a pace: for looking at the ladder itself.

use std::time::Duration;

use anyhow::Result;
use portreeve_bench::generator::Pace;
use portreeve_bench::lab::Lab;
use portreeve_bench::load::plain::{Size, mixed};
use portreeve_bench::rung::ladder;

fn main() -> Result<()> {
    let mut lab = Lab::veth()?;
    let load = mixed("unwanted", "", 0, Size::Fixed(60));
    for mut rung in ladder() {
        for pace in [Pace::FlatOut, Pace::PerSecond(1e6)] {
            println!("{}: {:?}", rung.name(), rung.trial(&mut lab, &load, pace, Duration::from_secs(2))?);
        }
    }
    Ok(())
}
