//! The terminal's events, which Telnet and FTP have in common, each handled under the manual's own name.

use super::{Policy, Seen};
use crate::event::NvtEvent;

impl Policy {
    pub(super) fn nvt_event(&mut self, _seen: &mut Seen<'_>, _event: &NvtEvent<'_>) {}
}
