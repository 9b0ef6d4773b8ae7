//! Sets of bytes, and how far a record consists of them.

use crate::base::bytes::{below, equal, position, short};

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) const EMPTY: ByteSet = ByteSet([0; 4]);
    pub(super) const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    pub(super) fn of(bytes: impl IntoIterator<Item = u8>) -> ByteSet {
        let mut set = ByteSet::EMPTY;
        bytes.into_iter().for_each(|byte| set.0[usize::from(byte >> 6)] |= 1 << (byte & 63));
        set
    }

    pub(super) fn contains(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |byte| self.contains(*byte))
    }

    pub(super) fn not(self) -> ByteSet {
        ByteSet(self.0.map(|word| !word))
    }

    pub(super) fn or(self, other: ByteSet) -> ByteSet {
        ByteSet(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    pub(super) fn and(self, other: ByteSet) -> ByteSet {
        ByteSet(std::array::from_fn(|at| self.0[at] & other.0[at]))
    }

    pub(super) fn is_within(self, other: ByteSet) -> bool {
        self.and(other) == self
    }
}

/// A set of bytes, laid out for finding the first byte that is not in it.
#[derive(Debug)]
pub(super) struct Class {
    members: Box<[bool; 256]>,
    search: Search,
}

/// How the first byte that is not in a class is found.
#[derive(Clone, Copy, Debug)]
enum Search {
    /// There is none.
    All,
    /// It is this one.
    One(u8),
    /// It is one of these, some of which may be the same.
    Few([u8; FEW]),
    /// It is a control character or a space, though not every one of them ends the run. This is `\S`.
    Blank,
    /// Each byte is looked up. Such classes are digits, letters and the like, whose runs are short.
    Table,
}

const FEW: usize = 4;

/// Bytes below this are control characters and the space.
const PRINTED: u8 = 0x21;

impl Class {
    pub(super) fn new(set: ByteSet) -> Class {
        let others: Vec<u8> = set.not().iter().collect();
        let search = match others.as_slice() {
            [] => Search::All,
            [one] => Search::One(*one),
            [first, .., last] if others.len() <= FEW => Search::Few(std::array::from_fn(|at| {
                if at == 0 { *first } else { *others.get(at).unwrap_or(last) }
            })),
            others if others.iter().all(|other| *other < PRINTED) => Search::Blank,
            _ => Search::Table,
        };
        let mut members = Box::new([false; 256]);
        set.iter().for_each(|byte| members[usize::from(byte)] = true);
        Class { members, search }
    }

    #[inline]
    pub(super) fn contains(&self, byte: u8) -> bool {
        self.members[usize::from(byte)]
    }

    /// How many of the first bytes are in the class.
    #[inline]
    pub(super) fn run(&self, bytes: &[u8]) -> usize {
        match self.search {
            Search::Table => self.table(bytes),
            Search::One(one) => short(bytes, |word| equal(word, one)).unwrap_or_else(|| self.far(bytes)),
            Search::Blank => match short(bytes, |word| below(word, PRINTED)) {
                Some(at) if !self.contains(bytes[at]) => at,
                _ => self.far(bytes),
            },
            Search::Few([one, two, three, four]) => {
                let ends =
                    |word| equal(word, one) | equal(word, two) | equal(word, three) | equal(word, four);
                short(bytes, ends).unwrap_or_else(|| self.far(bytes))
            }
            Search::All => bytes.len(),
        }
    }

    fn table(&self, bytes: &[u8]) -> usize {
        bytes.iter().position(|byte| !self.contains(*byte)).unwrap_or(bytes.len())
    }

    /// The same as [`run`](Class::run), for runs that are not short.
    #[inline(never)]
    fn far(&self, bytes: &[u8]) -> usize {
        match self.search {
            Search::All => bytes.len(),
            Search::One(one) => memchr::memchr(one, bytes).unwrap_or(bytes.len()),
            Search::Few([one, two, three, four]) => {
                position(bytes, |byte| (byte == one) | (byte == two) | (byte == three) | (byte == four))
            }
            Search::Blank => {
                let mut at = 0;
                loop {
                    at += position(&bytes[at..], |byte| byte < PRINTED);
                    match bytes.get(at) {
                        Some(byte) if self.contains(*byte) => at += 1,
                        _ => return at,
                    }
                }
            }
            Search::Table => self.table(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_run_ends_at_the_first_byte_that_is_not_in_the_class(
            bytes in proptest::collection::vec(prop_oneof![0x1Eu8..=0x22, Just(b'\t'), 0x7Eu8..=0x81, Just(b'\\')], 0..60),
            filler in proptest::collection::vec(b'a'..b'd', 0..60),
            others in proptest::collection::vec(prop_oneof![Just(b' '), Just(b'\t'), Just(b'"'), Just(b'\\')], 0..4),
        ) {
            let bytes = [filler, bytes].concat();
            let set = ByteSet::of(others).not();
            let expected = bytes.iter().position(|byte| !set.contains(*byte)).unwrap_or(bytes.len());
            prop_assert_eq!(Class::new(set).run(&bytes), expected);
        }
    }
}
