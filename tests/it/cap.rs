//! I8: series are bounded, and what is beyond the cap is counted all the same.

use std::time::Duration;

use proptest::prelude::*;

use crate::replayed::replay;
use crate::sample::{samples, total};

const PIPELINE: &str = r"
source: stdin
decode: json
metrics:
  - counter: {name: hits_total, help: Hits., labels: [user, page], max_series: 100}
";

#[test]
fn events_beyond_the_cap_are_counted_in_one_more_series() {
    let line = |n: usize| format!("{{\"user\":\"u{n}\",\"page\":\"p\"}}\n");
    let input: String = (0..5000).map(|n| line(n % 1000)).collect();
    let (text, flow) = replay(PIPELINE, &input, Duration::ZERO);
    let samples = samples(&text);
    assert_eq!(total(&samples, "hits_total"), 5000.0);
    assert_eq!(samples.len(), 101);
    assert_eq!(samples[r#"hits_total{user="__overflow__",page="__overflow__"}"#], 4500.0);
    let overflow = flow.metrics[0].get(streamgauge::model::refused::Refused::Overflow);
    assert_eq!(overflow, 4500);
}

#[test]
fn values_that_become_equal_when_they_are_mended_are_one_series() {
    let mut input = Vec::new();
    for bytes in [&b"\xff"[..], b"\xfe", b"\xef\xbf\xbd"] {
        input.extend([bytes, b"\n"].concat());
    }
    let pipeline = "source: stdin\nmetrics:\n  - counter: {name: lines_total, help: Lines., labels: [raw]}\n";
    let (text, flow) = crate::replayed::replay_bytes(pipeline, &input, Duration::ZERO);
    assert_eq!(samples(&text)["lines_total{raw=\"\u{fffd}\"}"], 3.0, "{text}");
    assert_eq!(flow.metrics[0].get(streamgauge::model::refused::Refused::InvalidUtf8), 2);
}

#[test]
fn what_is_refused_takes_no_series() {
    let pipeline = "source: stdin\ndecode: json\nmetrics:\n  - counter: {name: paid_total, help: Paid., value: v, labels: [u], max_series: 2}\n";
    let refused: String = (0..100).map(|n| format!("{{\"u\":\"n{n}\",\"v\":-1}}\n")).collect();
    let (text, flow) = replay(pipeline, &(refused + "{\"u\":\"real\",\"v\":5}\n"), Duration::ZERO);
    assert_eq!(samples(&text).into_iter().collect::<Vec<_>>(), [("paid_total{u=\"real\"}".to_owned(), 5.0)]);
    assert_eq!(flow.metrics[0].get(streamgauge::model::refused::Refused::Negative), 100);
}

/// Metrics of the same labels, but for the last: without and with a cap, a value that may be refused, a condition.
const METRICS: [&str; 5] = [
    "counter: {name: hits_total, help: Hits., labels: [a, b]}",
    "counter: {name: few_total, help: Hits., labels: [a, b], max_series: 3}",
    "counter: {name: paid_total, help: Paid., value: v, labels: [a, b]}",
    "counter: {name: some_total, help: Hits., where: 'b == 1', labels: [a, b], max_series: 2}",
    "counter: {name: other_total, help: Hits., labels: [b]}",
];

fn pipeline(metrics: &[&str]) -> String {
    let metrics: String = metrics.iter().map(|metric| format!("  - {metric}\n")).collect();
    format!("source: stdin\ndecode: json\nmetrics:\n{metrics}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn metrics_that_share_their_labels_count_as_each_does_alone(
        events in proptest::collection::vec(("[x-z]|\u{e9}\0", 0..3u8, -1..3i8), 0..60),
    ) {
        let input: String = events
            .iter()
            .map(|(a, b, v)| format!("{}\n", serde_json::json!({"a": a, "b": b, "v": v})))
            .collect();
        let (together, flow) = replay(&pipeline(&METRICS), &input, Duration::ZERO);
        let mut alone = String::new();
        for (at, metric) in METRICS.iter().enumerate() {
            let (text, its) = replay(&pipeline(&[metric]), &input, Duration::ZERO);
            alone += &text;
            prop_assert_eq!(&flow.metrics[at], &its.metrics[0]);
        }
        prop_assert_eq!(together, alone);
    }
}
