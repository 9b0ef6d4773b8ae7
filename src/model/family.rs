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
    /// Quantiles, with the sum and count of what they are of.
    Summary,
    /// Constant 1, its labels say something about the program.
    Info,
}

impl FamilyKind {
    /// What OpenMetrics calls it.
    pub fn name(self) -> &'static str {
        match self {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
            FamilyKind::Summary => "summary",
            FamilyKind::Info => "info",
        }
    }
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

impl Family {
    /// The names under which it and its samples are shown in any of the formats, its own among them.
    pub fn names(&self) -> Vec<String> {
        let stem = match self.kind {
            FamilyKind::Counter => self.name.strip_suffix("_total"),
            FamilyKind::Info => self.name.strip_suffix("_info"),
            FamilyKind::Gauge | FamilyKind::Histogram | FamilyKind::Summary => None,
        };
        let stem = stem.unwrap_or(&self.name);
        let endings: &[&str] = match self.kind {
            FamilyKind::Counter => &["", "_total", "_created"],
            FamilyKind::Gauge => &[""],
            FamilyKind::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
            FamilyKind::Summary => &["", "_sum", "_count", "_created"],
            FamilyKind::Info => &["", "_info"],
        };
        endings.iter().map(|ending| format!("{stem}{ending}")).collect()
    }
}

/// Seconds since the Unix epoch.
pub type UnixSeconds = f64;

/// The most quantiles that a summary may have.
pub const MAX_QUANTILES: usize = 16;

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
    /// A summary.
    Summary {
        /// The quantiles, from 0 to 1, in ascending order; at most [`MAX_QUANTILES`].
        levels: &'a [f64],
        /// The value at each of the levels, NaN where there was none in the window; what follows means nothing.
        values: [f64; MAX_QUANTILES],
        /// The sum of all values there ever were.
        sum: Sum,
        /// How many there were.
        count: u64,
        /// Since when it counts.
        created: UnixSeconds,
    },
}
