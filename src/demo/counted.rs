//! What was counted of the generated logs, read from the ledger as an encoder reads it.

use super::totals::{Figure, Totals};
use crate::encode::Encode;
use crate::model::family::{Family, Reading};
use crate::model::series::SeriesKey;
use crate::pipeline::Flow;

/// Totals of the families that the demo's pipelines count.
///
/// It takes the place of an encoder, and so sees the same consistent cut that an exposition shows, as numbers.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// The totals.
    pub totals: Totals,
    /// Upper bounds of durations in seconds, and how many were at most that long and longer than the bound
    /// before; the last bound is infinite.
    pub durations: Vec<(f64, u64)>,
    /// The figure that the family at hand counts, and the index of its label.
    figure: Option<(Figure, Option<usize>)>,
}

impl Counted {
    /// Takes in what came into a pipeline.
    pub fn flow(&mut self, pipeline: &str, flow: &Flow) {
        self.totals.add(Figure::SourceLines, pipeline, flow.events);
        self.totals.add(Figure::SourceBytes, pipeline, flow.bytes);
    }

    /// The least bound that 99 % of all durations are within, in seconds.
    pub fn within_99_percent(&self) -> Option<f64> {
        let all: u64 = self.durations.iter().map(|(_, count)| count).sum();
        let mut below = 0;
        let reached = |(_, count): &&(f64, u64)| {
            below += count;
            below as f64 >= all as f64 * 0.99
        };
        self.durations.iter().find(reached).filter(|_| all > 0).map(|(bound, _)| *bound)
    }

    fn histogram(&mut self, bounds: &[f64], counts: &[u64]) {
        self.durations.resize(counts.len(), (f64::INFINITY, 0));
        for (at, (sum, count)) in self.durations.iter_mut().zip(counts).enumerate() {
            sum.0 = bounds.get(at).copied().unwrap_or(f64::INFINITY);
            sum.1 += count;
        }
    }
}

impl Encode for Counted {
    fn family(&mut self, family: &Family, _: &mut Vec<u8>) {
        let find = |figure: &Figure| figure.sample().0.trim_end_matches("_count") == family.name;
        let place = |label| family.labels.iter().position(|name| name == label);
        self.figure =
            Figure::ALL.into_iter().find(find).map(|figure| (figure, figure.sample().1.and_then(place)));
    }

    fn series(&mut self, key: &SeriesKey, reading: &Reading<'_>, _: &mut Vec<u8>) {
        let Some((figure, label)) = self.figure else { return };
        let of = label.and_then(|at| key.values().nth(at)).unwrap_or_default();
        match reading {
            Reading::Counter { total, .. } => self.totals.add(figure, of, total.value() as u64),
            Reading::Histogram { bounds, counts, sum, .. } => {
                self.totals.add(figure, of, counts.iter().sum());
                // Durations are logged in whole milliseconds; the sum is of fractions of seconds.
                let milliseconds = (sum.value() * 1000.0).round() as u64;
                self.totals.add(Figure::DurationMillis, of, milliseconds);
                self.histogram(bounds, counts);
            }
            Reading::Gauge(_) | Reading::Summary { .. } => {}
        }
    }

    fn finish(&mut self, _: &mut Vec<u8>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::family::FamilyKind;
    use crate::model::sum::Sum;

    fn family(name: &str, kind: FamilyKind, labels: &[&str]) -> Family {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        Family { name: name.to_owned(), help: String::new(), unit: None, kind, labels }
    }

    fn sum(number: f64) -> Sum {
        let mut sum = Sum::ZERO;
        sum.add(number);
        sum
    }

    #[test]
    fn counters_are_added_up_by_the_label_that_is_compared() {
        let mut counted = Counted::default();
        let requests = family("http_requests_total", FamilyKind::Counter, &["method", "route", "status"]);
        counted.family(&requests, &mut Vec::new());
        for (method, status, total) in [("GET", "200", 3.0), ("POST", "200", 1.0), ("GET", "404", 2.0)] {
            let reading = Reading::Counter { total: sum(total), created: 0.0 };
            counted.series(&SeriesKey::new([method, "/", status]), &reading, &mut Vec::new());
        }
        counted.family(&family("other_total", FamilyKind::Counter, &[]), &mut Vec::new());
        let other = Reading::Counter { total: sum(9.0), created: 0.0 };
        counted.series(&SeriesKey::new::<&str>([]), &other, &mut Vec::new());
        let found: Vec<_> = counted.totals.of(Figure::Requests).collect();
        assert_eq!(found, [("200", 4), ("404", 2)]);
        assert_eq!(Figure::ALL.map(|figure| counted.totals.sum(figure)).iter().sum::<u64>(), 6);
    }

    #[test]
    fn durations_of_all_routes_are_taken_together() {
        let mut counted = Counted::default();
        assert_eq!(counted.within_99_percent(), None);
        let durations = family("http_request_duration_seconds", FamilyKind::Histogram, &["route"]);
        counted.family(&durations, &mut Vec::new());
        for (route, counts) in [("/a", [90, 8, 0]), ("/b", [0, 1, 1])] {
            let reading =
                Reading::Histogram { bounds: &[0.1, 1.0], counts: &counts, sum: sum(2.25), created: 0.0 };
            counted.series(&SeriesKey::new([route]), &reading, &mut Vec::new());
        }
        assert_eq!(counted.totals.sum(Figure::Durations), 100);
        assert_eq!(counted.totals.sum(Figure::DurationMillis), 4500);
        assert_eq!(counted.durations, [(0.1, 90), (1.0, 9), (f64::INFINITY, 1)]);
        assert_eq!(counted.within_99_percent(), Some(1.0));
    }
}
