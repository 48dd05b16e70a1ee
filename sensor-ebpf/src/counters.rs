//! Verdicts as counters: each frame is counted under exactly one of them, so that their sum is the number of frames.

/// What became of a frame, and why. Each counter has one [`Outcome`].
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    // Redirected. `redirects` relies on these standing first.
    /// A watched port at either end.
    Port,
    /// An endpoint that an analyzer told the kernel to expect.
    Expected,
    /// A later fragment of a datagram that was wanted, or one whose first fragment was not seen, if the settings say so.
    Fragment,
    /// A tunnelled packet, whole; the worker looks inside.
    Tunnel,
    /// An ICMP error about a packet with a watched port.
    IcmpError,
    /// Redirected although the Ethernet header, VLAN tags or MPLS labels are cut off.
    ShortLink,
    /// Redirected although the IP header is cut off.
    ShortNetwork,
    /// Redirected although the IP header contradicts itself.
    BadNetwork,
    /// Redirected although an extension header is cut off.
    ShortExtension,
    /// Redirected although the ports are cut off.
    ShortTransport,
    /// Redirected although there are more tags, labels or extension headers than are followed.
    TooDeep,
    // Filtered.
    /// No IP packet inside: ARP, LLDP, spanning tree.
    NotIp,
    /// IP, but neither TCP nor UDP nor anything else that is wanted.
    OtherProtocol,
    /// TCP or UDP between ports that nobody watches.
    NoMatch,
    /// A later fragment of a datagram that was not wanted.
    FragmentNoMatch,
    /// A later fragment whose first was not seen, dropped by the settings.
    FragmentUnknown,
    /// Payload at an endpoint of which only connection records are wanted.
    ControlOnly,
    /// As [`Counter::ShortLink`], dropped by the settings.
    DroppedShortLink,
    /// As [`Counter::ShortNetwork`], dropped by the settings.
    DroppedShortNetwork,
    /// As [`Counter::BadNetwork`], dropped by the settings.
    DroppedBadNetwork,
    /// As [`Counter::ShortExtension`], dropped by the settings.
    DroppedShortExtension,
    /// As [`Counter::ShortTransport`], dropped by the settings.
    DroppedShortTransport,
    /// As [`Counter::TooDeep`], dropped by the settings.
    DroppedTooDeep,
    // Bypassed: payload of connections that policy has finished with, by its reason.
    /// [`BypassReason::Skipped`](crate::BypassReason::Skipped).
    BypassedSkipped,
    /// [`BypassReason::Encrypted`](crate::BypassReason::Encrypted).
    BypassedEncrypted,
    /// [`BypassReason::SshAuthenticated`](crate::BypassReason::SshAuthenticated).
    BypassedSshAuthenticated,
    /// [`BypassReason::SshUnknown`](crate::BypassReason::SshUnknown).
    BypassedSshUnknown,
    /// [`BypassReason::FtpData`](crate::BypassReason::FtpData).
    BypassedFtpData,
    /// A later fragment of such a packet.
    BypassedFragment,
    /// Wanted, but longer than what the private wire of host mode carries.
    TooLong,
    /// Wanted, but there was no socket or clone to deliver it to.
    Undelivered,
}

/// What a ledger distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Handed to a worker's socket.
    Redirected,
    /// Not wanted.
    Filtered,
    /// Wanted once, now finished with.
    Bypassed,
    /// Wanted and lost.
    Lost,
}

impl Counter {
    /// Every counter, in the order of their numbers.
    pub const ALL: [Counter; 31] = [
        Counter::Port,
        Counter::Expected,
        Counter::Fragment,
        Counter::Tunnel,
        Counter::IcmpError,
        Counter::ShortLink,
        Counter::ShortNetwork,
        Counter::BadNetwork,
        Counter::ShortExtension,
        Counter::ShortTransport,
        Counter::TooDeep,
        Counter::NotIp,
        Counter::OtherProtocol,
        Counter::NoMatch,
        Counter::FragmentNoMatch,
        Counter::FragmentUnknown,
        Counter::ControlOnly,
        Counter::DroppedShortLink,
        Counter::DroppedShortNetwork,
        Counter::DroppedBadNetwork,
        Counter::DroppedShortExtension,
        Counter::DroppedShortTransport,
        Counter::DroppedTooDeep,
        Counter::BypassedSkipped,
        Counter::BypassedEncrypted,
        Counter::BypassedSshAuthenticated,
        Counter::BypassedSshUnknown,
        Counter::BypassedFtpData,
        Counter::BypassedFragment,
        Counter::TooLong,
        Counter::Undelivered,
    ];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Their names in the ledger and in metrics, by number.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "port",
        "expected",
        "fragment",
        "tunnel",
        "icmp_error",
        "short_link",
        "short_network",
        "bad_network",
        "short_extension",
        "short_transport",
        "too_deep",
        "not_ip",
        "other_protocol",
        "no_match",
        "fragment_no_match",
        "fragment_unknown",
        "control_only",
        "dropped_short_link",
        "dropped_short_network",
        "dropped_bad_network",
        "dropped_short_extension",
        "dropped_short_transport",
        "dropped_too_deep",
        "skipped",
        "encrypted",
        "ssh_authenticated",
        "ssh_unknown",
        "ftp_data",
        "fragment_bypassed",
        "too_long",
        "undelivered",
    ];

    /// Whether a frame counted here is handed to a worker.
    #[inline(always)]
    pub const fn redirects(self) -> bool {
        (self as u8) < Counter::NotIp as u8
    }

    /// Whether a frame counted here is kept out because of its connection.
    #[inline(always)]
    pub const fn bypasses(self) -> bool {
        self as u8 >= Counter::BypassedSkipped as u8 && self as u8 <= Counter::BypassedFragment as u8
    }

    /// The line of the ledger that this counter adds to.
    pub const fn outcome(self) -> Outcome {
        match self {
            _ if self.bypasses() => Outcome::Bypassed,
            Counter::TooLong | Counter::Undelivered => Outcome::Lost,
            _ if self.redirects() => Outcome::Redirected,
            _ => Outcome::Filtered,
        }
    }

    /// Its name in the ledger and in metrics.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Slot of [`Counts`] behind the counters: how many frames packets were beyond their first, because offload kept them together. They
/// are in the counters, too.
pub const FURTHER_SEGMENTS: usize = Counter::COUNT;

/// Number of slots in [`Counts`]: a power of two, so that a mask is all the bounds check the verifier needs.
pub const SLOTS: usize = (FURTHER_SEGMENTS + 1).next_power_of_two();

/// One CPU's counters, by [`Counter`] number, then [`FURTHER_SEGMENTS`]; the slots past it stay 0.
pub type Counts = [u64; SLOTS];

const _: () = {
    let mut number = 0;
    while number < Counter::COUNT {
        assert!(Counter::ALL[number] as usize == number);
        number += 1;
    }
    assert!(Counter::Undelivered as usize + 1 == Counter::COUNT);
};
