//! Rexec: a port, a name, a password and a command, each with a NUL behind it.

use super::Service;
use super::wire::rcmd::{Protocol, Rcmd};

/// Rexec on one connection.
pub type Rexec = Rcmd<IsRexec>;

/// What tells Rexec from its like.
#[derive(Default, Debug)]
pub struct IsRexec;

impl Protocol for IsRexec {
    const SERVICE: Service = Service::Rexec;
    const HAS_PASSWORD: bool = true;
    const BAD_PROLOG: &'static str = "bad_rexec_prolog";
    const TEXT_AFTER_REJECTED: &'static str = "rexec_text_after_rejected";
    const LINE_SIZE_EXCEEDED: &'static str = "rexec_line_size_exceeded";
}
