//! What every text that matches a list of patterns must have: literals, which are found far sooner than the patterns are.

use aho_corasick::packed;
use regex_automata::util::syntax;
use regex_syntax::hir::literal::{ExtractKind, Extractor, Literal, Seq, rank};
use regex_syntax::hir::{Hir, HirKind};

use super::patterns::bytes;

/// So many bytes of a literal tell where it may be: shorter ones are in too many texts.
const SHORTEST: usize = 4;
/// Longer ones say nothing more.
const LONGEST: usize = 8;
/// One pattern may need so many: one of letters needs every way to write four of them.
const MOST: usize = 24;

/// A shorter text is read by the patterns themselves as soon.
const SHORT_TEXT: usize = 32;

/// Literals one of which is in every text that matches; none, if some pattern has no such literals, or if there are too many of them.
#[derive(Clone, Default, Debug)]
pub struct Required(Option<packed::Searcher>);

impl Required {
    /// What these patterns need.
    pub fn by(sources: &[String]) -> Self {
        Required(literals(sources).and_then(|literals| {
            // Without the heuristics, which give up at 64 literals, there may be 128.
            packed::Config::new().heuristic_pattern_limits(false).builder().extend(literals.literals()?).build()
        }))
    }

    /// `false`: `text` has none of them.
    pub fn may_be_in(&self, text: &[u8]) -> bool {
        text.len() < SHORT_TEXT || self.0.as_ref().is_none_or(|literals| literals.find(text).is_some())
    }
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
        HirKind::Literal(literal) => best(literal.0.windows(SHORTEST).enumerate().map(|(at, _)| {
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
    (SHORTEST..=LONGEST).rev().find_map(|length| {
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
    some.min_literal_len() >= Some(SHORTEST) && some.len().is_some_and(|count| count <= MOST)
}

/// The candidate of which the first bytes are the rarest; of many literals, each counts.
fn best(candidates: impl Iterator<Item = Seq>) -> Option<Seq> {
    let commonness = |literal: &Literal| -> u32 {
        literal.as_bytes().iter().take(SHORTEST).map(|&byte| u32::from(rank(byte)).pow(2)).sum()
    };
    let of_all = |some: &Seq| some.literals().into_iter().flatten().map(commonness).sum::<u32>();
    candidates.filter(is_sharp).min_by_key(of_all)
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
