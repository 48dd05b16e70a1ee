//! What every text that matches a list of patterns must have: words of four bytes, which are missed far sooner than the patterns are.

use std::ops::Range;

use regex_automata::util::syntax;
use regex_syntax::hir::literal::{ExtractKind, Extractor, Literal, Seq, rank};
use regex_syntax::hir::{Hir, HirKind};

use super::patterns::bytes;

/// So many bytes of a literal tell where it may be: shorter ones are in too many texts, and of longer ones the rarest so many are a word.
const WORD: usize = 4;
/// Literals are looked at so far.
const LONGEST: usize = 8;
/// One pattern may need so many: one of letters needs every way to write four of them.
const MOST: usize = 24;
/// Every word that is in a text has a pair of bytes at a multiple of this.
const STRIDE: usize = WORD - 1;
/// So many bytes are looked at together.
const BLOCK: usize = 4 * STRIDE;

/// Words one of which is in every text that matches; none, if some pattern has no literals, or if there are too many of them.
#[derive(Clone, Default, Debug)]
pub struct Required(Option<Box<Words>>);

/// Some words, as far as it takes to know most texts that have none of them.
#[derive(Clone, Debug)]
struct Words {
    /// The pairs of bytes within them.
    pairs: Bits<1024>,
    /// The words themselves, by their hashes.
    words: Bits<64>,
}

#[derive(Clone, Debug)]
struct Bits<const N: usize>([u64; N]);

impl Required {
    /// What these patterns need.
    pub fn by(sources: &[String]) -> Self {
        Required(literals(sources).as_ref().and_then(Seq::literals).map(|literals| Box::new(Words::of(literals))))
    }

    /// `false`: `text` has none of them.
    pub fn may_be_in(&self, text: &[u8]) -> bool {
        self.0.as_ref().is_none_or(|words| words.may_be_in(text))
    }
}

impl Words {
    fn of(literals: &[Literal]) -> Self {
        let mut all = Words { pairs: Bits([0; 1024]), words: Bits([0; 64]) };
        for literal in literals {
            let Some(word) = literal.as_bytes().array_windows().min_by_key(|word| commonness(&word[..])) else {
                continue;
            };
            all.words.insert(hash_of(word));
            word.array_windows().for_each(|&pair| all.pairs.insert(u16::from_le_bytes(pair).into()));
        }
        all
    }

    fn may_be_in(&self, text: &[u8]) -> bool {
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let mut begin = 0;
        for &[a, b, _, c, d, _, e, f, _, g, h, _] in blocks {
            let known = self.has(a, b) | self.has(c, d) | self.has(e, f) | self.has(g, h);
            if known && self.is_word_near(text, begin..begin + BLOCK) {
                return true;
            }
            begin += BLOCK;
        }
        !rest.is_empty() && self.is_word_near(text, begin..text.len())
    }

    /// Whether a word may be in a text that has one of its pairs at some of these places.
    fn is_word_near(&self, text: &[u8], Range { start: mut at, end }: Range<usize>) -> bool {
        while at < end {
            if let Some(&[first, second, ..]) = text.get(at..)
                && self.has(first, second)
            {
                let around = text.get(at.saturating_sub(WORD - 2)..text.len().min(at + WORD)).unwrap_or_default();
                if around.array_windows().any(|word| self.words.has(hash_of(word))) {
                    return true;
                }
            }
            at += STRIDE;
        }
        false
    }

    /// Whether some word has these two bytes together.
    #[inline]
    fn has(&self, first: u8, second: u8) -> bool {
        self.pairs.has(u16::from_le_bytes([first, second]).into())
    }
}

impl<const N: usize> Bits<N> {
    fn insert(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    #[inline]
    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 != 0
    }
}

/// A hash of twelve bits.
#[inline]
fn hash_of(word: &[u8; WORD]) -> usize {
    (u32::from_le_bytes(*word).wrapping_mul(0x9e37_79b1) >> 20) as usize
}

fn literals(sources: &[String]) -> Option<Seq> {
    let mut all = Seq::empty();
    for source in sources {
        all.union(&mut of(&syntax::parse_with(source, &bytes()).ok()?)?);
    }
    all.sort();
    all.dedup();
    Some(all)
}

