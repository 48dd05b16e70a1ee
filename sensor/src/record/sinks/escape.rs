//! Hostile bytes as text: reversible, one line, harmless on a terminal.
//!
//! JSON. Valid UTF-8 passes, with the escapes that JSON itself demands. What could disturb a terminal or reorder a line (C0, DEL, C1,
//! bidirectional controls, U+2028 and U+2029) is written as `\u00XX`, which every JSON reader turns back. A byte that is not
//! UTF-8 becomes the four characters `\xHH` (in the file: `\\xHH`), and a backslash of the wire that stands before an `x`
//! becomes `\x5c`. So, in a string that a JSON reader has returned, every `\xHH` is one byte, and everything else is itself.
//!
//! TSV. The same bytes, the separator and every backslash become `\xHH`, in a set also a comma; a value that would read as unset or
//! empty has its first byte written so.

use super::line::Line;

/// Appends `bytes` as the inside of a JSON string.
pub fn json(bytes: &[u8], out: &mut Line) {
    for chunk in bytes.utf8_chunks() {
        json_chars(chunk.valid(), out);
        for byte in chunk.invalid() {
            out.push(b'\\');
            hex(*byte, out);
        }
    }
}

/// Appends `bytes` as a TSV value.
pub fn tsv(bytes: &[u8], out: &mut Line) {
    tsv_escaping(bytes, '\\', out);
}

/// Appends `bytes` as a member of a set in TSV.
pub fn tsv_member(bytes: &[u8], out: &mut Line) {
    tsv_escaping(bytes, ',', out);
}

/// The tab is a control character: it needs no mention.
fn tsv_escaping(bytes: &[u8], also: char, out: &mut Line) {
    match bytes {
        b"" => out.put(b"(empty)"),
        b"-" | b"(empty)" => {
            hex(bytes[0], out);
            out.put(&bytes[1..]);
        }
        _ if are_plain(bytes) && !bytes.contains(&(also as u8)) => out.put(bytes),
        _ => tsv_chars(bytes, also, out),
    }
}

fn tsv_chars(bytes: &[u8], also: char, out: &mut Line) {
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            let mut utf8 = [0; 4];
            let utf8 = char.encode_utf8(&mut utf8).as_bytes();
            if is_disturbing(char) || char == '\\' || char == also {
                utf8.iter().for_each(|byte| hex(*byte, out));
            } else {
                out.put(utf8);
            }
        }
        chunk.invalid().iter().for_each(|byte| hex(*byte, out));
    }
}

/// Whether all bytes are printable ASCII without quotes and backslashes; most texts are, and several bytes are looked at together.
pub fn are_plain(bytes: &[u8]) -> bool {
    let few = || bytes.iter().all(|byte| is_plain(*byte));
    by::<16>(bytes).or_else(|| by::<8>(bytes)).or_else(|| by::<4>(bytes)).unwrap_or_else(few)
}

/// The same of at least `N` bytes, so many at a time. The last ones are looked at together, those of them that were seen already once more.
#[inline(always)]
fn by<const N: usize>(bytes: &[u8]) -> Option<bool> {
    // Without a branch among them: that makes it a few instructions for all.
    let together = |piece: &[u8; N]| piece.iter().fold(true, |plain, byte| plain & is_plain(*byte));
    let last = bytes.last_chunk()?;
    Some(bytes.as_chunks().0.iter().all(together) && together(last))
}

#[inline(always)]
const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

/// Whether a character may act on whatever shows it.
const fn is_disturbing(char: char) -> bool {
    matches!(char,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{2028}' | '\u{2029}')
}

fn json_chars(mut text: &str, out: &mut Line) {
    while let Some(place) = text.bytes().position(|byte| !is_plain(byte)) {
        let (plain, rest) = text.split_at(place);
        out.put(plain.as_bytes());
        let mut chars = rest.chars();
        match chars.next().unwrap_or_default() {
            '"' => out.put(b"\\\""),
            '\\' if chars.as_str().starts_with('x') => out.put(b"\\\\x5c"),
            '\\' => out.put(b"\\\\"),
            char if is_disturbing(char) => {
                out.put(b"\\u");
                let [high, low] = (char as u32 as u16).to_be_bytes();
                digits(high, out);
                digits(low, out);
            }
            char => out.put(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        text = chars.as_str();
    }
    out.put(text.as_bytes());
}

/// `\xHH`.
fn hex(byte: u8, out: &mut Line) {
    out.put(b"\\x");
    digits(byte, out);
}

fn digits(byte: u8, out: &mut Line) {
    for nibble in [byte >> 4, byte & 15] {
        out.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::line::text;
    use super::*;

    fn as_json(bytes: &[u8]) -> String {
        format!("\"{}\"", text(|out| json(bytes, out)))
    }

    fn as_tsv(bytes: &[u8]) -> String {
        text(|out| tsv(bytes, out))
    }

    /// What a reader of the logs does: each `\xHH` is a byte.
    fn decode(text: &str) -> Vec<u8> {
        let (mut rest, mut out) = (text.as_bytes(), Vec::new());
        while let Some((first, after)) = rest.split_first() {
            let byte = after.strip_prefix(b"x").and_then(|hex| std::str::from_utf8(hex.get(..2)?).ok());
            match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(byte) if *first == b'\\' => {
                    out.push(byte);
                    rest = &after[3..];
                }
                _ => {
                    out.push(*first);
                    rest = after;
                }
            }
        }
        out
    }

    #[test]
    fn json_is_readable_where_it_can_be() {
        assert_eq!(as_json(b"plain \"text\" C:\\dir"), r#""plain \"text\" C:\\dir""#);
        assert_eq!(as_json("Grüße\u{7f}\u{85}\u{202e}".as_bytes()), "\"Grüße\\u007f\\u0085\\u202e\"");
        assert_eq!(as_json(b"\x1b[2J\xff"), r#""\u001b[2J\\xff""#);
        assert_eq!(as_json(b"\\x41 \\\\x \\"), r#""\\x5cx41 \\\\x5cx \\""#);
    }

    #[test]
    fn tsv_is_zeeks() {
        assert_eq!(as_tsv(b"a\tb,c\\d\xff"), r"a\x09b,c\x5cd\xff");
        assert_eq!(
            [as_tsv(b""), as_tsv(b"-"), as_tsv(b"(empty)"), as_tsv(b"--")],
            ["(empty)", "\\x2d", "\\x28empty)", "--"]
        );
    }

    #[test]
    fn bytes_are_plain_together_if_each_of_them_is() {
        for byte in 0..=u8::MAX {
            for (length, place) in (1..40).flat_map(|length| (0..length).map(move |place| (length, place))) {
                let mut bytes = vec![b'~'; length];
                bytes[place] = byte;
                assert_eq!(are_plain(&bytes), is_plain(byte), "{bytes:?}");
            }
        }
    }

    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![any::<u8>(), prop::sample::select(b"\\x\\x5c\"\x7f\n\xe2\x80\xa8\xc2\x85-".to_vec())];
        prop::collection::vec(byte, 0..64)
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in hostile()) {
            let json = as_json(&bytes);
            prop_assert!(json.bytes().all(|byte| byte >= 0x20 && byte != 0x7f), "{json:?}");
            prop_assert!(!json.chars().any(is_disturbing));
            let read: String = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(decode(&read), bytes.clone());

            let tsv = as_tsv(&bytes);
            prop_assert!(!tsv.chars().any(is_disturbing) && tsv != "-");
            prop_assert_eq!(if tsv == "(empty)" { Vec::new() } else { decode(&tsv) }, bytes);
        }
    }
}
