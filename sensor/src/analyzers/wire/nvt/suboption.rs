//! What the suboptions mean that are about the terminal, and what is wrong with those that mean nothing.

use super::environ::Variables;
use super::options::code;
use super::{Item, options};

/// The first byte of most.
const IS: u8 = 0;
const SEND: u8 = 1;
/// Of NEW-ENVIRON: a change.
const INFO: u8 = 2;
/// Of LINEMODE (RFC 1184).
const MODE: u8 = 1;
const FORWARD_MASK: u8 = 2;
const SLC: u8 = 3;
/// The last of the special characters that LINEMODE knows.
const SLC_LAST: u8 = 18;
/// So many others overflow the buffer in which GNU telnetd refuses them (CVE-2026-32746).
const SLC_OVERFLOW: usize = 35;
/// The last command of CHARSET (RFC 2066).
const TTABLE_NAK: u8 = 7;

/// What a suboption says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// Nothing that anybody wants to know.
    Nothing,
    /// TERMINAL-TYPE IS.
    Terminal,
    /// X-DISPLAY-LOCATION IS.
    Display,
    /// NEW-ENVIRON, or ENVIRON, IS or INFO; whether all of it can be read.
    Environment {
        /// ENVIRON.
        old: bool,
        /// Everything in it can be read.
        sound: bool,
    },
    /// LINEMODE SLC, with more unknown characters than GNU telnetd can bear.
    SlcOverflow,
}

impl Meaning {
    /// Reads a suboption; `Err`: what is wrong with it.
    pub fn of(option: u8, content: &[u8]) -> Result<Self, &'static str> {
        let may_be_empty = !options::is_followed(option) || option == code::NAWS;
        let Some((&command, rest)) = content.split_first().or((may_be_empty).then_some((&0, content))) else {
            return Err("empty");
        };
        match (option, command) {
            (code::TERMINAL_TYPE, IS) => Ok(Meaning::Terminal),
            (code::X_DISPLAY_LOCATION, IS) => Ok(Meaning::Display),
            (code::NEW_ENVIRON | code::OLD_ENVIRON, IS | INFO) => {
                let old = option == code::OLD_ENVIRON;
                Ok(Meaning::Environment { old, sound: Variables::is_sound(rest, old) })
            }
            (code::TERMINAL_SPEED, IS) if !is_speed(rest) => Err("speed"),
            (code::STATUS | code::TERMINAL_SPEED, IS) => Ok(Meaning::Nothing),
            (
                code::TERMINAL_TYPE
                | code::X_DISPLAY_LOCATION
                | code::NEW_ENVIRON
                | code::OLD_ENVIRON
                | code::TERMINAL_SPEED
                | code::STATUS,
                SEND,
            ) => Ok(Meaning::Nothing),
            (code::NAWS, _) if content.len() != 4 => Err("size"),
            (code::NAWS, _) => Ok(Meaning::Nothing),
            (code::LINEMODE, _) => linemode(command, rest),
            (code::CHARSET, SEND..=TTABLE_NAK) => Ok(Meaning::Nothing),
            (option, _) if options::is_followed(option) => Err("command"),
            _ => Ok(Meaning::Nothing),
        }
    }

    /// What is shown of it; `content` is all of the suboption.
    pub fn item(self, content: &mut [u8]) -> Option<Item<'_>> {
        let rest = content.get_mut(1..)?;
        match self {
            Meaning::Nothing | Meaning::SlcOverflow => None,
            Meaning::Terminal => Some(Item::Terminal(rest)),
            Meaning::Display => Some(Item::Display(rest)),
            Meaning::Environment { old, .. } => Some(Item::Environment(Variables::new(rest, old))),
        }
    }
}

/// `38400,38400` (RFC 1079).
fn is_speed(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b',')
}

fn linemode(command: u8, rest: &[u8]) -> Result<Meaning, &'static str> {
    match (command, rest) {
        (MODE, [_]) | (options::WILL..=options::DONT, [FORWARD_MASK, ..]) => Ok(Meaning::Nothing),
        (SLC, _) => {
            let (triplets, half) = rest.as_chunks::<3>();
            let unknown = triplets.iter().filter(|[function, _, _]| *function > SLC_LAST).count();
            match half {
                _ if unknown >= SLC_OVERFLOW => Ok(Meaning::SlcOverflow),
                [] => Ok(Meaning::Nothing),
                _ => Err("characters"),
            }
        }
        _ => Err("command"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_has_its_form() {
        let sound = Meaning::Environment { old: false, sound: true };
        let good: [(u8, &[u8], Meaning); 16] = [
            (code::TERMINAL_TYPE, b"\x00vt100", Meaning::Terminal),
            (code::TERMINAL_TYPE, b"\x01", Meaning::Nothing),
            (code::X_DISPLAY_LOCATION, b"\x00host:0", Meaning::Display),
            (code::NEW_ENVIRON, b"\x00\x00USER\x01root", sound),
            (code::NEW_ENVIRON, b"\x02", sound),
            (code::OLD_ENVIRON, b"\x00\x01USER\x00", Meaning::Environment { old: true, sound: true }),
            (code::NEW_ENVIRON, b"\x00USER", Meaning::Environment { old: false, sound: false }),
            (code::TERMINAL_SPEED, b"\x0038400,38400", Meaning::Nothing),
            (code::STATUS, b"\x00\xfb\x18", Meaning::Nothing),
            (code::NAWS, b"\x00\x50\x00\x18", Meaning::Nothing),
            (code::LINEMODE, b"\x01\x03", Meaning::Nothing),
            (code::LINEMODE, b"\xfd\x02\x00", Meaning::Nothing),
            (code::LINEMODE, b"\x03\x01\x00\x00\x13\x00\x00", Meaning::Nothing),
            (code::CHARSET, b"\x01;UTF-8", Meaning::Nothing),
            (77, b"", Meaning::Nothing),
            (77, b"\x09", Meaning::Nothing),
        ];
        for (option, content, meaning) in good {
            assert_eq!(Meaning::of(option, content), Ok(meaning), "{option} {content:?}");
        }
        let bad: [(u8, &[u8], &str); 10] = [
            (code::TERMINAL_TYPE, b"", "empty"),
            (code::TERMINAL_TYPE, b"\x07", "command"),
            (code::NEW_ENVIRON, b"\x03", "command"),
            (code::TERMINAL_SPEED, b"\x00fast", "speed"),
            (code::NAWS, b"\x00\x50\x00", "size"),
            (code::NAWS, b"", "size"),
            (code::LINEMODE, b"\x01", "command"),
            (code::LINEMODE, b"\x03\x01\x00", "characters"),
            (code::CHARSET, b"\x08", "command"),
            (code::STATUS, b"\x02", "command"),
        ];
        for (option, content, why) in bad {
            assert_eq!(Meaning::of(option, content), Err(why), "{option} {content:?}");
        }
    }

    #[test]
    fn thirty_five_unknown_characters_are_too_many() {
        let triplets = |count: usize| [vec![SLC], [19, 0, 0].repeat(count)].concat();
        assert_eq!(Meaning::of(code::LINEMODE, &triplets(34)), Ok(Meaning::Nothing));
        assert_eq!(Meaning::of(code::LINEMODE, &triplets(35)), Ok(Meaning::SlcOverflow));
    }
}
