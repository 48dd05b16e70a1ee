//! Rlogin (RFC 1282): a prologue of names, window sizes and control bytes among the text, and the login dialogue.

use super::wire::lines::{Ending, Form, Found, Lines, advance};
use super::wire::login::Login;
use super::wire::nvt;
use super::{Analyzer, Context, Service, Step};
use crate::event::nvt::NvtEvent;
use crate::event::{Event, LoginEvent};
use crate::flow::EndpointState;
use crate::flow::key::Direction;

/// Begins a window message, if two of them come in a row.
const MAGIC: u8 = 0xff;
/// What follows them.
const WINDOW: u8 = b's';
/// Rows, columns and pixels behind those.
const WINDOW_BYTES: u8 = 8;
/// Discard, raw, cooked, and a request for window sizes, sent as urgent data.
const CONTROLS: [u8; 4] = [0x02, 0x10, 0x20, 0x80];
/// A name of the prologue that is longer is none.
const NAME_BYTES: usize = 1024;

/// Rlogin on one connection.
#[derive(Default, Debug)]
pub struct Rlogin {
    client: Stage,
    server: Server,
    orig: Lines,
    resp: Lines,
    /// Bytes of the server's stream that were used up, and the number of the one that was said to be urgent.
    used: u64,
    urgent: u64,
    said: Said,
    login: Login,
}

const _: () = assert!(size_of::<Rlogin>() <= 192, "one is kept per connection");

/// Where the client's stream is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Stage {
    #[default]
    FirstNul,
    ClientUser,
    ServerUser,
    Terminal,
    Lines,
    /// Behind one 0xff, or behind so many bytes of a window message.
    Magic(u8),
    /// So many bytes of a window's size are left.
    Window(u8),
    /// Lines, and nothing else that could be told.
    Unknown,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Server {
    #[default]
    Unheard,
    Accepted,
    PresumedRejected,
    Unknown,
}

/// What is said once per connection.
#[derive(Default, Debug)]
struct Said {
    nul: bool,
    size: bool,
    excessive: [bool; 2],
}

impl Analyzer for Rlogin {
    const PDU_MAX: usize = nvt::PDU_MAX;
    const INTERACTIVE: bool = true;

    fn on_stream(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let mut rest = bytes;
        match direction {
            Direction::FromOrig => self.on_client(cx, &mut rest),
            Direction::FromResp => self.on_server(cx, &mut rest),
        }
        if self.login.is_done() { Step::Done } else { Step::leaving(bytes, rest) }
    }

    fn on_urgent(&mut self, _cx: &mut Context<'_>, direction: Direction, at: u64) {
        if !direction.is_orig() && at > self.used {
            self.urgent = at;
        }
    }

    fn on_gap(&mut self, _cx: &mut Context<'_>, direction: Direction, length: u64) -> Step {
        self.login.on_gap();
        match direction {
            Direction::FromOrig => {
                self.orig.restart();
                let in_lines = matches!(self.client, Stage::Lines | Stage::Magic(_) | Stage::Window(_));
                self.client = if in_lines { Stage::Lines } else { Stage::Unknown };
            }
            Direction::FromResp => {
                self.resp.restart();
                self.used = self.used.saturating_add(length);
                if self.server == Server::Unheard {
                    self.server = Server::Unknown;
                }
            }
        }
        Step::Consumed(0)
    }

    fn held(&self) -> usize {
        self.orig.held().saturating_add(self.resp.held()).saturating_add(self.login.held())
    }

    fn on_end(&mut self, cx: &mut Context<'_>, direction: Direction, rest: &[u8]) {
        let form = Form::new(cx, Ending::CrOrLf, false);
        match direction {
            Direction::FromOrig => {
                let reads = matches!(self.client, Stage::Lines | Stage::Unknown);
                if let Some(line) = self.orig.finish(rest, &form).filter(|_| reads) {
                    self.login.on_input_line(cx, line);
                }
            }
            Direction::FromResp => {
                if let Some(line) = self.resp.finish(rest, &form) {
                    self.login.on_output_line(cx, line);
                }
            }
        }
        self.login.on_end(cx, direction);
    }

