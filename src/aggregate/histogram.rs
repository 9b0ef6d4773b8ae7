//! `histogram`: counts values in buckets with fixed upper bounds.
//!
//! ```yaml
//! - histogram:
//!     name: request_duration_seconds
//!     help: Time to the last byte.
//!     unit: seconds
//!     value: request_time
//!     buckets: [0.01, 0.05, 0.1, 0.5, 1, 5]
//! ```
//!
//! or `buckets: {linear: {start: 0, width: 10, count: 5}}`, or
//! `buckets: {exponential: {start: 0.001, factor: 2, count: 12}}`.

use std::sync::Arc;
use std::time::Duration;

use super::{Aggregate, Definition, Kind, Moment, Stamp, counts};
use crate::base::pack::{Damaged, Packed};
use crate::model::family::{FamilyKind, Reading, UnixSeconds};
use crate::model::sum::Sum;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::{Node, NodeKind};

pub(super) static KIND: Kind = Kind {
    name: "histogram",
    help: "Counts values in buckets with fixed upper bounds; has `_sum` and `_count`.",
    example: "- histogram:\n    name: request_duration_seconds\n    help: Time to the last byte.\n    value: request_time\n    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5]\n",
    keys: &[Key {
        name: "buckets",
        wanted: BUCKETS,
        required: false,
        help: "Upper bounds of the buckets, `+Inf` is added; `linear` and `exponential` compute them.",
        default: Some("[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]"),
    }],
    family: FamilyKind::Histogram,
    needs_value: true,
    starts_at_zero: true,
    build,
};

const BUCKETS: &str =
    "a list of upper bounds, `{linear: {start, width, count}}` or `{exponential: {start, factor, count}}`";

/// The bounds of client libraries for durations in seconds.
const DEFAULT: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// More buckets than this make a scrape too heavy for whoever stores it.
const MAX_BUCKETS: u64 = 1000;

fn build(keys: &Mapping<'_>, faults: &mut Faults) -> Option<Arc<dyn Definition>> {
    let bounds = match keys.get("buckets") {
        None => DEFAULT.to_vec(),
        Some(node) => bounds(node, faults)?,
    };
    Some(Arc::new(Histogram::new(bounds)))
}

fn bounds(node: &Node, faults: &mut Faults) -> Option<Vec<f64>> {
    if let NodeKind::Map(_) = node.kind {
        let variant = node.variant("progression of buckets", &["linear", "exponential"], faults)?;
        let read = if variant.kind == "linear" { linear } else { exponential };
        return read(&variant.body, faults);
    }
    let items = node.list(BUCKETS, faults)?;
    let mut bounds = Vec::with_capacity(items.len());
    let mut whole = true;
    for item in items {
        if matches!(item.kind, NodeKind::Scalar { ref text, .. } if is_infinite(&text.text)) {
            faults.add_with_help(item.place, "the bucket up to infinity is always there", "leave it out");
            whole = false;
            continue;
        }
        let Some(bound) = item.number(faults) else {
            whole = false;
            continue;
        };
        if let Some(last) = bounds.last()
            && bound <= *last
        {
            faults.add(item.place, format!("bucket bound {bound} is not above the one before it, {last}"));
            whole = false;
        }
        bounds.push(bound);
    }
    if items.is_empty() {
        faults.add(node.place, "`buckets` is empty, at least one upper bound is wanted");
        whole = false;
    }
    if items.len() as u64 > MAX_BUCKETS {
        faults.add(node.place, format!("{} buckets, at most {MAX_BUCKETS} are possible", items.len()));
        whole = false;
    }
    whole.then_some(bounds)
}

/// Infinity as YAML or Prometheus write it.
fn is_infinite(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().trim_start_matches('+'), "inf" | ".inf" | "infinity")
}

const fn number(name: &'static str, wanted: &'static str, help: &'static str) -> Key {
    Key { name, wanted, required: true, help, default: None }
}

const COUNT: Key = number("count", "a whole number from 1 to 1000", "How many buckets.");
const LINEAR: &[Key] = &[
    number("start", "a number", "The first upper bound."),
    number("width", "a number above 0", "The step."),
    COUNT,
];
const EXPONENTIAL: &[Key] = &[
    number("start", "a number above 0", "The first upper bound."),
    number("factor", "a number above 1", "Each bound is this many times the one before it."),
    COUNT,
];

