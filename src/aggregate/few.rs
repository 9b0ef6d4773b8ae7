//! Values that are few: kept as they came for as long as that takes less room than what estimates quantiles of many.
//!
//! Most of many series have some values in a part of a window. Listed they take 8 bytes each, where the buckets of an
//! estimator take thousands. Quantiles hardly tell the difference: of a list an [`Estimator`] says what it would say had it
//! counted its values, without ever widening its buckets for those that are worlds apart.

use super::summary::Estimator;
use crate::base::pack::{Damaged, Pack, Packed};

/// How many values are few.
const FEW: usize = 64;

/// The values of a series: a list in whatever order, or what an estimator makes of more than are listed. Which of the two
/// only depends on how many there are.
#[derive(Clone, Debug)]
pub(super) enum Values<M> {
    Few(Vec<f64>),
    Many(Box<M>),
}

/// An empty estimator that was used before.
#[derive(Clone, Debug)]
pub(super) struct Spare<M>(Option<Box<M>>);

impl<M> Default for Spare<M> {
    fn default() -> Spare<M> {
        Spare(None)
    }
}

impl<M> Values<M> {
    pub(super) const NONE: Values<M> = Values::Few(Vec::new());

    /// Takes in a value; with the one that makes them many it uses what is spare, if anything is.
    pub(super) fn record(&mut self, estimator: &impl Estimator<Many = M>, value: f64, spare: &mut Spare<M>) {
        match self {
            Values::Few(values) if values.len() < FEW => values.push(value),
            Values::Few(_) => estimator.record(self.many(estimator, spare), value),
            Values::Many(many) => estimator.record(many, value),
        }
    }

    /// Hands over all values, and keeps the room that they took for those to come.
    pub(super) fn take(&mut self, estimator: &impl Estimator<Many = M>, spare: &mut Spare<M>) -> Values<M>
    where
        M: Clone,
    {
        let taken = self.clone();
        if let Values::Few(values) = self {
            values.clear();
        } else if let Values::Many(mut many) = std::mem::replace(self, Values::Few(Vec::with_capacity(FEW))) {
            estimator.clear(&mut many);
            spare.0 = Some(many);
        }
        taken
    }

    pub(super) fn merge(&mut self, estimator: &impl Estimator<Many = M>, other: &Values<M>) {
        match (&mut *self, other) {
            (Values::Few(values), Values::Few(others)) if values.len() + others.len() <= FEW => {
                values.reserve_exact(others.len());
                values.extend(others);
            }
            (_, Values::Few(others)) => {
                let many = self.many(estimator, &mut Spare::default());
                others.iter().for_each(|value| estimator.record(many, *value));
            }
            (_, Values::Many(others)) => estimator.merge(self.many(estimator, &mut Spare::default()), others),
        }
    }

    /// Takes in values that nobody else needs any more: where there are none yet, they are moved.
    pub(super) fn take_in(&mut self, estimator: &impl Estimator<Many = M>, mut other: Values<M>) {
        if self.len(estimator) > 0 {
            return self.merge(estimator, &other);
        }
        if let Values::Few(values) = &mut other {
            values.shrink_to_fit();
        }
        *self = other;
    }

    pub(super) fn len(&self, estimator: &impl Estimator<Many = M>) -> u64 {
        match self {
            Values::Few(values) => values.len() as u64,
            Values::Many(many) => estimator.len(many),
        }
    }

