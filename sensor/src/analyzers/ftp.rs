//! FTP's control connection (RFC 959): requests and replies, under the manual's `ftp_request` and `ftp_reply`.

use smallvec::SmallVec;

use super::wire::Decimal;
use super::wire::nvt::{self, Item, Nvt};
use super::{Analyzer, Context, Service, Step};
use crate::event::{Event, FtpEvent};
use crate::flow::EndpointState;
use crate::flow::key::Direction;

/// Replies below this are none.
const FIRST_CODE: u32 = 100;
/// Commands have at least three letters (RFC 959, 5.3.1), and fewer than this in any case.
const COMMAND: std::ops::RangeInclusive<usize> = 3..=128;
/// What the manual calls an empty line.
const MISSING: &[u8] = b"<missing>";

/// FTP on one connection.
#[derive(Debug)]
pub struct Ftp {
    nvt: Nvt,
    talk: Talk,
}

/// What both sides have said, as far as what follows depends on it.
#[derive(Default, Debug)]
struct Talk {
    /// The code of a reply of several lines whose end has not come; 0: none.
    multiline: u32,
    /// The mechanism of the last AUTH.
    mechanism: Box<[u8]>,
    /// The server has replied as only FTP does.
    confirmed: bool,
    /// Bytes were missing: what follows may begin in the middle of a reply.
    torn: bool,
}

const _: () = assert!(size_of::<Ftp>() <= 160, "one is kept per connection");

impl Default for Ftp {
    fn default() -> Self {
        Ftp { nvt: Nvt::ftp(), talk: Talk::default() }
    }
}

impl Analyzer for Ftp {
    const PDU_MAX: usize = nvt::PDU_MAX;
    const INTERACTIVE: bool = true;

    fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let mut rest = bytes;
        while let Some(item) = self.nvt.next(cx, direction, &mut rest) {
            let Item::Line(line) = item else { continue };
            let step = match direction {
                Direction::FromOrig => self.talk.request(cx, line),
                Direction::FromResp => self.talk.reply(cx, line),
            };
            if let Some(end) = step {
                return end;
            }
        }
        Step::leaving(bytes, rest)
    }

    fn on_datagram(&mut self, _cx: &mut Context<'_>, _direction: Direction, bytes: &[u8]) -> Step {
        Step::Consumed(bytes.len())
    }

    fn on_urgent(&mut self, _cx: &mut Context<'_>, direction: Direction, at: u64) {
        self.nvt.on_urgent(direction, at);
    }

    fn on_gap(&mut self, _cx: &mut Context<'_>, direction: Direction, _length: u64) -> Step {
        self.nvt.on_gap(direction);
        self.talk.torn = true;
        if !direction.is_orig() {
            self.talk.multiline = 0;
        }
        Step::More
    }

    fn held(&self) -> usize {
        self.nvt.held().saturating_add(self.talk.mechanism.len())
    }

    fn on_end(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &[u8]) {
        let closed = cx.conn.endpoint(direction).state == EndpointState::Closed;
        let Some(line) = self.nvt.finish(cx, direction, rest).filter(|line| !line.is_empty()) else { return };
        if direction.is_orig() {
            if closed {
                cx.weird("partial_ftp_request", b"");
            }
            self.talk.request(cx, line);
        } else {
            self.talk.reply(cx, line);
        }
    }
}

impl Talk {
    /// A line of the client.
    fn request(&mut self, cx: &mut Context<'_>, line: &[u8]) -> Option<Step> {
        let line = trim(line);
        let end = line.iter().position(|&byte| is_blank(byte)).unwrap_or(line.len());
        let (word, rest) = line.split_at_checked(end)?;
        let arg = trim(rest);
        if word.is_empty() {
            cx.emit(&Event::Ftp(FtpEvent::FtpRequest { command: MISSING, arg }));
            return None;
        }
        if word.len() > cx.limits.ftp_command_bytes.min(*COMMAND.end()) {
            let most = cx.limits.ftp_command_bytes.min(*COMMAND.end()) as u64;
            let (long, most) = (Decimal::new(word.len() as u64), Decimal::new(most));
            let addl: SmallVec<[u8; 48]> = [long.as_bytes(), b" > ", most.as_bytes()].concat().into();
            cx.weird("FTP_max_command_length_exceeded", &addl);
            return None;
        }
        let mut command: SmallVec<[u8; 128]> = SmallVec::from_slice(word);
        command.make_ascii_uppercase();
        if !COMMAND.contains(&word.len()) || !command.iter().all(u8::is_ascii_graphic) {
            if self.confirmed {
                cx.weird("FTP_invalid_command", b"");
            }
            return None;
        }
        if command.as_slice() == b"AUTH" {
            self.mechanism = arg.get(..16).unwrap_or(arg).into();
            self.mechanism.make_ascii_uppercase();
        }
        cx.emit(&Event::Ftp(FtpEvent::FtpRequest { command: &command, arg }));
        None
    }

    /// A line of the server.
    fn reply(&mut self, cx: &mut Context<'_>, line: &[u8]) -> Option<Step> {
        let code = code(line);
        let after = line.get(3..).unwrap_or_default();
        if self.multiline > 0 {
            let ends = code == self.multiline && matches!(after.first(), None | Some(b' '));
            if ends {
                self.multiline = 0;
                return self.replied(cx, code, trim(after));
            }
            cx.emit(&Event::Ftp(FtpEvent::FtpReply { code: 0, msg: line, cont_resp: true }));
            return None;
        }
        if let Some(name) = self.oddity(line, code) {
            if !self.confirmed && !self.torn && cx.conn.resp.state != EndpointState::Partial {
                return Some(Step::Violation(name));
            }
            cx.weird(name, b"");
        } else {
            self.confirmed = true;
            cx.conn.service = Some(Service::Ftp);
        }
        if let Some(msg) = after.strip_prefix(b"-").filter(|_| code > 0) {
            self.multiline = code;
            cx.emit(&Event::Ftp(FtpEvent::FtpReply { code, msg: trim(msg), cont_resp: true }));
            return None;
        }
        let msg = if code > 0 { trim(after) } else { line };
        self.replied(cx, code, msg)
    }

    /// The last line of a reply.
    fn replied(&mut self, cx: &mut Context<'_>, code: u32, msg: &[u8]) -> Option<Step> {
        cx.emit(&Event::Ftp(FtpEvent::FtpReply { code, msg, cont_resp: false }));
        // RFC 2228: 234 ends the negotiation, 235 the exchange of security data that some mechanisms need.
        if matches!(code, 234 | 235) && !self.mechanism.is_empty() {
            cx.emit(&Event::Ftp(FtpEvent::FtpStarttls { mechanism: &self.mechanism }));
            return Some(Step::Done);
        }
        None
    }

    /// What is wrong with a line that should begin a reply.
    fn oddity(&self, line: &[u8], code: u32) -> Option<&'static str> {
        match (code, line.get(3)) {
            (0, _) if !line.get(..3).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit)) => {
                Some("FTP_non_numeric_reply_code")
            }
            (code, _) if code < FIRST_CODE => Some("FTP_invalid_reply_code"),
            (_, None | Some(b' ' | b'-')) => None,
            _ => Some("FTP_invalid_reply_line"),
        }
    }
}

/// The first three characters as a number, if they are one.
fn code(line: &[u8]) -> u32 {
    let Some(digits) = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit)) else { return 0 };
    digits
        .iter()
        .fold(0u32, |code, digit| code.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0'))))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without the blanks in front.
fn trim(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&byte| is_blank(byte)).count();
    text.get(blanks..).unwrap_or_default()
}
