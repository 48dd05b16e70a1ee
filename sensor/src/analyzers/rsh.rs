//! Rsh (rcmd): a port, two names and a command, each with a NUL behind it.

use super::Service;
use super::wire::rcmd::{Protocol, Rcmd};

/// Rsh on one connection.
pub type Rsh = Rcmd<IsRsh>;

/// What tells Rsh from its like.
#[derive(Default, Debug)]
pub struct IsRsh;

impl Protocol for IsRsh {
    const SERVICE: Service = Service::Rsh;
    const HAS_PASSWORD: bool = false;
    const BAD_PROLOG: &'static str = "bad_rsh_prolog";
    const TEXT_AFTER_REJECTED: &'static str = "rsh_text_after_rejected";
    const LINE_SIZE_EXCEEDED: &'static str = "rsh_line_size_exceeded";
}
