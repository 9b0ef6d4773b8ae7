//! What the landing page says of a pipeline: its events, and the largest series of its metrics.

use std::time::Duration;

use super::own::refusals;
use super::{MetricSummary, PipelineSummary, SeriesSummary};
use crate::ledger::{About, Account, Posted};
use crate::model::family::{Family, Reading};
use crate::model::series::Labels;
use crate::telemetry::Lag;

/// How many series of a metric are shown.
const SHOWN: usize = 5;

/// How many characters of a label value are shown.
const LABEL_LEN: usize = 40;

impl PipelineSummary {
    /// What is posted of a pipeline, whose source has these lanes open, each so far behind its end.
    pub fn of(posted: &Posted<'_>, lanes: Vec<(String, Lag)>, now: Duration) -> PipelineSummary {
        let mut refused = Vec::new();
        refusals(posted, |component, reason, times| refused.push((component.to_owned(), reason, times)));
        let About { name, source, reads, .. } = posted.about;
        PipelineSummary {
            name: name.clone(),
            source: format!("{source} {reads}").trim_end().to_owned(),
            lanes,
            events: posted.flow.events,
            bytes: posted.flow.bytes,
            refused,
            metrics: posted.accounts.iter().map(|account| metric(account, now)).collect(),
        }
    }
}

fn metric(account: &Account, now: Duration) -> MetricSummary {
    let family = account.family();
    let (series, max_series) = account.series();
    let mut readings: Vec<(f64, Labels<'_>, Reading<'_>)> = Vec::new();
    account.readings(now, &mut |key, reading| {
        let Some(size) = size(reading) else { return };
        // Between equals the order of the keys remains.
        let place = readings.partition_point(|(larger, ..)| larger.total_cmp(&size).is_ge());
        if place < SHOWN {
            readings.truncate(SHOWN - 1);
            readings.insert(place, (size, key, *reading));
        }
    });
    let most = readings.first().map_or(0.0, |(size, ..)| *size);
    let largest = readings.iter().map(|(size, key, reading)| SeriesSummary {
        labels: labels(family, *key),
        value: value(reading),
        share: if most > 0.0 { (size / most * 1000.0).clamp(0.0, 1000.0) as u16 } else { 0 },
    });
    MetricSummary {
        name: family.name.clone(),
        help: family.help.clone(),
        kind: family.kind.name(),
        series,
        max_series,
        largest: largest.collect(),
    }
}

/// What series are compared by; `None` if there is nothing to compare.
fn size(reading: &Reading<'_>) -> Option<f64> {
    let size = match reading {
        Reading::Counter { total, .. } => total.value(),
        Reading::Gauge(value) => *value,
        Reading::Histogram { counts, .. } => counts.iter().sum::<u64>() as f64,
        Reading::Summary { count, .. } => *count as f64,
    };
    (!size.is_nan()).then_some(size)
}

fn value(reading: &Reading<'_>) -> String {
    match reading {
        Reading::Counter { total, .. } => total.whole().map_or_else(|| short(total.value()), grouped),
        Reading::Gauge(value) => short(*value),
        Reading::Histogram { counts, sum, .. } => {
            let count: u64 = counts.iter().sum();
            let mean = if count > 0 { sum.value() / count as f64 } else { 0.0 };
            format!("{} values, {} on average", grouped(count.into()), short(mean))
        }
        Reading::Summary { levels, values, count, .. } => {
            let quantiles =
                levels.iter().zip(values).map(|(level, value)| format!("{level}: {}", short(*value)));
            format!("{} values, {}", grouped((*count).into()), quantiles.collect::<Vec<_>>().join(", "))
        }
    }
}

fn labels(family: &Family, key: Labels<'_>) -> String {
    let label = |(name, value): (&String, &str)| {
        let mut shown: String = value.chars().take(LABEL_LEN).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        format!("{name}={shown:?}")
    };
    family.labels.iter().zip(key.values()).map(label).collect::<Vec<_>>().join(" ")
}

/// A whole number with its digits in groups of three.
pub fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    format!("{}{}", if number < 0 { "−" } else { "" }, groups.join("\u{202f}"))
}

/// A number with about four significant digits.
fn short(number: f64) -> String {
    if number.abs() < 1e15 && (number == number.trunc() || number.abs() >= 1e4) {
        return grouped(number.round() as i128);
    }
    let places = (3 - number.abs().log10().floor().clamp(-6.0, 3.0) as i32).clamp(0, 9);
    format!("{number:.*}", places as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::family::FamilyKind;
    use crate::model::series::SeriesKey;

    #[test]
    fn numbers_are_short_and_their_digits_in_groups() {
        for (number, text) in [
            (0.0, "0"),
            (999.0, "999"),
            (1000.0, "1\u{202f}000"),
            (-1_234_567.0, "−1\u{202f}234\u{202f}567"),
            (0.25, "0.2500"),
            (0.001_234_56, "0.001235"),
            (12.3456, "12.35"),
            (12_345.6, "12\u{202f}346"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn long_label_values_are_cut_and_odd_ones_escaped() {
        let family = Family {
            name: "x".to_owned(),
            help: String::new(),
            unit: None,
            kind: FamilyKind::Gauge,
            labels: vec!["a".to_owned(), "b".to_owned()],
        };
        let shown = labels(&family, SeriesKey::new(["é".repeat(41).as_str(), "\"\n"]).labels());
        assert_eq!(shown, format!("a=\"{}…\" b=\"\\\"\\n\"", "é".repeat(40)));
    }
}
