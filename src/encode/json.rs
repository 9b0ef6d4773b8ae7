//! All families as one JSON document, for programs that would rather not parse the text formats.
//!
//! Its schema is `docs/json.schema.json`. A line holds the start of a family, or a series, so that the document
//! can be read with `grep` too.

use std::time::Duration;

use super::{Encode, Kind, number};
use crate::model::family::{Family, FamilyKind, Reading, UnixSeconds};
use crate::model::series::Labels;
use crate::model::sum::Sum;

/// The table's row.
pub static KIND: Kind = Kind {
    name: "json",
    help: "One JSON document, whose schema is docs/json.schema.json",
    content_type: "application/json",
    versions: &[],
    path: Some("/json"),
    build: |at| Box::new(Json { at, state: State::Start, family: None }),
};

/// The version of the schema. It changes when a reader of the old one could misunderstand the new one; members
/// and types of families may be added without.
const SCHEMA: u32 = 1;

/// Writes JSON.
#[derive(Debug)]
struct Json {
    at: Duration,
    state: State,
    /// The family whose series are being written.
    family: Option<Open>,
}

/// What was written so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Families,
    Ended,
}

/// A family whose series are not ended yet.
#[derive(Debug)]
struct Open {
    kind: FamilyKind,
    /// What stands before each label value: `"first":`, `,"second":`.
    before: Vec<Vec<u8>>,
    empty: bool,
}

impl Encode for Json {
    fn family(&mut self, family: &Family, out: &mut Vec<u8>) {
        match self.state {
            State::Start => self.start(out),
            State::Families => out.extend_from_slice(b"]},\n"),
            State::Ended => return,
        }
        self.state = State::Families;
        header(family, out);
        let before = family.labels.iter().enumerate().map(|(at, label)| before(at, label)).collect();
        self.family = Some(Open { kind: family.kind, before, empty: true });
    }

    fn series(&mut self, key: Labels<'_>, reading: &Reading<'_>, out: &mut Vec<u8>) {
        if let Some(family) = &mut self.family {
            family.series(key, reading, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self.state {
            State::Start => self.start(out),
            State::Families => out.extend_from_slice(b"]}\n"),
            State::Ended => return,
        }
        out.extend_from_slice(b"]}\n");
        self.state = State::Ended;
        self.family = None;
    }
}

impl Json {
    fn start(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"schema\":");
        number::whole(SCHEMA, out);
        out.extend_from_slice(b",\"time\":");
        number::plain(self.at.as_secs_f64(), out);
        out.extend_from_slice(b",\"families\":[\n");
    }
}

/// Writes a family up to its series.
fn header(family: &Family, out: &mut Vec<u8>) {
    let mut member = |before: &[u8], value: &str| {
        out.extend_from_slice(before);
        text(value, out);
    };
    member(b"{\"name\":", &family.name);
    member(b",\"type\":", family.kind.name());
    // The text formats cannot say a NUL; all formats say the same.
    member(b",\"help\":", &family.help.replace('\0', "\u{fffd}"));
    if let Some(unit) = &family.unit {
        member(b",\"unit\":", unit);
    }
    for (at, label) in family.labels.iter().enumerate() {
        member(if at == 0 { b",\"labels\":[" } else { b"," }, label);
    }
    out.extend_from_slice(if family.labels.is_empty() { b",\"labels\":[]" } else { b"]" });
    out.extend_from_slice(b",\"series\":[");
}

impl Open {
    fn series(&mut self, key: Labels<'_>, reading: &Reading<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(if self.empty { b"\n{\"labels\":{" } else { b",\n{\"labels\":{" });
        for (before, value) in self.before.iter().zip(key.values()) {
            out.extend_from_slice(before);
            text(value, out);
        }
        out.push(b'}');
        if members(self.kind, reading, out) {
            out.push(b'}');
            self.empty = false;
        } else {
            out.truncate(start);
        }
    }
}

/// Writes what a series reads, as further members of its object; `false` if that is not of the family's kind.
fn members(kind: FamilyKind, reading: &Reading<'_>, out: &mut Vec<u8>) -> bool {
    match (kind, *reading) {
        (FamilyKind::Counter, Reading::Counter { total, created }) => counter(total, created, out),
        (FamilyKind::Gauge, Reading::Gauge(value)) => gauge(value, out),
        // Its labels say it all.
        (FamilyKind::Info, Reading::Gauge(_)) => {}
        (FamilyKind::Histogram, Reading::Histogram { bounds, counts, sum, created }) => {
            let count = buckets(bounds, counts, out);
            count_and_sum(count, sum, created, out);
        }
        (FamilyKind::Summary, Reading::Summary { levels, values, sum, count, created }) => {
            quantiles(levels, &values, out);
            count_and_sum(count, sum, created, out);
        }
        _ => return false,
    }
    true
}

fn counter(total: Sum, created: UnixSeconds, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"value\":");
    sum(total, out);
    out.extend_from_slice(b",\"created\":");
    float(created, out);
}

