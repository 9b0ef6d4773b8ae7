//! What an exposition shows: metric families and the readings of their series.

use super::sum::Sum;

/// The type of a metric family, as the Prometheus exposition formats name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets, with their sum and count.
    Histogram,
    /// Constant 1, its labels say something about the program.
    Info,
}

/// The name, type and meaning of a metric, without its series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The whole name, a counter's `_total` and the unit included.
    pub name: String,
    /// One line of help, unescaped.
    pub help: String,
    /// The unit, which is also a suffix of the name, where one was declared.
    pub unit: Option<String>,
    /// The type.
    pub kind: FamilyKind,
    /// The names of the labels, in the order of the values in a [`SeriesKey`](super::series::SeriesKey).
    pub labels: Vec<String>,
}

/// Seconds since the Unix epoch.
pub type UnixSeconds = f64;

/// What one series reads at the moment of an exposition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading<'a> {
    /// A counter.
    Counter {
        /// What it counted.
        total: Sum,
        /// Since when it counts.
        created: UnixSeconds,
    },
    /// A gauge's value; may be any float.
    Gauge(f64),
    /// A histogram.
    Histogram {
        /// The finite upper bounds, in ascending order.
        bounds: &'a [f64],
        /// The number of values in each bucket, not cumulated: one more than bounds, the last one above them all.
        counts: &'a [u64],
        /// The sum of all values.
        sum: Sum,
        /// Since when it counts.
        created: UnixSeconds,
    },
}
