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

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::window::{self, Ring, Window};
use super::{Aggregate, Definition, Kind, Moment, Stamp, counts};
use crate::base::pack::{Damaged, Pack, Packed};
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
    let window = window?;
    Some(match op? {
        Op::Last => gauge::<Newest>(window),
        Op::Min => gauge::<Least>(window),
        Op::Max => gauge::<Greatest>(window),
        Op::Mean => gauge::<Mean>(window),
        Op::Sum | Op::Add => gauge::<Total>(window),
    })
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

fn gauge<V: Values>(window: Option<Window>) -> Arc<dyn Definition> {
    match window {
        Some(window) => Arc::new(Windowed::<V> { window, values: PhantomData }),
        None => Arc::new(Gauge::<V>(PhantomData)),
    }
}

/// The values of a series: no more of them than what an [`Op`] needs, as series are many.
trait Values: Copy + Send + Sync + 'static {
    /// Merging it changes nothing.
    const NONE: Self;

    fn record(&mut self, value: f64, stamp: Stamp);
    fn merge(&mut self, other: Self);

    /// What is shown of them, if there are any.
    fn shown(self) -> Option<f64>;

    /// Appends the stored form.
    fn pack(self, into: &mut Vec<u8>);

    /// Reads what [`pack`](Values::pack) wrote.
    fn unpack(from: &mut Packed<'_>) -> Result<Self, Damaged>;
}

/// Reads a value that was recorded, or `none`, which stands for none.
fn unpack_value(from: &mut Packed<'_>, none: f64) -> Result<f64, Damaged> {
    let value = from.float()?;
    if value.is_finite() || value == none { Ok(value) } else { Err(Damaged("a value is not finite")) }
}

/// The value with the latest stamp, of those with the same stamp the greatest; less than any where there is none.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Newest {
    stamp: Stamp,
    value: f64,
}

impl Values for Newest {
    const NONE: Newest = Newest { stamp: Stamp(0), value: f64::NEG_INFINITY };

    fn record(&mut self, value: f64, stamp: Stamp) {
        // Of values with one stamp, which are of one batch, the later one is the newer.
        *self = Newest { stamp, value };
    }

    fn merge(&mut self, other: Newest) {
        if *self < other {
            *self = other;
        }
    }

    fn shown(self) -> Option<f64> {
        self.value.is_finite().then_some(self.value)
    }

    fn pack(self, into: &mut Vec<u8>) {
        into.put_number(self.stamp.0);
        into.put_float(self.value);
    }

