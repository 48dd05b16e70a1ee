//! Telnet's options: who performs which, as far as both sides have said (RFC 1143), and what does not fit that.

use crate::event::nvt::Negotiation;
use crate::flow::key::Direction;

/// Commands, each about one option.
pub const WILL: u8 = 251;
/// The second of them.
pub const WONT: u8 = 252;
/// The third of them.
pub const DO: u8 = 253;
/// The last of them.
pub const DONT: u8 = 254;

/// Options, by their codes.
pub mod code {
    pub const BINARY: u8 = 0;
    pub const ECHO: u8 = 1;
    pub const SUPPRESS_GO_AHEAD: u8 = 3;
    pub const STATUS: u8 = 5;
    pub const TERMINAL_TYPE: u8 = 24;
    pub const NAWS: u8 = 31;
    pub const TERMINAL_SPEED: u8 = 32;
    pub const LINEMODE: u8 = 34;
    pub const X_DISPLAY_LOCATION: u8 = 35;
    pub const OLD_ENVIRON: u8 = 36;
    pub const AUTHENTICATION: u8 = 37;
    pub const ENCRYPTION: u8 = 38;
    pub const NEW_ENVIRON: u8 = 39;
    pub const CHARSET: u8 = 42;
    pub const START_TLS: u8 = 46;
}

/// The options that are followed. Of the others it is only told if nobody knows them.
const FOLLOWED: [u8; 15] = [
    code::BINARY,
    code::ECHO,
    code::SUPPRESS_GO_AHEAD,
    code::STATUS,
    code::TERMINAL_TYPE,
    code::NAWS,
    code::TERMINAL_SPEED,
    code::LINEMODE,
    code::X_DISPLAY_LOCATION,
    code::OLD_ENVIRON,
    code::AUTHENTICATION,
    code::ENCRYPTION,
    code::NEW_ENVIRON,
    code::CHARSET,
    code::START_TLS,
];
/// These are turned on and off at will, and again without need; nobody minds.
const LOOSE: [u8; 3] = [code::BINARY, code::ECHO, code::SUPPRESS_GO_AHEAD];

/// What both sides have said about the options of each.
#[derive(Default, Debug)]
pub struct Options {
    orig: [Talk; FOLLOWED.len()],
    resp: [Talk; FOLLOWED.len()],
}

/// What was said last about one option of one side: by itself (WILL, WONT) in the low half, by the other (DO, DONT) in the high one. There
/// are many of them.
#[derive(Clone, Copy, Default, Debug)]
struct Talk(u8);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Nothing,
    Yes,
    No,
}

impl Talk {
    fn own(self) -> Said {
        Said::of(self.0 & 15)
    }

    fn other(self) -> Said {
        Said::of(self.0 >> 4)
    }
}

impl Said {
    fn of(bits: u8) -> Self {
        match bits {
            0 => Said::Nothing,
            1 => Said::Yes,
            _ => Said::No,
        }
    }
}

impl Options {
    /// Takes a negotiation; says whether it fits what was said before.
    pub fn on(&mut self, about: Negotiation) -> bool {
        let Negotiation { direction, command, option } = about;
        let own = matches!(command, WILL | WONT);
        let performer = if own { direction } else { direction.reverse() };
        let Some(talk) = self.talk(performer, option) else { return true };
        let (mut by_performer, mut by_other) = (talk.own(), talk.other());
        let (mine, theirs) = if own { (&mut by_performer, &mut by_other) } else { (&mut by_other, &mut by_performer) };
        let fits = say(mine, theirs, matches!(command, WILL | DO));
        *talk = Talk(by_performer as u8 | (by_other as u8) << 4);
        fits || LOOSE.contains(&option)
    }

    /// Whether both sides agree that this side performs the option.
    pub fn is_active(&self, side: Direction, option: u8) -> bool {
        self.said(side, option) == (Said::Yes, Said::Yes)
    }

    fn said(&self, side: Direction, option: u8) -> (Said, Said) {
        let talks = if side.is_orig() { &self.orig } else { &self.resp };
        let talk = place(option).and_then(|place| talks.get(place)).copied().unwrap_or_default();
        (talk.own(), talk.other())
    }

