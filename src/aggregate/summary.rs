//! `summary`: quantiles of the values in a sliding window.
//!
//! ```yaml
//! - summary:
//!     name: order_latency_seconds
//!     help: Time from order to confirmation.
//!     unit: seconds
//!     value: latency
//!     quantiles: [0.5, 0.9, 0.99]
//!     window: 5m
//! ```
//!
//! A quantile is within 1 % of the exact one, see [`Sketch`]; with `hdr: {significant_digits: 2, lowest: 0.001,
//! highest: 3600}` it has so many digits of values in that range. `_sum` and `_count` count for ever.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::few::{Spare, Values};
use super::hdr::Hdr;
use super::sketch::{self, Sketch};
use super::window::{self, Ring, Window};
use super::{Accepted, Aggregate, Definition, Kind, Moment, Stamp, counts};
use crate::base::pack::{Damaged, Pack, Packed};
use crate::model::family::{FamilyKind, MAX_QUANTILES, Reading, UnixSeconds};
use crate::model::sum::Sum;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;

pub(super) static KIND: Kind = Kind {
    name: "summary",
    help: "Quantiles of the values in a sliding window; has `_sum` and `_count`, which count for ever.",
    example: "- summary:\n    name: order_latency_seconds\n    help: Time from order to confirmation.\n    value: latency\n    quantiles: [0.5, 0.9, 0.99]\n    window: 5m\n",
    keys: &[
        Key {
            name: "quantiles",
            wanted: "a list of numbers from 0 to 1",
            required: false,
            help: "Which quantiles are shown: 0.5 is the median, 1 the greatest value.",
            default: Some("[0.5, 0.9, 0.99]"),
        },
        window::key(true, "How far back quantiles look."),
        Key {
            name: "hdr",
            wanted: "`{significant_digits, lowest, highest}`",
            required: false,
            help: "Keeps values in an HDR histogram of this range instead of a sketch with an error of 1 %.",
            default: None,
        },
    ],
    family: FamilyKind::Summary,
    needs_value: true,
    starts_at_zero: true,
    build,
};

const DEFAULT: [f64; 3] = [0.5, 0.9, 0.99];

fn build(keys: &Mapping<'_>, faults: &mut Faults) -> Option<Arc<dyn Definition>> {
    let levels = match keys.get("quantiles") {
        None => Some(DEFAULT.to_vec()),
        Some(node) => levels(node, faults),
    };
    let window = keys.get("window").and_then(|node| Window::read(node, faults));
    let hdr = keys.get("hdr").map(|node| Hdr::read(node, faults));
    let (levels, window) = (levels?.into(), window?);
    match hdr {
        None => Some(Arc::new(Summary { levels, window, estimator: Sketches })),
        Some(hdr) => Some(Arc::new(Summary { levels, window, estimator: hdr? })),
    }
}

fn levels(node: &Node, faults: &mut Faults) -> Option<Vec<f64>> {
    let nodes = node.list("a list of numbers from 0 to 1", faults)?;
    if nodes.is_empty() || nodes.len() > MAX_QUANTILES {
        faults.add(node.place, format!("{} quantiles, 1 to {MAX_QUANTILES} are possible", nodes.len()));
        return None;
    }
    let mut levels = Vec::with_capacity(nodes.len());
    let mut whole = true;
    for node in nodes {
        match node.number(faults) {
            Some(level) if !(0.0..=1.0).contains(&level) => {
                let help =
                    format!("the 99th percentile is the quantile 0.99; write {} as {}", level, level / 100.0);
                faults.add_with_help(
                    node.place,
                    format!("{level} is no quantile, 0 to 1 are possible"),
                    help,
                );
                whole = false;
            }
            Some(level) if levels.contains(&level) => {
                faults.add(node.place, format!("quantile {level} occurs twice"));
                whole = false;
            }
            Some(level) => levels.push(level),
            None => whole = false,
        }
    }
    levels.sort_by(f64::total_cmp);
    whole.then_some(levels)
}

