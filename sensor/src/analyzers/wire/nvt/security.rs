//! Authentication (RFC 2941), encryption (RFC 2946) and TLS in Telnet: who was accepted, and from where on nothing can be read.

use super::options::{Options, code};
use crate::flow::key::Direction;

/// Commands of AUTHENTICATION.
const IS: u8 = 0;
const SEND: u8 = 1;
const REPLY: u8 = 2;
const NAME: u8 = 3;
/// Commands of ENCRYPTION.
const START: u8 = 3;
const END: u8 = 4;
const REQUEST_START: u8 = 5;
const DEC_KEYID: u8 = 8;
/// The one command of START_TLS.
const FOLLOWS: u8 = 1;
/// Types of authentication whose replies are known: Kerberos 4 and 5, SPX, SRP.
const TYPES: [u8; 4] = [1, 2, 3, 5];
/// Bytes of an account's name that are kept.
const NAME_MAX: usize = 64;

/// What both sides have said of security.
#[derive(Default, Debug)]
pub struct Security {
    orig: Party,
    resp: Party,
}

#[derive(Default, Debug)]
struct Party {
    /// It has asked the other to authenticate itself.
    asked: bool,
    /// It has accepted the other.
    accepted: bool,
    /// It has asked the other to encrypt.
    wants_encryption: bool,
    /// Nothing that it sends can be read any more.
    sealed: bool,
    /// The account that it named.
    name: Box<[u8]>,
}

/// What a suboption did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing that is to be told.
    Fits,
    /// It does not fit what was said before.
    Inconsistent,
    /// It cannot be read, and why.
    Bad(&'static str),
    /// The sender accepts the other side's authentication.
    Accepted,
    /// It refuses it.
    Rejected,
    /// The sender encrypts from here on.
    Seals,
}

impl Security {
    /// Takes a suboption; `None` if it is of another option.
    pub fn on(&mut self, options: &Options, direction: Direction, option: u8, content: &[u8]) -> Option<Outcome> {
        let is_active = |side| options.is_active(side, option);
        let agreed = is_active(direction) || is_active(direction.reverse());
        let outcome = match (option, content) {
            (code::AUTHENTICATION | code::ENCRYPTION | code::START_TLS, []) => Outcome::Bad("empty"),
            (code::AUTHENTICATION, [command, rest @ ..]) => self.authentication(direction, *command, rest),
            (code::ENCRYPTION | code::START_TLS, _) if !agreed => Outcome::Inconsistent,
            (code::ENCRYPTION, [START, ..]) if !is_active(direction) => Outcome::Inconsistent,
            (code::ENCRYPTION, [command, ..]) => self.encryption(direction, *command),
            (code::START_TLS, [FOLLOWS]) => self.seal(direction),
            (code::START_TLS, _) => Outcome::Bad("command"),
            _ => return None,
        };
        Some(outcome)
    }

    /// Whether nothing that this side sends can be read any more.
    #[inline]
    pub fn is_sealed(&self, side: Direction) -> bool {
        self.party(side).sealed
    }

    /// The account that this side named.
    pub fn name(&self, side: Direction) -> &[u8] {
        &self.party(side).name
    }

    /// Bytes on the heap.
    #[inline]
    pub fn held(&self) -> usize {
        self.orig.name.len().saturating_add(self.resp.name.len())
    }

    fn authentication(&mut self, direction: Direction, command: u8, rest: &[u8]) -> Outcome {
        match command {
            IS if !self.party(direction.reverse()).asked => Outcome::Inconsistent,
            IS => Outcome::Fits,
            SEND => {
                self.party_mut(direction).asked = true;
                Outcome::Fits
            }
            REPLY => self.reply(direction, rest),
            NAME => {
                self.party_mut(direction).name = rest.get(..NAME_MAX).unwrap_or(rest).into();
                Outcome::Fits
            }
            _ => Outcome::Bad("command"),
        }
    }

    /// RFC 2941 puts type and modifiers before the status. There are those that send the status alone.
    fn reply(&mut self, direction: Direction, rest: &[u8]) -> Outcome {
        let status = match *rest {
            [status] => status,
            [kind, _, status, ..] if TYPES.contains(&kind) => status,
            [_, _, _, ..] => return Outcome::Fits,
            _ => return Outcome::Bad("reply"),
        };
        let outcome = match status {
            1 => Outcome::Rejected,
            2 => Outcome::Accepted,
            _ => return Outcome::Fits,
        };
        self.party_mut(direction).accepted = outcome == Outcome::Accepted;
        outcome
    }