/// The best literals that a pattern offers: those at its ends, or those of a part that every match goes through.
fn of(pattern: &Hir) -> Option<Seq> {
    let inner = match pattern.kind() {
        HirKind::Literal(literal) => best(literal.0.windows(WORD).enumerate().map(|(at, _)| {
            let run = literal.0.iter().copied().skip(at).take(LONGEST);
            Seq::singleton(Literal::inexact(run.collect::<Vec<u8>>()))
        })),
        HirKind::Capture(group) => of(&group.sub),
        HirKind::Repetition(repeated) if repeated.min > 0 => of(&repeated.sub),
        HirKind::Alternation(ways) => ways.iter().try_fold(Seq::empty(), |mut all, way| {
            all.union(&mut of(way)?);
            Some(all)
        }),
        HirKind::Concat(parts) => {
            let behind = (1..parts.len()).filter_map(|at| Some(Hir::concat(parts.get(at..)?.to_vec())));
            let runs = behind.filter_map(|run| at_end(&run, ExtractKind::Prefix));
            best(runs.chain(parts.iter().filter_map(of)))
        }
        _ => None,
    };
    let ends = [ExtractKind::Prefix, ExtractKind::Suffix].into_iter().filter_map(|kind| at_end(pattern, kind));
    best(ends.chain(inner))
}

/// The literals with which every match begins, or ends: as much of them as few literals can say.
fn at_end(pattern: &Hir, kind: ExtractKind) -> Option<Seq> {
    let prefix = matches!(kind, ExtractKind::Prefix);
    let whole = Extractor::new().kind(kind).extract(pattern);
    (WORD..=LONGEST).rev().find_map(|length| {
        let mut some = whole.clone();
        if prefix {
            some.keep_first_bytes(length);
        } else {
            some.keep_last_bytes(length);
        }
        some.sort();
        some.dedup();
        Some(some).filter(is_sharp)
    })
}

fn is_sharp(some: &Seq) -> bool {
    some.min_literal_len() >= Some(WORD) && some.len().is_some_and(|count| count <= MOST)
}

/// The candidate of which the first bytes are the rarest; of many literals, each counts.
fn best(candidates: impl Iterator<Item = Seq>) -> Option<Seq> {
    let of_one = |literal: &Literal| commonness(literal.as_bytes().get(..WORD).unwrap_or_default());
    let of_all = |some: &Seq| some.literals().into_iter().flatten().map(of_one).sum::<u32>();
    candidates.filter(is_sharp).min_by_key(of_all)
}

fn commonness(word: &[u8]) -> u32 {
    word.iter().map(|&byte| u32::from(rank(byte)).pow(2)).sum()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn found(source: &str) -> Option<Vec<String>> {
        let all = literals(&[source.to_owned()])?;
        Some(all.literals().unwrap().iter().map(|one| String::from_utf8_lossy(one.as_bytes()).into()).collect())
    }

    #[test]
    fn a_word_is_found_wherever_it_is() {
        let required = Required::by(&["deadcafe".to_owned(), "0 bytes from".to_owned(), "(?i)bsd!".to_owned()]);
        for before in 0..9 {
            for word in ["deadcafe", "0 bytes from", "bSd!"] {
                for behind in 0..4 {
                    let text = ["x".repeat(before), word.to_owned(), "x".repeat(behind)].concat();
                    assert!(required.may_be_in(text.as_bytes()), "{text}");
                }
            }
        }
        for text in ["", "cafe", "dead cafe, bytes, and a form of words that none of them is in", "BSD"] {
            assert!(!required.may_be_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn the_rarest_part_that_every_match_has_is_looked_for() {
        assert_eq!(found("[0-9]{5} bytes from").unwrap(), ["bytes fr"]);
        assert_eq!(found("(?:PATH|STAT):.*=>").unwrap(), ["PATH:", "STAT:"]);
        assert_eq!(found("^-r.s.*root.*/bin/(?:time|sh)").unwrap(), ["/bin/"]);
        assert_eq!(found("^(?:.*loadmodule.*)$").unwrap(), ["module"]);
        assert_eq!(found("(?i)bsd!").unwrap().len(), 8);
        assert_eq!(found("x(?:abcd|y)"), None, "a way without a literal");
        assert_eq!(found("x*|abcd"), None);
        assert_eq!(found("(?:abcd)?"), None);
    }
}
