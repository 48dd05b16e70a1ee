//! The events of a login dialogue, each handled under the manual's own name.

use super::{Policy, Seen};
use crate::event::LoginEvent;

/// The manual's `login_session_info`.
#[derive(Default, Debug)]
pub struct LoginSession {}

impl LoginSession {
    /// Bytes on the heap, besides its own.
    pub fn held(&self) -> usize {
        0
    }
}

impl Policy {
    pub(super) fn login_event(&mut self, _seen: &mut Seen<'_>, _event: &LoginEvent<'_>) {}
}
