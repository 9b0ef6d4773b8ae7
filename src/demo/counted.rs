//! What was counted of the generated streams, read from the ledger as an encoder reads it.

use super::totals::{Figure, Totals};
use crate::encode::Encode;
use crate::model::family::{Family, Reading};
use crate::model::series::Labels;
use crate::pipeline::Flow;

/// The family whose largest 99th percentile is noted.
const LATENCY: &str = "order_latency_seconds";

/// Totals of the families that the demo's pipelines count.
///
/// It takes the place of an encoder, and so sees the same consistent cut that an exposition shows, as numbers.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// The totals.
    pub totals: Totals,
    /// The time in seconds within which 99 % of the orders of the slowest region were confirmed.
    pub slowest: Option<f64>,
    /// The figures that the family at hand counts, each with the indexes of its labels.
    figures: Vec<(Figure, Vec<usize>)>,
    is_latency: bool,
}

impl Counted {
    /// Takes in what came into a pipeline.
    pub fn flow(&mut self, pipeline: &str, flow: &Flow) {
        self.totals.add(Figure::SourceEvents, &[pipeline], flow.events);
        self.totals.add(Figure::SourceBytes, &[pipeline], flow.bytes);
    }

    fn percentile(&mut self, levels: &[f64], values: &[f64]) {
        let of_99_percent = levels.iter().position(|level| *level == 0.99).map(|at| values[at]);
        if let Some(seconds) = of_99_percent.filter(|seconds| seconds.is_finite()) {
            self.slowest = Some(self.slowest.map_or(seconds, |slowest| slowest.max(seconds)));
        }
    }
}

/// The ending of the sample of a summary that shows its sum.
const SUM: &str = "_sum";

/// The family that a sample belongs to.
fn family_of(sample: &str) -> &str {
    sample.strip_suffix(SUM).or_else(|| sample.strip_suffix("_count")).unwrap_or(sample)
}

impl Encode for Counted {
    fn family(&mut self, family: &Family, _: &mut Vec<u8>) {
        let place = |label: &&str| family.labels.iter().position(|name| name == label);
        let with_places = |figure: Figure| {
            let sample = figure.sample();
            let places = (family_of(sample.name) == family.name).then(|| sample.labels.iter().map(place))?;
            Some((figure, places.collect::<Option<_>>()?))
        };
        self.figures = Figure::ALL.into_iter().filter_map(with_places).collect();
        self.is_latency = family.name == LATENCY;
    }

    fn series(&mut self, key: Labels<'_>, reading: &Reading<'_>, _: &mut Vec<u8>) {
        let values: Vec<_> = key.values().collect();
        for (figure, places) in &self.figures {
            let of: Vec<_> = places.iter().map(|place| values[*place]).collect();
            let total = match reading {
                Reading::Counter { total, .. } => total.value(),
                Reading::Gauge(value) => *value,
                Reading::Summary { sum, .. } | Reading::Histogram { sum, .. }
                    if figure.sample().name.ends_with(SUM) =>
                {
                    sum.value()
                }
                Reading::Summary { count, .. } => *count as f64,
                Reading::Histogram { counts, .. } => counts.iter().sum::<u64>() as f64,
            };
            self.totals.add(*figure, &of, figure.whole(total));
        }
        if let (true, Reading::Summary { levels, values, .. }) = (self.is_latency, reading) {
            self.percentile(levels, values);
        }
    }

    fn finish(&mut self, _: &mut Vec<u8>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::family::{FamilyKind, MAX_QUANTILES};
    use crate::model::series::SeriesKey;
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
    fn counters_are_added_up_by_the_labels_that_are_compared() {
        let mut counted = Counted::default();
        let errors = family("log_errors_total", FamilyKind::Counter, &["level", "service"]);
        counted.family(&errors, &mut Vec::new());
        for (level, service, total) in
            [("ERROR", "cart", 3.0), ("FATAL", "cart", 1.0), ("ERROR", "mail", 2.0)]
        {
            let reading = Reading::Counter { total: sum(total), created: 0.0 };
            counted.series(SeriesKey::new([level, service]).labels(), &reading, &mut Vec::new());
        }
        counted.family(&family("other_total", FamilyKind::Counter, &[]), &mut Vec::new());
        let other = Reading::Counter { total: sum(9.0), created: 0.0 };
        counted.series(SeriesKey::new::<&str>([]).labels(), &other, &mut Vec::new());
        let mut expected = Totals::default();
        expected.add(Figure::LogErrors, &["cart"], 4);
        expected.add(Figure::LogErrors, &["mail"], 2);
        assert_eq!(counted.totals, expected);
    }

    #[test]
    fn a_summary_is_its_sum_its_count_and_the_slowest_percentile() {
        let mut counted = Counted::default();
        counted.family(&family(LATENCY, FamilyKind::Summary, &["region"]), &mut Vec::new());
        for (region, last) in [("eu", 0.7), ("us", 1.2), ("apac", f64::NAN)] {
            let mut values = [f64::NAN; MAX_QUANTILES];
            values[1] = last;
            let (levels, sum) = (&[0.5, 0.99], sum(2.25));
            let reading = Reading::Summary { levels, values, sum, count: 5, created: 0.0 };
            counted.series(SeriesKey::new([region]).labels(), &reading, &mut Vec::new());
        }
        assert_eq!(counted.totals.sum(Figure::OrderLatencies), 15);
        assert_eq!(counted.totals.sum(Figure::OrderLatencyMillis), 6750);
        assert_eq!(counted.slowest, Some(1.2));
    }

    #[test]
    fn the_price_of_a_gauge_is_in_cents() {
        let mut counted = Counted::default();
        counted.family(&family("trade_price", FamilyKind::Gauge, &["symbol"]), &mut Vec::new());
        counted.series(SeriesKey::new(["OAK"]).labels(), &Reading::Gauge(101.29), &mut Vec::new());
        assert_eq!(counted.totals.sum(Figure::PriceCents), 10_129);
    }
}
