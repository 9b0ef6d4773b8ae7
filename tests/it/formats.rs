//! JSON and line protocol: what is written reads back, and is what the docs promise.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::Value;
use streamgauge::model::family::FamilyKind;

use crate::exposition::{AT, CREATED, Case, LEVELS, Numbers, cases, encoded, format, many};
use crate::lines::{self, Point};
use crate::program::Running;
use crate::validated;

/// Parsers round the last digit of a float as they please.
#[track_caller]
fn check_near(found: f64, expected: f64) {
    let near = (found - expected).abs() <= f64::max(expected.abs() * 1e-15, f64::MIN_POSITIVE);
    assert!(near || found.is_nan() && expected.is_nan() || found == expected, "{found} {expected}");
}

/// A number, or the text for one that JSON has none for.
fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some(text @ ("NaN" | "+Inf" | "-Inf")) => text.parse().unwrap(),
        Some(text) => panic!("{text} is no number"),
        None => value.as_f64().unwrap(),
    }
}

/// The buckets as they are shown: upper bound and count of all values up to it.
fn cumulated(case: &Case, numbers: &Numbers) -> Vec<(f64, u64)> {
    let upper = case.bounds.iter().copied().chain([f64::INFINITY]);
    let counts = numbers.counts.iter().scan(0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    upper.zip(counts).collect()
}

fn check_json(case: &Case, read: &Value) {
    let family = &case.family;
    assert_eq!(read["name"], *family.name);
    assert_eq!(read["help"], *family.help);
    assert_eq!(read.get("unit").and_then(Value::as_str), family.unit.as_deref());
    assert_eq!(read["type"], format!("{:?}", family.kind).to_lowercase());
    assert_eq!(read["labels"], Value::from(family.labels.clone()));
    let series = read["series"].as_array().unwrap();
    assert_eq!(series.len(), case.series.len());
    for (read, (labels, numbers)) in series.iter().zip(&case.series) {
        let labels: serde_json::Map<_, _> =
            family.labels.iter().cloned().zip(labels.iter().cloned().map(Value::from)).collect();
        assert_eq!(read["labels"], Value::Object(labels));
        match family.kind {
            FamilyKind::Counter => check_near(number(&read["value"]), numbers.sum().value()),
            FamilyKind::Gauge => check_near(number(&read["value"]), numbers.gauge()),
            FamilyKind::Info => assert_eq!(read.get("value"), None),
            FamilyKind::Histogram => {
                let buckets = read["buckets"].as_array().unwrap();
                assert_eq!(buckets.len(), case.bounds.len() + 1);
                for (bucket, (upper, count)) in buckets.iter().zip(cumulated(case, numbers)) {
                    check_near(number(&bucket["le"]), upper);
                    assert_eq!(bucket["count"], count);
                }
                assert_eq!(read["count"], numbers.count());
                check_near(number(&read["sum"]), numbers.sum().value());
            }
            FamilyKind::Summary => {
                let quantiles = read["quantiles"].as_array().unwrap();
                assert_eq!(quantiles.len(), LEVELS.len());
                for (read, (level, value)) in
                    quantiles.iter().zip(LEVELS.into_iter().zip(numbers.quantiles()))
                {
                    check_near(number(&read["quantile"]), level);
                    check_near(number(&read["value"]), value);
                }
                assert_eq!(read["count"], numbers.count());
                check_near(number(&read["sum"]), numbers.sum().value());
            }
        }
        if matches!(family.kind, FamilyKind::Counter | FamilyKind::Histogram | FamilyKind::Summary) {
            check_near(number(&read["created"]), CREATED);
        }
    }
}

/// A label value as a tag can say it.
pub fn tag(value: &str) -> String {
    let value = value.replace('\n', "\u{240a}");
    value.strip_suffix('\\').map_or(value.clone(), |start| format!("{start}\u{ff3c}"))
}

/// What line protocol should say of a family, and how many values it leaves out.
fn expected(case: &Case) -> (Vec<Point>, usize) {
    let (mut points, mut left_out) = (Vec::new(), 0);
    for (labels, numbers) in &case.series {
        let labels = case.family.labels.iter().zip(labels).filter(|(_, value)| !value.is_empty());
        let tags: BTreeMap<_, _> = labels.map(|(name, value)| (name.clone(), tag(value))).collect();
        let mut push = |tag: Option<(&str, f64)>, fields: &[(&str, f64)]| {
            if fields.iter().any(|(_, value)| !value.is_finite()) {
                left_out += 1;
                return;
            }
            let mut tags = tags.clone();
            // The bound is compared as the text it is written with.
            tags.extend(tag.map(|(name, value)| (name.to_owned(), bound(value))));
            points.push(Point {
                measurement: case.family.name.clone(),
                tags,
                fields: fields.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
                nanoseconds: AT.as_nanos() as i64,
            });
        };
        match case.family.kind {
            FamilyKind::Counter => push(None, &[("value", numbers.sum().value())]),
            FamilyKind::Gauge => push(None, &[("value", numbers.gauge())]),
            FamilyKind::Info => push(None, &[("value", 1.0)]),
            FamilyKind::Histogram => {
                for (upper, count) in cumulated(case, numbers) {
                    push(Some(("le", upper)), &[("bucket", count as f64)]);
                }
                push(None, &[("sum", numbers.sum().value()), ("count", numbers.count() as f64)]);
            }
            FamilyKind::Summary => {
                for (level, value) in LEVELS.into_iter().zip(numbers.quantiles()) {
                    push(Some(("quantile", level)), &[("value", value)]);
                }
                push(None, &[("sum", numbers.sum().value()), ("count", numbers.count() as f64)]);
            }
        }
    }
    (points, left_out)
}

/// A bound in the only text that both sides can agree on: its bits.
fn bound(bound: f64) -> String {
    format!("{:016x}", bound.to_bits())
}

fn with_bounds_as_bits(points: Vec<Point>) -> Vec<Point> {
    let mut points = points;
    for point in &mut points {
        for value in point.tags.iter_mut().filter(|(name, _)| ["le", "quantile"].contains(&name.as_str())) {
            *value.1 = bound(value.1.parse().unwrap());
        }
    }
    points
}

proptest! {
    #[test]
    fn what_is_written_reads_back_from_json(cases in cases()) {
        let read: Value = serde_json::from_str(&encoded(&cases, format("json"))).unwrap();
        prop_assert_eq!(&read["schema"], 1);
        check_near(number(&read["time"]), AT.as_secs_f64());
        let families = read["families"].as_array().unwrap();
        prop_assert_eq!(families.len(), cases.len());
        for (case, read) in cases.iter().zip(families) {
            check_json(case, read);
        }
    }

    #[test]
    fn what_is_written_reads_back_from_line_protocol(cases in cases()) {
        let text = encoded(&cases, format("influx"));
        let (points, left_out): (Vec<_>, Vec<_>) = cases.iter().map(expected).unzip();
        prop_assert_eq!(with_bounds_as_bits(lines::parse(&text)), points.concat());
        let left_out: usize = left_out.iter().sum();
        let note = format!("# values left out because they are not finite: {left_out}\n");
        prop_assert_eq!(text.contains(&note), left_out > 0);
    }
}

/// The schema of `/json`, which here also refuses every member that it does not describe.
fn schema() -> Value {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.schema.json")).unwrap();
    let mut schema = serde_json::from_str(&text).unwrap();
    close(&mut schema);
    schema
}

fn close(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        if object.get("properties").is_some_and(Value::is_object) && object.contains_key("type") {
            object.entry("additionalProperties").or_insert(false.into());
        }
        object.values_mut().for_each(close);
    } else if let Some(list) = schema.as_array_mut() {
        list.iter_mut().for_each(close);
    }
}

