//! The one error people see: what we were doing, on what, why it failed, what to do.

use std::fmt;

/// A failure at start, at stop or on a file. Nothing per packet is an `Error`: oddities on the wire are counted or are weirds.
#[derive(Debug)]
pub struct Error {
    doing: String,
    why: String,
    hint: Option<String>,
    status: u8,
    refusal: bool,
}

/// What most of start-up returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Exit status of a run that could not do its job.
    pub const FAILED: u8 = 1;
    /// Exit status of a wrong command line or configuration.
    pub const USAGE: u8 = 2;
    /// Exit status when an input was damaged: what could be read was analysed.
    pub const DAMAGED_INPUT: u8 = 3;

    /// `doing` completes "cannot ..." and names its object: "open capture.pcap", "attach to eth0".
    pub fn new(doing: impl Into<String>, why: impl fmt::Display) -> Self {
        Error { doing: doing.into(), why: why.to_string(), hint: None, status: Self::FAILED, refusal: false }
    }

    /// What the reader can do about it; one sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit status that this failure deserves, if not [`Error::FAILED`].
    #[must_use]
    pub fn status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }

    /// Marks what we could do and will not, unless told so: nothing else is tried instead.
    #[must_use]
    pub fn refusal(mut self) -> Self {
        self.refusal = true;
        self
    }

    /// Whether this is a refusal.
    pub fn is_refusal(&self) -> bool {
        self.refusal
    }

    /// The process's exit status.
    pub fn exit_status(&self) -> u8 {
        self.status
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.doing, self.why)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
