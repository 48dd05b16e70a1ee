//! Lines are the same however they come, and a byte that is no text is found where it is.

use proptest::prelude::*;

use super::*;

/// What is found in a text that comes in pieces of so many bytes; pieces may go the short way.
fn found(text: &[u8], piece: usize, form: &Form<'_>, short: bool) -> Vec<Vec<u8>> {
    let (mut lines, mut found, mut begin) = (Lines::default(), Vec::new(), 0);
    for end in (0..text.len()).step_by(piece).skip(1).chain([text.len()]) {
        let mut rest = &text[begin..end];
        while !(short && lines.types(&mut rest, form))
            && let Some(next) = lines.next(&mut rest, form)
        {
            found.push(match next {
                Found::Line { text, .. } | Found::Cut(text) => lines.bytes(text).to_vec(),
                other => format!("{other:?}").into_bytes(),
            });
            if next == Found::Command {
                advance(&mut rest, 1);
            }
        }
        begin = end - rest.len();
    }
    found.push(lines.partial(&text[begin..]).to_vec());
    found
}

proptest! {
    #[test]
    fn keys_are_the_text_that_they_are_of(text in "[a-c]{0,12}[ -~\r\n\0\u{ff}]{0,60}", limit in 1_usize..80, commands: bool, lf: bool) {
        let text: Vec<u8> = text.chars().map(|one| one as u8).collect();
        let ending = if lf { Ending::Lf } else { Ending::CrOrLf };
        let (limits, counters) = Default::default();
        let form = Form { ending, limit, commands, budget: Budget::new(&limits, &counters) };
        let whole = found(&text, text.len().max(1), &form, false);
        for piece in [1, 2, 5, 16] {
            prop_assert_eq!(&found(&text, piece, &form, false), &whole);
            prop_assert_eq!(&found(&text, piece, &form, true), &whole);
        }
    }

    #[test]
    fn a_stop_is_found_where_it_is(text in proptest::collection::vec(any::<u8>(), 0..70), commands: bool) {
        let (limits, counters) = Default::default();
        let form = Form { ending: Ending::CrOrLf, limit: 100, commands, budget: Budget::new(&limits, &counters) };
        let stops = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0) || commands && *byte == IAC;
        prop_assert_eq!(form.stop_in(&text), text.iter().position(stops));
    }
}
