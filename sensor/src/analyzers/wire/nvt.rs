//! The Network Virtual Terminal (RFC 854), which Telnet and FTP's control connection have in common: lines, and options among them.

mod environ;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may fail")]
mod hostile;
mod options;
mod security;
mod side;
mod suboption;
#[cfg(test)]
mod tests;

pub use environ::{Variable, Variables};

use std::thread::LocalKey;

use self::options::{Options, WILL, WONT, code};
use self::security::{Outcome, Security};
use self::side::{Side, Suboption, Token};
use self::suboption::Meaning;
use super::Decimal;
pub use super::lines::WAITING_MAX as PDU_MAX;
use super::lines::{Ending, Form};
use crate::analyzers::Context;
use crate::event::Event;
use crate::event::nvt::{Negotiation, NvtEvent};
use crate::flow::key::Direction;
use crate::spare::{Lend, Lent, Spare};

/// Both directions of a terminal.
#[derive(Debug)]
pub struct Nvt {
    ending: Ending,
    said: Said,
    /// Nothing as long as nobody speaks of options: in FTP hardly anybody does.
    negotiated: Lent<Negotiated>,
    orig: Side,
    resp: Side,
}

/// Bytes that one is lent at most, without what grows with what is said.
pub const BESIDE: usize = size_of::<Negotiated>() + 2 * size_of::<Suboption>();

const _: () = assert!(size_of::<Nvt>() <= 136, "one is kept per connection");

/// What both sides have agreed on.
#[derive(Default, Debug)]
pub struct Negotiated {
    options: Options,
    security: Security,
}

thread_local! {
    static SPARE: Spare<Negotiated> = const { Spare::new() };
}

impl Lend for Negotiated {
    fn spare() -> &'static LocalKey<Spare<Self>> {
        &SPARE
    }
}

/// What a terminal's stream shows. What concerns options alone is told as events.
#[derive(Debug)]
pub enum Item<'a> {
    /// A line, without its end, and without the commands that were in it; erasing ones have become BS and ^U.
    Line(&'a [u8]),
    /// The client's terminal type.
    Terminal(&'a [u8]),
    /// The client's X display.
    Display(&'a [u8]),
    /// Environment variables.
    Environment(Variables<'a>),
    /// The server shows what is typed from here on, or leaves that to the client.
    Echo(bool),
}

/// Weirds that are said once per connection.
#[derive(Default, Debug)]
struct Said {
    nul: bool,
    single_cr: bool,
    single_lf: bool,
    suboption_size: bool,
    unknown_option: bool,
    slc_overflow: bool,
    ayt_burst: bool,
    urgent: bool,
}

impl Nvt {
    /// A terminal whose lines end in CR LF: FTP's.
    pub fn ftp() -> Self {
        Nvt::new(Ending::Lf)
    }

    /// A terminal whose lines end in CR, in LF, or in both.
    pub fn telnet() -> Self {
        Nvt::new(Ending::CrOrLf)
    }

    fn new(ending: Ending) -> Self {
        Nvt { ending, said: Said::default(), negotiated: Lent::default(), orig: Side::default(), resp: Side::default() }
    }

    /// The next item of a direction in `rest`, which is moved on behind it. `None`: there is none; what remains in `rest` is to be
    /// offered again together with what follows.
    #[inline]
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        rest: &mut &'b [u8],
    ) -> Option<Item<'a>> {
        let form = Form::new(cx, self.ending, true);
        let side = if direction.is_orig() { &mut self.orig } else { &mut self.resp };
        if !is_sealed(&self.negotiated, direction) && side.types(rest, &form) {
            return None;
        }
        self.item(cx, direction, (rest, &form))
    }

    fn item<'a, 'b: 'a>(
        &'a mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        (rest, form): (&mut &'b [u8], &Form<'_>),
    ) -> Option<Item<'a>> {
        let Nvt { said, negotiated, orig, resp, .. } = self;
        let side = if direction.is_orig() { orig } else { resp };
        if std::mem::take(&mut side.shown) {
            side.suboption.give_back();
        }
        loop {
            if is_sealed(negotiated, direction) {
                *rest = &[];
                return None;
            }
            match side.next(cx, said, direction, (rest, form))? {
                Token::Line(text) => return Some(Item::Line(side.lines.bytes(text))),
                Token::Negotiation(about) => {
                    negotiate(cx, &mut negotiated.need().options, said, about);
                    let Negotiation { command, option, .. } = about;
                    if option == code::ECHO && !direction.is_orig() && matches!(command, WILL | WONT) {
                        return Some(Item::Echo(command == WILL));
                    }
                }
                Token::Suboption(about) => match meaning(cx, negotiated.need(), said, about, side.suboption()) {
                    Some(meaning) => {
                        side.shown = true;
                        return meaning.item(&mut side.suboption.need().0);
                    }
                    None => side.suboption.give_back(),
                },
            }
        }
    }

    /// A direction has ended: its last line, if that has no end. `rest` was offered and not used up.
    pub fn finish<'a>(&'a mut self, cx: &Context<'_>, direction: Direction, rest: &'a [u8]) -> Option<&'a [u8]> {
        let form = Form::new(cx, self.ending, true);
        let side = if direction.is_orig() { &mut self.orig } else { &mut self.resp };
        side.lines.finish(rest, &form)
    }

    /// The byte of a direction with this number is urgent: up to a data mark, which only those who know of TCP's urgent pointer look for.
    pub fn on_urgent(&mut self, direction: Direction, at: u64) {
        if direction.is_orig() { &mut self.orig } else { &mut self.resp }.on_urgent(at);
    }

    /// Bytes of a direction are missing: what was begun is forgotten.
    pub fn on_gap(&mut self, direction: Direction) {
        if direction.is_orig() { &mut self.orig } else { &mut self.resp }.restart();
    }

    /// What there is of a direction's line that has not ended; `rest` was offered and not used up.
    #[inline]
    pub fn partial<'a>(&'a self, direction: Direction, rest: &'a [u8]) -> &'a [u8] {
        if direction.is_orig() { &self.orig } else { &self.resp }.lines.partial(rest)
    }

    /// Whether neither side can be read any more.
    #[inline]
    pub fn is_sealed(&self) -> bool {
        [Direction::FromOrig, Direction::FromResp].into_iter().all(|side| is_sealed(&self.negotiated, side))
    }

    /// Bytes on the heap that grow with what is said.
    #[inline]
    pub fn held(&self) -> usize {
        self.orig
            .held()
            .saturating_add(self.resp.held())
            .saturating_add(self.negotiated.get().map_or(0, |both| both.security.held()))
    }
}