    /// For each of `levels`, the value of which that part of all values is not greater: the one at rank
    /// ⌈level × len⌉, at least the first, as the estimator knows it. NaN where there is no value.
    pub(super) fn quantiles(&self, estimator: &impl Estimator<Many = M>, levels: &[f64], into: &mut [f64]) {
        let values = match self {
            Values::Few(values) => values,
            Values::Many(many) => return estimator.quantiles(many, levels, into),
        };
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        for (level, into) in levels.iter().zip(into) {
            let rank = ((level * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len().max(1));
            *into = if sorted.is_empty() { f64::NAN } else { estimator.estimate(&sorted, rank, *level) };
        }
    }

    /// Appends the stored form: how many are listed and the list, or one more than are ever listed and the estimator's.
    pub(super) fn pack(&self, estimator: &impl Estimator<Many = M>, into: &mut Vec<u8>) {
        match self {
            Values::Few(values) => {
                into.put_number(values.len() as u64);
                values.iter().for_each(|value| into.put_float(*value));
            }
            Values::Many(many) => {
                into.put_number(FEW as u64 + 1);
                estimator.pack(many, into);
            }
        }
    }

    /// Reads what [`pack`](Values::pack) wrote.
    pub(super) fn unpack(
        estimator: &impl Estimator<Many = M>,
        from: &mut Packed<'_>,
    ) -> Result<Values<M>, Damaged> {
        let len = from.size(FEW + 1)?;
        if len > FEW {
            let many = Box::new(estimator.unpack(from)?);
            if estimator.len(&many) <= FEW as u64 {
                return Err(Damaged("values that are few are not listed"));
            }
            return Ok(Values::Many(many));
        }
        let accepted = estimator.accepted();
        let mut values = Vec::with_capacity(len);
        for _ in 0..len {
            values.push(accepted.check(from.float()?).map_err(|_| Damaged("a value is out of range"))?);
        }
        Ok(Values::Few(values))
    }

    /// From now on the values are many.
    fn many(&mut self, estimator: &impl Estimator<Many = M>, spare: &mut Spare<M>) -> &mut M {
        if let Values::Few(values) = self {
            let mut many = spare.0.take().unwrap_or_else(|| Box::new(estimator.empty()));
            values.iter().for_each(|value| estimator.record(&mut many, *value));
            *self = Values::Many(many);
        }
        match self {
            Values::Many(many) => many,
            Values::Few(_) => unreachable!("a list was replaced just above"),
        }
    }
}

impl<M: PartialEq> PartialEq for Values<M> {
    fn eq(&self, other: &Values<M>) -> bool {
        let sorted = |values: &[f64]| {
            let mut sorted = values.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted
        };
        match (self, other) {
            (Values::Few(left), Values::Few(right)) => sorted(left) == sorted(right),
            (Values::Many(left), Values::Many(right)) => left == right,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hdr::Hdr;
    use super::super::summary::Sketches;
    use super::*;
    use proptest::prelude::*;

    const LEVELS: [f64; 8] = [0.0, 0.01, 0.3, 0.5, 0.9, 0.99, 0.999, 1.0];

    fn listed<M>(values: &[f64], estimator: &impl Estimator<Many = M>) -> Values<M> {
        let mut listed = Values::NONE;
        values.iter().for_each(|value| listed.record(estimator, *value, &mut Spare::default()));
        listed
    }

    fn quantiles<M>(values: &Values<M>, estimator: &impl Estimator<Many = M>) -> [f64; LEVELS.len()] {
        let mut found = [0.0; LEVELS.len()];
        values.quantiles(estimator, &LEVELS, &mut found);
        found
    }

    /// Checks that a list says what the estimator says of its values, which are less than 2^32 apart.
    #[track_caller]
    fn check<E: Estimator>(values: &[f64], estimator: &E) {
        let few = listed(values, estimator);
        assert!(matches!(few, Values::Few(_)));
        let mut many = listed(values, estimator);
        many.many(estimator, &mut Spare::default());
        assert_eq!(quantiles(&few, estimator), quantiles(&many, estimator), "of {values:?}");
        assert_eq!(few.len(estimator), many.len(estimator));
    }

    #[test]
    fn more_than_a_few_are_counted_and_none_is_lost() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let mut all = listed(&values[..64], &Sketches);
        assert!(matches!(all, Values::Few(_)));
        all.record(&Sketches, 65.0, &mut Spare::default());
        assert!(matches!(all, Values::Many(_)));
        all.merge(&Sketches, &listed(&values[65..], &Sketches));
        assert_eq!(all.len(&Sketches), 100);
        assert_eq!(all, listed(&values, &Sketches));
    }

    #[test]
    fn what_is_moved_takes_no_more_room_than_it_needs() {
        let mut kept = Values::NONE;
        kept.take_in(&Sketches, listed(&[1.0; 5], &Sketches));
        kept.take_in(&Sketches, listed(&[2.0; 5], &Sketches));
        let Values::Few(values) = kept else { panic!("ten are few") };
        assert_eq!((values.len(), values.capacity()), (10, 10));
        assert_eq!(size_of::<Values<u64>>(), 24);
    }

    #[test]
    fn zeros_of_both_signs_and_values_too_small_to_count_are_zero() {
        check(&[-0.0, 0.0, -0.0, 1.0, 5e-324, -1.0, 2.0], &Sketches);
    }

    #[test]
    fn values_that_cannot_be_there_are_not_read() {
        let hdr = Hdr::read_for_test(0.001, 10.0);
        let read = |values: &Values<_>| {
            let mut bytes = Vec::new();
            values.pack(&hdr, &mut bytes);
            Values::unpack(&hdr, &mut Packed::new(&bytes)) == Ok(values.clone())
        };
        let many = |count: u64, value: u64| {
            let mut many = Hdr::read_for_test(0.001, 1e9).empty();
            many.record_n(value, count).unwrap();
            Values::Many(Box::new(many))
        };
        assert!(read(&Values::NONE) && read(&Values::Few(vec![0.0, 10.0])));
        assert!(!read(&Values::Few(vec![11.0])) && !read(&Values::Few(vec![f64::NAN])));
        assert!(!read(&many(64, 1000)) && !read(&many(65, 100_000)) && !read(&many(u64::MAX, 1000)));
    }

    proptest! {
        #[test]
        fn a_list_says_what_an_estimator_says_of_its_values(
            exponents in prop::collection::vec((-5.0f64..4.0, any::<bool>()), 1..60)
        ) {
            let signed: Vec<_> =
                exponents.iter().map(|(e, below)| 10f64.powf(*e) * if *below { -1.0 } else { 1.0 }).collect();
            check(&signed, &Sketches);
            let positive: Vec<_> = signed.iter().map(|value| value.abs()).collect();
            check(&positive, &Sketches);
            check(&positive, &Hdr::read_for_test(0.001, 10_000.0));
        }
    }
}
