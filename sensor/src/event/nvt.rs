//! The events of the Network Virtual Terminal, which Telnet and FTP's control connection have in common.

use super::{Out, text};
use crate::flow::key::Direction;
use crate::record::Value;

/// What happened to the terminal's options, or to its lines.
#[derive(Clone, Copy, Debug)]
pub enum NvtEvent<'a> {
    /// A negotiation that does not fit what both sides have said before.
    InconsistentOption(Negotiation),
    /// A suboption that cannot be read.
    BadOption {
        /// The suboption.
        about: Negotiation,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A suboption that ended with something else than IAC SE.
    BadOptionTermination(Negotiation),
    /// This direction is encrypted from here on, and not read any further.
    ActivatingEncryption {
        /// The side whose text can no longer be read.
        direction: Direction,
        /// The other side's cannot be read either.
        both: bool,
    },
    /// The server accepted the client's authentication (RFC 2941).
    AuthenticationAccepted {
        /// The account, as the client named it.
        name: &'a [u8],
    },
    /// The server refused it.
    AuthenticationRejected {
        /// The account, as the client named it.
        name: &'a [u8],
    },
    /// A line is longer than `limits.nvt_line_bytes`; the rest of it is left out.
    ExcessiveLine {
        /// The side that sent it.
        direction: Direction,
    },
}

/// What an option event is about. The manual's events tell nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Negotiation {
    /// Who sent it.
    pub direction: Direction,
    /// WILL, WONT, DO, DONT (251 to 254), or SB (250).
    pub command: u8,
    /// The option's code.
    pub option: u8,
}

impl NvtEvent<'_> {
    /// The manual's name of the event.
    pub fn name(&self) -> &'static str {
        match self {
            NvtEvent::InconsistentOption(_) => "inconsistent_option",
            NvtEvent::BadOption { .. } => "bad_option",
            NvtEvent::BadOptionTermination(_) => "bad_option_termination",
            NvtEvent::ActivatingEncryption { .. } => "activating_encryption",
            NvtEvent::AuthenticationAccepted { .. } => "authentication_accepted",
            NvtEvent::AuthenticationRejected { .. } => "authentication_rejected",
            NvtEvent::ExcessiveLine { .. } => "excessive_line",
        }
    }

    /// Shows its parameters.
    pub fn fields(&self, out: Out<'_>) {
        match *self {
            NvtEvent::InconsistentOption(about) | NvtEvent::BadOptionTermination(about) => about.fields(out),
            NvtEvent::BadOption { about, why } => {
                about.fields(out);
                out("why", Value::Word(why));
            }
            NvtEvent::AuthenticationAccepted { name } | NvtEvent::AuthenticationRejected { name } => {
                text(out, "name", name);
            }
            NvtEvent::ActivatingEncryption { direction, .. } | NvtEvent::ExcessiveLine { direction } => {
                out("is_orig", Value::Bool(direction.is_orig()));
            }
        }
    }
}

impl Negotiation {
    /// The command's name.
    pub fn command_name(self) -> &'static str {
        match self.command {
            251 => "WILL",
            252 => "WONT",
            253 => "DO",
            254 => "DONT",
            _ => "SB",
        }
    }

    fn fields(self, out: Out<'_>) {
        out("is_orig", Value::Bool(self.direction.is_orig()));
        out("command", Value::Count(self.command.into()));
        out("option", Value::Count(self.option.into()));
    }
}
