//! InfluxDB's line protocol, with the time of the exposition on every line.
//!
//! <https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/>
//!
//! A family is a measurement, a label a tag. Every field is a float, whatever it counts: InfluxDB refuses a point
//! whose field once had another type, and a float can say whatever a counter may come to.

use std::time::Duration;

use super::{Encode, Kind, number};
use crate::model::family::{Family, FamilyKind, Reading};
use crate::model::series::Labels;

/// The table's row.
pub static KIND: Kind = Kind {
    name: "influx",
    help: "InfluxDB line protocol, every field a float, with timestamps in nanoseconds",
    content_type: "text/plain; charset=utf-8",
    versions: &[],
    path: Some("/influx"),
    build: |at| Box::new(Influx::new(at)),
};

/// What InfluxDB keeps for itself, and our own fields: a tag of such a name could not be told from them.
const RESERVED: [&str; 8] = ["time", "_time", "_field", "_measurement", "value", "bucket", "sum", "count"];

/// Writes line protocol.
#[derive(Debug)]
struct Influx {
    /// What ends a line: a space, the time, a newline.
    end: Vec<u8>,
    /// The family started last; none before the first and after the end.
    family: Option<Open>,
    /// How many values were left out because no field can say them.
    left_out: u64,
    ended: bool,
}

/// The family whose series are being written.
#[derive(Debug)]
struct Open {
    kind: FamilyKind,
    measurement: Vec<u8>,
    /// What stands before each tag value: `,first=`.
    before: Vec<Vec<u8>>,
    /// The measurement and tags of the series at hand.
    point: Vec<u8>,
}

impl Influx {
    fn new(at: Duration) -> Influx {
        let mut end = b" ".to_vec();
        number::whole(at.as_nanos(), &mut end);
        end.push(b'\n');
        Influx { end, family: None, left_out: 0, ended: false }
    }
}

impl Encode for Influx {
    fn family(&mut self, family: &Family, _out: &mut Vec<u8>) {
        if !self.ended {
            self.family = Some(Open::new(family));
        }
    }

    fn series(&mut self, key: Labels<'_>, reading: &Reading<'_>, out: &mut Vec<u8>) {
        let Some(family) = &mut self.family else { return };
        family.start(key);
        let mut line = |tag: Option<(&str, f64)>, fields: &[(&str, f64)]| {
            if fields.iter().all(|(_, value)| value.is_finite()) {
                family.line(tag, fields, out);
                out.extend_from_slice(&self.end);
            } else {
                self.left_out += 1;
            }
        };
        match (family.kind, *reading) {
            (FamilyKind::Counter, Reading::Counter { total, .. }) => line(None, &[("value", total.value())]),
            (FamilyKind::Gauge, Reading::Gauge(value)) => line(None, &[("value", value)]),
            (FamilyKind::Info, Reading::Gauge(_)) => line(None, &[("value", 1.0)]),
            (FamilyKind::Histogram, Reading::Histogram { bounds, counts, sum, .. }) => {
                let mut cumulated = 0u64;
                for (bound, count) in bounds.iter().chain(&[f64::INFINITY]).zip(counts) {
                    cumulated = cumulated.saturating_add(*count);
                    line(Some(("le", *bound)), &[("bucket", cumulated as f64)]);
                }
                line(None, &[("sum", sum.value()), ("count", cumulated as f64)]);
            }
            (FamilyKind::Summary, Reading::Summary { levels, values, sum, count, .. }) => {
                for (level, value) in levels.iter().zip(values) {
                    line(Some(("quantile", *level)), &[("value", value)]);
                }
                line(None, &[("sum", sum.value()), ("count", count as f64)]);
            }
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.ended && self.left_out > 0 {
            let left_out = self.left_out;
            out.extend_from_slice(
                format!("# values left out because they are not finite: {left_out}\n").as_bytes(),
            );
        }
        self.family = None;
        self.ended = true;
    }
}

impl Open {
    fn new(family: &Family) -> Open {
        let mut measurement = Vec::new();
        escape(&family.name, b", ", &mut measurement);
        let before = family.labels.iter().map(|label| before(label)).collect();
        Open { kind: family.kind, measurement, before, point: Vec::new() }
    }

