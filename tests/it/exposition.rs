//! Whatever there is to show, every exposition is valid in its format and says what it should.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::parse::{self, Format, parse};
use crate::tool;
use streamgauge::encode::{self, KINDS};
use streamgauge::model::family::{Family, FamilyKind, MAX_QUANTILES, Reading};
use streamgauge::model::series::SeriesKey;
use streamgauge::model::sum::Sum;

pub const CREATED: f64 = 1_700_000_000.25;

/// When the expositions happen.
pub const AT: Duration = Duration::from_nanos(1_700_000_001_123_456_789);

/// The quantiles of a summary.
pub const LEVELS: [f64; 3] = [0.0, 0.5, 1.0];

/// A family and its series, in terms that a test can make up.
#[derive(Clone, Debug)]
pub struct Case {
    pub family: Family,
    pub series: Vec<(Vec<String>, Numbers)>,
    pub bounds: Vec<f64>,
}

/// What a series reads: the last of `values` for a gauge, their sum for a counter, `counts` for a histogram.
#[derive(Clone, Debug)]
pub struct Numbers {
    pub values: Vec<f64>,
    pub counts: Vec<u64>,
}

impl Numbers {
    pub fn sum(&self) -> Sum {
        let mut sum = Sum::ZERO;
        self.values.iter().filter(|value| value.is_finite()).for_each(|value| sum.add(value.abs()));
        sum
    }

    pub fn gauge(&self) -> f64 {
        self.values.last().copied().unwrap_or(f64::NAN)
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// One of the values for each of [`LEVELS`], whatever quantile it is.
    pub fn quantiles(&self) -> [f64; MAX_QUANTILES] {
        let mut quantiles = [f64::NAN; MAX_QUANTILES];
        quantiles.iter_mut().zip(self.values.iter().cycle()).for_each(|(into, value)| *into = value.abs());
        quantiles
    }
}

/// What a format writes of these families.
pub fn encoded(cases: &[Case], kind: &encode::Kind) -> String {
    let (mut encoder, mut out) = ((kind.build)(AT), Vec::new());
    for Case { family, series, bounds } in cases {
        encoder.family(family, &mut out);
        for (labels, numbers) in series {
            let reading = match family.kind {
                FamilyKind::Counter => Reading::Counter { total: numbers.sum(), created: CREATED },
                FamilyKind::Gauge => Reading::Gauge(numbers.gauge()),
                FamilyKind::Info => Reading::Gauge(1.0),
                FamilyKind::Histogram => Reading::Histogram {
                    bounds,
                    counts: &numbers.counts,
                    sum: numbers.sum(),
                    created: CREATED,
                },
                FamilyKind::Summary => Reading::Summary {
                    levels: &LEVELS,
                    values: numbers.quantiles(),
                    sum: numbers.sum(),
                    count: numbers.count(),
                    created: CREATED,
                },
            };
            encoder.series(SeriesKey::new(labels).labels(), &reading, &mut out);
        }
    }
    encoder.finish(&mut out);
    String::from_utf8(out).unwrap()
}

pub fn format(name: &str) -> &'static encode::Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap()
}

/// Label values that hurt: whatever has a meaning in either format, control characters, and all of Unicode.
pub fn label_value() -> impl Strategy<Value = String> {
    let hurtful = prop::sample::select(
        "\"\\\n\r\t\u{b}\u{c}\u{1}\u{7f}\u{85}\u{2028}\u{fffd}\u{feff}{},=# né😀+"
            .chars()
            .collect::<Vec<_>>(),
    );
    let character =
        prop_oneof![3 => hurtful, 1 => any::<char>().prop_filter("SeriesKey replaces NUL", |c| *c != '\0')];
    prop::collection::vec(character, 0..12).prop_map(String::from_iter)
}

fn family_kind() -> impl Strategy<Value = FamilyKind> {
    prop::sample::select(vec![
        FamilyKind::Counter,
        FamilyKind::Gauge,
        FamilyKind::Histogram,
        FamilyKind::Summary,
        FamilyKind::Info,
    ])
}

fn bounds() -> impl Strategy<Value = Vec<f64>> {
    let bound = any::<f64>().prop_map(f64::abs).prop_filter("bounds are finite", |bound| bound.is_finite());
    prop::collection::btree_set(bound.prop_map(f64::to_bits), 0..6)
        .prop_map(|bits| bits.into_iter().map(f64::from_bits).collect())
}

