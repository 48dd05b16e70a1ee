//! FTP's events, each handled under the manual's own name.

mod data;
mod expected;
mod neighbours;

pub use data::DataChannel;
pub use expected::{EXPECTED_BYTES, ExpectedData};
pub use neighbours::Neighbours;

use super::{Policy, Seen};
use crate::event::FtpEvent;

/// The manual's `ftp_session_info`.
#[derive(Default, Debug)]
pub struct FtpSession {
    /// Its data connections.
    pub data: DataChannel,
}

impl FtpSession {
    /// Bytes on the heap, besides its own.
    pub fn held(&self) -> usize {
        self.data.held()
    }
}

impl Policy {
    pub(super) fn ftp_event(&mut self, _seen: &mut Seen<'_>, event: &FtpEvent<'_>) {
        match *event {
            FtpEvent::FtpRequest { .. } | FtpEvent::FtpReply { .. } | FtpEvent::FtpStarttls { .. } => {}
        }
    }
}
