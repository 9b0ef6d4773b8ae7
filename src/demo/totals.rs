//! Totals: what was written, or what was counted, in whole numbers that can be compared.

use std::collections::BTreeMap;
use std::fmt;

/// What a total is of, in the order in which totals are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Lines that a pipeline read.
    SourceLines,
    /// Their bytes.
    SourceBytes,
    /// Lines of the application log, by level.
    LogLines,
    /// Lines of the levels ERROR and FATAL, by service.
    LogErrors,
    /// Requests, by status.
    Requests,
    /// Bytes of response bodies.
    ResponseBytes,
    /// Requests of which the duration was measured.
    Durations,
    /// Their durations in milliseconds.
    DurationMillis,
}

impl Figure {
    /// Every figure.
    pub const ALL: [Figure; 8] = [
        Figure::SourceLines,
        Figure::SourceBytes,
        Figure::LogLines,
        Figure::LogErrors,
        Figure::Requests,
        Figure::ResponseBytes,
        Figure::Durations,
        Figure::DurationMillis,
    ];

    /// The name of the sample that shows it, and the label by which it is split.
    pub fn sample(self) -> (&'static str, Option<&'static str>) {
        match self {
            Figure::SourceLines => ("streamgauge_source_events_total", Some("pipeline")),
            Figure::SourceBytes => ("streamgauge_source_bytes_total", Some("pipeline")),
            Figure::LogLines => ("log_lines_total", Some("level")),
            Figure::LogErrors => ("log_errors_total", Some("service")),
            Figure::Requests => ("http_requests_total", Some("status")),
            Figure::ResponseBytes => ("http_response_bytes_total", None),
            Figure::Durations => ("http_request_duration_seconds_count", None),
            Figure::DurationMillis => ("http_request_duration_seconds_sum", None),
        }
    }

    /// A total of it, in the unit of its sample.
    pub fn show(self, total: u64) -> String {
        match self {
            Figure::DurationMillis => format!("{}.{:03}", total / 1000, total % 1000),
            _ => total.to_string(),
        }
    }
}

/// Totals by figure and label value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals(BTreeMap<(Figure, String), u64>);

/// A true total beside the counted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What it is of.
    pub figure: Figure,
    /// The value of the figure's label; empty if it has none.
    pub of: String,
    /// What was written.
    pub written: u64,
    /// What was counted.
    pub counted: u64,
}

impl Totals {
    /// Adds to one total. Nothing does not make a total.
    pub fn add(&mut self, figure: Figure, of: &str, number: u64) {
        if number > 0 {
            *self.0.entry((figure, of.to_owned())).or_default() += number;
        }
    }

    /// Adds all totals of `other`.
    pub fn merge(&mut self, other: &Totals) {
        other.0.iter().for_each(|((figure, of), number)| self.add(*figure, of, *number));
    }

    /// The totals of a figure by label value.
    pub fn of(&self, figure: Figure) -> impl Iterator<Item = (&str, u64)> {
        let of_figure = move |((of, _), _): &(&(Figure, String), &u64)| *of == figure;
        self.0.iter().filter(of_figure).map(|((_, of), number)| (of.as_str(), *number))
    }

    /// A figure over all label values.
    pub fn sum(&self, figure: Figure) -> u64 {
        self.of(figure).map(|(_, number)| number).sum()
    }

    /// Each total that was written or counted, beside the other.
    pub fn compare(&self, counted: &Totals) -> Vec<Comparison> {
        let mut keys: Vec<_> = self.0.keys().chain(counted.0.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let number = |totals: &Totals, key: &(Figure, String)| totals.0.get(key).copied().unwrap_or_default();
        let compare = |key: &(Figure, String)| Comparison {
            figure: key.0,
            of: key.1.clone(),
            written: number(self, key),
            counted: number(counted, key),
        };
        keys.into_iter().map(compare).collect()
    }
}

impl Comparison {
    /// Whether what was counted is what was written.
    pub fn agrees(&self) -> bool {
        self.written == self.counted
    }
}

/// The sample: `log_lines_total{level="INFO"}`.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.figure.sample() {
            (name, Some(label)) => write!(f, "{name}{{{label}=\"{}\"}}", self.of),
            (name, None) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_side_has_is_compared_too() {
        let (mut written, mut counted) = (Totals::default(), Totals::default());
        written.add(Figure::LogLines, "INFO", 3);
        written.add(Figure::Durations, "", 1);
        counted.add(Figure::LogLines, "INFO", 2);
        counted.add(Figure::LogLines, "INFO", 1);
        counted.add(Figure::LogLines, "DEBUG", 1);
        let compared = written.compare(&counted);
        let agreeing: Vec<_> = compared.iter().map(|row| (row.to_string(), row.agrees())).collect();
        let expected = [
            ("log_lines_total{level=\"DEBUG\"}", false),
            ("log_lines_total{level=\"INFO\"}", true),
            ("http_request_duration_seconds_count", false),
        ];
        assert_eq!(agreeing, expected.map(|(name, agrees)| (name.to_owned(), agrees)));
    }
}