    /// Makes the measurement and tags of a series. A tag cannot be empty; a label that is stands for none.
    fn start(&mut self, key: Labels<'_>) {
        self.point.clear();
        self.point.extend_from_slice(&self.measurement);
        for (before, value) in self.before.iter().zip(key.values()).filter(|(_, value)| !value.is_empty()) {
            self.point.extend_from_slice(before);
            escape(value, b",= ", &mut self.point);
        }
    }

    /// Writes a line up to its time.
    fn line(&self, tag: Option<(&str, f64)>, fields: &[(&str, f64)], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.point);
        if let Some((name, value)) = tag {
            out.extend_from_slice(format!(",{name}=").as_bytes());
            number::plain(value, out);
        }
        for (at, (name, value)) in fields.iter().enumerate() {
            out.push(if at == 0 { b' ' } else { b',' });
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            number::plain(*value, out);
        }
    }
}

fn before(label: &str) -> Vec<u8> {
    let mut before = b",".to_vec();
    escape(label, b",= ", &mut before);
    // With one underscore more for every name that ends in some, no two labels come to the same tag.
    if RESERVED.contains(&label.trim_end_matches('_')) {
        before.push(b'_');
    }
    before.push(b'=');
    before
}

/// Writes text of the part of a line that ends at any of `special`, which a backslash before them prevents.
///
/// The protocol can say neither a newline nor, since a backslash does not escape itself, one at the end. They are
/// replaced by what looks like them: U+240A and U+FF3C.
fn escape(text: &str, special: &[u8], out: &mut Vec<u8>) {
    let (text, ends_in_backslash) = match text.strip_suffix('\\') {
        Some(start) => (start, true),
        None => (text, false),
    };
    for byte in text.bytes() {
        match byte {
            b'\n' => out.extend_from_slice("\u{240a}".as_bytes()),
            _ if special.contains(&byte) => out.extend_from_slice(&[b'\\', byte]),
            _ => out.push(byte),
        }
    }
    if ends_in_backslash {
        out.extend_from_slice("\u{ff3c}".as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::sample_families;

    #[test]
    fn every_kind_of_family_is_written_as_the_docs_say() {
        assert_eq!(sample_families::written(&KIND), include_str!("influx_sample.txt"));
    }

    #[test]
    fn calls_in_the_wrong_order_write_nothing() {
        let lines = "x,a=1 value=1 1700000001000000000\nx,a=1,b=2 value=1 1700000001000000000\n";
        sample_families::check_wrong_orders(&KIND, lines, "");
    }

    #[track_caller]
    fn check(text: &str, escaped: &str) {
        let mut out = Vec::new();
        escape(text, b",= ", &mut out);
        assert_eq!(std::str::from_utf8(&out), Ok(escaped));
    }

    #[test]
    fn only_what_would_end_a_part_is_escaped() {
        check("", "");
        check("é\t\"'{}", "é\t\"'{}");
        check("a,b=c d", "a\\,b\\=c\\ d");
        check("C:\\a\\,b", "C:\\a\\\\,b");
    }

    #[test]
    fn what_cannot_be_said_is_replaced_by_what_looks_like_it() {
        check("one\ntwo\n", "one\u{240a}two\u{240a}");
        check("C:\\", "C:\u{ff3c}");
        check("\\\\", "\\\u{ff3c}");
        check("a\\\n", "a\\\u{240a}");
    }

    #[test]
    fn labels_that_influxdb_keeps_for_itself_get_another_name() {
        for (label, tag) in [
            ("status", ",status="),
            ("time", ",time_="),
            ("time_", ",time__="),
            ("value", ",value_="),
            ("_field", ",_field_="),
            ("_", ",_="),
            ("timer", ",timer="),
        ] {
            assert_eq!(before(label), tag.as_bytes());
        }
    }
}
