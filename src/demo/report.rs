//! What the demo says about what it counted, as text.

use std::fmt::Write as _;
use std::time::Duration;

use super::counted::Counted;
use super::totals::{Comparison, Figure};

/// How many services are named.
const SERVICES: usize = 3;

/// A moment of the demo.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// How long the logs have been written.
    pub elapsed: Duration,
    /// How many lines were written.
    pub written: u64,
    /// How many of them were written in the last second or so, and how long that was.
    pub last: (u64, Duration),
}

/// Where things stand, in a few lines of which each fits a terminal.
pub fn summary(moment: &Moment, counted: &Counted) -> Vec<String> {
    let lines = counted.totals.sum(Figure::SourceLines);
    let (last, took) = moment.last;
    let rate = last as f64 / took.as_secs_f64().max(1e-9);
    let seconds = moment.elapsed.as_secs();
    vec![
        format!("after {seconds} s: {} lines written, {lines} counted, {rate:.0} lines/s", moment.written),
        format!("errors: {}", errors(counted)),
        format!("requests: {}", requests(counted)),
        format!("latency: {}", latency(counted)),
    ]
}

fn errors(counted: &Counted) -> String {
    let mut services: Vec<_> = counted.totals.of(Figure::LogErrors).collect();
    services.sort_by_key(|(name, errors)| (std::cmp::Reverse(*errors), *name));
    listed(services.into_iter().take(SERVICES).map(|(name, errors)| format!("{name} {errors}")))
}

fn requests(counted: &Counted) -> String {
    let mut classes = [0; 10];
    for (status, requests) in counted.totals.of(Figure::Requests) {
        let class = status.bytes().next().map_or(0, |digit| usize::from(digit.wrapping_sub(b'0')));
        classes[class.min(9)] += requests;
    }
    let classes = classes.iter().enumerate().filter(|(_, requests)| **requests > 0);
    listed(classes.map(|(class, requests)| format!("{class}xx {requests}")))
}

fn latency(counted: &Counted) -> String {
    let requests = counted.totals.sum(Figure::Durations);
    let Some(bound) = counted.within_99_percent() else { return "none yet".to_owned() };
    let mean = counted.totals.sum(Figure::DurationMillis) as f64 / requests as f64;
    let within = if bound.is_finite() { format!("within {bound} s") } else { "longer".to_owned() };
    format!("mean {mean:.0} ms, 99 % {within}")
}

fn listed(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { "none yet".to_owned() } else { parts.join(", ") }
}

/// A table of what was written beside what was counted, and whether all of it agrees.
pub fn table(compared: &[Comparison]) -> (String, bool) {
    let rows: Vec<_> = compared
        .iter()
        .map(|row| {
            let [written, counted] = [row.written, row.counted].map(|total| row.figure.show(total));
            (row.to_string(), written, counted, if row.agrees() { "agree" } else { "DIFFER" })
        })
        .collect();
    let width = rows.iter().map(|(sample, ..)| sample.len()).max().unwrap_or_default();
    let mut text = format!("{:width$} {:>15} {:>15}\n", "", "written", "counted");
    for (sample, written, counted, verdict) in rows {
        writeln!(text, "{sample:width$} {written:>15} {counted:>15}  {verdict}")
            .expect("memory takes any text");
    }
    (text, compared.iter().all(Comparison::agrees))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Totals;

    #[test]
    fn a_summary_names_what_stands_out() {
        let mut counted = Counted::default();
        for (service, errors) in [("a", 1), ("b", 5), ("c", 2), ("d", 2)] {
            counted.totals.add(Figure::LogErrors, service, errors);
        }
        for (status, requests) in [("200", 7), ("204", 1), ("503", 2)] {
            counted.totals.add(Figure::Requests, status, requests);
        }
        counted.totals.add(Figure::SourceLines, "log-errors", 30);
        let second = Duration::from_secs(1);
        let moment = Moment { elapsed: 3 * second, written: 32, last: (20, 2 * second) };
        let expected = [
            "after 3 s: 32 lines written, 30 counted, 10 lines/s",
            "errors: b 5, c 2, d 2",
            "requests: 2xx 8, 5xx 2",
            "latency: none yet",
        ];
        assert_eq!(summary(&moment, &counted), expected);
    }

    #[test]
    fn latency_is_the_mean_and_the_bound_of_99_percent() {
        let mut counted = Counted::default();
        counted.durations = vec![(0.25, 99), (f64::INFINITY, 1)];
        counted.totals.add(Figure::Durations, "", 100);
        counted.totals.add(Figure::DurationMillis, "", 4321);
        assert_eq!(latency(&counted), "mean 43 ms, 99 % within 0.25 s");
    }

    #[test]
    fn one_difference_is_a_difference() {
        let (mut written, mut counted) = (Totals::default(), Totals::default());
        written.add(Figure::DurationMillis, "", 1234);
        counted.add(Figure::DurationMillis, "", 1234);
        let (text, agree) = table(&written.compare(&counted));
        assert!(agree && text.contains(" 1.234           1.234  agree\n"), "{text}");
        counted.add(Figure::Requests, "200", 1);
        let (text, agree) = table(&written.compare(&counted));
        assert!(!agree && text.contains("0               1  DIFFER\n"), "{text}");
    }
}