/// A family that `promtool` has nothing against, but for its series.
fn case() -> impl Strategy<Value = Case> {
    let shape = (family_kind(), 0usize..4, bounds(), label_value(), any::<bool>());
    shape.prop_flat_map(|(kind, labels, bounds, help, has_unit)| {
        let numbers = (
            prop::collection::vec(any::<f64>(), 1..4),
            prop::collection::vec(0u64..1 << 50, bounds.len() + 1),
        )
            .prop_map(|(values, counts)| Numbers { values, counts });
        let series = prop::collection::btree_map(prop::collection::vec(label_value(), labels), numbers, 0..4);
        let family = Family {
            name: String::new(),
            help: format!("Help: {help}."),
            unit: has_unit.then(|| "seconds".to_owned()),
            kind,
            labels: (0..labels).map(|at| format!("label_{at}")).collect(),
        };
        series.prop_map(move |series| Case {
            family: family.clone(),
            series: series.into_iter().collect(),
            bounds: bounds.clone(),
        })
    })
}

/// Families with names of their own, as they have them in a program.
pub fn cases() -> impl Strategy<Value = Vec<Case>> {
    prop::collection::vec(case(), 0..6).prop_map(|mut cases| {
        for (at, Case { family, .. }) in cases.iter_mut().enumerate() {
            let letter = char::from(b'a' + at as u8);
            let unit = if family.unit.is_some() { "_seconds" } else { "" };
            family.name = format!("check_{letter}{unit}{}", suffix(family.kind));
        }
        cases
    })
}

fn suffix(kind: FamilyKind) -> &'static str {
    match kind {
        FamilyKind::Counter => "_total",
        FamilyKind::Info => "_info",
        FamilyKind::Gauge | FamilyKind::Histogram | FamilyKind::Summary => "",
    }
}

/// What the formats should say of a series, as (name, bucket or quantile, value).
fn expected(case: &Case, numbers: &Numbers, format: Format) -> Vec<(String, Option<f64>, f64)> {
    let name = case.family.name.as_str();
    let sample = |name: String, value: f64| (name, None, value);
    let mut samples = match case.family.kind {
        FamilyKind::Counter => vec![sample(name.to_owned(), numbers.sum().value())],
        FamilyKind::Gauge => vec![sample(name.to_owned(), numbers.gauge())],
        FamilyKind::Info => vec![sample(name.to_owned(), 1.0)],
        FamilyKind::Histogram => {
            let upper = case.bounds.iter().copied().chain([f64::INFINITY]);
            let cumulated = numbers.counts.iter().scan(0, |sum, count| {
                *sum += count;
                Some(*sum as f64)
            });
            let mut samples: Vec<_> = upper
                .zip(cumulated)
                .map(|(upper, count)| (format!("{name}_bucket"), Some(upper), count))
                .collect();
            samples.push(sample(format!("{name}_sum"), numbers.sum().value()));
            samples.push(sample(format!("{name}_count"), numbers.count() as f64));
            samples
        }
        FamilyKind::Summary => {
            let quantile = |(level, value): (f64, f64)| (name.to_owned(), Some(level), value);
            let mut samples: Vec<_> = LEVELS.into_iter().zip(numbers.quantiles()).map(quantile).collect();
            samples.push(sample(format!("{name}_sum"), numbers.sum().value()));
            samples.push(sample(format!("{name}_count"), numbers.count() as f64));
            samples
        }
    };
    if format == Format::OpenMetrics
        && matches!(case.family.kind, FamilyKind::Counter | FamilyKind::Histogram | FamilyKind::Summary)
    {
        let base = name.strip_suffix("_total").unwrap_or(name);
        samples.push(sample(format!("{base}_created"), CREATED));
    }
    samples
}

/// Checks that what was read is what was written.
fn check(case: &Case, read: &parse::Family, format: Format) {
    assert_eq!(read.help, case.family.help);
    let mut samples = read.samples.iter();
    for (labels, numbers) in &case.series {
        for (name, bucket, value) in expected(case, numbers, format) {
            let sample = samples.next().expect("no sample is missing");
            assert_eq!(sample.name, name);
            assert!(sample.value == value || sample.value.is_nan() && value.is_nan(), "{sample:?} {value}");
            let mut read = sample.labels.clone();
            assert_eq!(bucket, bucket.and_then(|_| read.pop()).map(|(_, bound)| parse::number(&bound)));
            let labels: Vec<_> = case.family.labels.iter().cloned().zip(labels.iter().cloned()).collect();
            assert_eq!(read, labels);
        }
    }
    assert_eq!(samples.next(), None);
}

