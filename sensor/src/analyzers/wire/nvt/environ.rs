//! Environment variables that a client sets: NEW-ENVIRON (RFC 1572), and ENVIRON before it, whose markers some send swapped (RFC 1571).

const VAR: u8 = 0;
const VALUE: u8 = 1;
const ESC: u8 = 2;
const USERVAR: u8 = 3;

/// One variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variable<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value, which may be empty; `None`: it is undefined.
    pub value: Option<&'a [u8]>,
    /// Whether it is not one of those that RFC 1572 names.
    pub user: bool,
}

/// The variables of a suboption, as far as they can be read. Escapes are undone in place.
#[derive(Debug)]
pub struct Variables<'a> {
    list: &'a mut [u8],
    markers: Markers,
}

/// What stands for VAR and VALUE.
#[derive(Clone, Copy, Debug)]
struct Markers {
    var: u8,
    value: u8,
}

impl<'a> Variables<'a> {
    /// What stands behind IS or INFO; `old`: in ENVIRON's suboption.
    pub fn new(list: &'a mut [u8], old: bool) -> Self {
        let markers = Markers::of(list, old);
        Variables { list, markers }
    }

    /// Whether everything in such a list can be read.
    pub fn is_sound(list: &[u8], old: bool) -> bool {
        let (markers, mut rest) = (Markers::of(list, old), list);
        while let [marker, after @ ..] = rest {
            let Some(lengths) = markers.item(*marker, after) else { return false };
            rest = after.get(lengths.0.saturating_add(lengths.1)..).unwrap_or_default();
        }
        true
    }
}

impl<'a> Iterator for Variables<'a> {
    type Item = Variable<'a>;

    fn next(&mut self) -> Option<Variable<'a>> {
        let (marker, after) = std::mem::take(&mut self.list).split_first_mut()?;
        let (name, value) = self.markers.item(*marker, after)?;
        let (name, after) = after.split_at_mut_checked(name)?;
        let (value, after) = after.split_at_mut_checked(value)?;
        self.list = after;
        let value = value.split_first_mut().map(|(_, value)| unescape(value));
        Some(Variable { name: unescape(name), value, user: *marker == USERVAR })
    }
}

impl Markers {
    /// A list begins with VAR or USERVAR, and what follows the name of a user's variable is VALUE: so it shows which is which.
    fn of(list: &[u8], old: bool) -> Self {
        let swapped = match list.split_first() {
            Some((&VALUE, _)) => old,
            Some((&USERVAR, after)) => old && text(after).and_then(|name| after.get(name)) == Some(&VAR),
            _ => false,
        };
        if swapped { Markers { var: VALUE, value: VAR } } else { Markers { var: VAR, value: VALUE } }
    }

    /// The lengths of a name, and of its value with the marker before it; `None` if no variable can begin so, or its last escape is cut off.
    fn item(self, marker: u8, after: &[u8]) -> Option<(usize, usize)> {
        if marker != self.var && marker != USERVAR {
            return None;
        }
        let name = text(after)?;
        let rest = after.get(name..)?;
        match rest.split_first() {
            Some((&next, value)) if next == self.value => Some((name, text(value)?.saturating_add(1))),
            _ => Some((name, 0)),
        }
    }
}

/// How long a text is, escapes counted; `None` if it ends in half of one.
fn text(bytes: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (place, &byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            ESC => escaped = true,
            VAR | VALUE | USERVAR => return Some(place),
            _ => {}
        }
    }
    (!escaped).then_some(bytes.len())
}

fn unescape(text: &mut [u8]) -> &[u8] {
    let (mut length, mut escaped) = (0, false);
    for place in 0..text.len() {
        let Some(&byte) = text.get(place) else { break };
        escaped = byte == ESC && !escaped;
        if !escaped && let Some(to) = text.get_mut(length) {
            *to = byte;
            length = length.saturating_add(1);
        }
    }
    text.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name=value`, `name` if undefined, with `!` before a user's; and `?` if not all can be read.
    fn read(list: &[u8], old: bool) -> String {
        let mut copy = list.to_vec();
        let shown = Variables::new(&mut copy, old).map(|variable| {
            let name = format!("{}{}", if variable.user { "!" } else { "" }, variable.name.escape_ascii());
            variable.value.map_or(name.clone(), |value| format!("{name}={}", value.escape_ascii()))
        });
        let mut shown = shown.collect::<Vec<_>>();
        shown.extend((!Variables::is_sound(list, old)).then(|| "?".to_owned()));
        shown.join(" ")
    }

    #[test]
    fn variables_are_read() {
        assert_eq!(read(b"\x00USER\x01-f root\x03X\x01", false), "USER=-f root !X=");
        assert_eq!(read(b"\x00USER\x00TERM\x01x\x03Y", false), "USER TERM=x !Y");
        assert_eq!(read(b"\x00A\x02\x01B\x01C\x02\x02\x02\x00D", false), "A\\x01B=C\\x02\\x00D");
        assert_eq!(read(b"", false), "");
    }

    #[test]
    fn what_cannot_be_read_ends_the_list() {
        assert_eq!(read(b"USER\x01x", false), "?");
        assert_eq!(read(b"\x01x", false), "?");
        assert_eq!(read(b"\x00A\x01b\x01c", false), "A=b ?");
        assert_eq!(read(b"\x00A\x01b\x00C\x02", false), "A=b ?");
        assert_eq!(read(b"\x00A\x01b\x02", false), "?");
    }

    #[test]
    fn the_old_option_has_its_markers_swapped_or_not() {
        assert_eq!(read(b"\x00USER\x01root\x00TERM\x01vt", true), "USER=root TERM=vt");
        assert_eq!(read(b"\x01USER\x00root\x01TERM\x00vt", true), "USER=root TERM=vt");
        assert_eq!(read(b"\x03X\x00y\x01USER\x00root", true), "!X=y USER=root");
        assert_eq!(read(b"\x03X\x01y\x00USER\x01root", true), "!X=y USER=root");
        assert_eq!(read(b"\x01USER\x00root", false), "?");
    }

    #[test]
    fn every_part_of_a_list_is_read_without_harm() {
        let list = b"\x00USER\x01-f root\x03A\x02\x02B\x01c\x02\x03\x00D\x01\x00E";
        for old in [false, true] {
            for from in 0..list.len() {
                for to in from..=list.len() {
                    let part = list.get(from..to).unwrap_or_default();
                    assert!(read(part, old).len() <= 4 * part.len() + 2);
                }
            }
        }
    }
}
