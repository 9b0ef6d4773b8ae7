//! `counter`: adds up its value, or counts events.
//!
//! ```yaml
//! - counter:
//!     name: revenue_eur_total
//!     help: Money taken.
//!     unit: eur
//!     value: amount
//!     labels: [channel]
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::{Accepted, Aggregate, Definition, Kind, Moment, Stamp};
use crate::base::pack::{Damaged, Packed};
use crate::model::family::{FamilyKind, Reading, UnixSeconds};
use crate::model::sum::Sum;
use crate::raw::fault::Faults;
use crate::raw::mapping::Mapping;

pub(super) static KIND: Kind = Kind {
    name: "counter",
    help: "Adds up `value`, or counts events where there is none. A negative value is refused and counted.",
    example: "- counter:\n    name: orders_total\n    help: Orders by status.\n    labels: [status]\n",
    keys: &[],
    family: FamilyKind::Counter,
    needs_value: false,
    starts_at_zero: true,
    build,
};

fn build(_: &Mapping<'_>, _: &mut Faults) -> Option<Arc<dyn Definition>> {
    Some(Arc::new(Counter))
}

/// Whole numbers add up exactly; see [`Sum`].
#[derive(Debug)]
pub(super) struct Counter;

impl Aggregate for Counter {
    type Cell = Sum;
    type Kept = Sum;

    fn zero(&self) -> Sum {
        Sum::ZERO
    }

    fn accepted(&self) -> Accepted {
        Accepted { least: 0.0, greatest: f64::MAX }
    }

    fn record(&self, cell: &mut Sum, value: f64, _: Stamp) {
        cell.add(value);
    }

    fn merge(&self, into: &mut Sum, from: &Sum) {
        into.merge(*from);
    }

    fn keep(&self) -> Sum {
        self.zero()
    }

    fn post(&self, kept: &mut Sum, change: Sum, _: Duration) {
        kept.merge(change);
    }

    fn read<'k>(&'k self, kept: &'k Sum, created: UnixSeconds, _: Moment) -> Option<Reading<'k>> {
        Some(Reading::Counter { total: *kept, created })
    }

    fn pack(&self, cell: &Sum, into: &mut Vec<u8>) {
        cell.pack(into);
    }

    fn unpack(&self, from: &mut Packed<'_>) -> Result<Sum, Damaged> {
        Sum::unpack(from)
    }

    fn pack_kept(&self, kept: &Sum, into: &mut Vec<u8>) {
        self.pack(kept, into);
    }

    fn unpack_kept(&self, from: &mut Packed<'_>) -> Result<Sum, Damaged> {
        self.unpack(from)
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use crate::model::refused::Refused;

    #[test]
    fn a_negative_value_is_refused() {
        assert_eq!(Counter.accepted().check(-0.5), Err(Refused::Negative));
        assert_eq!(Counter.accepted().check(-0.0), Ok(0.0));
    }

    #[test]
    fn keeps_the_laws_of_an_aggregator() {
        laws::check(|| Counter, 0.0..1e9);
    }
}
