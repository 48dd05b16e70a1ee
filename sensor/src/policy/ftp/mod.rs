//! FTP's events, each handled under the manual's own name.

use super::{Policy, Seen};
use crate::event::FtpEvent;

/// The manual's `ftp_session_info`.
#[derive(Default, Debug)]
pub struct FtpSession {}

impl FtpSession {
    /// Bytes on the heap, besides its own.
    pub fn held(&self) -> usize {
        0
    }
}

impl Policy {
    pub(super) fn ftp_event(&mut self, _seen: &mut Seen<'_>, event: &FtpEvent<'_>) {
        match *event {
            FtpEvent::FtpRequest { .. } | FtpEvent::FtpReply { .. } | FtpEvent::FtpStarttls { .. } => {}
        }
    }
}