    fn unpack(from: &mut Packed<'_>) -> Result<Newest, Damaged> {
        let stamp = Stamp(from.number()?);
        Ok(Newest { stamp, value: unpack_value(from, Newest::NONE.value)? })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Least(f64);

impl Values for Least {
    const NONE: Least = Least(f64::INFINITY);

    fn record(&mut self, value: f64, _: Stamp) {
        self.0 = self.0.min(value);
    }

    fn merge(&mut self, other: Least) {
        self.0 = self.0.min(other.0);
    }

    fn shown(self) -> Option<f64> {
        self.0.is_finite().then_some(self.0)
    }

    fn pack(self, into: &mut Vec<u8>) {
        into.put_float(self.0);
    }

    fn unpack(from: &mut Packed<'_>) -> Result<Least, Damaged> {
        unpack_value(from, Least::NONE.0).map(Least)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Greatest(f64);

impl Values for Greatest {
    const NONE: Greatest = Greatest(f64::NEG_INFINITY);

    fn record(&mut self, value: f64, _: Stamp) {
        self.0 = self.0.max(value);
    }

    fn merge(&mut self, other: Greatest) {
        self.0 = self.0.max(other.0);
    }

    fn shown(self) -> Option<f64> {
        self.0.is_finite().then_some(self.0)
    }

    fn pack(self, into: &mut Vec<u8>) {
        into.put_float(self.0);
    }

    fn unpack(from: &mut Packed<'_>) -> Result<Greatest, Damaged> {
        unpack_value(from, Greatest::NONE.0).map(Greatest)
    }
}

/// The sum of the values, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Total {
    sum: Sum,
    count: u64,
}

impl Values for Total {
    const NONE: Total = Total { sum: Sum::ZERO, count: 0 };

    fn record(&mut self, value: f64, _: Stamp) {
        self.sum.add(value);
        self.count += 1;
    }

    fn merge(&mut self, other: Total) {
        self.sum.merge(other.sum);
        self.count += other.count;
    }

    fn shown(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum.value())
    }

    fn pack(self, into: &mut Vec<u8>) {
        self.sum.pack(into);
        into.put_number(self.count);
    }

    fn unpack(from: &mut Packed<'_>) -> Result<Total, Damaged> {
        Ok(Total { sum: Sum::unpack(from)?, count: counts::count(from, &mut 0)? })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Mean(Total);

impl Values for Mean {
    const NONE: Mean = Mean(Total::NONE);

    fn record(&mut self, value: f64, stamp: Stamp) {
        self.0.record(value, stamp);
    }

    fn merge(&mut self, other: Mean) {
        self.0.merge(other.0);
    }

    fn shown(self) -> Option<f64> {
        self.0.shown().map(|sum| sum / self.0.count as f64)
    }

    fn pack(self, into: &mut Vec<u8>) {
        self.0.pack(into);
    }

    fn unpack(from: &mut Packed<'_>) -> Result<Mean, Damaged> {
        Total::unpack(from).map(Mean)
    }
}

/// Looks at all values there were.
struct Gauge<V>(PhantomData<fn() -> V>);

impl<V: Values> Aggregate for Gauge<V> {
    type Cell = V;
    type Kept = V;

    fn zero(&self) -> V {
        V::NONE
    }

    fn record(&self, cell: &mut V, value: f64, stamp: Stamp) {
        cell.record(value, stamp);
    }

    fn merge(&self, into: &mut V, from: &V) {
        into.merge(*from);
    }

    fn keep(&self) -> V {
        V::NONE
    }

    fn post(&self, kept: &mut V, change: V, _: Duration) {
        kept.merge(change);
    }

    fn read<'k>(&'k self, kept: &'k V, _: UnixSeconds, _: Moment) -> Option<Reading<'k>> {
        kept.shown().map(Reading::Gauge)
    }

    fn pack(&self, cell: &V, into: &mut Vec<u8>) {
        cell.pack(into);
    }

    fn unpack(&self, from: &mut Packed<'_>) -> Result<V, Damaged> {
        V::unpack(from)
    }

    fn pack_kept(&self, kept: &V, into: &mut Vec<u8>) {
        self.pack(kept, into);
    }

    fn unpack_kept(&self, from: &mut Packed<'_>) -> Result<V, Damaged> {
        self.unpack(from)
    }
}

/// Looks at the values in a window.
struct Windowed<V> {
    window: Window,
    values: PhantomData<fn() -> V>,
}

impl<V: Values> Aggregate for Windowed<V> {
    type Cell = V;
    type Kept = Ring<V>;

    fn zero(&self) -> V {
        V::NONE
    }

    fn record(&self, cell: &mut V, value: f64, stamp: Stamp) {
        cell.record(value, stamp);
    }

    fn merge(&self, into: &mut V, from: &V) {
        into.merge(*from);
    }

    fn keep(&self) -> Ring<V> {
        Ring::new(V::NONE)
    }

    fn post(&self, kept: &mut Ring<V>, change: V, now: Duration) {
        kept.part(self.window, now, || V::NONE).merge(change);
    }

    fn read<'k>(&'k self, kept: &'k Ring<V>, _: UnixSeconds, moment: Moment) -> Option<Reading<'k>> {
        let mut values = V::NONE;
        kept.recent(self.window, moment.now).for_each(|part| values.merge(*part));
        values.shown().map(Reading::Gauge)
    }

    fn pack(&self, cell: &V, into: &mut Vec<u8>) {
        cell.pack(into);
    }

    fn unpack(&self, from: &mut Packed<'_>) -> Result<V, Damaged> {
        V::unpack(from)
    }

    fn pack_kept(&self, kept: &Ring<V>, into: &mut Vec<u8>) {
        kept.pack(into, |values, into| values.pack(into));
    }

    fn unpack_kept(&self, from: &mut Packed<'_>) -> Result<Ring<V>, Damaged> {
        Ring::unpack(from, V::unpack)
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    fn windowed<V: Values>() -> Windowed<V> {
        Windowed { window: Window::new(Duration::from_secs(60)), values: PhantomData }
    }

    /// What is shown at so many seconds of two postings, at 600 and 630.
    #[track_caller]
    fn check<A: Aggregate>(gauge: &A, shown: &[(u64, Option<f64>)]) {
        let mut kept = gauge.keep();
        for (stamp, (now, values)) in
            [(600, vec![3.0, 5.0, 4.0]), (630, vec![1.0, 2.0])].into_iter().enumerate()
        {
            let mut cell = gauge.zero();
            for value in values {
                gauge.record(&mut cell, value, Stamp(stamp as u64));
            }
            gauge.post(&mut kept, cell, Duration::from_secs(now));
        }
        for (at, wanted) in shown {
            let moment = Moment { now: Duration::from_secs(*at), started: Duration::ZERO };
            assert_eq!(gauge.read(&kept, 0.0, moment), wanted.map(Reading::Gauge), "at {at}");
        }
    }

    #[track_caller]
    fn check_both<V: Values>(all: f64, newest: f64) {
        check(&windowed::<V>(), &[(630, Some(all)), (680, Some(newest)), (700, None)]);
        check(&Gauge::<V>(PhantomData), &[(630, Some(all)), (700, Some(all))]);
    }

    #[test]
    fn each_op_shows_its_choice_of_the_values_in_the_window() {
        check_both::<Newest>(2.0, 2.0);
        check_both::<Least>(1.0, 1.0);
        check_both::<Greatest>(5.0, 2.0);
        check_both::<Mean>(3.0, 1.5);
        check_both::<Total>(15.0, 3.0);
    }

    #[test]
    fn without_a_value_nothing_is_shown() {
        let moment = Moment { now: Duration::ZERO, started: Duration::ZERO };
        let gauge = Gauge::<Newest>(PhantomData);
        assert_eq!(gauge.read(&gauge.keep(), 0.0, moment), None);
        assert_eq!(Least::NONE.shown(), None);
        assert_eq!(Greatest::NONE.shown(), None);
        assert_eq!(Mean::NONE.shown(), None);
        assert_eq!(Total::NONE.shown(), None);
    }

    #[test]
    fn the_newest_value_wins_in_whatever_order_it_is_posted() {
        let [mut older, mut newer] = [Newest::NONE; 2];
        newer.record(1.0, Stamp(2));
        older.record(9.0, Stamp(1));
        newer.merge(older);
        assert_eq!(newer, Newest { stamp: Stamp(2), value: 1.0 });
        older.merge(newer);
        assert_eq!(older, newer);
    }

    #[test]
    fn a_value_that_is_not_finite_is_not_read_but_for_none() {
        fn check<V: Values>(bytes: &[u8], none: f64) {
            for (value, is_read) in [(none, true), (1.5, true), (-none, false), (f64::NAN, false)] {
                let bytes = [bytes, &value.to_le_bytes()].concat();
                assert_eq!(V::unpack(&mut Packed::new(&bytes)).is_ok(), is_read, "{value}");
            }
        }
        check::<Newest>(&[7], f64::NEG_INFINITY);
        check::<Least>(&[], f64::INFINITY);
        check::<Greatest>(&[], f64::NEG_INFINITY);
    }

    #[test]
    fn a_series_takes_no_more_than_its_op_needs() {
        fn kept<A: Aggregate>(_: &A) -> usize {
            size_of::<A::Kept>()
        }
        assert_eq!((size_of::<Newest>(), size_of::<Least>(), size_of::<Greatest>()), (16, 8, 8));
        assert!(size_of::<Mean>() <= size_of::<Sum>() + align_of::<Sum>());
        assert_eq!(kept(&Gauge::<Newest>(PhantomData)), 16);
        assert_eq!(kept(&windowed::<Newest>()), 16 + 24);
    }

    #[test]
    fn keeps_the_laws_of_an_aggregator() {
        fn check<V: Values + PartialEq + std::fmt::Debug>() {
            laws::check(|| Gauge::<V>(PhantomData), -100.0..100.0);
            laws::check(windowed::<V>, -100.0..100.0);
        }
        check::<Newest>();
        check::<Least>();
        check::<Greatest>();
        check::<Mean>();
        check::<Total>();
    }
}
