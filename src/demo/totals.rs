//! Totals: what was generated, or what was counted, in whole numbers that can be compared.

use std::collections::BTreeMap;
use std::fmt;

/// What a total is of, in the order in which totals are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Records that a pipeline read.
    SourceEvents,
    /// Their bytes.
    SourceBytes,
    /// Orders, by status and region.
    Orders,
    /// Amounts of paid orders in cents, by channel.
    RevenueCents,
    /// Orders of which the latency was measured, by region.
    OrderLatencies,
    /// Their latencies in milliseconds, by region.
    OrderLatencyMillis,
    /// Trades, by symbol and side.
    Trades,
    /// The sum of their sizes, by symbol.
    TradeVolume,
    /// The price of the last trade in cents, by symbol.
    PriceCents,
    /// Trades of which the size was measured, by symbol.
    TradeSizes,
    /// Their sizes, by symbol.
    TradeSizeSum,
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

/// How a figure is exposed.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The name of its samples.
    pub name: &'static str,
    /// The labels by which it is split; the pipeline may split it by more.
    pub labels: &'static [&'static str],
    /// How many of its digits stand behind the decimal point of a sample.
    pub decimals: usize,
}

impl Figure {
    /// Every figure.
    pub const ALL: [Figure; 17] = [
        Figure::SourceEvents,
        Figure::SourceBytes,
        Figure::Orders,
        Figure::RevenueCents,
        Figure::OrderLatencies,
        Figure::OrderLatencyMillis,
        Figure::Trades,
        Figure::TradeVolume,
        Figure::PriceCents,
        Figure::TradeSizes,
        Figure::TradeSizeSum,
        Figure::LogLines,
        Figure::LogErrors,
        Figure::Requests,
        Figure::ResponseBytes,
        Figure::Durations,
        Figure::DurationMillis,
    ];

    /// How it is exposed.
    pub fn sample(self) -> Sample {
        let (name, labels, decimals): (_, &[_], _) = match self {
            Figure::SourceEvents => ("streamgauge_source_events_total", &["pipeline"], 0),
            Figure::SourceBytes => ("streamgauge_source_bytes_total", &["pipeline"], 0),
            Figure::Orders => ("orders_total", &["status", "region"], 0),
            Figure::RevenueCents => ("revenue_eur_total", &["channel"], 2),
            Figure::OrderLatencies => ("order_latency_seconds_count", &["region"], 0),
            Figure::OrderLatencyMillis => ("order_latency_seconds_sum", &["region"], 3),
            Figure::Trades => ("trades_total", &["symbol", "side"], 0),
            Figure::TradeVolume => ("trade_volume_total", &["symbol"], 0),
            Figure::PriceCents => ("trade_price", &["symbol"], 2),
            Figure::TradeSizes => ("trade_size_count", &["symbol"], 0),
            Figure::TradeSizeSum => ("trade_size_sum", &["symbol"], 0),
            Figure::LogLines => ("log_lines_total", &["level"], 0),
            Figure::LogErrors => ("log_errors_total", &["service"], 0),
            Figure::Requests => ("http_requests_total", &["status"], 0),
            Figure::ResponseBytes => ("http_response_bytes_total", &[], 0),
            Figure::Durations => ("http_request_duration_seconds_count", &[], 0),
            Figure::DurationMillis => ("http_request_duration_seconds_sum", &[], 3),
        };
        Sample { name, labels, decimals }
    }

    /// The value of a sample as a total.
    pub fn whole(self, value: f64) -> u64 {
        (value * 10f64.powi(self.sample().decimals as i32)).round() as u64
    }

    /// A total in the unit of its sample, with thousands apart.
    pub fn show(self, total: u64) -> String {
        let decimals = self.sample().decimals;
        let unit = 10u64.pow(decimals as u32);
        let whole = grouped(total / unit);
        if decimals == 0 { whole } else { format!("{whole}.{:0decimals$}", total % unit) }
    }
}