    fn on_close(&mut self, cx: &mut Context<'_>) {
        self.login.on_close(cx);
    }
}

impl Rlogin {
    fn on_client(&mut self, cx: &mut Context<'_>, rest: &mut &[u8]) {
        while let Some(&byte) = rest.first() {
            self.client = match self.client {
                Stage::FirstNul => self.prologue(cx, byte, rest),
                Stage::ClientUser | Stage::ServerUser | Stage::Terminal => match self.name(cx, rest) {
                    Some(next) => next,
                    None => return,
                },
                Stage::Lines if self.server == Server::PresumedRejected => {
                    cx.weird("rlogin_text_after_rejected", b"");
                    Stage::Unknown
                }
                Stage::Lines => match self.input(cx, rest, true) {
                    true => Stage::Magic(1),
                    false => return,
                },
                Stage::Magic(seen) => self.magic(cx, seen, byte, rest),
                Stage::Window(left) => {
                    advance(rest, 1);
                    if left > 1 { Stage::Window(left.saturating_sub(1)) } else { Stage::Lines }
                }
                Stage::Unknown => {
                    self.input(cx, rest, false);
                    return;
                }
            };
            if self.login.is_done() {
                return;
            }
        }
    }

    /// The first byte.
    fn prologue(&mut self, cx: &mut Context<'_>, byte: u8, rest: &mut &[u8]) -> Stage {
        self.login.on_echo(true);
        if cx.conn.orig.state == EndpointState::Partial {
            return Stage::Unknown;
        }
        advance(rest, 1);
        if byte == 0 {
            return Stage::ClientUser;
        }
        cx.weird("bad_rlogin_prolog", b"");
        self.login.on_gap();
        Stage::Unknown
    }

    /// A name of the prologue, once its NUL is there.
    fn name(&mut self, cx: &mut Context<'_>, rest: &mut &[u8]) -> Option<Stage> {
        let Some(length) = rest.iter().take(NAME_BYTES).position(|byte| *byte == 0) else {
            if rest.len() < NAME_BYTES {
                return None;
            }
            self.said.size(cx);
            self.login.on_gap();
            return Some(Stage::Unknown);
        };
        let name = rest.get(..length).unwrap_or_default();
        advance(rest, length.saturating_add(1));
        Some(match self.client {
            Stage::ClientUser => {
                self.login.set_client_name(cx, name);
                Stage::ServerUser
            }
            Stage::ServerUser => {
                self.login.set_server_user(cx, name);
                Stage::Terminal
            }
            _ => {
                cx.conn.service = Some(Service::Rlogin);
                cx.emit(&Event::Login(LoginEvent::LoginTerminal { terminal: name }));
                Stage::Lines
            }
        })
    }

    /// Lines of the client; `true` if a byte that may begin a window message is next, which is taken off.
    fn input(&mut self, cx: &mut Context<'_>, rest: &mut &[u8], commands: bool) -> bool {
        let form = Form::new(cx, Ending::CrOrLf, commands);
        if self.orig.types(rest, &form) {
            return false;
        }
        while let Some(found) = self.orig.next(rest, &form) {
            match found {
                Found::Line { text, .. } => self.login.on_input_line(cx, self.orig.bytes(text)),
                Found::Cut(text) => {
                    self.said.cut(cx, Direction::FromOrig);
                    self.login.on_input_line(cx, self.orig.bytes(text));
                }
                Found::Nul => self.said.nul(cx),
                Found::Command => {
                    advance(rest, 1);
                    return true;
                }
                Found::Refused(bytes) => cx.refuse(bytes),
            }
        }
        false
    }

