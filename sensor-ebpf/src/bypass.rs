//! Why a connection's payload is kept out, and what the kernel counts of it meanwhile.

use crate::Counter;

/// Why the payload of a connection is kept out. Its number is what stands in the kernel's table.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BypassReason {
    /// Policy skips the rest of the connection.
    Skipped,
    /// The rest is encrypted: TLS or GSSAPI in FTP, encryption of both sides in Telnet.
    Encrypted,
    /// SSH, and it is known who was let in.
    SshAuthenticated,
    /// SSH, and who is let in will not be known.
    SshUnknown,
    /// A data connection of FTP, of which as much was captured as is wanted.
    FtpData,
}

impl BypassReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [BypassReason; 5] = [
        BypassReason::Skipped,
        BypassReason::Encrypted,
        BypassReason::SshAuthenticated,
        BypassReason::SshUnknown,
        BypassReason::FtpData,
    ];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The number that stands for it in the bypass table.
    #[inline(always)]
    pub const fn number(self) -> u64 {
        self as u64
    }

    /// The reason of a number; [`BypassReason::Skipped`] for one that is nobody's.
    #[inline(always)]
    pub const fn of(number: u64) -> Self {
        match number {
            1 => BypassReason::Encrypted,
            2 => BypassReason::SshAuthenticated,
            3 => BypassReason::SshUnknown,
            4 => BypassReason::FtpData,
            _ => BypassReason::Skipped,
        }
    }

    /// The counter of the frames that were kept out because of it.
    #[inline(always)]
    pub const fn counter(self) -> Counter {
        match self {
            BypassReason::Skipped => Counter::BypassedSkipped,
            BypassReason::Encrypted => Counter::BypassedEncrypted,
            BypassReason::SshAuthenticated => Counter::BypassedSshAuthenticated,
            BypassReason::SshUnknown => Counter::BypassedSshUnknown,
            BypassReason::FtpData => Counter::BypassedFtpData,
        }
    }

    /// Its name in settings, in the ledger and in every count.
    pub const fn name(self) -> &'static str {
        self.counter().name()
    }
}

/// What the kernel counted of a connection after policy had finished with it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bypassed {
    /// Why it is bypassed: [`BypassReason::number`].
    pub reason: u64,
    /// From the key's first side, and from its second.
    pub traffic: [Traffic; 2],
}

impl Bypassed {
    /// An account on which nothing is yet.
    pub const fn new(reason: BypassReason) -> Self {
        Bypassed { reason: reason.number(), traffic: [Traffic { packets: 0, bytes: 0, payload: 0 }; 2] }
    }
}

/// Packets that were counted and dropped.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many.
    pub packets: u64,
    /// Their IP bytes, headers included.
    pub bytes: u64,
    /// Their transport payload in bytes.
    pub payload: u64,
}

const _: () = {
    assert!(size_of::<Bypassed>() == 56);
    let mut number = 0;
    while number < BypassReason::COUNT {
        assert!(BypassReason::ALL[number].number() == number as u64);
        assert!(BypassReason::of(number as u64).number() == number as u64);
        number += 1;
    }
};
