//! What the sensor tells the kernel programs before it loads them.

/// Read-only once loaded, so that the verifier removes the branches which are switched off.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Seed of the shard hash; secret, random per run, fixed only in tests.
    pub seed: u64,
    /// How many workers the sockets of a queue belong to; at least 1.
    pub workers: u32,
    /// `host` mode: index of the interface that matching packets are cloned to.
    pub clone_to: u32,
    /// Switches.
    pub rules: Rules,
    /// Always 0: padding that both sides can name.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Options>() == 24);

impl Options {
    /// One worker, the default rules, seed 0: for tests and for reading files with one worker.
    pub const DEFAULT: Options = Options { seed: 0, workers: 1, clone_to: 0, rules: Rules::DEFAULT, reserved: 0 };
}

/// Switches of the decision, as bits.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules(pub u32);

impl Rules {
    /// Redirect IP-in-IP, GRE, VXLAN and Geneve whole; the worker looks inside.
    pub const TUNNELS: Rules = Rules(1);
    /// Redirect ICMP errors that quote a packet with a watched port.
    pub const ICMP_ERRORS: Rules = Rules(1 << 1);
    /// Redirect later fragments whose first fragment was not seen.
    pub const UNKNOWN_FRAGMENTS: Rules = Rules(1 << 2);
    /// Redirect what cannot be parsed.
    pub const UNPARSED: Rules = Rules(1 << 3);
    /// The NIC's own hash is symmetric and queues are workers: queue q belongs to worker q.
    pub const STEER_BY_QUEUE: Rules = Rules(1 << 4);
    /// What is not redirected goes on to the host; otherwise the port carries only copies, which are dropped.
    pub const PASS: Rules = Rules(1 << 5);

    /// Everything that might hide something wanted comes up; ICMP errors stay down; a tap drops the rest.
    pub const DEFAULT: Rules = Rules(Self::TUNNELS.0 | Self::UNKNOWN_FRAGMENTS.0 | Self::UNPARSED.0);

    /// Whether all switches of `rule` are on.
    #[inline(always)]
    pub const fn has(self, rule: Rules) -> bool {
        self.0 & rule.0 == rule.0
    }

    /// These rules with `rule` switched.
    #[must_use]
    pub const fn with(self, rule: Rules, on: bool) -> Rules {
        if on { Rules(self.0 | rule.0) } else { Rules(self.0 & !rule.0) }
    }
}