/// What counts many values so that quantiles of them can be told.
pub(super) trait Estimator: Send + Sync + 'static {
    type Many: Clone + Send + Sync + 'static;

    fn accepted(&self) -> Accepted;
    fn empty(&self) -> Self::Many;
    fn clear(&self, many: &mut Self::Many);
    fn record(&self, many: &mut Self::Many, value: f64);
    fn merge(&self, into: &mut Self::Many, from: &Self::Many);
    fn len(&self, many: &Self::Many) -> u64;
    fn quantiles(&self, many: &Self::Many, levels: &[f64], into: &mut [f64]);

    /// What [`quantiles`](Estimator::quantiles) says at `level` of values that are `sorted`, of which that at `rank`,
    /// from 1, is meant.
    fn estimate(&self, sorted: &[f64], rank: usize, level: f64) -> f64;

    /// Appends the stored form.
    fn pack(&self, many: &Self::Many, into: &mut Vec<u8>);

    /// Reads what [`pack`](Estimator::pack) wrote.
    fn unpack(&self, from: &mut Packed<'_>) -> Result<Self::Many, Damaged>;
}

/// The estimator without options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sketches;

impl Estimator for Sketches {
    type Many = Sketch;

    fn accepted(&self) -> Accepted {
        Accepted { least: f64::MIN, greatest: f64::MAX }
    }

    fn empty(&self) -> Sketch {
        Sketch::default()
    }

    fn clear(&self, many: &mut Sketch) {
        many.clear();
    }

    fn record(&self, many: &mut Sketch, value: f64) {
        many.record(value);
    }

    fn merge(&self, into: &mut Sketch, from: &Sketch) {
        into.merge(from);
    }

    fn len(&self, many: &Sketch) -> u64 {
        many.len()
    }

    fn quantiles(&self, many: &Sketch, levels: &[f64], into: &mut [f64]) {
        many.quantiles(levels, into);
    }

    fn estimate(&self, sorted: &[f64], rank: usize, _: f64) -> f64 {
        sketch::estimate(sorted, rank)
    }

    fn pack(&self, many: &Sketch, into: &mut Vec<u8>) {
        many.pack(into);
    }

    fn unpack(&self, from: &mut Packed<'_>) -> Result<Sketch, Damaged> {
        Sketch::unpack(from)
    }
}

impl Estimator for Hdr {
    type Many = Histogram<u64>;

    fn accepted(&self) -> Accepted {
        Accepted { least: 0.0, greatest: self.greatest() }
    }

    fn empty(&self) -> Histogram<u64> {
        Hdr::empty(self)
    }

    fn clear(&self, many: &mut Histogram<u64>) {
        many.reset();
    }

    fn record(&self, many: &mut Histogram<u64>, value: f64) {
        Hdr::record(self, many, value);
    }

    fn merge(&self, into: &mut Histogram<u64>, from: &Histogram<u64>) {
        into.add(from).expect("both have the same bounds");
    }

    fn len(&self, many: &Histogram<u64>) -> u64 {
        many.len()
    }

    fn quantiles(&self, many: &Histogram<u64>, levels: &[f64], into: &mut [f64]) {
        Hdr::quantiles(self, many, levels, into);
    }

    fn estimate(&self, sorted: &[f64], rank: usize, level: f64) -> f64 {
        Hdr::estimate(self, sorted[rank - 1], level)
    }

    fn pack(&self, many: &Histogram<u64>, into: &mut Vec<u8>) {
        Hdr::pack(many, into);
    }

    fn unpack(&self, from: &mut Packed<'_>) -> Result<Histogram<u64>, Damaged> {
        Hdr::unpack(self, from)
    }
}

/// A summary whose values an [`Estimator`] keeps.
#[derive(Debug)]
pub(super) struct Summary<E> {
    /// In ascending order.
    levels: Box<[f64]>,
    window: Window,
    estimator: E,
}

/// What one worker recorded.
#[derive(Clone, Debug)]
pub(super) struct Recorded<M> {
    sum: Sum,
    values: Values<M>,
    spare: Spare<M>,
}

