//! SSH (RFC 4251 to 4254, and version 1): identifications, key exchange, and who is let in as far as lengths tell.

mod exchange;

#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may fail")]
mod tests;

use self::exchange::Exchange;
use super::wire::Decimal;
use super::wire::ssh::Version;
use super::wire::ssh::auth::{Authentication, Inferred};
use super::wire::ssh::identification::{self, Line, Speaks};
use super::wire::ssh::packet::{self, Found, message, message1};
use super::{Analyzer, Context, Service, Step};
use crate::event::{Event, SshEvent};
use crate::flow::EndpointState;
use crate::flow::key::Direction;

/// SSH on one connection.
#[derive(Default, Debug)]
pub struct Ssh {
    orig: Side,
    resp: Side,
    version: Option<Version>,
    /// The side that opened the connection is the server.
    reversed: bool,
    /// Everything is compressed: lengths tell nothing.
    compressed: bool,
    /// What is being negotiated, until it is.
    exchange: Option<Box<Exchange>>,
    authentication: Authentication,
    inference: Inference,
}

const _: () = assert!(size_of::<Ssh>() <= 64, "one is kept per connection");

/// One direction.
#[derive(Clone, Copy, Default, Debug)]
struct Side {
    phase: Phase,
    speaks: Option<Speaks>,
    /// Lines before the identification.
    lines: u16,
    /// It is OpenSSH, by its identification.
    openssh: bool,
}

/// What comes next in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Phase {
    #[default]
    Identification,
    Packets,
    Encrypted,
}

/// What is known of the authentication.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Inference {
    /// Nothing yet.
    #[default]
    Open,
    /// Somebody tried in vain.
    Failed,
    /// Whatever can be known is.
    Over,
}

impl Analyzer for Ssh {
    const PDU_MAX: usize = packet::LONGEST + 12;
    const INTERACTIVE: bool = true;

    fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        if cx.conn.endpoint(direction).state == EndpointState::Partial {
            return Step::Done;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let before = rest.len();
            let end = match self.side(direction).phase {
                Phase::Identification => self.identification(cx, direction, &mut rest),
                Phase::Packets => self.packet(cx, direction, &mut rest),
                Phase::Encrypted => {
                    self.encrypted(cx, direction, std::mem::take(&mut rest).len());
                    None
                }
            };
            if let Some(end) = end {
                self.tell(cx);
                return end;
            }
            if rest.len() == before {
                break;
            }
        }
        Step::leaving(bytes, rest)
    }

    /// What is missing may be an answer: nothing is inferred beyond it.
    fn on_gap(&mut self, cx: &mut Context<'_>, _direction: Direction, _length: u64) -> Step {
        self.tell(cx);
        if self.orig.speaks.is_some() || self.resp.speaks.is_some() {
            self.give_up(cx);
        }
        Step::Done
    }

    fn held(&self) -> usize {
        self.exchange.as_ref().map_or(0, |exchange| size_of::<Exchange>().saturating_add(exchange.held()))
    }

    fn on_end(&mut self, cx: &mut Context<'_>, direction: Direction, _rest: &[u8]) {
        if direction.is_orig() == self.reversed {
            self.ended(cx);
        }
    }

    fn on_close(&mut self, cx: &mut Context<'_>) {
        self.tell(cx);
        self.ended(cx);
        if self.inference == Inference::Failed {
            cx.emit(&Event::Ssh(SshEvent::SshAuthFailed));
        }
    }
}

