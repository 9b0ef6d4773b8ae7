//! What the demo says about what it counted, as text of at most 80 columns.

use std::fmt::Write as _;
use std::time::Duration;

use super::counted::Counted;
use super::totals::{Comparison, Figure, grouped};

/// A stream at a moment of the demo.
#[derive(Clone, Debug)]
pub struct Row {
    /// What its events are called.
    pub name: &'static str,
    /// How many were generated.
    pub generated: u64,
    /// How many were counted.
    pub counted: u64,
    /// How many of them were counted each second since the row before.
    pub per_second: f64,
    /// What its metrics say, in a few words.
    pub says: String,
}

impl Row {
    /// How many events are not counted yet. An order may be counted before Kafka has said that it has it.
    fn behind(&self) -> u64 {
        self.generated.saturating_sub(self.counted)
    }
}

/// Where things stand, as a table.
pub fn summary(elapsed: Duration, rows: &[Row]) -> Vec<String> {
    let seconds = format!("{} s", grouped(elapsed.as_secs()));
    let mut lines =
        vec![format!("{seconds:<10}{:>12}{:>12}{:>11}{:>8}", "generated", "counted", "per second", "behind")];
    lines.extend(rows.iter().map(|row| {
        let [generated, counted, behind] = [row.generated, row.counted, row.behind()].map(grouped);
        let per_second = grouped(row.per_second.round() as u64);
        format!("{:<10}{generated:>12}{counted:>12}{per_second:>11}{behind:>8}   {}", row.name, row.says)
    }));
    lines
}

/// Where things stand, in one line for a log.
pub fn line(elapsed: Duration, rows: &[Row]) -> String {
    let stream = |row: &Row| {
        let [generated, counted] = [row.generated, row.counted].map(grouped);
        format!("{} {counted} of {generated} ({})", row.name, row.says)
    };
    let streams: Vec<_> = rows.iter().map(stream).collect();
    format!("after {} s, counted: {}", elapsed.as_secs(), streams.join("; "))
}

/// What the metrics of orders say.
pub fn orders(counted: &Counted) -> String {
    match counted.slowest {
        Some(seconds) => format!("99 % take < {seconds:.2} s"),
        None => "none yet".to_owned(),
    }
}

/// What the metrics of trades say.
pub fn trades(counted: &Counted) -> String {
    let busiest = counted.totals.of(Figure::TradeSizes).max_by_key(|(_, trades)| *trades);
    let price = |symbol| counted.totals.of(Figure::PriceCents).find(|(of, _)| *of == symbol);
    match busiest.and_then(|(symbol, _)| price(symbol)) {
        Some((of, cents)) => format!("{} at {}", of[0], Figure::PriceCents.show(cents)),
        None => "none yet".to_owned(),
    }
}

/// What the metrics of the log say.
pub fn log(counted: &Counted) -> String {
    let (lines, errors) = (counted.totals.sum(Figure::LogLines), counted.totals.sum(Figure::LogErrors));
    if lines == 0 {
        return "none yet".to_owned();
    }
    format!("{:.1} % are errors", errors as f64 / lines as f64 * 100.0)
}

/// A table of what was generated beside what was counted, and whether all of it agrees. A line is one metric, with its
/// series added up; each series is compared, and shown where it differs.
pub fn table(compared: &[Comparison]) -> (String, bool) {
    let mut text = row("", ["series", "generated", "counted"], "");
    for series in compared.chunk_by(|one, next| one.figure == next.figure) {
        let figure = series[0].figure;
        let differing = series.iter().filter(|series| !series.agrees());
        let verdict = if differing.clone().count() == 0 { "agree" } else { "DIFFER" };
        let sum = |total: fn(&Comparison) -> u64| match figure {
            // Prices do not add up to anything.
            Figure::PriceCents => "-".to_owned(),
            _ => figure.show(series.iter().map(total).sum()),
        };
        let totals = [sum(|series| series.generated), sum(|series| series.counted)];
        let count = series.len().to_string();
        text += &row(figure.sample().name, [&count, &totals[0], &totals[1]], verdict);
        for series in differing {
            let [generated, counted] = [series.generated, series.counted].map(|total| figure.show(total));
            writeln!(text, "    {series}: {generated} generated, {counted} counted")
                .expect("memory takes any text");
        }
    }
    (text, compared.iter().all(Comparison::agrees))
}

fn row(name: &str, [series, generated, counted]: [&str; 3], verdict: &str) -> String {
    let line = format!("{name:<31}{series:>7}{generated:>17}{counted:>17}  {verdict}");
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Totals;

    fn rows() -> [Row; 2] {
        let orders = Row {
            name: "orders",
            generated: 12_345,
            counted: 12_001,
            per_second: 749.6,
            says: "99 % take < 0.81 s".to_owned(),
        };
        let trades =
            Row { name: "trades", generated: 9, counted: 10, per_second: 0.0, says: "none yet".to_owned() };
        [orders, trades]
    }

    #[test]
    fn a_summary_is_a_table() {
        let expected = [
            "61 s         generated     counted per second  behind",
            "orders          12,345      12,001        750     344   99 % take < 0.81 s",
            "trades               9          10          0       0   none yet",
        ];
        assert_eq!(summary(Duration::from_secs(61), &rows()), expected);
    }

    #[test]
    fn a_line_says_it_too() {
        let expected =
            "after 61 s, counted: orders 12,001 of 12,345 (99 % take < 0.81 s); trades 10 of 9 (none yet)";
        assert_eq!(line(Duration::from_secs(61), &rows()), expected);
    }

    #[test]
    fn each_stream_says_what_stands_out() {
        let mut counted = Counted::default();
        assert_eq!([orders, trades, log].map(|says| says(&counted)), ["none yet"; 3]);
        counted.slowest = Some(0.8149);
        for (symbol, trades, cents) in [("ASH", 3, 912), ("OAK", 5, 123_410), ("ELM", 4, 7)] {
            counted.totals.add(Figure::TradeSizes, &[symbol], trades);
            counted.totals.add(Figure::PriceCents, &[symbol], cents);
        }
        counted.totals.add(Figure::LogLines, &["INFO"], 490);
        counted.totals.add(Figure::LogLines, &["ERROR"], 10);
        counted.totals.add(Figure::LogErrors, &["cart"], 10);
        let expected = ["99 % take < 0.81 s", "OAK at 1,234.10", "2.0 % are errors"];
        assert_eq!([orders, trades, log].map(|says| says(&counted)), expected);
    }

    #[test]
    fn one_difference_is_a_difference() {
        let (mut generated, mut counted) = (Totals::default(), Totals::default());
        for (channel, cents) in [("app", 123_400), ("web", 5_600)] {
            generated.add(Figure::RevenueCents, &[channel], cents);
            counted.add(Figure::RevenueCents, &[channel], cents);
        }
        let (text, agree) = table(&generated.compare(&counted));
        let agreeing = "revenue_eur_total                    2         1,290.00         1,290.00  agree\n";
        assert!(agree && text.ends_with(agreeing), "{text}");
        // The sums are the same, the series are not.
        counted.add(Figure::RevenueCents, &["web"], 1);
        generated.add(Figure::RevenueCents, &["app"], 1);
        let (text, agree) = table(&generated.compare(&counted));
        let differing = "revenue_eur_total                    2         1,290.01         1,290.01  DIFFER
    revenue_eur_total{channel=\"app\"}: 1,234.01 generated, 1,234.00 counted
    revenue_eur_total{channel=\"web\"}: 56.00 generated, 56.01 counted\n";
        assert!(!agree && text.ends_with(differing), "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }
}
