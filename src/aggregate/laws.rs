//! The laws that every aggregator keeps, as one property test to call for each.

use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Aggregate, Stamp};

/// Checks that merging is commutative and associative, that zero changes nothing, and that recording into
/// one cell is the same as recording into several and merging them.
///
/// The values are multiples of 1/64, so that sums of them are exact and equality means equality.
#[track_caller]
pub(super) fn check<A: Aggregate>(make: impl Fn() -> A, values: Range<f64>)
where
    A::Cell: Clone + PartialEq + std::fmt::Debug,
{
    let value =
        ((values.start * 64.0) as i64..(values.end * 64.0) as i64).prop_map(|steps| steps as f64 / 64.0);
    let some = || prop::collection::vec(value.clone(), 0..40);
    let definition = make();
    // Every value has a stamp of its own, `from` on.
    let cell = |values: &[f64], from: usize| {
        let mut cell = definition.zero();
        for (value, stamp) in values.iter().zip(from..) {
            assert_eq!(definition.accepted().check(*value), Ok(*value), "the range holds valid values only");
            definition.record(&mut cell, *value, Stamp(stamp as u64));
        }
        cell
    };
    let merged = |left: &A::Cell, right: &A::Cell| {
        let mut both = left.clone();
        definition.merge(&mut both, right);
        both
    };
    let law = |(a, b, c): (Vec<f64>, Vec<f64>, Vec<f64>)| {
        let all = cell(&[a.clone(), b.clone(), c.clone()].concat(), 0);
        let [a, b, c] = [cell(&a, 0), cell(&b, a.len()), cell(&c, a.len() + b.len())];
        prop_assert_eq!(merged(&a, &b), merged(&b, &a), "commutative");
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)), "associative");
        prop_assert_eq!(merged(&a, &definition.zero()), a.clone(), "zero");
        prop_assert_eq!(merged(&merged(&a, &b), &c), all, "splitting");
        let mut left = a.clone();
        prop_assert_eq!(definition.take(&mut left), a, "taking");
        prop_assert_eq!(left, definition.zero(), "what is left");
        Ok(())
    };
    TestRunner::default().run(&(some(), some(), some()), law).unwrap_or_else(|broken| panic!("{broken}"));
}
