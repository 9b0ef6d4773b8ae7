//! `rate`: events, or `value`, per second in a sliding window.
//!
//! ```yaml
//! - rate:
//!     name: orders_per_second
//!     help: Orders per second over the last minute.
//!     window: 1m
//! ```
//!
//! What came in the window, divided by the time that the window covers: its length and up to a tenth more, but no more
//! than the time since the start.

use std::sync::Arc;
use std::time::Duration;

use super::window::{self, Ring, Window};
use super::{Aggregate, Definition, Kind, Moment, Stamp};
use crate::base::pack::{Damaged, Packed};
use crate::model::family::{FamilyKind, Reading, UnixSeconds};
use crate::model::sum::Sum;
use crate::raw::fault::Faults;
use crate::raw::mapping::Mapping;

pub(super) static KIND: Kind = Kind {
    name: "rate",
    help: "Events, or the sum of `value`, per second in a sliding window.",
    example: "- rate:\n    name: orders_per_second\n    help: Orders per second over the last minute.\n    window: 1m\n",
    keys: &[window::key(true, "Over which time the rate is taken.")],
    family: FamilyKind::Gauge,
    needs_value: false,
    starts_at_zero: true,
    build,
};

fn build(keys: &Mapping<'_>, faults: &mut Faults) -> Option<Arc<dyn Definition>> {
    Some(Arc::new(Rate { window: keys.get("window").and_then(|node| Window::read(node, faults))? }))
}

/// Adds up what comes, and divides by the time it took.
#[derive(Debug)]
pub(super) struct Rate {
    window: Window,
}

impl Aggregate for Rate {
    type Cell = Sum;
    type Kept = Ring<Sum>;

    fn zero(&self) -> Sum {
        Sum::ZERO
    }

    fn record(&self, cell: &mut Sum, value: f64, _: Stamp) {
        cell.add(value);
    }

    fn merge(&self, into: &mut Sum, from: &Sum) {
        into.merge(*from);
    }

    fn keep(&self) -> Ring<Sum> {
        Ring::new(Sum::ZERO)
    }

    fn post(&self, kept: &mut Ring<Sum>, change: Sum, now: Duration) {
        kept.part(self.window, now, || Sum::ZERO).merge(change);
    }

    fn read<'k>(&'k self, kept: &'k Ring<Sum>, _: UnixSeconds, moment: Moment) -> Option<Reading<'k>> {
        let mut sum = Sum::ZERO;
        kept.recent(self.window, moment.now).for_each(|part| sum.merge(*part));
        let seconds = self.window.covered(moment.now, moment.started).as_secs_f64();
        Some(Reading::Gauge(sum.value() / seconds))
    }

    fn pack(&self, cell: &Sum, into: &mut Vec<u8>) {
        cell.pack(into);
    }

    fn unpack(&self, from: &mut Packed<'_>) -> Result<Sum, Damaged> {
        Sum::unpack(from)
    }

    fn pack_kept(&self, kept: &Ring<Sum>, into: &mut Vec<u8>) {
        kept.pack(into, |sum, into| sum.pack(into));
    }

    fn unpack_kept(&self, from: &mut Packed<'_>) -> Result<Ring<Sum>, Damaged> {
        Ring::unpack(from, Sum::unpack)
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    fn rate() -> Rate {
        Rate { window: Window::new(Duration::from_secs(60)) }
    }

    #[track_caller]
    fn check(kept: &Ring<Sum>, now: u64, wanted: f64) {
        let moment = Moment { now: Duration::from_secs(now), started: Duration::from_secs(600) };
        let Some(Reading::Gauge(found)) = rate().read(kept, 0.0, moment) else { panic!("a rate is a gauge") };
        assert!((found - wanted).abs() < 1e-9, "{found} instead of {wanted} at {now}");
    }

    #[test]
    fn a_steady_stream_has_a_steady_rate_from_the_start_on() {
        let mut kept = rate().keep();
        check(&kept, 600, 0.0);
        for now in 601..=1000 {
            let mut second = Sum::ZERO;
            second.add(5.0);
            rate().post(&mut kept, second, Duration::from_secs(now));
            if now < 660 {
                check(&kept, now, 5.0);
            }
        }
        check(&kept, 1000, 65.0 * 5.0 / 64.0);
        check(&kept, 1066, 0.0);
    }

    #[test]
    fn a_series_in_one_part_takes_its_sum_a_number_and_an_empty_list() {
        assert!(size_of::<Ring<Sum>>() <= size_of::<Sum>() + 32);
    }

    #[test]
    fn keeps_the_laws_of_an_aggregator() {
        laws::check(rate, -1e9..1e9);
    }
}
