//! `pattern` and `set[string]` used as patterns: regular expressions over bytes, compiled when the settings are loaded.

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::Deserialize;

/// The most memory that the compiled patterns of one set may take.
const SIZE_LIMIT: usize = 16 << 20;

/// A list of regular expressions, any of which may match. Matching is linear in the text, whatever the patterns are.
///
/// `^` and `$` stand for the ends of the text. Case counts, unless a pattern begins with `(?i)`. A pattern is in bytes: `\xff` is one.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Patterns(RegexSet);

impl Patterns {
    /// These, each of which has been compiled within its set, all in one.
    pub fn union(sources: &[String]) -> Self {
        let set = RegexSetBuilder::new(sources).unicode(false).size_limit(usize::MAX).build();
        set.map(Patterns).unwrap_or_default()
    }

    /// Whether any of them is found in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        !self.0.is_empty() && self.0.is_match(text)
    }

    /// The place, in the list, of the first one that is found in `text`.
    pub fn first_match(&self, text: &[u8]) -> Option<usize> {
        if self.0.is_empty() { None } else { self.0.matches(text).iter().next() }
    }

    /// The places, in the list, of all that are found in `text`.
    pub fn matches(&self, text: &[u8]) -> impl Iterator<Item = usize> {
        self.0.matches(text).into_iter()
    }

    /// The patterns as they were written.
    pub fn sources(&self) -> &[String] {
        self.0.patterns()
    }
}

impl TryFrom<Vec<String>> for Patterns {
    type Error = String;

    fn try_from(sources: Vec<String>) -> Result<Self, String> {
        let set = RegexSetBuilder::new(&sources).unicode(false).size_limit(SIZE_LIMIT).build();
        set.map(Patterns).map_err(|why| why.to_string())
    }
}

/// Patterns of which it is asked where they end.
#[derive(Clone, Default, Debug)]
pub struct Ends(Vec<Regex>);

impl Ends {
    /// These patterns.
    pub fn new(patterns: &Patterns) -> Self {
        let mut ends = Ends::default();
        ends.add(patterns);
        ends
    }

    /// These patterns as well. They have been compiled once, so none is refused here.
    pub fn add(&mut self, patterns: &Patterns) {
        let compile = |source: &String| RegexBuilder::new(source).unicode(false).size_limit(SIZE_LIMIT).build().ok();
        self.0.extend(patterns.sources().iter().filter_map(compile));
    }

    /// Where the one that ends first in `text` ends: the manual's "match anywhere".
    pub fn first_end(&self, text: &[u8]) -> Option<usize> {
        self.0.iter().filter_map(|pattern| pattern.shortest_match(text)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_over_bytes_and_told_apart() {
        let patterns = Patterns::try_from(vec!["^login:".to_owned(), r"\xff+$".to_owned()]).expect("they compile");
        assert_eq!(patterns.first_match(b"login: smith"), Some(0));
        assert_eq!(patterns.first_match(b"login: \xff\xff"), Some(0));
        assert_eq!(patterns.first_match(b"x \xff\xff"), Some(1));
        assert!(!patterns.is_match(b"a login:"));
        assert!(!Patterns::default().is_match(b""));
        assert!(Patterns::try_from(vec!["(".to_owned()]).is_err());
        assert_eq!(Ends::new(&patterns).first_end(b"login: \xff\xff"), Some(6));
        assert_eq!(Ends::new(&patterns).first_end(b"a login: \xff"), Some(10));
        assert_eq!(Ends::default().first_end(b""), None);
    }
}