    fn talk(&mut self, side: Direction, option: u8) -> Option<&mut Talk> {
        let talks = if side.is_orig() { &mut self.orig } else { &mut self.resp };
        talks.get_mut(place(option)?)
    }
}

/// Whether the option is in the registry (up to 2026), or was in use without.
pub fn is_known(option: u8) -> bool {
    matches!(option, 0..=49 | 69 | 70 | 85 | 86 | 90 | 91 | 93 | 138..=140 | 200 | 201 | 255)
}

/// Whether the option is followed.
pub fn is_followed(option: u8) -> bool {
    FOLLOWED.contains(&option)
}

fn place(option: u8) -> Option<usize> {
    FOLLOWED.iter().position(|&followed| followed == option)
}

/// One side says yes or no; whether that fits. An agreement to leave an option off clears what led to it, so that either side may begin
/// anew; so does asking again, though it does not fit.
fn say(mine: &mut Said, theirs: &mut Said, yes: bool) -> bool {
    let before = (std::mem::replace(mine, if yes { Said::Yes } else { Said::No }), *theirs);
    match (before, yes) {
        ((Said::No, Said::No), true) => {
            *theirs = Said::Nothing;
            true
        }
        ((_, Said::No), true) => {
            *theirs = Said::Nothing;
            false
        }
        // One's own refusal taken back unasked; what is on already turned on again.
        ((Said::No, _) | (Said::Yes, Said::Yes), true) => false,
        // An offer that is withdrawn before it was answered.
        ((Said::Yes, Said::Nothing), false) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{FromOrig, FromResp};

    /// Runs a conversation; the places of what does not fit.
    fn odd(talk: &[(Direction, u8, u8)]) -> Vec<usize> {
        let mut options = Options::default();
        let fits = |&(direction, command, option): &_| options.on(Negotiation { direction, command, option });
        talk.iter().map(fits).enumerate().filter(|&(_, fits)| !fits).map(|(place, _)| place).collect()
    }

    #[test]
    fn what_does_not_fit() {
        let ttype = code::TERMINAL_TYPE;
        let (will, wont) = ((FromOrig, WILL, ttype), (FromOrig, WONT, ttype));
        let (ask, dont) = ((FromResp, DO, ttype), (FromResp, DONT, ttype));
        let none: [usize; 0] = [];
        assert_eq!(odd(&[will]), none, "an offer without having been asked");
        assert_eq!(odd(&[wont, will]), [1], "a refusal taken back");
        assert_eq!(odd(&[ask, will, will]), [2], "on already");
        assert_eq!(odd(&[will, ask, ask]), [2]);
        assert_eq!(odd(&[dont, will]), [1], "offered although it was refused");
        assert_eq!(odd(&[ask, wont, ask, will]), [2], "asked again although it was refused");
        assert_eq!(odd(&[will, wont]), [1], "withdrawn before it was answered");
        assert_eq!(odd(&[ask, dont]), [1]);
        assert_eq!(odd(&[will, dont, wont, will, ask]), none, "refused, agreed, and begun anew");
        assert_eq!(odd(&[ask, will, wont, dont, will, ask, dont, wont, ask, will]), none, "off and on again");
        assert_eq!(odd(&[ask, will, dont, wont, wont]), none, "said once more");
    }

    #[test]
    fn options_belong_to_who_performs_them() {
        let mut options = Options::default();
        for (direction, command) in [(FromOrig, WILL), (FromResp, DO), (FromResp, WILL)] {
            assert!(options.on(Negotiation { direction, command, option: code::ENCRYPTION }));
        }
        assert!(options.is_active(FromOrig, code::ENCRYPTION) && !options.is_active(FromResp, code::ENCRYPTION));
        options.on(Negotiation { direction: FromResp, command: DONT, option: code::ENCRYPTION });
        assert!(!options.is_active(FromOrig, code::ENCRYPTION));
    }

    #[test]
    fn some_may_be_said_again() {
        for option in LOOSE {
            assert!(odd(&[(FromOrig, WONT, option), (FromOrig, WILL, option)]).is_empty());
        }
        assert!(odd(&[(FromOrig, WONT, 77), (FromOrig, WILL, 77)]).is_empty() && !is_known(77));
    }
}
