//! A quantile sketch: counts in buckets that grow with the value, so that the relative error is bounded.
//!
//! A bucket is named by the upper bits of the float: its sign, its exponent and the first 6 bits of its mantissa, so
//! every power of two has 64 buckets of equal width. The middle of a bucket is within 0.79 % of every value in it.
//! Merging adds counts and is exact. Compare DDSketch (Masson, Rim, Lee, VLDB 2019) and HdrHistogram, whose
//! guarantees these are: the error holds whatever the distribution is.

use super::counts;
use crate::base::pack::{Damaged, Pack, Packed};

/// How many bits of a float are not part of a bucket's name.
const DROPPED_BITS: u32 = 52 - 6;

/// The most buckets of one sign: values that are 2^32 apart. A sketch that needs more doubles their width.
const MAX_BUCKETS: i64 = 2048;

/// How many buckets are added at once.
const STEP: i64 = 16;

/// With buckets this wide, those of all floats are not too many.
const MAX_COARSENESS: u32 = 6;

/// Counts of finite values.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    /// How many more bits of a float are dropped than [`DROPPED_BITS`].
    coarseness: u32,
    zeros: u64,
    positive: Buckets,
    negative: Buckets,
    /// The least and the greatest value, which no estimate leaves. Meaningless while there is none.
    min: f64,
    max: f64,
}

/// The buckets of values of one sign, by magnitude.
#[derive(Clone, Debug, Default)]
struct Buckets {
    /// The name of the first bucket.
    first: i64,
    counts: Vec<u64>,
    total: u64,
}

impl Sketch {
    /// How many values it counts.
    pub(super) fn len(&self) -> u64 {
        self.zeros + self.positive.total + self.negative.total
    }

    /// Counts a finite value.
    pub(super) fn record(&mut self, value: f64) {
        // A zero has no sign here.
        let value = value + 0.0;
        self.widen(value, value);
        let magnitude = value.abs();
        if magnitude < f64::MIN_POSITIVE {
            self.zeros += 1;
            return;
        }
        loop {
            let name = (magnitude.to_bits() >> (DROPPED_BITS + self.coarseness)) as i64;
            let buckets = if value > 0.0 { &mut self.positive } else { &mut self.negative };
            if buckets.add(name, 1) {
                return;
            }
            self.coarsen();
        }
    }

    /// Forgets everything but its storage.
    pub(super) fn clear(&mut self) {
        self.coarseness = 0;
        self.zeros = 0;
        self.positive.clear();
        self.negative.clear();
    }

    /// Counts what `other` counts.
    pub(super) fn merge(&mut self, other: &Sketch) {
        if other.len() == 0 {
            return;
        }
        self.widen(other.min, other.max);
        self.zeros += other.zeros;
        while !self.merge_buckets(other) {
            self.coarsen();
        }
    }

    /// For each of `levels`, the value of which that part of all values is not greater: the one at rank
    /// ⌈level × len⌉, at least the first. NaN where there is no value.
    pub(super) fn quantiles(&self, levels: &[f64], into: &mut [f64]) {
        let len = self.len();
        for (level, into) in levels.iter().zip(into) {
            let rank = ((level * len as f64).ceil() as u64).clamp(1, len.max(1));
            *into = if len == 0 { f64::NAN } else { self.at_rank(rank, len) };
        }
    }

    /// Appends the stored form.
    pub(super) fn pack(&self, into: &mut Vec<u8>) {
        into.put_number(u64::from(self.coarseness));
        into.put_number(self.zeros);
        into.put_float(self.min);
        into.put_float(self.max);
        self.positive.pack(into);
        self.negative.pack(into);
    }

    /// Reads what [`pack`](Sketch::pack) wrote.
    pub(super) fn unpack(from: &mut Packed<'_>) -> Result<Sketch, Damaged> {
        let coarseness = from.size(MAX_COARSENESS as usize)? as u32;
        let zeros = counts::count(from, &mut 0)?;
        let (min, max) = (from.float()?, from.float()?);
        if !min.is_finite() || !max.is_finite() || min > max {
            return Err(Damaged("the least value is no number, or above the greatest"));
        }
        let names = (f64::MAX.to_bits() >> (DROPPED_BITS + coarseness)) as usize + 1;
        let [positive, negative] = [Buckets::unpack(from, names)?, Buckets::unpack(from, names)?];
        Ok(Sketch { coarseness, zeros, positive, negative, min, max })
    }

