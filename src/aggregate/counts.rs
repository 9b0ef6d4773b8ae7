//! Counts of values as they are stored: small ones in a byte, and many zeros in two or three.

use crate::base::pack::{Damaged, Pack, Packed};

/// More values than a series can have had in centuries; the counts of a whole window still add up without overflow.
const MOST: u64 = 1 << 56;

/// Appends a list of counts and how many they are. A zero says how many more follow it.
pub(super) fn pack(counts: &[u64], into: &mut Vec<u8>) {
    into.put_number(counts.len() as u64);
    for run in counts.chunk_by(|left, right| (*left, *right) == (0, 0)) {
        into.put_number(run[0]);
        if run[0] == 0 {
            into.put_number(run.len() as u64 - 1);
        }
    }
}

/// Reads at most so many counts that [`pack`] wrote, and how many values they count in all.
pub(super) fn unpack(from: &mut Packed<'_>, most: usize) -> Result<(Vec<u64>, u64), Damaged> {
    let len = from.size(most)?;
    let (mut counts, mut total) = (Vec::with_capacity(len), 0);
    while counts.len() < len {
        match count(from, &mut total)? {
            0 => {
                let more = from.size(len - counts.len() - 1)?;
                counts.resize(counts.len() + 1 + more, 0);
            }
            count => counts.push(count),
        }
    }
    Ok((counts, total))
}

/// Reads a count by itself and adds it to a total, which is possible too.
pub(super) fn count(from: &mut Packed<'_>, total: &mut u64) -> Result<u64, Damaged> {
    let count = from.number()?;
    *total = total.saturating_add(count);
    if *total > MOST { Err(Damaged("a count is too large")) } else { Ok(count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_come_back_with_their_total(counts in prop::collection::vec(prop_oneof![Just(0), 0u64..1 << 50], 0..60)) {
            let mut bytes = Vec::new();
            pack(&counts, &mut bytes);
            let mut packed = Packed::new(&bytes);
            let total = counts.iter().sum();
            prop_assert_eq!(unpack(&mut packed, 60), Ok((counts, total)));
            prop_assert!(packed.is_empty());
        }
    }

    #[test]
    fn zeros_in_a_row_take_three_bytes_at_most() {
        let mut bytes = Vec::new();
        pack(&[vec![0; 1000], vec![1]].concat(), &mut bytes);
        assert_eq!(bytes.len(), 2 + 3 + 1);
    }

    #[test]
    fn more_than_there_can_be_is_damaged() {
        assert_eq!(unpack(&mut Packed::new(&[3]), 2), Err(Damaged("a size is too large")));
        assert_eq!(unpack(&mut Packed::new(&[3, 7, 0, 2]), 3), Err(Damaged("a size is too large")));
        let mut bytes = Vec::new();
        pack(&[MOST, 1], &mut bytes);
        assert_eq!(unpack(&mut Packed::new(&bytes), 2), Err(Damaged("a count is too large")));
    }
}