/// A number with its thousands apart: 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Totals by figure and label values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals(BTreeMap<(Figure, Vec<String>), u64>);

/// A true total beside the counted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What it is of.
    pub figure: Figure,
    /// The values of the figure's labels.
    pub of: Vec<String>,
    /// What was generated.
    pub generated: u64,
    /// What was counted.
    pub counted: u64,
}

impl Totals {
    /// Adds to one total. Nothing does not make a total.
    pub fn add(&mut self, figure: Figure, of: &[&str], number: u64) {
        if number > 0 {
            let of = of.iter().map(|value| (*value).to_owned()).collect();
            *self.0.entry((figure, of)).or_default() += number;
        }
    }

    /// Adds all totals of `other`.
    pub fn merge(&mut self, other: Totals) {
        for (key, number) in other.0 {
            *self.0.entry(key).or_default() += number;
        }
    }

    /// The totals of a figure by label values.
    pub fn of(&self, figure: Figure) -> impl Iterator<Item = (&[String], u64)> {
        let of_figure = move |((of, _), _): &(&(Figure, Vec<String>), &u64)| *of == figure;
        self.0.iter().filter(of_figure).map(|((_, of), number)| (of.as_slice(), *number))
    }

    /// A figure over all label values.
    pub fn sum(&self, figure: Figure) -> u64 {
        self.of(figure).map(|(_, number)| number).sum()
    }

    /// Each total that was generated or counted, beside the other.
    pub fn compare(&self, counted: &Totals) -> Vec<Comparison> {
        let mut keys: Vec<_> = self.0.keys().chain(counted.0.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let number =
            |totals: &Totals, key: &(Figure, Vec<String>)| totals.0.get(key).copied().unwrap_or_default();
        let compare = |key: &(Figure, Vec<String>)| Comparison {
            figure: key.0,
            of: key.1.clone(),
            generated: number(self, key),
            counted: number(counted, key),
        };
        keys.into_iter().map(compare).collect()
    }
}

impl Comparison {
    /// Whether what was counted is what was generated.
    pub fn agrees(&self) -> bool {
        self.generated == self.counted
    }
}

/// The sample: `log_lines_total{level="INFO"}`.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sample = self.figure.sample();
        let labels = sample.labels.iter().zip(&self.of);
        let labels: Vec<_> = labels.map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        f.write_str(sample.name)?;
        if labels.is_empty() { Ok(()) } else { write!(f, "{{{}}}", labels.join(",")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_side_has_is_compared_too() {
        let (mut generated, mut counted) = (Totals::default(), Totals::default());
        generated.add(Figure::LogLines, &["INFO"], 3);
        generated.add(Figure::Durations, &[], 1);
        counted.add(Figure::LogLines, &["INFO"], 2);
        counted.add(Figure::LogLines, &["INFO"], 1);
        counted.add(Figure::Orders, &["paid", "eu"], 1);
        let compared = generated.compare(&counted);
        let agreeing: Vec<_> = compared.iter().map(|row| (row.to_string(), row.agrees())).collect();
        let expected = [
            ("orders_total{status=\"paid\",region=\"eu\"}", false),
            ("log_lines_total{level=\"INFO\"}", true),
            ("http_request_duration_seconds_count", false),
        ];
        assert_eq!(agreeing, expected.map(|(name, agrees)| (name.to_owned(), agrees)));
    }

    #[test]
    fn totals_are_shown_in_the_unit_of_their_samples() {
        assert_eq!(Figure::Orders.show(1_234_567), "1,234,567");
        assert_eq!(Figure::RevenueCents.show(123_405), "1,234.05");
        assert_eq!(Figure::OrderLatencyMillis.show(999_007), "999.007");
        assert_eq!(Figure::RevenueCents.whole(1_234.049_999_999_9), 123_405);
        assert_eq!(Figure::RevenueCents.show(7), "0.07");
    }

    #[test]
    fn every_figure_is_listed_once_in_its_order() {
        assert!(Figure::ALL.is_sorted_by(|one, next| one < next));
    }
}
