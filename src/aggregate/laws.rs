//! The laws that every aggregator keeps, as one property test to call for each.

use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::Aggregate;

/// Checks that merging is commutative and associative, that zero changes nothing, and that recording into
/// one cell is the same as recording into several and merging them.
///
/// The values are multiples of 1/64, so that sums of them are exact and equality means equality.
#[track_caller]
pub(super) fn check<A: Aggregate>(make: impl Fn() -> A, values: Range<f64>)
where
    A::Cell: PartialEq + std::fmt::Debug,
{
    let value =
        ((values.start * 64.0) as i64..(values.end * 64.0) as i64).prop_map(|steps| steps as f64 / 64.0);
    let some = || prop::collection::vec(value.clone(), 0..40);
    let definition = make();
    let cell = |values: &[f64]| {
        let mut cell = definition.zero();
        for value in values {
            definition.record(&mut cell, *value).expect("the range holds valid values only");
        }
        cell
    };
    let merged = |left: &A::Cell, right: &A::Cell| {
        let mut both = left.clone();
        definition.merge(&mut both, right);
        both
    };
    let law = |(a, b, c): (Vec<f64>, Vec<f64>, Vec<f64>)| {
        let all = cell(&[a.clone(), b.clone(), c.clone()].concat());
        let [a, b, c] = [cell(&a), cell(&b), cell(&c)];
        prop_assert_eq!(merged(&a, &b), merged(&b, &a), "commutative");
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)), "associative");
        prop_assert_eq!(merged(&a, &definition.zero()), a.clone(), "zero");
        prop_assert_eq!(merged(&merged(&a, &b), &c), all, "splitting");
        Ok(())
    };
    TestRunner::default().run(&(some(), some(), some()), law).unwrap_or_else(|broken| panic!("{broken}"));
}