    fn at_rank(&self, rank: u64, len: u64) -> f64 {
        // The outermost values are known exactly.
        if rank == len {
            return self.max;
        }
        if rank == 1 {
            return self.min;
        }
        let below_zero = self.negative.total;
        let estimate = if rank <= below_zero {
            -self.middle(self.negative.at_rank(below_zero - rank + 1))
        } else if rank <= below_zero + self.zeros {
            0.0
        } else {
            self.middle(self.positive.at_rank(rank - below_zero - self.zeros))
        };
        estimate.clamp(self.min, self.max)
    }

    fn middle(&self, name: i64) -> f64 {
        middle(name, DROPPED_BITS + self.coarseness)
    }

    fn widen(&mut self, min: f64, max: f64) {
        if self.len() == 0 {
            (self.min, self.max) = (min, max);
        } else {
            (self.min, self.max) = (self.min.min(min), self.max.max(max));
        }
    }

    /// Adds the buckets of `other`; false, and nothing is changed, if these would be too many.
    fn merge_buckets(&mut self, other: &Sketch) -> bool {
        let Some(finer) = self.coarseness.checked_sub(other.coarseness) else { return false };
        let fits = |own: &Buckets, other: &Buckets| match other.range() {
            Some((first, last)) => own.fits(first >> finer, last >> finer),
            None => true,
        };
        if !fits(&self.positive, &other.positive) || !fits(&self.negative, &other.negative) {
            return false;
        }
        self.positive.merge(&other.positive, finer);
        self.negative.merge(&other.negative, finer);
        true
    }

    /// Makes every bucket twice as wide.
    fn coarsen(&mut self) {
        self.coarseness += 1;
        for buckets in [&mut self.positive, &mut self.negative] {
            let fine = std::mem::take(buckets);
            buckets.merge(&fine, 1);
        }
    }
}

/// The value in a bucket whose relative distance to both its ends is the same. The name is that of floats without so many
/// bits.
fn middle(name: i64, dropped: u32) -> f64 {
    let bound = |name: i64| f64::from_bits((name as u64) << dropped);
    let (low, high) = (bound(name), bound(name + 1));
    if high.is_finite() { low * (2.0 / (1.0 + low / high)) } else { low }
}

/// What a sketch of these values says of that at `rank`, from 1; at least one is there, and they are in ascending order.
pub(super) fn estimate(sorted: &[f64], rank: usize) -> f64 {
    let (min, max, value) = (sorted[0] + 0.0, sorted[sorted.len() - 1] + 0.0, sorted[rank - 1]);
    if rank == sorted.len() {
        return max;
    }
    if rank == 1 {
        return min;
    }
    let magnitude = value.abs();
    if magnitude < f64::MIN_POSITIVE {
        return 0.0_f64.clamp(min, max);
    }
    let estimate = middle((magnitude.to_bits() >> DROPPED_BITS) as i64, DROPPED_BITS);
    estimate.copysign(value).clamp(min, max)
}

impl PartialEq for Sketch {
    fn eq(&self, other: &Sketch) -> bool {
        let ends = |sketch: &Sketch| (sketch.len() > 0).then_some((sketch.min, sketch.max));
        (self.coarseness, self.zeros) == (other.coarseness, other.zeros)
            && self.positive == other.positive
            && self.negative == other.negative
            && ends(self) == ends(other)
    }
}

impl Buckets {
    fn clear(&mut self) {
        self.counts.clear();
        self.total = 0;
    }

    /// Counts `times` values of the bucket `name`; false if there would be too many buckets.
    fn add(&mut self, name: i64, times: u64) -> bool {
        let at = name - self.first;
        if let Some(count) = usize::try_from(at).ok().and_then(|at| self.counts.get_mut(at)) {
            *count += times;
        } else if self.fits(name, name) {
            self.grow(name);
            self.counts[(name - self.first) as usize] += times;
        } else {
            return false;
        }
        self.total += times;
        true
    }

    /// The first and the last bucket that holds something.
    fn range(&self) -> Option<(i64, i64)> {
        let first = self.counts.iter().position(|count| *count > 0)?;
        let last = self.counts.iter().rposition(|count| *count > 0)?;
        Some((self.first + first as i64, self.first + last as i64))
    }

    /// Whether the buckets from `first` to `last` may be there beside those that are.
    fn fits(&self, first: i64, last: i64) -> bool {
        let (own_first, own_last) = self.range().unwrap_or((first, last));
        own_last.max(last) - own_first.min(first) < MAX_BUCKETS
    }

