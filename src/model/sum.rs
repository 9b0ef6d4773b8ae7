//! Sums that keep whole numbers exact.

use crate::base::pack::{Damaged, Pack, Packed};

/// A sum of finite numbers. The whole parts add without rounding, so a sum of whole numbers is exact and
/// does not depend on the order; only fractions round.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    whole: Whole,
    fraction: f64,
}

/// A whole number of 128 bits in two halves: one in a piece would have the sum take 32 bytes instead of 24, and there is
/// a sum or more for every series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Whole {
    high: i64,
    low: u64,
}

impl Whole {
    const ZERO: Whole = Whole { high: 0, low: 0 };

    #[inline]
    fn get(self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }

    #[inline]
    fn set(&mut self, number: i128) {
        *self = Whole { high: (number >> 64) as i64, low: number as u64 };
    }
}

/// Every `f64` below this is exact to the unit.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Stored where the whole number is too large to say in its last bit whether a fraction follows: both follow.
const LARGE: i128 = i128::MIN;

impl Sum {
    /// The sum of nothing.
    pub const ZERO: Sum = Sum { whole: Whole::ZERO, fraction: 0.0 };

    /// Adds a finite number.
    pub fn add(&mut self, number: f64) {
        if number.abs() < WHOLE {
            let whole = number as i64;
            self.whole.set(self.whole.get().saturating_add(i128::from(whole)));
            self.fraction += number - whole as f64;
        } else if number.abs() < i128::MAX as f64 / 1e9 {
            // Such a number has no fraction.
            self.whole.set(self.whole.get().saturating_add(number as i128));
        } else {
            self.fraction += number;
        }
    }

    /// Adds one.
    pub fn increment(&mut self) {
        self.whole.set(self.whole.get().saturating_add(1));
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: Sum) {
        self.whole.set(self.whole.get().saturating_add(other.whole.get()));
        self.fraction += other.fraction;
    }

    /// The sum as the nearest `f64`, never infinite.
    pub fn value(self) -> f64 {
        (self.whole.get() as f64 + self.fraction).clamp(f64::MIN, f64::MAX)
    }

    /// The sum as an integer, where it has no fraction.
    pub fn whole(self) -> Option<i128> {
        (self.fraction == 0.0).then_some(self.whole.get())
    }

    /// Appends the stored form: twice the whole number, and one more if the fraction follows.
    pub fn pack(self, into: &mut Vec<u8>) {
        let (whole, has_fraction) = (self.whole.get(), self.fraction.to_bits() != 0);
        let twice = whole.checked_mul(2).filter(|twice| *twice != LARGE);
        into.put_signed(twice.map_or(LARGE, |twice| twice + i128::from(has_fraction)));
        if twice.is_none() {
            into.put_signed(whole);
        }
        if twice.is_none() || has_fraction {
            into.put_float(self.fraction);
        }
    }

    /// Reads what [`pack`](Sum::pack) wrote.
    pub fn unpack(from: &mut Packed<'_>) -> Result<Sum, Damaged> {
        let number = from.signed()?;
        let (number, has_fraction) = match number {
            LARGE => (from.signed()?, true),
            twice => (twice >> 1, twice & 1 == 1),
        };
        let mut whole = Whole::ZERO;
        whole.set(number);
        Ok(Sum { whole, fraction: if has_fraction { from.float()? } else { 0.0 } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(numbers: &[f64]) -> Sum {
        let mut sum = Sum::ZERO;
        numbers.iter().for_each(|number| sum.add(*number));
        sum
    }

    #[test]
    fn a_sum_takes_24_bytes() {
        assert_eq!((size_of::<Sum>(), align_of::<Sum>()), (24, 8));
    }

    #[test]
    fn both_halves_of_a_whole_number_carry_and_have_a_sign() {
        for number in [0, 1, -1, i128::from(u64::MAX), i128::from(u64::MAX) + 1, i128::MAX, i128::MIN] {
            let mut whole = Whole::ZERO;
            whole.set(number);
            assert_eq!(whole.get(), number);
        }
        assert_eq!(sum(&[18_446_744_073_709_551_615.0, 1.0, -2.0]).whole(), Some((1 << 64) - 1));
    }

    #[test]
    fn whole_numbers_stay_exact_beyond_the_range_of_floats() {
        let mut total = sum(&[9_007_199_254_740_991.0; 3]);
        total.increment();
        assert_eq!(total.whole(), Some(9_007_199_254_740_991 * 3 + 1));
        assert_eq!(sum(&[1e18, 1.0, -1e18]).whole(), Some(1));
    }

    #[test]
    fn huge_numbers_never_make_it_infinite() {
        assert_eq!(sum(&[f64::MAX, f64::MAX]).value(), f64::MAX);
    }

    #[track_caller]
    fn check_stored(sum: Sum) -> usize {
        let mut bytes = Vec::new();
        sum.pack(&mut bytes);
        let mut packed = Packed::new(&bytes);
        let read = Sum::unpack(&mut packed).unwrap();
        assert!(packed.is_empty());
        assert_eq!((read.whole, read.fraction.to_bits()), (sum.whole, sum.fraction.to_bits()));
        bytes.len()
    }

    #[test]
    fn a_small_whole_sum_is_stored_in_a_byte_and_the_largest_come_back() {
        assert_eq!([0.0, 1.0, -1.0, 31.0, 0.5].map(|number| check_stored(sum(&[number]))), [1, 1, 1, 1, 9]);
        for edge in [i128::MAX, i128::MIN, i128::MAX / 2, i128::MIN / 2] {
            for (number, fraction) in
                [(edge, 0.0), (edge.saturating_add(1), 0.5), (edge.saturating_sub(1), -0.0)]
            {
                let mut large = Sum { whole: Whole::ZERO, fraction };
                large.whole.set(number);
                check_stored(large);
            }
        }
    }

    proptest! {
        #[test]
        fn a_sum_comes_back_from_its_stored_form(high in any::<i64>(), low in any::<u64>(), fraction in any::<f64>()) {
            check_stored(Sum { whole: Whole { high, low }, fraction });
            check_stored(Sum { whole: Whole { high: 0, low }, fraction: 0.0 });
        }

        #[test]
        fn merging_is_adding_in_any_order(left in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 0..50), right in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 0..50)) {
            let [left, right] = [left, right].map(|numbers| numbers.into_iter().map(|number| number as f64 / 4.0).collect::<Vec<_>>());
            let (mut forth, mut back) = (sum(&left), sum(&right));
            forth.merge(sum(&right));
            back.merge(sum(&left));
            prop_assert_eq!(forth, back);
            prop_assert_eq!(forth, sum(&[left, right].concat()));
        }

        #[test]
        fn adding_a_positive_number_never_lowers_the_value(numbers in prop::collection::vec(0.0f64..1e12, 0..100)) {
            let mut total = Sum::ZERO;
            let mut before = total.value();
            for number in numbers {
                total.add(number);
                prop_assert!(total.value() >= before);
                before = total.value();
            }
        }
    }
}