proptest! {
    #[test]
    fn what_is_written_reads_back_in_the_text_format(cases in cases()) {
        let read = parse(&encoded(&cases, format("prometheus")), Format::Prometheus);
        prop_assert_eq!(read.len(), cases.len());
        for case in &cases {
            check(case, &read[&case.family.name], Format::Prometheus);
        }
    }

    #[test]
    fn what_is_written_reads_back_in_openmetrics(cases in cases()) {
        let read = parse(&encoded(&cases, format("openmetrics")), Format::OpenMetrics);
        prop_assert_eq!(read.len(), cases.len());
        for case in &cases {
            let family = &read[case.family.name.strip_suffix(suffix(case.family.kind)).unwrap()];
            let unit = case.family.unit.as_deref().filter(|_| case.family.kind != FamilyKind::Info);
            prop_assert_eq!(&family.unit, unit.unwrap_or_default());
            check(case, family, Format::OpenMetrics);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_of_a_line_come_back_as_a_label(line in prop::collection::vec(any::<u8>(), 0..40)) {
        let line: Vec<u8> = line.into_iter().filter(|byte| !b"\n\r".contains(byte)).collect();
        let pipeline = "source: stdin\nmetrics:\n  - counter: {name: lines_total, help: Lines., labels: [raw]}\n";
        let input = [line.as_slice(), b"\n"].concat();
        let wanted = String::from_utf8_lossy(&line).replace('\0', "\u{fffd}");
        for (name, format, family) in
            [("prometheus", Format::Prometheus, "lines_total"), ("openmetrics", Format::OpenMetrics, "lines")]
        {
            let text = crate::replayed::exposition(&crate::replayed::plan(pipeline), &input, name, AT).0;
            let sample = parse(&text, format)[family].samples[0].clone();
            prop_assert_eq!(&sample.labels, &[("raw".to_owned(), wanted.clone())]);
            prop_assert_eq!(sample.value, 1.0);
        }
    }
}

/// The same families in every run, many of them, with series that no two have in common.
pub fn many() -> Vec<Case> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut many: Vec<Case> = (0..400).map(|_| case().new_tree(&mut runner).unwrap().current()).collect();
    for (at, Case { family, .. }) in many.iter_mut().enumerate() {
        let letters: String = [at / 26, at % 26].map(|digit| char::from(b'a' + digit as u8)).iter().collect();
        let unit = if family.unit.is_some() { "_seconds" } else { "" };
        family.name = format!("check_case{letters}{unit}{}", suffix(family.kind));
    }
    many.push(every_control_character());
    many
}

/// Every control character but NUL, in a label value and in the help.
fn every_control_character() -> Case {
    let controls = || (1u8..0x20).chain([0x7f]).map(char::from).chain('\u{80}'..'\u{a0}');
    let numbers = Numbers { values: vec![1.0], counts: vec![] };
    Case {
        family: Family {
            name: "check_controls".to_owned(),
            help: controls().collect(),
            unit: None,
            kind: FamilyKind::Gauge,
            labels: vec!["character".to_owned(), "code".to_owned()],
        },
        series: controls()
            .map(|c| (vec![format!("<{c}>"), format!("{:02x}", u32::from(c))], numbers.clone()))
            .collect(),
        bounds: vec![],
    }
}

#[test]
fn promtool_finds_nothing_wrong() {
    let Some(mut promtool) = tool::program("promtool", "prometheus") else {
        return;
    };
    let text = encoded(&many(), format("prometheus"));
    tool::check_silent(&tool::feed(promtool.args(["check", "metrics"]), text.as_bytes()));
}

#[test]
fn the_reference_parser_accepts_openmetrics_and_reads_the_same_labels() {
    let Some(mut python) = tool::python("prometheus_client", "python3-prometheus-client") else {
        return;
    };
    let cases = many();
    let text = encoded(&cases, format("openmetrics"));
    let output = tool::feed(python.args(["-c", REFERENCE_PARSER]), text.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = String::from_utf8(output.stdout).unwrap();

    let mut written: Vec<String> = parse(&text, Format::OpenMetrics)
        .values()
        .flat_map(|family| &family.samples)
        .map(|sample| {
            let labels = sample.labels.iter().map(|(name, value)| format!("{name}={}", hex(value)));
            std::iter::once(sample.name.clone()).chain(labels).collect::<Vec<_>>().join(" ")
        })
        .collect();
    let mut read: Vec<&str> = read.lines().collect();
    written.sort_unstable();
    read.sort_unstable();
    assert_eq!(read, written);
}

/// Prints each sample's name and labels, the values in hexadecimal.
const REFERENCE_PARSER: &str = r"
import io, sys
from prometheus_client.openmetrics.parser import text_fd_to_metric_families
text = io.TextIOWrapper(sys.stdin.buffer, encoding='utf-8', newline='\n')
for family in text_fd_to_metric_families(text):
    for sample in family.samples:
        print(sample.name, *(f'{k}={v.encode().hex()}' for k, v in sample.labels.items()))
";

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