impl<M: PartialEq> PartialEq for Recorded<M> {
    fn eq(&self, other: &Recorded<M>) -> bool {
        (&self.sum, &self.values) == (&other.sum, &other.values)
    }
}

/// What the ledger keeps of a series.
pub(super) struct Kept<M> {
    sum: Sum,
    count: u64,
    recent: Ring<Values<M>>,
}

impl<E: Estimator> Aggregate for Summary<E> {
    type Cell = Recorded<E::Many>;
    type Kept = Kept<E::Many>;

    fn zero(&self) -> Self::Cell {
        Recorded { sum: Sum::ZERO, values: Values::NONE, spare: Spare::default() }
    }

    fn accepted(&self) -> Accepted {
        self.estimator.accepted()
    }

    fn record(&self, cell: &mut Self::Cell, value: f64, _: Stamp) {
        cell.values.record(&self.estimator, value, &mut cell.spare);
        cell.sum.add(value);
    }

    fn take(&self, cell: &mut Self::Cell) -> Self::Cell {
        let Recorded { sum, values, spare } = cell;
        Recorded {
            sum: std::mem::take(sum),
            values: values.take(&self.estimator, spare),
            spare: Spare::default(),
        }
    }

    fn merge(&self, into: &mut Self::Cell, from: &Self::Cell) {
        into.values.merge(&self.estimator, &from.values);
        into.sum.merge(from.sum);
    }

    fn keep(&self) -> Self::Kept {
        Kept { sum: Sum::ZERO, count: 0, recent: Ring::new(Values::NONE) }
    }

    fn post(&self, kept: &mut Self::Kept, change: Self::Cell, now: Duration) {
        kept.sum.merge(change.sum);
        kept.count += change.values.len(&self.estimator);
        let part = kept.recent.part(self.window, now, || Values::NONE);
        part.take_in(&self.estimator, change.values);
    }

    fn read<'k>(&'k self, kept: &'k Self::Kept, created: UnixSeconds, moment: Moment) -> Option<Reading<'k>> {
        let mut values = [f64::NAN; MAX_QUANTILES];
        let parts = || kept.recent.recent(self.window, moment.now);
        // A part by itself is read where it is.
        if parts().nth(1).is_none() {
            let part = parts().next();
            part.inspect(|part| part.quantiles(&self.estimator, &self.levels, &mut values));
        } else {
            let mut recent = Values::NONE;
            parts().for_each(|part| recent.merge(&self.estimator, part));
            recent.quantiles(&self.estimator, &self.levels, &mut values);
        }
        Some(Reading::Summary { levels: &self.levels, values, sum: kept.sum, count: kept.count, created })
    }

    fn pack(&self, cell: &Self::Cell, into: &mut Vec<u8>) {
        cell.sum.pack(into);
        cell.values.pack(&self.estimator, into);
    }

    fn unpack(&self, from: &mut Packed<'_>) -> Result<Self::Cell, Damaged> {
        let sum = Sum::unpack(from)?;
        Ok(Recorded { sum, values: Values::unpack(&self.estimator, from)?, spare: Spare::default() })
    }

    fn pack_kept(&self, kept: &Self::Kept, into: &mut Vec<u8>) {
        kept.sum.pack(into);
        into.put_number(kept.count);
        kept.recent.pack(into, |values, into| values.pack(&self.estimator, into));
    }