#[track_caller]
fn check_schema(texts: &[String]) {
    let documents: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let Some(faults) = validated::faults(&schema(), &documents) else { return };
    assert_eq!(faults, vec![None; texts.len()]);
}

#[test]
fn golden_cases_are_as_the_schema_says() {
    let cases = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden")).unwrap();
    let texts = cases.map(|case| fs::read_to_string(case.unwrap().path().join("expected.json")).unwrap());
    check_schema(&texts.collect::<Vec<_>>());
}

#[test]
fn whatever_there_is_to_show_is_as_the_schema_says() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut texts: Vec<_> = (0..100)
        .map(|_| encoded(&cases().new_tree(&mut runner).unwrap().current(), format("json")))
        .collect();
    texts.push(encoded(&many(), format("json")));
    check_schema(&texts);
}

#[test]
fn the_schema_refuses_what_it_does_not_describe() {
    let documents: Vec<Value> = [
        r#"{"schema":2,"time":1,"families":[]}"#,
        r#"{"schema":1,"time":1,"families":[],"more":1}"#,
        r#"{"schema":1,"time":1,"families":[{"name":"x","type":"gauge","help":"","labels":[],"series":[{"labels":{},"value":"1"}]}]}"#,
        r#"{"schema":1,"time":1,"families":[{"name":"x","type":"counter","help":"","labels":[],"series":[{"labels":{},"value":1}]}]}"#,
    ]
    .map(|text| serde_json::from_str(text).unwrap())
    .into();
    let Some(faults) = validated::faults(&schema(), &documents) else { return };
    assert!(faults.iter().all(Option::is_some), "{faults:?}");
}

#[test]
fn the_whole_program_says_the_same_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.yaml");
    fs::write(&path, "source: stdin\nmetrics: [{counter: {name: lines_total, help: Lines.}}]\n").unwrap();
    let running = Running::start(&[&path.display().to_string()]);
    let (_, text) = running.get("/metrics", "");
    let names: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();

    let (_, json) = running.get("/json", "");
    let read: Value = serde_json::from_str(&json).unwrap();
    let families = read["families"].as_array().unwrap();
    assert_eq!(families.iter().map(|family| family["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
    check_schema(&[json]);

    let points = lines::parse(&running.get("/influx", "").1);
    let mut measurements: Vec<_> = points.iter().map(|point| point.measurement.as_str()).collect();
    measurements.dedup();
    let without_series = |name: &&str| {
        families.iter().any(|family| family["name"] == **name && family["series"] == Value::Array(vec![]))
    };
    assert_eq!(measurements, names.into_iter().filter(|name| !without_series(name)).collect::<Vec<_>>());
    assert!(points.iter().all(|point| point.nanoseconds == points[0].nanoseconds));
}
