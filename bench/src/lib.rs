//! Workloads and measurements.

pub mod capture_file;
pub mod keystrokes;
pub mod lab;
pub mod live_frames;
pub mod lookups;
pub mod result;
pub mod threads;
