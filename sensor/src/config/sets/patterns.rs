//! `pattern` and `set[string]` used as patterns: regular expressions over bytes, compiled when the settings are loaded.

use std::sync::Arc;

use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind, PatternSet, meta};
use serde::Deserialize;

use super::required::Required;

/// The most memory that the compiled patterns of one set may take.
const SIZE_LIMIT: usize = 16 << 20;

/// A list of regular expressions, any of which may match. Matching is linear in the text, whatever the patterns are.
///
/// `^` and `$` stand for the ends of the text. Case counts, unless a pattern begins with `(?i)`. A pattern is in bytes: `\xff` is one.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Patterns {
    sources: Arc<[String]>,
    /// All in one; none of none.
    any: Option<meta::Regex>,
    /// What is looked for first, in sets that are tried on every line.
    required: Required,
}

impl Patterns {
    /// These, each of which has been compiled within its set, all in one.
    pub fn union(sources: &[String]) -> Self {
        Patterns::compile(sources.into(), None).unwrap_or_default()
    }

    /// These, made to be tried on every line of a session, which is searched for literals first. To find out which takes its time.
    #[must_use]
    pub fn for_every_line(self) -> Self {
        Patterns { required: Required::by(self.sources()), ..self }
    }

    /// Whether any of them is found in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.any.as_ref().is_some_and(|any| self.required.may_be_in(text) && any.is_match(text))
    }

    /// The place, in the list, of the first one that is found in `text`.
    pub fn first_match(&self, text: &[u8]) -> Option<usize> {
        self.first_match_of(text, |_| true)
    }

    /// The place of the first one that is found in `text` and whose place is one of those that are asked for.
    pub fn first_match_of(&self, text: &[u8], is_asked_for: impl Fn(usize) -> bool) -> Option<usize> {
        let any = self.any.as_ref()?;
        let mut found = PatternSet::new(any.pattern_len());
        any.which_overlapping_matches(&Input::new(text), &mut found);
        found.iter().map(|pattern| pattern.as_usize()).find(|&place| is_asked_for(place))
    }

    /// Where the one that ends first in `text` ends: the manual's "match anywhere".
    pub fn first_end(&self, text: &[u8]) -> Option<usize> {
        self.any.as_ref()?.search_half(&Input::new(text).earliest(true)).map(|end| end.offset())
    }

    /// The patterns as they were written.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// All in one automaton, which is built as far as texts lead into it: to build it whole, and to find literals that nearly every text is
    /// without, took most of the time that the sensor needs to start.
    fn compile(sources: Arc<[String]>, size: Option<usize>) -> Result<Self, String> {
        if sources.is_empty() {
            return Ok(Patterns::default());
        }
        let form = meta::Config::new().match_kind(MatchKind::All).utf8_empty(false).nfa_size_limit(size);
        let form = form.auto_prefilter(false).dfa(false).onepass(false);
        let built = meta::Builder::new().configure(form).syntax(bytes()).build_many(&sources);
        let any = built.map_err(|why| match (why.syntax_error(), why.size_limit()) {
            (Some(error), _) => error.to_string(),
            (None, Some(most)) => format!("compiled, the patterns take more than {most} bytes"),
            (None, None) => why.to_string(),
        })?;
        Ok(Patterns { sources, any: Some(any), required: Required::default() })
    }
}

impl TryFrom<Vec<String>> for Patterns {
    type Error = String;

    fn try_from(sources: Vec<String>) -> Result<Self, String> {
        Patterns::compile(sources.into(), Some(SIZE_LIMIT))
    }
}

/// How a pattern is read: in bytes.
pub(super) fn bytes() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::config::Settings;

    #[test]
    fn patterns_are_over_bytes_and_told_apart() {
        let patterns = Patterns::try_from(vec!["^login:".to_owned(), r"\xff+$".to_owned()]).expect("they compile");
        assert_eq!(patterns.first_match(b"login: smith"), Some(0));
        assert_eq!(patterns.first_match(b"login: \xff\xff"), Some(0));
        assert_eq!(patterns.first_match(b"x \xff\xff"), Some(1));
        assert!(!patterns.is_match(b"a login:"));
        assert!(!Patterns::default().is_match(b""));
        let refused = |pattern: &str| Patterns::try_from(vec![pattern.to_owned()]).expect_err("it is refused");
        assert!(refused("(").contains("unclosed group"), "{}", refused("("));
        assert!(refused("(?:a{1000}){1000}").contains("take more than"), "{}", refused("(?:a{1000}){1000}"));
        assert_eq!(patterns.first_end(b"login: \xff\xff"), Some(6));
        assert_eq!(patterns.first_end(b"a login: \xff"), Some(10));
        assert_eq!(Patterns::default().first_end(b""), None);
    }

    /// Texts of pieces of what the patterns look for.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let literal = select(vec![
            "rewt",
            "WTED",
            "root",
            "/bin/sh",
            "-r",
            "64 bytes from",
            "PATH:",
            "=>",
            "loadmodule",
            "timeout",
            "Last ",
            "BAD password",
            "Sorry,",
            " refused",
            "LIBRARY",
            "login",
            "Login:",
        ]);
        let piece = prop_oneof![
            literal.prop_map(|text| text.as_bytes().to_vec()),
            vec(any::<u8>(), 0..4),
            "[a-zA-Z :/.-]{0,30}".prop_map(String::into_bytes)
        ];
        vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    /// Sets that are tried on every line, with those of prompts, and each pattern of the latter alone, as the library has it by default.
    static SHIPPED: LazyLock<(Vec<Patterns>, Patterns, Vec<meta::Regex>)> = LazyLock::new(|| {
        let settings = Settings::default();
        let sets = settings.sets();
        let outcomes = [&sets.login_failure_msgs, &sets.login_success_msgs, &sets.login_timeouts];
        let lines = [&sets.output_trouble, &sets.input_trouble, &sets.skip_authentication].into_iter().chain(outcomes);
        let prompts = Patterns::union(&[sets.login_prompts.sources(), sets.direct_login_prompts.sources()].concat());
        let each = each_alone(&prompts);
        (lines.map(|set| set.clone().for_every_line()).collect(), prompts, each)
    });

    fn each_alone(patterns: &Patterns) -> Vec<meta::Regex> {
        let alone = |source: &String| meta::Builder::new().syntax(bytes()).build(source).expect("it compiles");
        patterns.sources().iter().map(alone).collect()
    }

    fn earliest(one: &meta::Regex, text: &[u8]) -> Option<usize> {
        one.search_half(&Input::new(text).earliest(true)).map(|end| end.offset())
    }

    proptest! {
        #[test]
        fn a_set_says_what_its_patterns_say(text in texts()) {
            let (sets, ends, each) = &*SHIPPED;
            for one in sets {
                prop_assert_eq!(one.is_match(&text), one.any.as_ref().is_some_and(|any| any.is_match(&text)));
            }
            prop_assert_eq!(ends.first_end(&text), each.iter().filter_map(|one| earliest(one, &text)).min());
        }
    }
}