fn gauge(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"value\":");
    float(value, out);
}

/// Writes the buckets with the counts of all values up to each bound, as `le` promises; returns that of the last.
fn buckets(bounds: &[f64], counts: &[u64], out: &mut Vec<u8>) -> u64 {
    out.extend_from_slice(b",\"buckets\":");
    let mut cumulated = 0u64;
    for (at, (bound, count)) in bounds.iter().chain(&[f64::INFINITY]).zip(counts).enumerate() {
        cumulated = cumulated.saturating_add(*count);
        out.extend_from_slice(if at == 0 { b"[{\"le\":" } else { b",{\"le\":" });
        float(*bound, out);
        out.extend_from_slice(b",\"count\":");
        number::whole(cumulated, out);
        out.push(b'}');
    }
    out.extend_from_slice(if counts.is_empty() { b"[]" } else { b"]" });
    cumulated
}

fn quantiles(levels: &[f64], values: &[f64], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"quantiles\":[");
    for (at, (level, value)) in levels.iter().zip(values).enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"quantile\":" } else { b",{\"quantile\":" });
        float(*level, out);
        out.extend_from_slice(b",\"value\":");
        float(*value, out);
        out.push(b'}');
    }
    out.push(b']');
}

fn count_and_sum(count: u64, total: Sum, created: UnixSeconds, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"count\":");
    number::whole(count, out);
    out.extend_from_slice(b",\"sum\":");
    sum(total, out);
    out.extend_from_slice(b",\"created\":");
    float(created, out);
}

fn before(at: usize, label: &str) -> Vec<u8> {
    let mut before = if at == 0 { Vec::new() } else { b",".to_vec() };
    text(label, &mut before);
    before.push(b':');
    before
}

/// Writes a whole sum in full, however large, any other as the nearest float.
fn sum(sum: Sum, out: &mut Vec<u8>) {
    match sum.whole() {
        Some(whole) => number::whole(whole, out),
        None => float(sum.value(), out),
    }
}

/// Writes a float. JSON has no numbers for those that are not finite, so they are text.
fn float(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        number::plain(value, out);
    } else {
        out.push(b'"');
        number::plain(value, out);
        out.push(b'"');
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("writing text to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::sample_families;

    #[test]
    fn every_kind_of_family_is_written_as_the_schema_says() {
        assert_eq!(sample_families::written(&KIND), include_str!("json_sample.json"));
    }

    #[test]
    fn calls_in_the_wrong_order_write_nothing() {
        let series = [
            "\n{\"labels\":{\"a\":\"1\"},\"value\":1}",
            ",\n{\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"value\":1}",
        ];
        sample_families::check_wrong_orders(&KIND, &series.concat(), "]}\n]}\n");
    }

    #[test]
    fn whole_totals_are_written_in_full_however_large() {
        let mut total = Sum::ZERO;
        total.add(1e18);
        total.increment();
        let mut out = Vec::new();
        counter(total, 0.0, &mut out);
        assert_eq!(out, b",\"value\":1000000000000000001,\"created\":0");
    }

    #[test]
    fn nothing_to_show_is_a_document_too() {
        let mut out = Vec::new();
        (KIND.build)(Duration::from_millis(1500)).finish(&mut out);
        assert_eq!(out, b"{\"schema\":1,\"time\":1.5,\"families\":[\n]}\n");
    }
}
