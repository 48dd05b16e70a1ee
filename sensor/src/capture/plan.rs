//! What the capture filter is made from: the same for the kernel program and for its likeness on the host.

use portreeve_ebpf::{Options, Ports, Rules};

use crate::config::{Fragments, PortTable, Settings, Steering, Unparsed};
use crate::error::{Error, Result};

/// The plan of a capture filter.
#[derive(Clone)]
pub struct Plan {
    /// Seed, workers, rules.
    pub options: Options,
    /// The watched ports.
    pub ports: Ports,
    /// Receive queues of the interface.
    pub queues: u32,
    /// How many endpoints can be expected at a time.
    pub expectations: u32,
    /// How many connections can be bypassed at a time.
    pub bypasses: u32,
}

impl Plan {
    /// More workers than any machine is given, and few enough that their tables fit into memory.
    pub const MOST_WORKERS: u32 = 256;

    /// The plan that these settings ask for, with this many queues and workers.
    ///
    /// # Errors
    /// The settings leave an analyzer without a port, or ask for more workers than [`Plan::MOST_WORKERS`].
    pub fn new(settings: &Settings, queues: u32, workers: u32) -> Result<Plan> {
        if workers > Self::MOST_WORKERS {
            let why = format!("at most {} are possible", Self::MOST_WORKERS);
            return Err(Error::new(format!("start {workers} workers"), why)
                .hint("One per processor core is the most that helps.")
                .status(Error::USAGE));
        }
        let decode = &settings.decode;
        let rules = Rules::DEFAULT
            .with(Rules::TUNNELS, decode.tunnels)
            .with(Rules::UNKNOWN_FRAGMENTS, decode.fragments == Fragments::All)
            .with(Rules::UNPARSED, decode.unparsed == Unparsed::Capture)
            .with(Rules::STEER_BY_QUEUE, settings.capture.steering == Steering::Queue)
            .with(Rules::PASS, settings.capture.take_over);
        let mut ports = Ports::new(rules);
        for (transport, port, _) in PortTable::new(settings)?.iter() {
            ports.watch(transport.into(), port);
        }
        Ok(Plan {
            options: Options { seed: settings.seed, workers, rules, ..Options::DEFAULT },
            ports,
            queues,
            expectations: settings.limits.expectations,
            bypasses: settings.limits.bypasses,
        })
    }
}
