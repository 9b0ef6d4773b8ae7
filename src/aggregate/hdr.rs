//! Quantiles by `hdrhistogram`: a fixed range, a fixed number of significant digits, and for more than a few values a fixed
//! amount of memory.

use hdrhistogram::Histogram;

use super::counts;
use crate::base::pack::{Damaged, Pack, Packed};
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;

/// The keys of `hdr`.
pub static KEYS: &[Key] = &[
    Key {
        name: "significant_digits",
        wanted: "a whole number from 1 to 4",
        required: false,
        help: "How many decimal digits of a value are kept.",
        default: Some("2"),
    },
    Key {
        name: "lowest",
        wanted: "a number above 0",
        required: true,
        help: "The least value that is told from 0, in the unit of the value.",
        default: None,
    },
    Key {
        name: "highest",
        wanted: "a number of at least twice `lowest`",
        required: true,
        help: "The greatest value; greater ones are refused and counted.",
        default: None,
    },
];

/// More steps than this between `lowest` and `highest` do not fit 64 bits with room to spare.
const MAX_RATIO: f64 = 1e15;

/// More memory than this for one histogram, of which a series may have a dozen, is a mistake.
const MAX_BYTES: usize = 256 << 10;

/// The bounds that all histograms of a metric share.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hdr {
    /// The value of one step: `lowest`.
    step: f64,
    /// The greatest value, in steps.
    highest: u64,
    /// A histogram without values.
    empty: Histogram<u64>,
}

impl Hdr {
    /// Reads the value of `hdr`.
    pub(super) fn read(node: &Node, faults: &mut Faults) -> Option<Hdr> {
        let keys = Mapping::read(node, "hdr", &[KEYS], faults)?;
        let digits = keys.get("significant_digits").map_or(Some(2), |node| node.integer(1..=4_u8, faults));
        let lowest = keys.get("lowest").and_then(|node| node.number(faults));
        let highest = keys.get("highest").and_then(|node| node.number(faults));
        let (digits, lowest, highest) = (digits?, lowest?, highest?);
        if lowest <= 0.0 || highest / lowest < 2.0 || highest / lowest > MAX_RATIO {
            let found = format!("`lowest` is {lowest} and `highest` is {highest}");
            let wanted = "a `lowest` above 0 and a `highest` of twice to 10^15 times that are wanted";
            faults.add(node.place, format!("{found}, {wanted}"));
            return None;
        }
        let hdr = Hdr::new(lowest, highest, digits);
        let bytes = hdr.empty.distinct_values() * size_of::<u64>();
        if bytes > MAX_BYTES {
            let problem = format!(
                "a histogram of {digits} digits from {lowest} to {highest} takes {} KiB, at most {} are possible",
                bytes >> 10,
                MAX_BYTES >> 10
            );
            let help =
                "each series has one for every tenth of the window: take fewer digits, or a smaller range";
            faults.add_with_help(node.place, problem, help);
            return None;
        }
        Some(hdr)
    }

    /// Two digits of values from `lowest` to `highest`.
    #[cfg(test)]
    pub(super) fn read_for_test(lowest: f64, highest: f64) -> Hdr {
        Hdr::new(lowest, highest, 2)
    }

    fn new(lowest: f64, highest: f64, digits: u8) -> Hdr {
        let highest = (highest / lowest).ceil() as u64;
        let empty = Histogram::new_with_bounds(1, highest.max(2), digits)
            .expect("the bounds were checked when they were read");
        Hdr { step: lowest, highest, empty }
    }

    /// A histogram without values.
    pub(super) fn empty(&self) -> Histogram<u64> {
        self.empty.clone()
    }

    /// The greatest value that can be recorded.
    pub(super) fn greatest(&self) -> f64 {
        self.highest as f64 * self.step
    }

    /// Counts a value from 0 to the greatest.
    pub(super) fn record(&self, histogram: &mut Histogram<u64>, value: f64) {
        histogram.saturating_record(self.steps(value));
    }

    fn steps(&self, value: f64) -> u64 {
        (value / self.step).round() as u64
    }

    /// What a histogram says at `level` where it comes upon this value.
    pub(super) fn estimate(&self, value: f64, level: f64) -> f64 {
        let steps = self.steps(value);
        let equivalent = match level > 0.0 {
            true => self.empty.highest_equivalent(steps),
            false => self.empty.lowest_equivalent(steps),
        };
        equivalent as f64 * self.step
    }

    /// The values at `levels`; NaN where there is none.
    pub(super) fn quantiles(&self, histogram: &Histogram<u64>, levels: &[f64], into: &mut [f64]) {
        for (level, into) in levels.iter().zip(into) {
            *into = match histogram.is_empty() {
                true => f64::NAN,
                false => histogram.value_at_quantile(*level) as f64 * self.step,
            };
        }
    }

    /// Appends the stored form of a histogram: the count of each bucket that holds something and how far it is behind the
    /// one before, and in the end a count of zero.
    pub(super) fn pack(histogram: &Histogram<u64>, into: &mut Vec<u8>) {
        let mut before = 0;
        for bucket in histogram.iter_recorded() {
            into.put_number(bucket.count_at_value());
            into.put_number(bucket.value_iterated_to() - before);
            before = bucket.value_iterated_to();
        }
        into.put_number(0);
    }

    /// Reads what [`pack`](Hdr::pack) wrote of a histogram with the same bounds.
    pub(super) fn unpack(&self, from: &mut Packed<'_>) -> Result<Histogram<u64>, Damaged> {
        let mut histogram = self.empty();
        let (mut value, mut total) = (0_u64, 0);
        loop {
            let count = counts::count(from, &mut total)?;
            if count == 0 {
                return Ok(histogram);
            }
            value = value.saturating_add(from.number()?);
            histogram.record_n(value, count).map_err(|_| Damaged("a value is out of range"))?;
        }
    }
}