fn linear(node: &Node, faults: &mut Faults) -> Option<Vec<f64>> {
    let (start, width, count) = progression(node, "linear", LINEAR, faults)?;
    if width <= 0.0 {
        faults.add(node.place, format!("`width` is {width}, a number above 0 is wanted"));
        return None;
    }
    computed(node, (0..count).map(|step| start + width * step as f64).collect(), faults)
}

fn exponential(node: &Node, faults: &mut Faults) -> Option<Vec<f64>> {
    let (start, factor, count) = progression(node, "exponential", EXPONENTIAL, faults)?;
    if start <= 0.0 || factor <= 1.0 {
        let found = format!("`start` is {start} and `factor` is {factor}");
        faults.add(node.place, format!("{found}, a start above 0 and a factor above 1 are wanted"));
        return None;
    }
    computed(node, (0..count).map(|step| start * factor.powf(step as f64)).collect(), faults)
}

/// Reads the three numbers of a computed list of bounds: the start, the step of whichever kind, the count.
fn progression(
    node: &Node,
    what: &str,
    keys: &'static [Key],
    faults: &mut Faults,
) -> Option<(f64, f64, u64)> {
    let mapping = Mapping::read(node, what, &[keys], faults)?;
    let start = mapping.get("start").and_then(|start| start.number(faults));
    let step = mapping.get(keys[1].name).and_then(|step| step.number(faults));
    let count = mapping.get("count").and_then(|count| count.integer(1..=MAX_BUCKETS, faults));
    Some((start?, step?, count?))
}

fn computed(node: &Node, bounds: Vec<f64>, faults: &mut Faults) -> Option<Vec<f64>> {
    if bounds.iter().all(|bound| bound.is_finite()) && bounds.is_sorted_by(|left, right| left < right) {
        return Some(bounds);
    }
    faults.add(node.place, "the computed bucket bounds are not finite and ascending");
    None
}

/// Explicit buckets. A value equal to a bound falls into the bucket it bounds, as in Prometheus.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: Box<[f64]>,
    /// The counts of a series without values: one for each bucket.
    zeros: Box<[u64]>,
}

/// How many values fell into each bucket, the last one above all bounds, and their sum.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    /// None at all where there never was a value.
    counts: Box<[u64]>,
    sum: Sum,
}

impl PartialEq for Buckets {
    /// No counts are the same as counts that are all zero.
    fn eq(&self, other: &Buckets) -> bool {
        let count = |buckets: &Buckets, at| buckets.counts.get(at).copied().unwrap_or(0);
        let len = self.counts.len().max(other.counts.len());
        self.sum == other.sum && (0..len).all(|at| count(self, at) == count(other, at))
    }
}

/// Up to so many bounds are all compared, which takes no decisions and several of them at a time; more are halved.
const COMPARED: usize = 32;

impl Histogram {
    fn new(bounds: Vec<f64>) -> Histogram {
        Histogram { zeros: vec![0; bounds.len() + 1].into(), bounds: bounds.into() }
    }

    /// The index of the bucket that a value falls into: how many bounds are less.
    fn bucket(&self, value: f64) -> usize {
        if self.bounds.len() <= COMPARED {
            self.bounds.iter().map(|bound| u64::from(*bound < value)).sum::<u64>() as usize
        } else {
            self.bounds.partition_point(|bound| *bound < value)
        }
    }
}

impl Aggregate for Histogram {
    type Cell = Buckets;
    type Kept = Buckets;

    fn zero(&self) -> Buckets {
        Buckets { counts: Box::default(), sum: Sum::ZERO }
    }

    fn record(&self, cell: &mut Buckets, value: f64, _: Stamp) {
        let bucket = self.bucket(value);
        if cell.counts.is_empty() {
            cell.counts = self.zeros.clone();
        }
        cell.counts[bucket] += 1;
        cell.sum.add(value);
    }

    fn take(&self, cell: &mut Buckets) -> Buckets {
        let taken = cell.clone();
        cell.counts.fill(0);
        cell.sum = Sum::ZERO;
        taken
    }

    fn merge(&self, into: &mut Buckets, from: &Buckets) {
        if into.counts.is_empty() {
            into.counts = from.counts.clone();
        } else {
            for (into, from) in into.counts.iter_mut().zip(&from.counts) {
                *into += from;
            }
        }
        into.sum.merge(from.sum);
    }

