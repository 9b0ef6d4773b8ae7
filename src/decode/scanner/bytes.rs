//! Sets of bytes, and how far a record consists of them.

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
    One([u8; 1]),
    /// It is one of two.
    Two([u8; 2]),
    /// It is a control character or a space, though not every one of them ends the run. This is `\S`.
    Blank,
    /// Each byte is looked up. Such classes are digits, letters and the like, whose runs are short.
    Table,
}

/// Bytes below this are control characters and the space.
const PRINTED: u8 = 0x21;

impl Class {
    pub(super) fn new(set: ByteSet) -> Class {
        let others: Vec<u8> = set.not().iter().collect();
        let search = match others.as_slice() {
            [] => Search::All,
            [one] => Search::One([*one]),
            [one, two] => Search::Two([*one, *two]),
            others if others.iter().all(|other| *other < PRINTED) => Search::Blank,
            _ => Search::Table,
        };
        let mut members = Box::new([false; 256]);
        set.iter().for_each(|byte| members[usize::from(byte)] = true);
        Class { members, search }
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.members[usize::from(byte)]
    }

    /// How many of the first bytes are in the class.
    #[inline]
    pub(super) fn run(&self, bytes: &[u8]) -> usize {
        match self.search {
            Search::All => bytes.len(),
            Search::One([one]) => position(one, bytes).unwrap_or(bytes.len()),
            Search::Two(two) => position_of_two(two, bytes).unwrap_or(bytes.len()),
            Search::Blank => self.blank(bytes),
            Search::Table => self.table(bytes),
        }
    }

    fn table(&self, bytes: &[u8]) -> usize {
        bytes.iter().position(|byte| !self.contains(*byte)).unwrap_or(bytes.len())
    }

    fn blank(&self, bytes: &[u8]) -> usize {
        let (words, rest) = bytes.as_chunks::<8>();
        for (at, word) in words.iter().enumerate() {
            // The lowest bit that is set belongs to the first byte below the bound; bits above it may be wrong.
            let word_of_bytes = u64::from_le_bytes(*word);
            if word_of_bytes.wrapping_sub(ONES * u64::from(PRINTED)) & !word_of_bytes & HIGHS != 0 {
                let run = self.table(word);
                if run < word.len() {
                    return at * 8 + run;
                }
            }
        }
        words.len() * 8 + self.table(rest)
    }
}

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// How many words of eight bytes are looked at here before `memchr` is called.
const WORDS: usize = 4;

/// The bits of which the lowest belongs to the first byte of `word` that equals `byte`.
fn equal(word: &[u8; 8], byte: u8) -> u64 {
    let differs = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
    differs.wrapping_sub(ONES) & !differs & HIGHS
}

/// Where `byte` first stands. Most values are short, and then a few words of eight bytes are looked at in less time
/// than a call of `memchr` takes.
pub(in super::super) fn position(byte: u8, bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().take(WORDS).enumerate() {
        let found = equal(word, byte);
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let seen = 8 * words.len().min(WORDS);
    memchr::memchr(byte, &bytes[seen..]).map(|at| seen + at)
}

fn position_of_two([one, two]: [u8; 2], bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().take(WORDS).enumerate() {
        let found = equal(word, one) | equal(word, two);
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let seen = 8 * words.len().min(WORDS);
    memchr::memchr2(one, two, &bytes[seen..]).map(|at| seen + at)
}

/// `starts_with` without `memcmp`. What is compared is a few bytes long or none, and where none are, they have no
/// address: touching that under a mask, as `memcmp` does with AVX-512, took longer than all the rest of a line.
pub(in super::super) fn begins_with(bytes: &[u8], start: &[u8]) -> bool {
    bytes.len() >= start.len() && bytes.iter().zip(start).all(|(byte, wanted)| byte == wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_place_of_a_byte_is_that_of_memchr(bytes in "[ab]{0,3}[b-d\u{80}-\u{82}]{0,60}a?b?", byte in b'a'..=b'd') {
            prop_assert_eq!(position(byte, bytes.as_bytes()), memchr::memchr(byte, bytes.as_bytes()));
        }

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