impl Ssh {
    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::FromOrig => &mut self.orig,
            Direction::FromResp => &mut self.resp,
        }
    }

    /// A line, which is the identification, or text of the server before it.
    fn identification(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &mut &[u8]) -> Option<Step> {
        let bytes = *rest;
        let (line, used) = match identification::line(bytes, cx.limits.ssh_line_bytes) {
            Line::Whole(line, used) => (line, used),
            Line::Unfinished => return None,
            Line::TooLong => return Some(Step::Violation("malformed_ssh_identification")),
        };
        *rest = bytes.get(used..).unwrap_or_default();
        if !identification::is_identification(line) && !direction.is_orig() {
            return self.text_before(cx, direction, line);
        }
        if identification::is_identification(line) && used > identification::LONGEST {
            let (long, most) = (Decimal::new(used as u64), Decimal::new(identification::LONGEST as u64));
            cx.weird("SSH_max_version_length_exceeded", &[long.as_bytes(), b" > ", most.as_bytes()].concat());
        }
        let speaks = match identification::speaks(line) {
            Ok(speaks) => speaks,
            Err(weird) => return Some(Step::Violation(weird)),
        };
        cx.conn.service = Some(Service::Ssh);
        let side = self.side(direction);
        (side.phase, side.speaks) = (Phase::Packets, Some(speaks));
        side.openssh = identification::is_openssh(line);
        cx.emit(&Event::Ssh(match direction {
            Direction::FromOrig => SshEvent::SshClientVersion { version: line },
            Direction::FromResp => SshEvent::SshServerVersion { version: line },
        }));
        self.agree(cx)
    }

    /// A server may say something before it identifies itself (RFC 4253 section 4.2).
    fn text_before(&mut self, cx: &mut Context<'_>, direction: Direction, line: &[u8]) -> Option<Step> {
        let side = self.side(direction);
        if side.lines >= cx.limits.ssh_lines_before_version {
            return Some(Step::Violation("malformed_ssh_identification"));
        }
        side.lines = side.lines.saturating_add(1);
        cx.emit(&Event::Ssh(SshEvent::SshServerPreBannerData { data: line }));
        None
    }

    fn agree(&mut self, cx: &mut Context<'_>) -> Option<Step> {
        let (Some(one), Some(other)) = (self.orig.speaks, self.resp.speaks) else { return None };
        let Some(version) = identification::agreed(one, other) else {
            cx.weird("SSH_version_mismatch", b"");
            return Some(Step::Done);
        };
        self.version = Some(version);
        let version = if version == Version::One { 1 } else { 2 };
        cx.emit(&Event::Ssh(SshEvent::SshVersionAgreed { version }));
        None
    }

    /// The version in which a side's packets are. Until the other side has said so, they wait, if this side can speak both.
    fn version(&mut self, direction: Direction) -> Option<Version> {
        self.version.or_else(|| match self.side(direction).speaks {
            Some(Speaks::One) => Some(Version::One),
            Some(Speaks::Two) => Some(Version::Two),
            Some(Speaks::Either) | None => None,
        })
    }

    fn packet(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &mut &[u8]) -> Option<Step> {
        let version = self.version(direction)?;
        let bytes = *rest;
        let limit = cx.limits.ssh_packet_bytes.min(packet::LONGEST);
        let (message, used) = match packet::next(bytes, version, limit) {
            Found::Message(message, used) => (message, used),
            Found::Unfinished => return None,
            Found::Malformed => return Some(Step::Violation("malformed_ssh_packet")),
            Found::TooLong(length) => {
                let (length, limit) = (Decimal::new(length), Decimal::new(limit as u64));
                let addl = [length.as_bytes(), b" > ", limit.as_bytes()].concat();
                cx.weird("SSH_max_packet_length_exceeded", &addl);
                return Some(Step::Done);
            }
        };
        *rest = bytes.get(used..).unwrap_or_default();
        match version {
            Version::One => self.message1(cx, direction, message),
            Version::Two => self.message(cx, direction, message),
        }
    }

    fn message1(&mut self, cx: &mut Context<'_>, direction: Direction, message: &[u8]) -> Option<Step> {
        match (message.first().copied(), direction) {
            (Some(message1::SMSG_PUBLIC_KEY), Direction::FromResp) => {
                if let Some((modulus, exponent)) = packet::host_key1(message) {
                    cx.emit(&Event::Ssh(SshEvent::Ssh1ServerHostKey { modulus, exponent }));
                }
                self.resp.phase = Phase::Encrypted;
            }
            (Some(message1::CMSG_SESSION_KEY), Direction::FromOrig) => {
                self.orig.phase = Phase::Encrypted;
                self.give_up(cx);
            }
            _ => {}
        }
        None
    }

    fn message(&mut self, cx: &mut Context<'_>, direction: Direction, message: &[u8]) -> Option<Step> {
        match message.first().copied()? {
            message::KEXINIT => {
                let exchange = self.exchange.get_or_insert_default();
                if let Err(end) = exchange.offer(cx, direction, message) {
                    return Some(end);
                }
            }
            message::NEWKEYS => {
                self.tell(cx);
                self.side(direction).phase = Phase::Encrypted;
            }
            message::KEX_INIT | message::GEX_INIT | message::GEX_REQUEST if packet::host_key(message).is_none() => {
                self.reversed = !direction.is_orig();
            }
            message::KEX_INIT | message::KEX_REPLY | message::GEX_REPLY => {
                if let Some(key) = packet::host_key(message) {
                    self.reversed = direction.is_orig();
                    cx.emit(&Event::Ssh(SshEvent::Ssh2ServerHostKey { key }));
                }
            }
            _ => return None,
        }
        let begun = !matches!(message.first(), Some(&message::KEXINIT));
        if begun && self.exchange.as_ref().is_some_and(|exchange| exchange.is_complete()) {
            self.tell(cx);
        }
        None
    }

    /// States what was negotiated; what was kept for it is given back.
    fn tell(&mut self, cx: &mut Context<'_>) {
        let Some(exchange) = self.exchange.take() else { return };
        self.compressed = exchange.tell(cx, self.reversed);
    }

    /// So many bytes in which nothing can be read.
    fn encrypted(&mut self, cx: &mut Context<'_>, direction: Direction, length: usize) {
        if self.inference == Inference::Over {
            return;
        }
        let inferred = if direction.is_orig() != self.reversed {
            if self.compressed {
                return self.give_up(cx);
            }
            let openssh = self.side(direction).openssh;
            self.authentication.client_sent(length, openssh)
        } else {
            self.authentication.server_sent(length)
        };
        self.infer(cx, inferred);
        if self.authentication.answers >= cx.limits.ssh_auth_answers {
            self.give_up(cx);
        }
    }

    /// The server says nothing more: what its latest answer left open is known now, and counts before the client comes again.
    fn ended(&mut self, cx: &mut Context<'_>) {
        if self.inference != Inference::Over {
            let inferred = self.authentication.ended();
            self.infer(cx, inferred);
        }
    }

    fn infer(&mut self, cx: &mut Context<'_>, inferred: Inferred) {
        match inferred {
            Inferred::Nothing => {}
            Inferred::Failed(attempts) => {
                self.inference = Inference::Failed;
                for _ in 0..attempts {
                    cx.emit(&Event::Ssh(SshEvent::SshAuthAttempted { authenticated: false }));
                }
            }
            Inferred::Succeeded { none } => {
                self.inference = Inference::Over;
                cx.emit(&Event::Ssh(SshEvent::SshAuthAttempted { authenticated: true }));
                cx.emit(&Event::Ssh(SshEvent::SshAuthSuccessful { auth_method_none: none }));
            }
        }
    }

    /// Nothing more will be known of who is let in.
    fn give_up(&mut self, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.inference, Inference::Over) != Inference::Over {
            cx.emit(&Event::Ssh(SshEvent::SshAuthUnknown));
        }
    }
}