    /// Makes room for the bucket `name`, and some more on its side; never for more than there may be, as whatever finds
    /// room is not asked whether it fits.
    fn grow(&mut self, name: i64) {
        self.trim();
        if self.counts.is_empty() {
            self.first = name - STEP / 2;
            self.counts.resize(STEP as usize, 0);
        } else if name < self.first {
            let room = MAX_BUCKETS - self.counts.len() as i64;
            let more = (self.first - name + STEP / 2).min(room) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, more));
            self.first -= more as i64;
        } else {
            self.counts.resize((name - self.first + STEP / 2).min(MAX_BUCKETS) as usize, 0);
        }
    }

    fn merge(&mut self, other: &Buckets, finer: u32) {
        for (at, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let added = self.add((other.first + at as i64) >> finer, *count);
            debug_assert!(added, "whether the buckets fit was asked before");
        }
    }

    /// Drops empty buckets at both ends, so that values which come far from earlier ones do not add up to a long list.
    fn trim(&mut self) {
        if let Some((first, last)) = self.range() {
            self.counts.truncate((last - self.first + 1) as usize);
            self.counts.drain(..(first - self.first) as usize);
            self.first = first;
        }
    }

    /// Appends the stored form: the counts from the first bucket that holds something to the last, and its name.
    fn pack(&self, into: &mut Vec<u8>) {
        let Some((first, last)) = self.range() else { return counts::pack(&[], into) };
        counts::pack(&self.counts[(first - self.first) as usize..=(last - self.first) as usize], into);
        into.put_number(first as u64);
    }

    /// Reads what [`pack`](Buckets::pack) wrote, where there are so many names.
    fn unpack(from: &mut Packed<'_>, names: usize) -> Result<Buckets, Damaged> {
        let (counts, total) = counts::unpack(from, names.min(MAX_BUCKETS as usize))?;
        let first = if counts.is_empty() { 0 } else { from.size(names - counts.len())? as i64 };
        Ok(Buckets { first, counts, total })
    }

    /// The bucket of the value with this rank, from 1, in the order of magnitudes.
    fn at_rank(&self, rank: u64) -> i64 {
        // Sixteen buckets at a time are added up without a decision, until the rank is among them.
        let (mut below, mut passed) = (0, 0);
        for chunk in self.counts.as_chunks::<16>().0 {
            let held: u64 = chunk.iter().sum();
            if below + held >= rank {
                break;
            }
            below += held;
            passed += chunk.len();
        }
        for (at, count) in self.counts.iter().enumerate().skip(passed) {
            below += count;
            if below >= rank {
                return self.first + at as i64;
            }
        }
        self.first
    }
}

impl PartialEq for Buckets {
    fn eq(&self, other: &Buckets) -> bool {
        let held = |buckets: &Buckets| -> Vec<(i64, u64)> {
            let named =
                buckets.counts.iter().enumerate().map(|(at, count)| (buckets.first + at as i64, *count));
            named.filter(|(_, count)| *count > 0).collect()
        };
        self.total == other.total && held(self) == held(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEVELS: [f64; 9] = [0.0, 0.001, 0.1, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0];

    /// The stated error.
    const ERROR: f64 = 0.01;

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.record(*value));
        sketch
    }

    /// Compares every quantile with the exact one of the same rank.
    #[track_caller]
    fn check(values: &[f64], error: f64) {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let mut found = [0.0; LEVELS.len()];
        sketch(values).quantiles(&LEVELS, &mut found);
        for (level, found) in LEVELS.iter().zip(found) {
            let rank = (level * values.len() as f64).ceil().max(1.0) as usize;
            let exact = sorted[rank - 1];
            assert!((found - exact).abs() <= error * exact.abs(), "{level}: {found} instead of {exact}");
        }
    }

    /// 20,000 values, each made of two uniform ones between 0 and 1.
    fn drawn(make: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let mut state = 1u64;
        let mut unit = || {
            // Knuth's linear congruential generator, of which the upper bits are good.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 12) as f64 + 0.5) / (1u64 << 52) as f64
        };
        (0..20_000).map(|_| make(unit(), unit())).collect()
    }

    fn normal(first: f64, second: f64) -> f64 {
        (-2.0 * first.ln()).sqrt() * (std::f64::consts::TAU * second).cos()
    }

