//! `gauge`: a value that goes up and down.
//!
//! ```yaml
//! - gauge:
//!     name: queue_length
//!     help: Messages that wait.
//!     value: waiting
//!     op: last
//! ```
//!
//! `op` says what becomes of the values of a series: `last` shows the newest, `add` adds each to what is shown,
//! `min`, `max`, `mean` and `sum` look at all of them, or at those in a sliding `window`. A series is shown once it has a
//! value.

use std::sync::Arc;
use std::time::Duration;

use super::window::{self, Ring, Window};
use super::{Aggregate, Definition, Kind, Moment, Stamp};
use crate::model::family::{FamilyKind, Reading, UnixSeconds};
use crate::model::sum::Sum;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};

pub(super) static KIND: Kind = Kind {
    name: "gauge",
    help: "The newest, least, greatest or mean value, or a sum that goes up and down.",
    example: "- gauge:\n    name: queue_length\n    help: Messages that wait.\n    value: waiting\n    op: last\n",
    keys: &[
        Key {
            name: "op",
            wanted: "`last`, `min`, `max`, `mean`, `sum` or `add`",
            required: false,
            help: "What becomes of the values: `last` shows the newest, `add` adds to what is shown, the others look at all of them.",
            default: Some("last"),
        },
        window::key(
            false,
            "How far back the values are looked at; for ever where it is not given. Not for `add`.",
        ),
    ],
    family: FamilyKind::Gauge,
    needs_value: true,
    starts_at_zero: false,
    build,
};

const OPS: [(&str, Op); 6] = [
    ("last", Op::Last),
    ("min", Op::Min),
    ("max", Op::Max),
    ("mean", Op::Mean),
    ("sum", Op::Sum),
    ("add", Op::Add),
];

fn build(keys: &Mapping<'_>, faults: &mut Faults) -> Option<Arc<dyn Definition>> {
    let op = keys.get("op").map_or(Some(Op::Last), |node| node.one_of("op", &OPS, faults));
    let window = match keys.get("window") {
        Some(node) if op == Some(Op::Add) => {
            let help = "leave the window out, or take `sum`, which looks at the values in a window";
            faults.add_with_help(node.place, "`add` has no window: what was added stays", help);
            None
        }
        Some(node) => Some(Some(Window::read(node, faults)?)),
        None => Some(None),
    };
    Some(Arc::new(Gauge { op: op?, window: window? }))
}

/// What becomes of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Last,
    Min,
    Max,
    Mean,
    Sum,
    Add,
}

/// Looks at the values in a window, or at all there were.
#[derive(Debug)]
pub(super) struct Gauge {
    op: Op,
    window: Option<Window>,
}

/// The values of a series; only what the [`Op`] needs is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Values {
    count: u64,
    /// When the newest value came.
    stamp: Stamp,
    /// The newest, least or greatest value.
    chosen: f64,
    sum: Sum,
}

impl Aggregate for Gauge {
    type Cell = Values;
    type Kept = Ring<Values>;

    fn zero(&self) -> Values {
        Values::default()
    }

    fn record(&self, cell: &mut Values, value: f64, stamp: Stamp) {
        // Of values with one stamp, which are of one batch, the later one is the newer.
        cell.chosen = match self.op {
            Op::Min if cell.count > 0 => cell.chosen.min(value),
            Op::Max if cell.count > 0 => cell.chosen.max(value),
            _ => value,
        };
        if matches!(self.op, Op::Mean | Op::Sum | Op::Add) {
            cell.sum.add(value);
        }
        cell.count += 1;
        cell.stamp = stamp;
    }

    fn merge(&self, into: &mut Values, from: &Values) {
        if from.count == 0 {
            return;
        }
        let newer = (into.stamp, into.chosen) < (from.stamp, from.chosen);
        into.chosen = match self.op {
            _ if into.count == 0 => from.chosen,
            Op::Min => into.chosen.min(from.chosen),
            Op::Max => into.chosen.max(from.chosen),
            _ if newer => from.chosen,
            _ => into.chosen,
        };
        into.stamp = into.stamp.max(from.stamp);
        into.count += from.count;
        into.sum.merge(from.sum);
    }

    fn keep(&self) -> Ring<Values> {
        Ring::default()
    }

    fn post(&self, kept: &mut Ring<Values>, change: &Values, now: Duration) {
        self.merge(kept.part(self.window, now, Values::default), change);
    }

    fn read<'k>(&'k self, kept: &'k Ring<Values>, _: UnixSeconds, moment: Moment) -> Option<Reading<'k>> {
        let mut values = Values::default();
        kept.recent(self.window, moment.now).for_each(|part| self.merge(&mut values, part));
        let shown = match self.op {
            Op::Last | Op::Min | Op::Max => values.chosen,
            Op::Mean => values.sum.value() / values.count as f64,
            Op::Sum | Op::Add => values.sum.value(),
        };
        (values.count > 0).then_some(Reading::Gauge(shown))
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    fn gauge(op: Op) -> Gauge {
        Gauge { op, window: Some(Window::new(Duration::from_secs(60))) }
    }

    #[track_caller]
    fn check(op: Op, at: u64, wanted: Option<f64>) {
        let gauge = gauge(op);
        let mut kept = gauge.keep();
        for (stamp, (now, values)) in
            [(600, vec![3.0, 5.0, 4.0]), (630, vec![1.0, 2.0])].into_iter().enumerate()
        {
            let mut cell = gauge.zero();
            for value in values {
                gauge.record(&mut cell, value, Stamp(stamp as u64));
            }
            gauge.post(&mut kept, &cell, Duration::from_secs(now));
        }
        let moment = Moment { now: Duration::from_secs(at), started: Duration::ZERO };
        let found = gauge.read(&kept, 0.0, moment);
        assert_eq!(found, wanted.map(Reading::Gauge), "{op:?} at {at}");
    }

    #[test]
    fn each_op_shows_its_choice_of_the_values_in_the_window() {
        for (op, all, newest) in [
            (Op::Last, 2.0, 2.0),
            (Op::Min, 1.0, 1.0),
            (Op::Max, 5.0, 2.0),
            (Op::Mean, 3.0, 1.5),
            (Op::Sum, 15.0, 3.0),
        ] {
            check(op, 630, Some(all));
            check(op, 680, Some(newest));
            check(op, 700, None);
        }
    }

    #[test]
    fn the_newest_value_wins_in_whatever_order_it_is_posted() {
        let gauge = gauge(Op::Last);
        let [mut older, mut newer] = [gauge.zero(), gauge.zero()];
        gauge.record(&mut newer, 1.0, Stamp(2));
        gauge.record(&mut older, 9.0, Stamp(1));
        gauge.merge(&mut newer, &older);
        assert_eq!((newer.chosen, newer.stamp, newer.count), (1.0, Stamp(2), 2));
    }

    #[test]
    fn keeps_the_laws_of_an_aggregator() {
        for op in OPS.map(|(_, op)| op) {
            laws::check(|| gauge(op), -100.0..100.0);
        }
    }
}
