//! Finding bytes in short texts, where a call of `memchr` takes longer than the search.

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

/// Whether two texts are equal, without a call of `memcmp`, which takes longer than to compare a few words.
#[inline(always)]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let (words, rest) = left.as_chunks::<8>();
    let (others, other_rest) = right.as_chunks::<8>();
    let same = |word: &[u8; 8], other: &[u8; 8]| u64::from_ne_bytes(*word) == u64::from_ne_bytes(*other);
    // The last eight bytes overlap the words before them, so that none is left over.
    match (left.last_chunk(), right.last_chunk()) {
        (Some(last), Some(other)) => {
            words.iter().zip(others).all(|(word, other)| same(word, other)) && same(last, other)
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
        fn the_first_place_is_that_of_a_look_at_each_byte(bytes in "[a-d]{0,60}") {
            let bytes = bytes.as_bytes();
            for wanted in [b'a', b'd', b'x'] {
                let expected = bytes.iter().position(|byte| *byte == wanted).unwrap_or(bytes.len());
                prop_assert_eq!(position(bytes, |byte| byte == wanted), expected);
            }
        }

        #[test]
        fn texts_are_equal_as_slices_are(left in "[ab]{0,20}", right in "[ab]{0,20}", at in 0..20usize) {
            prop_assert_eq!(equal(left.as_bytes(), right.as_bytes()), left == right);
            let mut changed = left.clone().into_bytes();
            prop_assert!(equal(&changed, left.as_bytes()));
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1;
                prop_assert!(!equal(&changed, left.as_bytes()));
            }
        }
    }
}