#[inline]
fn is_sealed(negotiated: &Lent<Negotiated>, side: Direction) -> bool {
    negotiated.get().is_some_and(|both| both.security.is_sealed(side))
}

fn negotiate(cx: &mut Context<'_>, options: &mut Options, said: &mut Said, about: Negotiation) {
    if !options::is_known(about.option) && !std::mem::replace(&mut said.unknown_option, true) {
        cx.weird("telnet_unknown_option", Decimal::new(about.option).as_bytes());
    }
    if !options.on(about) {
        cx.emit(&Event::Nvt(NvtEvent::InconsistentOption(about)));
    }
}

/// What a suboption shows; what it does is told.
fn meaning(
    cx: &mut Context<'_>,
    Negotiated { options, security }: &mut Negotiated,
    said: &mut Said,
    about: Negotiation,
    content: &[u8],
) -> Option<Meaning> {
    let Negotiation { direction, option, .. } = about;
    let event = match security.on(options, direction, option, content) {
        None => match Meaning::of(option, content) {
            Ok(Meaning::SlcOverflow) => {
                cx.weird_once(&mut said.slc_overflow, true, "telnet_slc_overflow");
                return None;
            }
            Ok(meaning) => {
                if let Meaning::Environment { sound: false, .. } = meaning {
                    cx.emit(&Event::Nvt(NvtEvent::BadOption { about, why: "environment" }));
                }
                return Some(meaning).filter(|meaning| *meaning != Meaning::Nothing);
            }
            Err(why) => NvtEvent::BadOption { about, why },
        },
        Some(Outcome::Fits) => return None,
        Some(Outcome::Inconsistent) => NvtEvent::InconsistentOption(about),
        Some(Outcome::Bad(why)) => NvtEvent::BadOption { about, why },
        Some(Outcome::Accepted) => NvtEvent::AuthenticationAccepted { name: security.name(direction.reverse()) },
        Some(Outcome::Rejected) => NvtEvent::AuthenticationRejected { name: security.name(direction.reverse()) },
        Some(Outcome::Seals) => {
            NvtEvent::ActivatingEncryption { direction, both: security.is_sealed(direction.reverse()) }
        }
    };
    cx.emit(&Event::Nvt(event));
    None
}
