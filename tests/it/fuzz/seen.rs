//! How an input was answered, as a set of numbers.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use streamgauge::raw::fault::Faults;

/// What was seen while one input was taken.
#[derive(Debug, Default)]
pub struct Seen {
    marks: BTreeSet<u64>,
}

impl Seen {
    /// Notes anything that tells one answer from another.
    pub fn note(&mut self, what: impl Hash) {
        self.marks.insert(FixedState::default().hash_one(what));
    }

    /// Notes faults, by their words without names and numbers.
    pub fn note_faults(&mut self, faults: &Faults) {
        for fault in faults.found() {
            self.note(shape(&fault.problem));
            self.note(fault.help.as_deref().map(shape));
        }
    }

    pub fn marks(&self) -> &BTreeSet<u64> {
        &self.marks
    }
}

/// A message by its first words: without what stands in quotes, without numbers, and without words that may be the
/// input's own, whose quotes upset ours.
fn shape(message: &str) -> String {
    let mut quoted = None;
    let mut shape = String::new();
    for character in message.chars().take(300) {
        match quoted {
            Some(quote) if quote == character => quoted = None,
            Some(_) => {}
            None if matches!(character, '`' | '"') => quoted = Some(character),
            None => shape.push(character),
        }
    }
    let plain = |word: &&str| word.len() < 12 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    shape.split_ascii_whitespace().filter(plain).take(5).collect::<Vec<_>>().join(" ")
}

#[test]
fn messages_are_told_apart_by_their_words() {
    assert_eq!(shape("no field `a`, 3 more"), shape("no field `b c`, 12 more"));
    assert_ne!(shape("no field `a`"), shape("no label `a`"));
}
