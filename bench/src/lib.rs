//! Workloads and measurements.

pub mod capture_file;
pub mod compare;
pub mod conversations;
pub mod file_peer;
pub mod generator;
pub mod guesses;
pub mod keystrokes;
pub mod lab;
pub mod ladder;
pub mod latency;
pub mod live_frames;
pub mod load;
pub mod lookups;
pub mod machine;
pub mod micro;
pub mod program;
pub mod refusals;
pub mod report;
pub mod result;
pub mod rung;
pub mod scenario;
pub mod search;
pub mod ssh_bulk;
pub mod threads;
pub mod xsk;
