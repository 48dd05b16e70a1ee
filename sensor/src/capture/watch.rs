//! Whether a live source's interface is still there.

use crate::error::Result;
use crate::nic::Interface;
use crate::sys::Interfaces;

/// How often an idle source looks, in nanoseconds.
const EVERY: u64 = 200_000_000;

/// Asks about one interface by its index, because names can change. The socket remembers the network namespace it was opened in.
#[derive(Debug)]
pub(super) struct Watch {
    interfaces: Interfaces,
    name: String,
    index: u32,
    next: u64,
}

impl Watch {
    pub(super) fn new(interface: &Interface) -> Result<Self> {
        Ok(Watch { interfaces: Interfaces::open()?, name: interface.name.clone(), index: interface.index, next: 0 })
    }

    /// Why there will be no more frames, if so. `now` is `CLOCK_MONOTONIC`; looks only now and then, or at once if `urgent`.
    pub(super) fn trouble(&mut self, now: u64, urgent: bool) -> Option<String> {
        if now < self.next && !urgent {
            return None;
        }
        self.next = now.saturating_add(EVERY);
        let Ok(name) = self.interfaces.name(self.index) else {
            return Some(format!("interface {} has vanished", self.name));
        };
        match self.interfaces.flags(&name) {
            Ok(flags) if flags & libc::IFF_UP != 0 && !urgent => None,
            Ok(flags) if flags & libc::IFF_UP != 0 => Some(format!("the socket on interface {name} has failed")),
            Ok(_) => Some(format!("interface {name} was taken down")),
            Err(_) => Some(format!("interface {} has vanished", self.name)),
        }
    }
}
