//! Finding and comparing bytes in short texts, where a call of `memchr` or `memcmp` takes longer than the work itself.

/// How many bytes are looked at together.
const WORD: usize = 16;

/// Where the first byte stands that `is` wanted, or how long `bytes` is. `is` should be free of branches (`|` in place of
/// `||`): the compiler then looks at sixteen bytes by a few vector instructions.
#[inline(always)]
pub fn position(bytes: &[u8], is: impl Fn(u8) -> bool + Copy) -> usize {
    let (words, rest) = bytes.as_chunks::<WORD>();
    for (at, word) in words.iter().enumerate() {
        let hits = u128::from_le_bytes(word.map(|byte| u8::from(is(byte)).wrapping_neg()));
        if hits != 0 {
            return at * WORD + hits.trailing_zeros() as usize / 8;
        }
    }
    words.len() * WORD + rest.iter().position(|byte| is(*byte)).unwrap_or(rest.len())
}

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// How many words of eight bytes are looked at before anything is called that is better at many.
const WORDS: usize = 3;

/// Where the first byte is that `ends` marks, if it is one of the first few. Of its marks the lowest has to be right.
#[inline]
pub fn short(bytes: &[u8], ends: impl Fn(u64) -> u64) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().take(WORDS).enumerate() {
        let found = ends(u64::from_le_bytes(*word)) & HIGHS;
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    None
}

/// Marks the bytes that equal `byte`.
#[inline]
pub fn equal(word: u64, byte: u8) -> u64 {
    let differs = word ^ (ONES * u64::from(byte));
    differs.wrapping_sub(ONES) & !differs
}

/// Marks the bytes below `bound`.
#[inline]
pub fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(bound)) & !word
}

/// Where `byte` first stands. Most texts are short, and then a few words of eight bytes are looked at in less time
/// than a call of `memchr` takes.
#[inline]
pub fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    short(bytes, |word| equal(word, byte)).or_else(|| memchr::memchr(byte, bytes))
}

/// `starts_with` without `memcmp`. What is compared is a few bytes long or none, and where none are, they have no
/// address: touching that under a mask, as `memcmp` does with AVX-512, took longer than all the rest of a line.
#[inline]
pub fn begins_with(bytes: &[u8], start: &[u8]) -> bool {
    bytes.len() >= start.len() && bytes.iter().zip(start).all(|(byte, wanted)| byte == wanted)
}

/// Whether two texts are equal, without a call of `memcmp`, which takes longer than to compare a few words.
#[inline(always)]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let (words, rest) = left.as_chunks::<8>();
    let (others, other_rest) = right.as_chunks::<8>();
    let eight = |word: &[u8; 8], other: &[u8; 8]| u64::from_ne_bytes(*word) == u64::from_ne_bytes(*other);
    // The last eight bytes overlap the words before them, so that none is left over.
    match (left.last_chunk(), right.last_chunk()) {
        (Some(last), Some(other)) => {
            words.iter().zip(others).all(|(word, other)| eight(word, other)) && eight(last, other)
        }
        _ => rest.iter().zip(other_rest).all(|(byte, other)| byte == other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_place_is_that_of_a_look_at_each_byte(bytes in "[a-d\u{80}-\u{82}]{0,60}") {
            let bytes = bytes.as_bytes();
            for wanted in [b'a', b'd', b'x'] {
                let expected = bytes.iter().position(|byte| *byte == wanted).unwrap_or(bytes.len());
                prop_assert_eq!(position(bytes, |byte| byte == wanted), expected);
                prop_assert_eq!(find(wanted, bytes).unwrap_or(bytes.len()), expected);
            }
        }

        #[test]
        fn texts_are_equal_as_slices_are(left in "[ab]{0,20}", right in "[ab]{0,20}", at in 0..20usize) {
            prop_assert_eq!(same(left.as_bytes(), right.as_bytes()), left == right);
            let mut changed = left.clone().into_bytes();
            prop_assert!(same(&changed, left.as_bytes()));
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1;
                prop_assert!(!same(&changed, left.as_bytes()));
            }
        }
    }
}
