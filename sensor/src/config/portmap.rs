//! The settings of the portmapper's policy.

use serde::{Deserialize, Serialize};

/// The portmapper's policy, besides the named sets.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortmapSettings {
    /// Whether calls that failed, or were never answered, are reported as well as logged. The manual's policy: no.
    pub report_failed_attempts: bool,
    /// How long the same access is not reported again, in seconds.
    pub report_memory_seconds: u64,
    /// Bytes of annotation of one connection; `...` stands for the rest.
    pub max_addl_len: usize,
    /// Ports below this one are never captured because a portmapper answer named them.
    pub expect_min_port: u16,
    /// The window in which answers to DUMP and GETSTAT are counted as reflection, in seconds.
    pub reflection_seconds: u64,
    /// How many answers in it are too many.
    pub reflection_replies: u64,
    /// How many times more bytes they must have than the calls.
    pub reflection_ratio: f64,
    /// The window in which probing NULL calls are counted as a sweep, in seconds.
    pub sweep_seconds: u64,
    /// How many probes in it are too many.
    pub sweep_probes: u32,
}

impl Default for PortmapSettings {
    fn default() -> Self {
        PortmapSettings {
            report_failed_attempts: false,
            report_memory_seconds: 86_400,
            max_addl_len: 80,
            expect_min_port: 512,
            reflection_seconds: 60,
            reflection_replies: 30,
            reflection_ratio: 3.0,
            sweep_seconds: 60,
            sweep_probes: 10,
        }
    }
}