    fn encryption(&mut self, direction: Direction, command: u8) -> Outcome {
        let other = self.party(direction.reverse());
        match command {
            START if other.wants_encryption || other.sealed || other.accepted => self.seal(direction),
            // An END that means something is encrypted itself.
            START | END => Outcome::Inconsistent,
            REQUEST_START => {
                self.party_mut(direction).wants_encryption = true;
                Outcome::Fits
            }
            0..=DEC_KEYID => Outcome::Fits,
            _ => Outcome::Bad("command"),
        }
    }

    fn seal(&mut self, direction: Direction) -> Outcome {
        self.party_mut(direction).sealed = true;
        Outcome::Seals
    }

    fn party(&self, side: Direction) -> &Party {
        if side.is_orig() { &self.orig } else { &self.resp }
    }

    fn party_mut(&mut self, side: Direction) -> &mut Party {
        if side.is_orig() { &mut self.orig } else { &mut self.resp }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::{DO, WILL};
    use super::*;
    use crate::event::nvt::Negotiation;
    use Direction::{FromOrig, FromResp};

    fn agreed(option: u8) -> Options {
        let mut options = Options::default();
        options.on(Negotiation { direction: FromOrig, command: WILL, option });
        options.on(Negotiation { direction: FromResp, command: DO, option });
        options
    }

    #[test]
    fn replies_have_two_forms() {
        let mut security = Security::default();
        let options = Options::default();
        let mut server = |content: &[u8]| security.on(&options, FromResp, code::AUTHENTICATION, content);
        let cases: [(&[u8], Outcome); 11] = [
            (b"\x02\x02", Outcome::Accepted),
            (b"\x02\x01", Outcome::Rejected),
            (b"\x02\x03", Outcome::Fits),
            (b"\x02", Outcome::Bad("reply")),
            (b"\x02\x02\x00", Outcome::Bad("reply")),
            (b"\x02\x02\x00\x02", Outcome::Accepted),
            (b"\x02\x01\x00\x02", Outcome::Accepted),
            (b"\x02\x02\x00\x01why", Outcome::Rejected),
            (b"\x02\x00\x00\x02", Outcome::Fits),
            (b"\x09", Outcome::Bad("command")),
            (b"", Outcome::Bad("empty")),
        ];
        for (content, outcome) in cases {
            assert_eq!(server(content), Some(outcome), "{content:?}");
        }
    }

    #[test]
    fn an_answer_needs_a_question() {
        let (mut security, options) = (Security::default(), Options::default());
        assert_eq!(security.on(&options, FromOrig, code::AUTHENTICATION, &[IS, 2, 0]), Some(Outcome::Inconsistent));
        assert_eq!(security.on(&options, FromResp, code::AUTHENTICATION, &[SEND, 2, 0]), Some(Outcome::Fits));
        assert_eq!(security.on(&options, FromOrig, code::AUTHENTICATION, &[IS, 2, 0]), Some(Outcome::Fits));
    }

    #[test]
    fn encryption_begins_when_the_other_side_has_cause_to_expect_it() {
        let (mut security, options) = (Security::default(), agreed(code::ENCRYPTION));
        let none = Options::default();
        assert_eq!(security.on(&none, FromResp, code::ENCRYPTION, &[REQUEST_START]), Some(Outcome::Inconsistent));
        assert_eq!(security.on(&options, FromOrig, code::ENCRYPTION, &[START]), Some(Outcome::Inconsistent));
        assert_eq!(security.on(&options, FromResp, code::ENCRYPTION, &[REQUEST_START]), Some(Outcome::Fits));
        assert_eq!(security.on(&options, FromResp, code::ENCRYPTION, &[START]), Some(Outcome::Inconsistent));
        assert_eq!(security.on(&options, FromOrig, code::ENCRYPTION, &[START]), Some(Outcome::Seals));
        assert!(security.is_sealed(FromOrig) && !security.is_sealed(FromResp));
        assert_eq!(security.on(&options, FromResp, code::ENCRYPTION, &[END]), Some(Outcome::Inconsistent));
        assert_eq!(security.on(&options, FromResp, code::ENCRYPTION, &[9]), Some(Outcome::Bad("command")));
    }

    #[test]
    fn tls_follows_only_what_was_agreed() {
        let mut security = Security::default();
        assert_eq!(security.on(&Options::default(), FromOrig, code::START_TLS, &[1]), Some(Outcome::Inconsistent));
        let options = agreed(code::START_TLS);
        assert_eq!(security.on(&options, FromOrig, code::START_TLS, &[2]), Some(Outcome::Bad("command")));
        assert_eq!(security.on(&options, FromOrig, code::START_TLS, &[1]), Some(Outcome::Seals));
    }
}
