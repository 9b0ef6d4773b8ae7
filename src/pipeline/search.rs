//! Which lines of a batch are worth decoding: the batch is searched as a whole for the literals that an event needs, as
//! ripgrep does it, and only lines that have one are looked at.

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::without_return;

/// A search for the lines that something could come of. A line without any of its literals is passed over.
#[derive(Clone, Debug)]
pub struct Search {
    finder: Finder,
    skipped: Skipped,
    /// How many batches go without a search before the next one that is searched.
    rest: u32,
    /// How many batches are searched at least, however many of their lines are found.
    wary: u32,
}

/// What becomes of the lines that are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// No metric would have taken them, and nobody can tell that they were not decoded.
    Untaken,
    /// The first stage would not have let them through, and it is as if it had taken them out of play.
    Filtered {
        /// Whether nobody can tell that they were not decoded: the decoder takes every line.
        unnoticed: bool,
    },
}

/// How the lines of a batch are taken through the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// All are looked at.
    Every,
    /// All are looked at. What is refused is counted as if they had been searched.
    Checked,
    /// Those that the search finds are looked at.
    Found,
}

#[derive(Clone, Debug)]
enum Finder {
    One(Box<memmem::Finder<'static>>),
    Several(AhoCorasick),
}

impl Search {
    /// How many batches go without a search, or with one, before it is decided anew.
    const PERIOD: u32 = 31;

    /// A search for lines with one of `literals`, of which none is empty; `None` if they are too many.
    pub fn new(literals: &[Vec<u8>], skipped: Skipped) -> Option<Search> {
        let finder = match literals {
            [] => return None,
            [literal] => Finder::One(Box::new(memmem::Finder::new(literal).into_owned())),
            // The leftmost of them is wanted, so that no line before it has one; vectors search for nothing else.
            _ => Finder::Several(
                AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(literals).ok()?,
            ),
        };
        Some(Search { finder, skipped, rest: 0, wary: 0 })
    }

    /// How the next batch is to be taken. What is counted must not depend on it, since it depends on how lines came
    /// together in batches.
    pub(super) fn begin(&mut self) -> Manner {
        self.wary = self.wary.saturating_sub(1);
        if self.rest == 0 {
            return Manner::Found;
        }
        self.rest -= 1;
        match self.skipped {
            Skipped::Untaken | Skipped::Filtered { unnoticed: true } => Manner::Every,
            Skipped::Filtered { unnoticed: false } => Manner::Checked,
        }
    }

    /// Ends the search of a batch which has so many lines, of which so many had a literal; how many of them the first
    /// stage is to be said to have filtered.
    pub(super) fn end(&mut self, lines: u64, found: u64) -> u64 {
        // To decode a line takes longer than to find the next one, and to look for a text in it does not.
        let is_dense = match self.skipped {
            Skipped::Untaken | Skipped::Filtered { unnoticed: true } => found * 4 > lines,
            Skipped::Filtered { unnoticed: false } => found * 8 > lines * 7,
        };
        if is_dense && self.wary == 0 {
            self.rest = Self::PERIOD;
        }
        match self.skipped {
            Skipped::Filtered { .. } => lines - found,
            Skipped::Untaken => 0,
        }
    }

    /// Moves the records with a literal to the front: how many. That they had to be told apart takes longer than a
    /// search, and will happen again.
    pub(super) fn sift(&mut self, records: &mut [&[u8]]) -> usize {
        (self.rest, self.wary) = (0, Self::PERIOD);
        let mut found = 0;
        for at in 0..records.len() {
            if self.finder.find(records[at]).is_some() {
                records[found] = records[at];
                found += 1;
            }
        }
        found
    }

