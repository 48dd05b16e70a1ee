//! `vector of count`: the numbers at which something is reported.

use serde::Deserialize;

/// At which numbers something is reported: the manual's `vector of count`. In order, without 0.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(from = "Vec<u32>")]
pub struct Thresholds(Vec<u32>);

impl From<Vec<u32>> for Thresholds {
    fn from(mut numbers: Vec<u32>) -> Self {
        numbers.retain(|&number| number > 0);
        numbers.sort_unstable();
        numbers.dedup();
        Thresholds(numbers)
    }
}

impl Thresholds {
    /// How many of them `number` has reached.
    pub fn reached(&self, number: u32) -> usize {
        self.0.partition_point(|&threshold| threshold <= number)
    }

    /// Whether this number is one of them.
    pub fn contains(&self, number: u32) -> bool {
        self.0.binary_search(&number).is_ok()
    }

    /// These, and this number besides.
    #[must_use]
    pub fn with(&self, number: u32) -> Self {
        self.0.iter().copied().chain([number]).collect::<Vec<_>>().into()
    }

    /// The highest; 0 without any.
    pub fn highest(&self) -> u32 {
        self.0.last().copied().unwrap_or(0)
    }
}
