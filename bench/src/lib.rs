//! Workloads and measurements.

pub mod lab;
pub mod live_frames;
pub mod lookups;
pub mod threads;