    /// Splits the next lines with a literal off `bytes`, without their line ends: how many, and how many bytes they and
    /// the lines between them took.
    pub(super) fn split<'b>(&self, bytes: &'b [u8], records: &mut [&'b [u8]]) -> (usize, usize) {
        let mut start = 0;
        for (count, record) in records.iter_mut().enumerate() {
            let Some(at) = self.finder.find(&bytes[start..]).map(|at| start + at) else {
                return (count, bytes.len());
            };
            let begin = memrchr(b'\n', &bytes[start..at]).map_or(start, |end| start + end + 1);
            let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end);
            *record = without_return(&bytes[begin..end]);
            start = (end + 1).min(bytes.len());
        }
        (records.len(), start)
    }
}

impl Finder {
    /// Where the first of the literals begins.
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Finder::One(finder) => finder.find(bytes),
            Finder::Several(automaton) => automaton.find(bytes).map(|found| found.start()),
        }
    }
}

/// How many lines `bytes` are; the last of them may have no end.
pub(super) fn lines(bytes: &[u8]) -> u64 {
    let unended = bytes.last().is_some_and(|last| *last != b'\n');
    memchr_iter(b'\n', bytes).count() as u64 + u64::from(unended)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(literals: &[&str]) -> Search {
        let literals: Vec<_> = literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
        Search::new(&literals, Skipped::Filtered { unnoticed: true }).unwrap()
    }

    fn found<'b>(search: &Search, bytes: &'b [u8], at_once: usize) -> Vec<&'b [u8]> {
        let (mut rest, mut found) = (bytes, Vec::new());
        while !rest.is_empty() {
            let mut records = vec![&[][..]; at_once];
            let (count, taken) = search.split(rest, &mut records);
            found.extend_from_slice(&records[..count]);
            rest = &rest[taken..];
        }
        found
    }

    proptest! {
        #[test]
        fn the_lines_found_are_those_that_have_a_literal(
            text in "([abc]{0,4}\r?\n){0,30}[abc]{0,4}",
            literals in proptest::collection::vec("[abc]{1,3}", 1..5),
            at_once in 1..5usize,
        ) {
            let literals: Vec<_> = literals.iter().map(String::as_str).collect();
            let has = |line: &&str| literals.iter().any(|literal| line.contains(literal));
            let expected: Vec<_> = text.lines().filter(has).map(str::as_bytes).collect();
            prop_assert_eq!(found(&search(&literals), text.as_bytes(), at_once), expected);
            prop_assert_eq!(lines(text.as_bytes()), text.split_inclusive('\n').count() as u64);
        }
    }

    #[test]
    fn where_most_lines_have_a_literal_some_batches_are_not_searched() {
        for (skipped, few, many, manner) in [
            (Skipped::Filtered { unnoticed: true }, 20, 30, Manner::Every),
            (Skipped::Filtered { unnoticed: false }, 80, 90, Manner::Checked),
        ] {
            let mut search = Search { skipped, ..search(&["aa"]) };
            assert_eq!(search.begin(), Manner::Found);
            assert_eq!(search.end(100, few), 100 - few);
            assert_eq!(search.begin(), Manner::Found);
            assert_eq!(search.end(100, many), 100 - many);
            assert!((0..Search::PERIOD).all(|_| search.begin() == manner));
            assert_eq!(search.begin(), Manner::Found);
        }
    }

    #[test]
    fn where_lines_had_to_be_told_apart_they_are_searched_for_a_while() {
        let mut search = Search { skipped: Skipped::Filtered { unnoticed: false }, ..search(&["aa", "bb"]) };
        search.end(100, 100);
        assert_eq!(search.begin(), Manner::Checked);
        let mut records: [&[u8]; 4] = [b"x", b"aa", b"y", b"bb"];
        assert_eq!(search.sift(&mut records), 2);
        assert_eq!(records[..2], [&b"aa"[..], b"bb"]);
        for _ in 0..Search::PERIOD {
            assert_eq!(search.begin(), Manner::Found);
            search.end(100, 100);
        }
        assert_eq!(search.begin(), Manner::Checked);
    }

    #[test]
    fn what_no_metric_takes_is_filtered_by_no_stage() {
        assert_eq!(Search { skipped: Skipped::Untaken, ..search(&["aa"]) }.end(100, 1), 0);
    }
}