    #[test]
    fn quantiles_are_within_the_stated_error_whatever_the_distribution() {
        check(&drawn(|value, _| value), ERROR);
        check(&drawn(|first, second| normal(first, second).exp()), ERROR);
        check(&drawn(|value, _| value.powf(-1.0 / 1.2)), ERROR);
        check(&drawn(|first, second| if second < 0.3 { 0.01 + first / 1e3 } else { 5.0 + first }), ERROR);
        check(&drawn(|_, _| 0.025), 0.0);
        check(&drawn(|first, second| normal(first, second) * 100.0), ERROR);
    }

    #[test]
    fn outermost_values_are_exact_and_nothing_is_not_a_number() {
        check(&[7.3], 0.0);
        check(&[-7.3, 7.3], 0.0);
        check(&[0.0, -0.0, 0.0], 0.0);
        let mut found = [0.0];
        Sketch::default().quantiles(&[0.5], &mut found);
        assert!(found[0].is_nan());
    }

    #[test]
    fn values_that_are_worlds_apart_take_bounded_room() {
        let values: Vec<f64> = (-1000..1000).map(|exponent| 2f64.powi(exponent) * 1.3).collect();
        let sketch = sketch(&values);
        assert!(sketch.positive.counts.len() as i64 <= MAX_BUCKETS + STEP);
        assert_eq!(sketch.len(), 2000);
        // 2^32 apart they are still within the error.
        check(&values[990..1021], ERROR);
    }

    #[test]
    fn the_largest_floats_stay_finite() {
        check(&[f64::MAX, f64::MAX / 1.001, f64::MIN, f64::MAX / 2.0], ERROR);
        check(&[f64::MIN_POSITIVE, 5e-324], 1.0);
    }

    #[test]
    fn room_for_more_buckets_is_not_room_for_too_many() {
        let bucket = |name: i64| f64::from_bits((name as u64) << DROPPED_BITS);
        // The second is the last that fits beside the first; a third is just behind it, or before the first.
        for (first, last, third) in [(40_000, 42_047, 42_048), (42_047, 40_000, 39_999)] {
            let together = sketch(&[bucket(first), bucket(last), bucket(third)]);
            assert_eq!(together.coarseness, 1);
            let mut merged = sketch(&[bucket(first), bucket(last)]);
            assert_eq!(merged.coarseness, 0);
            merged.merge(&sketch(&[bucket(third)]));
            assert_eq!(merged, together);
        }
    }

    #[test]
    fn what_cannot_be_a_sketch_is_not_read() {
        let read = |damage: fn(&mut Sketch)| {
            let mut sketch = sketch(&[1.0, 2.0, -3.0, 0.0]);
            damage(&mut sketch);
            let mut bytes = Vec::new();
            sketch.pack(&mut bytes);
            Sketch::unpack(&mut Packed::new(&bytes)).is_ok()
        };
        assert!(read(|_| ()));
        assert!(!read(|sketch| sketch.coarseness = MAX_COARSENESS + 1));
        assert!(!read(|sketch| sketch.zeros = u64::MAX));
        assert!(!read(|sketch| sketch.min = f64::NAN));
        assert!(!read(|sketch| sketch.max = f64::INFINITY));
        assert!(!read(|sketch| sketch.max = -4.0));
        assert!(!read(|sketch| sketch.positive.first = (f64::INFINITY.to_bits() >> DROPPED_BITS) as i64));
        assert!(!read(|sketch| sketch.negative.counts = vec![1; MAX_BUCKETS as usize + 1]));
        assert!(!read(|sketch| sketch.negative.counts = vec![u64::MAX; 2]));
    }

    #[test]
    fn no_float_needs_wider_buckets_than_are_read() {
        let extremes = sketch(&[f64::MAX, f64::MIN_POSITIVE, f64::MIN]);
        assert_eq!(extremes.coarseness, MAX_COARSENESS);
        let mut bytes = Vec::new();
        extremes.pack(&mut bytes);
        assert_eq!(Sketch::unpack(&mut Packed::new(&bytes)), Ok(extremes));
    }

    proptest! {
        #[test]
        fn merging_is_counting_together(left in prop::collection::vec(any::<f64>().prop_filter("finite", |value| value.is_finite()), 0..30), right in prop::collection::vec(-1e9f64..1e9, 0..30)) {
            let (mut forth, mut back) = (sketch(&left), sketch(&right));
            forth.merge(&sketch(&right));
            back.merge(&sketch(&left));
            prop_assert_eq!(&forth, &back);
            prop_assert_eq!(forth.len(), (left.len() + right.len()) as u64);
            prop_assert_eq!(forth, sketch(&[left, right].concat()));
        }
    }
}
