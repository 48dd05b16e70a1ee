//! The patterns that every line is tried on, put together so that a line is read once.

use crate::config::PolicySets;
use crate::config::sets::Patterns;

/// What a pattern of a line means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The manual's `input_trouble` and `full_input_trouble`, and the commands of loaders.
    Input,
    /// `edited_input_trouble`: it must be there however the line is read.
    Edited,
    /// `output_trouble` and `full_output_trouble`.
    Output,
}

/// All patterns of one direction.
#[derive(Default, Debug)]
pub(super) struct LinePatterns {
    patterns: Patterns,
    /// What each of them means.
    kinds: Vec<Kind>,
}

impl LinePatterns {
    fn new(parts: &[(&Patterns, Kind, bool)]) -> Self {
        let (mut sources, mut kinds) = (Vec::new(), Vec::new());
        for (part, kind, whole_line) in parts {
            for source in part.sources() {
                sources.push(if *whole_line { format!("^(?:{source})$") } else { source.clone() });
                kinds.push(*kind);
            }
        }
        LinePatterns { patterns: Patterns::union(&sources).for_every_line(), kinds }
    }

    /// What a client's lines are tried on.
    pub fn of_input(sets: &PolicySets) -> Self {
        LinePatterns::new(&[
            (&sets.input_trouble, Kind::Input, false),
            (&sets.full_input_trouble, Kind::Input, true),
            (&sets.loader_commands, Kind::Input, false),
            (&sets.edited_input_trouble, Kind::Edited, false),
        ])
    }

    /// What a server's lines are tried on.
    pub fn of_output(sets: &PolicySets) -> Self {
        LinePatterns::new(&[
            (&sets.output_trouble, Kind::Output, false),
            (&sets.full_output_trouble, Kind::Output, true),
        ])
    }

    /// Whether any of them is found in a line: the one question that is asked of every line. Nothing is allocated for it.
    pub fn is_match(&self, line: &[u8]) -> bool {
        self.patterns.is_match(line)
    }

    /// The first of this kind in a line, by its place among all.
    pub fn first(&self, line: &[u8], kind: Kind) -> Option<usize> {
        self.patterns.first_match_of(line, |place| self.kinds.get(place) == Some(&kind))
    }
}
