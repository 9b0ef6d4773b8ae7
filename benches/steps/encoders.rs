//! Each format: series of each kind of metric, as text.

use std::time::Duration;

use memchr::memmem;
use streamgauge::encode;
use streamgauge::model::family::{Family, FamilyKind, MAX_QUANTILES, Reading};
use streamgauge::model::series::SeriesKey;
use streamgauge::model::sum::Sum;

use crate::measure::{Step, Work};
use crate::{Named, Size};

const NOW: Duration = Duration::from_secs(1_795_183_200);

const CREATED: f64 = 1_795_180_000.25;

const BOUNDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

const COUNTS: [u64; 11] = [3, 1200, 5003, 12_004, 8112, 2210, 514, 98, 12, 3, 1];

const LEVELS: [f64; 3] = [0.5, 0.9, 0.99];

pub fn steps(size: Size) -> Vec<Named> {
    let kinds = [FamilyKind::Counter, FamilyKind::Gauge, FamilyKind::Histogram, FamilyKind::Summary];
    let of_format = |format: &'static encode::Kind| {
        kinds.map(|kind| {
            let name = format!("encode {}: {}", format.name, kind.name());
            Named::new(name, move || step(format, kind, size.series / 500))
        })
    };
    encode::KINDS.iter().flat_map(|format| of_format(format)).collect()
}

/// Beside it: what it takes to copy the text.
fn step(format: &'static encode::Kind, kind: FamilyKind, series: usize) -> Step {
    let keys: Vec<_> = (0..series).map(|at| SeriesKey::new(["web", &unique(at), "eu-central-1"])).collect();
    let text = encoded(format, kind, &keys, Vec::new());
    let (bytes, mut copy) = (text.len(), Vec::with_capacity(text.len()));
    let memcpy = Work::new(bytes, move |watch| {
        copy.clear();
        watch.time(|| copy.extend_from_slice(std::hint::black_box(&text)));
        copy.len() as u64
    });
    let mut kept = Vec::new();
    let work = Work::new(series, move |watch| {
        let out = std::mem::take(&mut kept);
        kept = watch.time(|| encoded(format, kind, &keys, out));
        found(&kept, series)
    });
    Step { work, unit: "series", units: series, bytes, beside: Some(("memcpy", memcpy)) }
}

/// A label value that no other series has.
fn unique(series: usize) -> String {
    format!("customer-{series:06}")
}

/// How many of the series are there, one after the other.
fn found(text: &[u8], series: usize) -> u64 {
    let mut rest = text;
    let mut next = |at: usize| match memmem::find(rest, unique(at).as_bytes()) {
        Some(start) => {
            rest = &rest[start..];
            true
        }
        None => false,
    };
    (0..series).take_while(|at| next(*at)).count() as u64
}

fn encoded(format: &encode::Kind, kind: FamilyKind, keys: &[SeriesKey], mut out: Vec<u8>) -> Vec<u8> {
    let mut encoder = (format.build)(NOW);
    let total = if kind == FamilyKind::Counter { "_total" } else { "" };
    let family = Family {
        name: format!("shop_order_latency_seconds{total}"),
        help: "Time from order to confirmation.".to_owned(),
        unit: Some("seconds".to_owned()),
        kind,
        labels: ["service", "customer", "region"].map(str::to_owned).to_vec(),
    };
    out.clear();
    encoder.family(&family, &mut out);
    keys.iter().enumerate().for_each(|(at, key)| encoder.series(key.labels(), &reading(kind, at), &mut out));
    encoder.finish(&mut out);
    out
}

fn reading(kind: FamilyKind, at: usize) -> Reading<'static> {
    let mut sum = Sum::ZERO;
    sum.add(at as f64 * 1.37 + 0.123);
    match kind {
        FamilyKind::Counter => {
            let mut total = Sum::ZERO;
            total.add((at * 97) as f64);
            Reading::Counter { total, created: CREATED }
        }
        FamilyKind::Histogram => {
            Reading::Histogram { bounds: &BOUNDS, counts: &COUNTS, sum, created: CREATED }
        }
        FamilyKind::Summary => {
            let mut values = [f64::NAN; MAX_QUANTILES];
            values[..LEVELS.len()].copy_from_slice(&[0.0517, 0.2031, 1.7344]);
            Reading::Summary { levels: &LEVELS, values, sum, count: 29_160, created: CREATED }
        }
        FamilyKind::Gauge | FamilyKind::Info => Reading::Gauge(at as f64 * 0.731),
    }
}
