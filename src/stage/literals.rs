//! The literals of many rules, found in one pass over a text.

use std::collections::BTreeMap;

use aho_corasick::packed::{MatchKind, Searcher};
use aho_corasick::{AhoCorasick, AhoCorasickKind, packed};

use crate::raw::required::Required;

/// The literals of several rules.
pub(super) struct Literals {
    finder: Finder,
    /// By the number of a literal, the rules that the text may match which has it.
    rules: Vec<Vec<Candidate>>,
}

/// A rule that a text may match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) rule: usize,
    /// Whether the literal is all that the rule wants.
    pub(super) exact: bool,
}

enum Finder {
    /// Every literal wherever it stands, by one state after the other.
    Automaton(AhoCorasick),
    /// The longest literal that begins at a place, by the first bytes of all of them in vectors.
    Vectors(Vec<Vectors>),
}

struct Vectors {
    searcher: Searcher,
    /// The number of the first of its literals.
    first: usize,
}

impl Literals {
    /// An automaton of one table takes up to 1 KiB for each byte of its literals.
    const TABLE_LIMIT: usize = 16 << 10;

    /// So many literals have room in vectors.
    const IN_VECTORS: usize = 64;

    /// With more passes than this, the automaton is as fast.
    const PASSES: usize = 4;

    /// How often the literals of a pass may repeat themselves, all together. In a text that does the same they begin at nearly
    /// every place, where all of them are compared.
    const REPETITIONS: usize = 256;

    /// Of so many the automaton looks for single bytes, which is faster.
    const FEW: usize = 3;

    /// The literals of the rules with these numbers; `None` if they are too many.
    pub(super) fn new(required: Vec<(usize, Required)>) -> Option<Literals> {
        // The literals of `(?i)error` are `error`, `Error`, … and 30 more: one is enough if case does not matter.
        let variants = |found: &Required| {
            let mut folded: Vec<_> =
                found.literals.iter().map(|literal| literal.to_ascii_lowercase()).collect();
            folded.sort_unstable();
            folded.dedup();
            folded.len() < found.literals.len()
        };
        let fold = required.iter().any(|(_, found)| variants(found));
        let mut candidates = BTreeMap::new();
        for (rule, found) in required {
            let candidate = Candidate { rule, exact: found.exact && !fold };
            for literal in found.literals {
                let literal = if fold { literal.to_ascii_lowercase() } else { literal };
                let rules: &mut Vec<Candidate> = candidates.entry(literal).or_default();
                if !rules.contains(&candidate) {
                    rules.push(candidate);
                }
            }
        }
        let (literals, rules): (Vec<_>, Vec<_>) = candidates.into_iter().unzip();
        if let Some(vectors) = Vectors::of(&literals).filter(|_| !fold) {
            let rules = with_prefixes(&literals, &rules);
            return Some(Literals { finder: Finder::Vectors(vectors), rules });
        }
        let bytes: usize = literals.iter().map(Vec::len).sum();
        let kind = (bytes <= Self::TABLE_LIMIT).then_some(AhoCorasickKind::DFA);
        let automaton = AhoCorasick::builder().ascii_case_insensitive(fold).kind(kind).build(&literals);
        Some(Literals { finder: Finder::Automaton(automaton.ok()?), rules })
    }

    /// Shows every rule that `text` may match; some perhaps more than once.
    pub(super) fn find(&self, text: &[u8], mut show: impl FnMut(Candidate)) {
        let mut show = |literal: usize| self.rules[literal].iter().for_each(|candidate| show(*candidate));
        match &self.finder {
            Finder::Automaton(automaton) => {
                automaton.find_overlapping_iter(text).for_each(|found| show(found.pattern().as_usize()));
            }
            Finder::Vectors(vectors) => {
                for Vectors { searcher, first } in vectors {
                    let mut at = 0;
                    while let Some(found) = searcher.find_in(text, (at..text.len()).into()) {
                        show(first + found.pattern().as_usize());
                        at = found.start() + 1;
                    }
                }
            }
        }
    }
}

/// How many bytes at the start of each literal the vectors compare.
const START: usize = 3;

