//! The KEXINIT of both sides, kept from the first until it is known who is who, and stated then.

use crate::analyzers::wire::Decimal;
use crate::analyzers::wire::ssh::kexinit::{Algorithms, Capabilities, Wrong};
use crate::analyzers::{Context, Step};
use crate::event::{Event, SshEvent};
use crate::flow::key::Direction;

/// What both sides have offered.
#[derive(Default, Debug)]
pub(super) struct Exchange {
    orig: Option<Box<[u8]>>,
    resp: Option<Box<[u8]>>,
}

impl Exchange {
    /// Keeps a KEXINIT; `Err`: it is no such thing, or too large.
    pub fn offer(&mut self, cx: &mut Context<'_>, direction: Direction, message: &[u8]) -> Result<(), Step> {
        let exceeded = |cx: &mut Context<'_>, name, length: usize, most: usize| {
            let (length, most) = (Decimal::new(length as u64), Decimal::new(most as u64));
            cx.weird(name, &[length.as_bytes(), b" > ", most.as_bytes()].concat());
            Err(Step::Done)
        };
        match Capabilities::new(message, cx.limits) {
            Ok(_) => {}
            Err(Wrong::Truncated) => return Err(Step::Violation("malformed_ssh_packet")),
            Err(Wrong::LongList(length)) => {
                let most = cx.limits.ssh_string_bytes;
                return exceeded(cx, "SSH_max_string_length_exceeded", length, most);
            }
            Err(Wrong::ManyNames(count)) => {
                let most = cx.limits.ssh_algorithms;
                return exceeded(cx, "SSH_max_kexinit_algorithms_exceeded", count, most);
            }
        }
        if !cx.may_keep(message.len()) {
            return Err(Step::Done);
        }
        let place = match direction {
            Direction::FromOrig => &mut self.orig,
            Direction::FromResp => &mut self.resp,
        };
        *place = Some(message.into());
        Ok(())
    }

    /// Whether both sides have offered.
    pub fn is_complete(&self) -> bool {
        self.orig.is_some() && self.resp.is_some()
    }

    /// Bytes on the heap, besides its own.
    pub fn held(&self) -> usize {
        [&self.orig, &self.resp].into_iter().flatten().map(|message| message.len()).sum()
    }

    /// States what was offered, and what was agreed on; whether that is to be compressed.
    pub fn tell(&self, cx: &mut Context<'_>, reversed: bool) -> bool {
        let (client, server) = if reversed { (&self.resp, &self.orig) } else { (&self.orig, &self.resp) };
        let [client, server] = [client, server]
            .map(|message| message.as_deref().and_then(|message| Capabilities::new(message, cx.limits).ok()));
        for (is_server, capabilities) in [(false, &client), (true, &server)] {
            if let Some(capabilities) = capabilities {
                cx.emit(&Event::Ssh(SshEvent::SshCapabilities { is_server, capabilities }));
            }
        }
        let (Some(client), Some(server)) = (client, server) else { return false };
        let algorithms = Algorithms::new(&client, &server);
        cx.emit(&Event::Ssh(SshEvent::SshAlgorithms { algorithms: &algorithms, reversed }));
        !algorithms.is_uncompressed()
    }
}
