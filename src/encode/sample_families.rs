//! Families of every kind, on which the formats' tests show what they write.

use std::time::Duration;

use super::Kind;
use crate::model::family::{Family, FamilyKind, MAX_QUANTILES, Reading};
use crate::model::series::SeriesKey;
use crate::model::sum::Sum;

const CREATED: f64 = 1_700_000_000.5;

/// When the expositions happen.
const AT: Duration = Duration::from_secs(1_700_000_001);

fn family(name: &str, help: &str, unit: &str, kind: FamilyKind, labels: &[&str]) -> Family {
    Family {
        name: name.to_owned(),
        help: help.to_owned(),
        unit: (!unit.is_empty()).then(|| unit.to_owned()),
        kind,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    }
}

fn sum(numbers: &[f64]) -> Sum {
    let mut sum = Sum::ZERO;
    numbers.iter().for_each(|number| sum.add(*number));
    sum
}

fn counter(total: f64) -> Reading<'static> {
    Reading::Counter { total: sum(&[total]), created: CREATED }
}

fn histogram<'a>(bounds: &'a [f64], counts: &'a [u64], total: f64) -> Reading<'a> {
    Reading::Histogram { bounds, counts, sum: sum(&[total]), created: CREATED }
}

/// What a format writes for families of every kind.
pub fn written(kind: &Kind) -> String {
    let (mut encoder, mut out) = ((kind.build)(AT), Vec::new());
    let mut write = |family: &Family, series: &[(&[&str], Reading<'_>)]| {
        encoder.family(family, &mut out);
        for (values, reading) in series {
            encoder.series(SeriesKey::new(*values).labels(), reading, &mut out);
        }
    };
    write(
        &family(
            "orders_total",
            "Orders by \"status\",\nand \\ more.",
            "",
            FamilyKind::Counter,
            &["status", "region"],
        ),
        &[
            (&["paid", "eu"], counter(9_007_199_254_740_992.0)),
            (&["a\"b\\c\nd", ""], counter(0.0)),
            (&["é\t\r\u{1f600}", "__overflow__"], counter(1_234_567.25)),
        ],
    );
    write(&family("sent_bytes_total", "Sent.", "bytes", FamilyKind::Counter, &[]), &[(&[], counter(12.0))]);
    let gauges: Vec<(&[&str], Reading<'_>)> = vec![
        (&["a"], Reading::Gauge(0.25)),
        (&["b"], Reading::Gauge(f64::NAN)),
        (&["c"], Reading::Gauge(f64::NEG_INFINITY)),
        (&["d"], Reading::Gauge(21.0)),
    ];
    write(&family("room_celsius", "Warmth.", "celsius", FamilyKind::Gauge, &["room"]), &gauges);
    write(
        &family("latency_seconds", "Latency.", "seconds", FamilyKind::Histogram, &["route"]),
        &[
            (&["/"], histogram(&[0.005, 1.0, 1e6], &[1, 0, 2, 4], 4_000_003.5)),
            (&["\"/\""], histogram(&[0.005, 1.0, 1e6], &[0, 0, 0, 0], 0.0)),
        ],
    );
    write(
        &family("drift", "", "", FamilyKind::Histogram, &[]),
        &[(&[], histogram(&[-1.0, 0.0], &[1, 2, 3], -2.5))],
    );
    let quantiles = |low: f64| {
        let mut values = [f64::NAN; MAX_QUANTILES];
        (values[0], values[1]) = (low, 2.5);
        values
    };
    let summary = |low, total| Reading::Summary {
        levels: &[0.5, 0.99, 1.0],
        values: quantiles(low),
        sum: sum(&[total]),
        count: 7,
        created: CREATED,
    };
    write(
        &family("size_bytes", "Sizes.", "bytes", FamilyKind::Summary, &["kind"]),
        &[(&["a"], summary(0.25, 12.5)), (&["b"], summary(-0.25, -1.0))],
    );
    write(&family("span", "", "", FamilyKind::Summary, &[]), &[(&[], summary(1.0, 3.0))]);
    write(
        &family("build_info", "The program.", "", FamilyKind::Info, &["version"]),
        &[(&["0.1.0"], Reading::Gauge(1.0))],
    );
    encoder.finish(&mut out);
    String::from_utf8(out).unwrap()
}

/// The two series of [`check_wrong_orders`] in both text formats.
pub const TEXT_SERIES: &str = "x{a=\"1\"} 1\nx{a=\"1\",b=\"2\"} 1\n";

/// Checks that calls out of order write nothing but what is valid: two series of a gauge `x` with the labels `a`
/// and `b`, of which the first has no value for `b` (`series`), and the end (`end`) once.
#[track_caller]
pub fn check_wrong_orders(kind: &Kind, series: &str, end: &str) {
    let (mut encoder, mut out) = ((kind.build)(AT), Vec::new());
    let gauge = family("x", "", "", FamilyKind::Gauge, &["a", "b"]);
    let key = SeriesKey::new(["1", "2"]);
    encoder.series(key.labels(), &Reading::Gauge(1.0), &mut out);
    assert!(out.is_empty(), "no family yet");

    encoder.family(&gauge, &mut out);
    out.clear();
    encoder.series(key.labels(), &counter(1.0), &mut out);
    encoder.series(key.labels(), &histogram(&[], &[1], 1.0), &mut out);
    assert!(out.is_empty(), "the reading is not a gauge's");

    encoder.series(SeriesKey::new(["1"]).labels(), &Reading::Gauge(1.0), &mut out);
    encoder.series(SeriesKey::new(["1", "2", "3"]).labels(), &Reading::Gauge(1.0), &mut out);
    assert_eq!(std::str::from_utf8(&out), Ok(series), "too few, too many labels");
    out.clear();

    encoder.finish(&mut out);
    encoder.series(key.labels(), &Reading::Gauge(1.0), &mut out);
    encoder.family(&gauge, &mut out);
    encoder.series(key.labels(), &Reading::Gauge(1.0), &mut out);
    encoder.finish(&mut out);
    assert_eq!(std::str::from_utf8(&out), Ok(end), "after the end");
}