    fn unpack_kept(&self, from: &mut Packed<'_>) -> Result<Self::Kept, Damaged> {
        let (sum, count) = (Sum::unpack(from)?, counts::count(from, &mut 0)?);
        let recent = Ring::unpack(from, |from| Values::unpack(&self.estimator, from))?;
        Ok(Kept { sum, count, recent })
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use crate::model::refused::Refused;
    use proptest::prelude::*;

    fn summary() -> Summary<Sketches> {
        let window = Window::new(Duration::from_secs(60));
        Summary { levels: [0.5, 1.0].into(), window, estimator: Sketches }
    }

    fn posted<E: Estimator>(summary: &Summary<E>, kept: &mut Kept<E::Many>, values: &[f64], now: u64) {
        let mut cell = summary.zero();
        values.iter().for_each(|value| summary.record(&mut cell, *value, Stamp(0)));
        summary.post(kept, summary.take(&mut cell), Duration::from_secs(now));
    }

    #[test]
    fn what_a_worker_keeps_the_room_of_counts_as_if_it_were_new() {
        let summary = summary();
        let recorded = |cell: &mut Recorded<Sketch>, value: f64| {
            (0..100).for_each(|at| summary.record(cell, value * f64::from(100 + at), Stamp(0)));
            summary.take(cell)
        };
        let mut used = summary.zero();
        for value in [1.0, 1e300, -1e-9, 1.0, 1e-300] {
            assert_eq!(recorded(&mut used, value), recorded(&mut summary.zero(), value), "{value}");
        }
    }

    #[track_caller]
    fn check(reading: Option<Reading<'_>>, quantiles: [f64; 2], total: f64, times: u64) {
        let Some(Reading::Summary { values, sum, count, .. }) = reading else { panic!("{reading:?}") };
        for (found, wanted) in values.into_iter().zip(quantiles) {
            assert!(
                (found - wanted).abs() <= wanted * 0.01 || found.is_nan() && wanted.is_nan(),
                "{values:?}"
            );
        }
        assert_eq!((sum.value(), count), (total, times));
    }

    fn at(now: u64) -> Moment {
        Moment { now: Duration::from_secs(now), started: Duration::ZERO }
    }

    #[test]
    fn quantiles_forget_what_left_the_window_and_totals_do_not() {
        let summary = summary();
        let mut kept = summary.keep();
        posted(&summary, &mut kept, &[1.0, 2.0, 3.0], 600);
        posted(&summary, &mut kept, &[10.0], 630);
        check(summary.read(&kept, 0.0, at(630)), [2.0, 10.0], 16.0, 4);
        check(summary.read(&kept, 0.0, at(680)), [10.0, 10.0], 16.0, 4);
        check(summary.read(&kept, 0.0, at(3600)), [f64::NAN, f64::NAN], 16.0, 4);
    }

    #[test]
    fn hdr_keeps_so_many_digits_and_refuses_what_is_beyond() {
        let hdr = Hdr::read_for_test(0.001, 10.0);
        let summary = Summary { levels: [0.5, 1.0].into(), window: summary().window, estimator: hdr };
        let mut kept = summary.keep();
        posted(&summary, &mut kept, &[0.0, 0.1234, 9.99], 600);
        check(summary.read(&kept, 0.0, at(600)), [0.1234, 9.99], 10.1134, 3);
        assert_eq!(summary.accepted().check(10.1), Err(Refused::OutOfRange));
        assert_eq!(summary.accepted().check(-1.0), Err(Refused::Negative));
    }

    #[test]
    fn a_series_in_one_part_takes_its_totals_and_three_lists() {
        assert!(size_of::<Kept<Sketch>>() <= size_of::<Sum>() + 8 + 8 + 24 + 16 + align_of::<Sum>());
    }

    proptest! {
        #[test]
        fn one_part_says_the_same_as_several(values in prop::collection::vec(0.001f64..1e6, 0..200), parts in 1u64..9) {
            let summary = summary();
            let (mut one, mut several) = (summary.keep(), summary.keep());
            posted(&summary, &mut one, &values, 600);
            for part in 0..parts {
                let share: Vec<_> = values.iter().skip(part as usize).step_by(parts as usize).copied().collect();
                posted(&summary, &mut several, &share, 600 + 6 * part);
            }
            let shown = |kept| match summary.read(kept, 0.0, at(655)) {
                Some(Reading::Summary { values, count, .. }) => (values.map(f64::to_bits), count),
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(shown(&one), shown(&several));
        }
    }

    #[test]
    fn keeps_the_laws_of_an_aggregator() {
        laws::check(summary, -10.0..1e9);
        let hdr = Hdr::read_for_test(0.001, 10_000.0);
        laws::check(
            || Summary { levels: [0.5].into(), window: summary().window, estimator: hdr.clone() },
            0.0..10_000.0,
        );
    }
}
