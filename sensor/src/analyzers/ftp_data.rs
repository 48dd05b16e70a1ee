//! FTP's data connections (RFC 959 section 3.2): followed, and read no further than the settings ask for.

use super::{Analyzer, Context, Step};
use crate::capture::BypassReason;
use crate::event::Verdict;
use crate::flow::key::Direction;

/// One data connection. It has no protocol of its own: whatever is transferred is the file.
#[derive(Clone, Copy, Default, Debug)]
pub struct FtpData {
    /// Bytes of both directions, lost ones included.
    seen: u64,
}

impl FtpData {
    /// What is beyond the bound dies in the capture filter; SYN, FIN and RST still come, and tell the size.
    fn count(&mut self, cx: &mut Context<'_>, bytes: u64) {
        self.seen = self.seen.saturating_add(bytes);
        if self.seen >= cx.limits.ftp_data_payload_bytes {
            cx.verdict |= Verdict::skip(BypassReason::FtpData);
        }
    }
}

impl Analyzer for FtpData {
    const INTERACTIVE: bool = true;

    fn on_stream(&mut self, cx: &mut Context<'_>, _direction: Direction, bytes: &[u8]) -> Step {
        self.count(cx, bytes.len() as u64);
        Step::Consumed(bytes.len())
    }

    fn on_gap(&mut self, cx: &mut Context<'_>, _direction: Direction, length: u64) -> Step {
        self.count(cx, length);
        Step::Consumed(0)
    }
}
