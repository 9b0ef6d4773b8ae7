//! The OpenMetrics text format, version 1.0.0.
//!
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use super::sample::{Samples, Style};
use super::{Encode, Kind, escape, number};
use crate::model::family::{Family, FamilyKind, Reading};
use crate::model::series::Labels;

/// The table's row.
pub static KIND: Kind = Kind {
    name: "openmetrics",
    help: "OpenMetrics text format 1.0, which says units and since when a counter counts",
    content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    versions: &["1.0.0", "0.0.1"],
    path: None,
    build: |_| Box::new(OpenMetrics::default()),
};

// The specification: a histogram that takes negative values must not have a sum, and its parsers want the
// count to go with the sum. The last bucket still says the count. Nor may a quantile be negative.
const STYLE: Style = Style { bound: number::canonical, created: true, signed: false };

/// Writes OpenMetrics text.
#[derive(Debug, Default)]
struct OpenMetrics {
    /// The family started last; none before the first and after the end.
    samples: Option<Samples>,
    ended: bool,
}

impl Encode for OpenMetrics {
    fn family(&mut self, family: &Family, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        let (name, suffix) = split(family);
        header(name, family, out);
        self.samples = Some(Samples::new(family, STYLE, name, &format!("{name}{suffix}")));
    }

    fn series(&mut self, key: Labels<'_>, reading: &Reading<'_>, out: &mut Vec<u8>) {
        if let Some(samples) = &mut self.samples {
            samples.write(key, reading, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.ended {
            out.extend_from_slice(b"# EOF\n");
        }
        self.samples = None;
        self.ended = true;
    }
}

fn header(name: &str, family: &Family, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("# TYPE {name} {}\n", family.kind.name()).as_bytes());
    if let Some(unit) = unit(name, family) {
        out.extend_from_slice(format!("# UNIT {name} {unit}\n").as_bytes());
    }
    if !family.help.is_empty() {
        out.extend_from_slice(format!("# HELP {name} ").as_bytes());
        escape::quoted(&family.help.replace('\0', "\u{fffd}"), out);
        out.push(b'\n');
    }
}

/// The name of the family, and what its plain samples add to that.
fn split(family: &Family) -> (&str, &'static str) {
    let suffix = match family.kind {
        FamilyKind::Counter => "_total",
        FamilyKind::Info => "_info",
        FamilyKind::Gauge | FamilyKind::Histogram | FamilyKind::Summary => "",
    };
    (family.name.strip_suffix(suffix).unwrap_or(&family.name), suffix)
}

/// The unit, where the format allows to name it.
fn unit<'f>(name: &str, family: &'f Family) -> Option<&'f str> {
    let unit = family.unit.as_deref().filter(|unit| !unit.is_empty())?;
    let is_suffix = name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
    (is_suffix && family.kind != FamilyKind::Info).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::sample_families;

    #[test]
    fn every_kind_of_family_is_written_as_the_format_says() {
        assert_eq!(sample_families::written(&KIND), include_str!("openmetrics_sample.txt"));
    }

    #[test]
    fn calls_in_the_wrong_order_write_nothing() {
        sample_families::check_wrong_orders(&KIND, sample_families::TEXT_SERIES, "# EOF\n");
    }

    #[test]
    fn the_unit_is_named_only_where_the_name_ends_in_it() {
        let check = |name: &str, unit: &str, kind, header_says: bool| {
            let family = Family {
                name: name.into(),
                help: String::new(),
                unit: Some(unit.into()),
                kind,
                labels: vec![],
            };
            let mut out = Vec::new();
            header(split(&family).0, &family, &mut out);
            assert_eq!(String::from_utf8(out).unwrap().contains("# UNIT"), header_says, "{name}");
        };
        check("size_bytes", "bytes", FamilyKind::Gauge, true);
        check("sent_bytes_total", "bytes", FamilyKind::Counter, true);
        check("size", "bytes", FamilyKind::Gauge, false);
        check("kilobytes", "bytes", FamilyKind::Gauge, false);
        check("bytes", "bytes", FamilyKind::Gauge, false);
        check("size_", "", FamilyKind::Gauge, false);
        check("build_bytes_info", "bytes", FamilyKind::Info, false);
    }
}