impl Vectors {
    /// Literals, in order, for as few passes as can be; `None` where they are too few, too many, too short or too
    /// repetitive for it.
    fn of(literals: &[Vec<u8>]) -> Option<Vec<Vectors>> {
        let chunks = literals.chunks(Literals::IN_VECTORS);
        let is_short = |literal: &Vec<u8>| literal.len() < START;
        let repeats = |chunk: &[Vec<u8>]| {
            chunk.iter().map(|literal| repetitions(literal)).sum::<usize>() > Literals::REPETITIONS
        };
        if literals.len() <= Literals::FEW
            || chunks.len() > Literals::PASSES
            || literals.iter().any(is_short)
            || chunks.clone().any(repeats)
        {
            return None;
        }
        let mut first = 0;
        let vectors = chunks.map(|chunk| {
            let mut builder = packed::Config::new().match_kind(MatchKind::LeftmostLongest).builder();
            let searcher = builder.extend(chunk).build()?;
            let vectors = Vectors { searcher, first };
            first += chunk.len();
            Some(vectors)
        });
        vectors.collect()
    }
}

/// How often the start of a literal is repeated in it at most: 3 times in `ababab-`. The period of each start follows from the
/// longest text that both begins and ends it (Knuth, Morris and Pratt, "Fast pattern matching in strings", 1977).
fn repetitions(literal: &[u8]) -> usize {
    let mut borders = vec![0];
    let mut most = 1;
    for at in 1..literal.len() {
        let mut border = borders[at - 1];
        while border > 0 && literal[border] != literal[at] {
            border = borders[border - 1];
        }
        border += usize::from(literal[border] == literal[at]);
        borders.push(border);
        if at >= START {
            most = most.max((at + 1) / (at + 1 - border));
        }
    }
    most
}

/// The rules of each literal, and those of the literals that it begins with: these are there too wherever it is.
fn with_prefixes(literals: &[Vec<u8>], rules: &[Vec<Candidate>]) -> Vec<Vec<Candidate>> {
    let whole = |literal: &Vec<u8>| {
        let begun = literals.iter().zip(rules).filter(|(other, _)| literal.starts_with(other));
        begun.flat_map(|(_, rules)| rules.iter().copied()).collect()
    };
    literals.iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rules that are found, each of which has one literal.
    fn found(literals: &[String], text: &str) -> Vec<usize> {
        let required =
            |literal: &String| Required { literals: vec![literal.clone().into_bytes()], exact: true };
        let literals = Literals::new(literals.iter().map(required).enumerate().collect()).unwrap();
        let mut found = Vec::new();
        literals.find(text.as_bytes(), |candidate| found.push(candidate.rule));
        found.sort_unstable();
        found.dedup();
        found
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_the_text_has(
            literals in proptest::collection::vec("[ab]{3,6}", 1..300),
            text in "[ab]{0,60}",
        ) {
            let expected: Vec<_> = (0..literals.len()).filter(|at| text.contains(&literals[*at])).collect();
            prop_assert_eq!(found(&literals, &text), expected);
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn many_long_literals_are_looked_for_by_vectors() {
        let literals: Vec<_> = (100..300).map(|at| format!("{at}-rule").into_bytes()).collect();
        assert_eq!(Vectors::of(&literals).is_some(), std::is_x86_feature_detected!("ssse3"));
    }

    #[test]
    fn literals_that_repeat_themselves_are_left_to_the_automaton() {
        let alike: Vec<_> =
            (3..40).map(|times| ["a".repeat(times), "b".to_owned()].concat().into_bytes()).collect();
        assert!(Vectors::of(&alike).is_none());
        assert_eq!(
            ["aaaaab", "ababab-", "aab", "disk is full"].map(|text| repetitions(text.as_bytes())),
            [5, 3, 1, 1]
        );
    }

    #[test]
    fn few_literals_short_ones_and_thousands_are_left_to_the_automaton() {
        assert!(Vectors::of(&[b"abc".to_vec()]).is_none());
        assert!(Vectors::of(&[b"ab", b"cd", b"ef", b"gh"].map(|literal| literal.to_vec())).is_none());
        let literals: Vec<_> = (1000..3000).map(|at| format!("rule-{at}").into_bytes()).collect();
        assert!(Vectors::of(&literals).is_none());
    }
}