    fn keep(&self) -> Buckets {
        self.zero()
    }

    fn post(&self, kept: &mut Buckets, change: Buckets, _: Duration) {
        if kept.counts.is_empty() {
            *kept = change;
        } else {
            self.merge(kept, &change);
        }
    }

    fn read<'k>(&'k self, kept: &'k Buckets, created: UnixSeconds, _: Moment) -> Option<Reading<'k>> {
        let counts = if kept.counts.is_empty() { &self.zeros } else { &kept.counts };
        Some(Reading::Histogram { bounds: &self.bounds, counts, sum: kept.sum, created })
    }

    fn pack(&self, cell: &Buckets, into: &mut Vec<u8>) {
        cell.sum.pack(into);
        counts::pack(&cell.counts, into);
    }

    fn unpack(&self, from: &mut Packed<'_>) -> Result<Buckets, Damaged> {
        let sum = Sum::unpack(from)?;
        let (counts, _) = counts::unpack(from, self.zeros.len())?;
        if !counts.is_empty() && counts.len() != self.zeros.len() {
            return Err(Damaged("there are not as many counts as buckets"));
        }
        Ok(Buckets { counts: counts.into(), sum })
    }

    fn pack_kept(&self, kept: &Buckets, into: &mut Vec<u8>) {
        self.pack(kept, into);
    }

    fn unpack_kept(&self, from: &mut Packed<'_>) -> Result<Buckets, Damaged> {
        self.unpack(from)
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use proptest::prelude::*;

    fn histogram() -> Histogram {
        Histogram::new(vec![1.0, 2.0, 4.0])
    }

    #[test]
    fn a_value_on_a_bound_falls_into_the_bucket_it_bounds() {
        let histogram = histogram();
        let mut cell = histogram.zero();
        for value in [-1.0, 1.0, 1.5, 2.0, 4.0, 4.1] {
            histogram.record(&mut cell, value, Stamp(0));
        }
        assert_eq!(*cell.counts, [2, 2, 1, 1]);
        assert_eq!(cell.sum.value(), 11.6);
    }

    #[test]
    fn without_values_every_bucket_is_shown_and_none_is_kept() {
        let histogram = histogram();
        let mut kept = histogram.keep();
        let moment = Moment { now: Duration::ZERO, started: Duration::ZERO };
        let shown = |kept: &Buckets| match histogram.read(kept, 0.0, moment) {
            Some(Reading::Histogram { counts, .. }) => counts.to_vec(),
            other => panic!("{other:?}"),
        };
        assert_eq!(shown(&kept), [0; 4]);
        let mut cell = histogram.zero();
        histogram.record(&mut cell, 3.0, Stamp(0));
        histogram.post(&mut kept, histogram.take(&mut cell), Duration::ZERO);
        assert_eq!(shown(&kept), [0, 0, 1, 0]);
        assert_eq!(cell, histogram.zero(), "nothing is handed over twice");
        histogram.post(&mut kept, histogram.zero(), Duration::ZERO);
        assert_eq!(shown(&kept), [0, 0, 1, 0]);
        assert!(size_of::<Buckets>() <= size_of::<Sum>() + 16);
    }

    #[test]
    fn counts_of_other_buckets_are_not_read() {
        let other = Histogram::new(vec![1.0, 2.0]);
        let mut cell = other.zero();
        for (values, is_read) in [(0, true), (1, false)] {
            (0..values).for_each(|_| other.record(&mut cell, 1.5, Stamp(0)));
            let mut bytes = Vec::new();
            other.pack(&cell, &mut bytes);
            assert_eq!(histogram().unpack(&mut Packed::new(&bytes)).is_ok(), is_read);
        }
    }

    proptest! {
        #[test]
        fn a_value_falls_into_the_first_bucket_that_it_is_not_above(count in 1usize..100, value in -3.0f64..110.0) {
            let histogram = Histogram::new((0..count).map(|bound| bound as f64).collect());
            for value in [value, value.round()] {
                let first = histogram.bounds.iter().position(|bound| value <= *bound).unwrap_or(count);
                prop_assert_eq!(histogram.bucket(value), first);
            }
        }
    }

    #[test]
    fn keeps_the_laws_of_an_aggregator() {
        laws::check(histogram, -10.0..10.0);
    }
}
