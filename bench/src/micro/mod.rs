//! What the micro-benchmarks are fed with.

pub mod conversations;
pub mod flows;
pub mod listener;
pub mod records;
pub mod samples;
