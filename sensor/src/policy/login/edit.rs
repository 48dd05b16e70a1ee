//! Keystrokes become the line that the user meant: the manual's `edit`, and what a terminal's line discipline really does.

/// Backspace: the manual's `BS`.
pub(super) const BS: u8 = 0x08;
/// The manual's `DEL`.
pub(super) const DEL: u8 = 0x7f;

const KILL_WORD: u8 = 0x17;
const KILL_LINE: u8 = 0x15;
const KILL_LINE_OLD: u8 = 0x18;
const ESC: u8 = 0x1b;

/// The ways in which a line of keystrokes may be read. The buffers are kept, so that an edited line costs no allocation.
#[derive(Default, Debug)]
pub(super) struct Edits {
    /// Backspace erases.
    pub bs: Vec<u8>,
    /// Delete erases.
    pub del: Vec<u8>,
    /// Both do, words and lines can be killed, and arrow keys leave nothing behind.
    pub full: Vec<u8>,
}

impl Edits {
    /// Reads a line in every way.
    pub fn read(&mut self, line: &[u8]) {
        edit(line, BS, &mut self.bs);
        edit(line, DEL, &mut self.del);
        discipline(line, &mut self.full);
    }

    /// The line as it is and its readings, each different one once.
    pub fn variants<'a>(&'a self, line: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let all: [&[u8]; 4] = [line, &self.bs, &self.del, &self.full];
        (0..all.len()).filter(move |&at| !all.iter().take(at).any(|before| *before == all[at])).map(move |at| all[at])
    }
}

/// Whether a line has keystrokes that do not stand for themselves.
pub(super) fn is_edited(line: &[u8]) -> bool {
    line.iter().any(|&byte| byte < b' ' && byte != b'\t' || byte == DEL)
}

/// The manual's `edit`: each `ch` erases the character before it. `edit("hello there", "e")` is `llo t`.
pub(super) fn edit(line: &[u8], ch: u8, out: &mut Vec<u8>) {
    out.clear();
    for &byte in line {
        if byte == ch {
            out.pop();
        } else {
            out.push(byte);
        }
    }
}

/// What a line discipline makes of the keystrokes: `stty` with the usual characters for erase, kill and word erase.
fn discipline(line: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = line.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            BS | DEL => erase(out),
            KILL_LINE | KILL_LINE_OLD => out.clear(),
            KILL_WORD => {
                while out.last().is_some_and(u8::is_ascii_whitespace) {
                    out.pop();
                }
                while out.last().is_some_and(|last| !last.is_ascii_whitespace()) {
                    out.pop();
                }
            }
            // An arrow key: ESC, `[` or `O`, parameters, and a final byte (ECMA-48 section 5.4).
            ESC => {
                if rest.next_if(|next| matches!(next, b'[' | b'O')).is_some() {
                    while rest.next_if(|next| (0x20..0x40).contains(next)).is_some() {}
                    rest.next_if(|next| (0x40..0x7f).contains(next));
                }
            }
            byte => out.push(byte),
        }
    }
}

/// Erases one character, all the bytes of it (UTF-8).
fn erase(out: &mut Vec<u8>) {
    while out.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[u8]) -> Vec<Vec<u8>> {
        let mut edits = Edits::default();
        edits.read(line);
        edits.variants(line).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn edit_is_the_manuals() {
        let mut out = Vec::new();
        edit(b"hello there", b'e', &mut out);
        assert_eq!(out, b"llo t");
        edit(b"\x08\x08a", BS, &mut out);
        assert_eq!(out, b"a", "nothing is erased before the beginning");
    }

    #[test]
    fn a_line_is_read_in_every_way_once() {
        assert_eq!(read(b"ls"), [b"ls".to_vec()]);
        assert_eq!(read(b"rewx\x08t"), [b"rewx\x08t".to_vec(), b"rewt".to_vec()]);
        assert_eq!(read(b"a\x08b\x7fc").last().unwrap(), b"c", "both erase, mixed");
    }

    #[test]
    fn words_and_lines_are_killed_and_arrows_leave_nothing() {
        let full = |line: &[u8]| read(line).last().unwrap().clone();
        assert_eq!(full(b"wrong\x15rewt"), b"rewt");
        assert_eq!(full(b"wrong\x18rewt"), b"rewt");
        assert_eq!(full(b"cat  foo \x17bar"), b"cat  bar");
        assert_eq!(full(b"re\x1b[A\x1bOB\x1b[1;5Cwt"), b"rewt");
        assert_eq!(full("r\u{e9}\x7fewt".as_bytes()), b"rewt", "a character of two bytes is one");
        assert_eq!(full(b"\x1b"), b"");
    }
}
