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

use super::hdr::Hdr;
use super::sketch::Sketch;
use super::window::{self, Ring, Window};
use super::{Accepted, Aggregate, Definition, Kind, Moment, Stamp};
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

/// What keeps values so that quantiles of them can be told.
pub(super) trait Estimator: Copy + Send + Sync + 'static {
    type Values: Send + Sync + 'static;

    fn empty(self) -> Self::Values;
    fn accepted(self) -> Accepted;
    fn record(self, values: &mut Self::Values, value: f64);
    fn merge(self, into: &mut Self::Values, from: &Self::Values);
    fn take(self, values: &mut Self::Values) -> Self::Values;
    fn len(self, values: &Self::Values) -> u64;
    fn quantiles(self, values: &Self::Values, levels: &[f64], into: &mut [f64]);
}

/// The estimator without options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sketches;

impl Estimator for Sketches {
    type Values = Sketch;

    fn empty(self) -> Sketch {
        Sketch::default()
    }

    fn accepted(self) -> Accepted {
        Accepted { least: f64::MIN, greatest: f64::MAX }
    }

    fn record(self, values: &mut Sketch, value: f64) {
        values.record(value);
    }

    fn merge(self, into: &mut Sketch, from: &Sketch) {
        into.merge(from);
    }

    fn take(self, values: &mut Sketch) -> Sketch {
        let taken = values.clone();
        values.clear();
        taken
    }

    fn len(self, values: &Sketch) -> u64 {
        values.len()
    }

    fn quantiles(self, values: &Sketch, levels: &[f64], into: &mut [f64]) {
        values.quantiles(levels, into);
    }
}

impl Estimator for Hdr {
    type Values = Histogram<u64>;

    fn empty(self) -> Histogram<u64> {
        Hdr::empty(self)
    }

    fn accepted(self) -> Accepted {
        Accepted { least: 0.0, greatest: self.greatest() }
    }

    fn record(self, values: &mut Histogram<u64>, value: f64) {
        Hdr::record(self, values, value);
    }

    fn merge(self, into: &mut Histogram<u64>, from: &Histogram<u64>) {
        into.add(from).expect("both have the same bounds");
    }

    fn take(self, values: &mut Histogram<u64>) -> Histogram<u64> {
        let taken = values.clone();
        values.reset();
        taken
    }

    fn len(self, values: &Histogram<u64>) -> u64 {
        values.len()
    }

    fn quantiles(self, values: &Histogram<u64>, levels: &[f64], into: &mut [f64]) {
        Hdr::quantiles(self, values, levels, into);
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
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recorded<V> {
    sum: Sum,
    values: V,
}

/// What the ledger keeps of a series.
pub(super) struct Kept<V> {
    sum: Sum,
    count: u64,
    recent: Ring<V>,
}

impl<E: Estimator> Aggregate for Summary<E> {
    type Cell = Recorded<E::Values>;
    type Kept = Kept<E::Values>;

    fn zero(&self) -> Self::Cell {
        Recorded { sum: Sum::ZERO, values: self.estimator.empty() }
    }

    fn accepted(&self) -> Accepted {
        self.estimator.accepted()
    }

    fn record(&self, cell: &mut Self::Cell, value: f64, _: Stamp) {
        self.estimator.record(&mut cell.values, value);
        cell.sum.add(value);
    }

    fn merge(&self, into: &mut Self::Cell, from: &Self::Cell) {
        self.estimator.merge(&mut into.values, &from.values);
        into.sum.merge(from.sum);
    }

    fn take(&self, cell: &mut Self::Cell) -> Self::Cell {
        Recorded { sum: std::mem::take(&mut cell.sum), values: self.estimator.take(&mut cell.values) }
    }

    fn keep(&self) -> Self::Kept {
        Kept { sum: Sum::ZERO, count: 0, recent: Ring::new(self.estimator.empty()) }
    }

    fn post(&self, kept: &mut Self::Kept, change: Self::Cell, now: Duration) {
        kept.sum.merge(change.sum);
        kept.count += self.estimator.len(&change.values);
        let part = kept.recent.part(self.window, now, || self.estimator.empty());
        self.estimator.merge(part, &change.values);
    }

    fn read<'k>(&'k self, kept: &'k Self::Kept, created: UnixSeconds, moment: Moment) -> Option<Reading<'k>> {
        let mut recent = self.estimator.empty();
        kept.recent
            .recent(self.window, moment.now)
            .for_each(|values| self.estimator.merge(&mut recent, values));
        let mut values = [f64::NAN; MAX_QUANTILES];
        self.estimator.quantiles(&recent, &self.levels, &mut values);
        Some(Reading::Summary { levels: &self.levels, values, sum: kept.sum, count: kept.count, created })
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use crate::model::refused::Refused;

    fn summary() -> Summary<Sketches> {
        let window = Window::new(Duration::from_secs(60));
        Summary { levels: [0.5, 1.0].into(), window, estimator: Sketches }
    }

    fn posted<E: Estimator>(summary: &Summary<E>, kept: &mut Kept<E::Values>, values: &[f64], now: u64) {
        let mut cell = summary.zero();
        values.iter().for_each(|value| summary.record(&mut cell, *value, Stamp(0)));
        summary.post(kept, summary.take(&mut cell), Duration::from_secs(now));
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
    fn keeps_the_laws_of_an_aggregator() {
        laws::check(summary, -10.0..1e9);
        let hdr = Hdr::read_for_test(0.001, 10_000.0);
        laws::check(
            || Summary { levels: [0.5].into(), window: summary().window, estimator: hdr },
            0.0..10_000.0,
        );
    }
}