    /// Behind the first byte of what may be a window message. What is none belongs to the line.
    fn magic(&mut self, cx: &mut Context<'_>, seen: u8, byte: u8, rest: &mut &[u8]) -> Stage {
        let expected = if seen == 1 { MAGIC } else { WINDOW };
        if byte == expected {
            advance(rest, 1);
            return if seen == 3 { Stage::Window(WINDOW_BYTES) } else { Stage::Magic(seen.saturating_add(1)) };
        }
        let message = [MAGIC, MAGIC, WINDOW];
        for byte in message.iter().take(seen.into()) {
            if let Err(Found::Refused(bytes)) = self.orig.insert(*byte, &Form::new(cx, Ending::CrOrLf, true)) {
                cx.refuse(bytes);
            }
        }
        if seen == 1 { Stage::Lines } else { Stage::Unknown }
    }

    fn on_server(&mut self, cx: &mut Context<'_>, rest: &mut &[u8]) {
        let offered = rest.len();
        if self.server == Server::Unheard {
            self.acknowledgement(cx, rest);
        }
        while let Some(at) = self.urgent_in(offered, rest) {
            let (mut text, behind) = rest.split_at_checked(at).unwrap_or((rest, b""));
            self.output(cx, &mut text);
            if let Err(Found::Refused(bytes)) = self.resp.hold(&mut text, &Form::new(cx, Ending::CrOrLf, false)) {
                cx.refuse(bytes);
            }
            *rest = behind.get(1..).unwrap_or_default();
            self.urgent = 0;
        }
        self.output(cx, rest);
        self.used = self.used.saturating_add(offered.saturating_sub(rest.len()) as u64);
        self.login.on_partial_output(cx, self.resp.partial(rest));
    }

    /// The server's first byte: a NUL accepts the names, anything else begins what is wrong with them.
    fn acknowledgement(&mut self, cx: &Context<'_>, rest: &mut &[u8]) {
        self.server = match rest.first() {
            None => return,
            Some(_) if cx.conn.resp.state == EndpointState::Partial => Server::Unknown,
            Some(0) => Server::Accepted,
            Some(_) => Server::PresumedRejected,
        };
        if self.server != Server::Unknown {
            advance(rest, 1);
        }
    }

    /// Where a control byte is in what is left of what was offered.
    fn urgent_in(&self, offered: usize, rest: &[u8]) -> Option<usize> {
        let before = self.used.saturating_add(offered.saturating_sub(rest.len()) as u64);
        let at = usize::try_from(self.urgent.checked_sub(before)?.checked_sub(1)?).ok()?;
        rest.get(at).filter(|byte| CONTROLS.contains(byte)).map(|_| at)
    }

    fn output(&mut self, cx: &mut Context<'_>, rest: &mut &[u8]) {
        let form = Form::new(cx, Ending::CrOrLf, false);
        if self.resp.types(rest, &form) {
            return;
        }
        while let Some(found) = self.resp.next(rest, &form) {
            match found {
                Found::Line { text, .. } => self.login.on_output_line(cx, self.resp.bytes(text)),
                Found::Cut(text) => {
                    self.said.cut(cx, Direction::FromResp);
                    self.login.on_output_line(cx, self.resp.bytes(text));
                }
                Found::Nul => self.said.nul(cx),
                Found::Command => advance(rest, 1),
                Found::Refused(bytes) => cx.refuse(bytes),
            }
            if self.login.is_done() {
                return;
            }
        }
    }
}

impl Said {
    fn nul(&mut self, cx: &mut Context<'_>) {
        cx.weird_once(&mut self.nul, true, "NUL_in_line");
    }

    fn size(&mut self, cx: &mut Context<'_>) {
        cx.weird_once(&mut self.size, true, "rlogin_line_size_exceeded");
    }

    fn cut(&mut self, cx: &mut Context<'_>, direction: Direction) {
        self.size(cx);
        let [orig, resp] = &mut self.excessive;
        if !std::mem::replace(if direction.is_orig() { orig } else { resp }, true) {
            cx.emit(&Event::Nvt(NvtEvent::ExcessiveLine { direction }));
        }
    }
}
