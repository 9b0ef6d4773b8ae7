//! The Prometheus text format, version 0.0.4.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use super::sample::{Samples, Style};
use super::{Encode, Kind, escape, number};
use crate::model::family::{Family, FamilyKind, Reading};
use crate::model::series::Labels;

/// The table's row.
pub static KIND: Kind = Kind {
    name: "prometheus",
    help: "Prometheus text format 0.0.4, which everything that scrapes can read",
    content_type: "text/plain; version=0.0.4; charset=utf-8",
    versions: &["0.0.4", "1.0.0"],
    path: None,
    build: |_| Box::new(Prometheus::default()),
};

const STYLE: Style = Style { bound: number::float, created: false, signed: true };

/// Writes the text format.
#[derive(Debug, Default)]
struct Prometheus {
    /// The family started last; none before the first and after the end.
    samples: Option<Samples>,
    ended: bool,
}

impl Encode for Prometheus {
    fn family(&mut self, family: &Family, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        header(family, out);
        self.samples = Some(Samples::new(family, STYLE, &family.name, &family.name));
    }

    fn series(&mut self, key: Labels<'_>, reading: &Reading<'_>, out: &mut Vec<u8>) {
        if let Some(samples) = &mut self.samples {
            samples.write(key, reading, out);
        }
    }

    fn finish(&mut self, _out: &mut Vec<u8>) {
        self.samples = None;
        self.ended = true;
    }
}

fn header(family: &Family, out: &mut Vec<u8>) {
    if !family.help.is_empty() {
        out.extend_from_slice(format!("# HELP {} ", family.name).as_bytes());
        escape::unquoted(&family.help.replace('\0', "\u{fffd}"), out);
        out.push(b'\n');
    }
    out.extend_from_slice(format!("# TYPE {} {}\n", family.name, type_name(family.kind)).as_bytes());
}

fn type_name(kind: FamilyKind) -> &'static str {
    match kind {
        FamilyKind::Counter => "counter",
        FamilyKind::Gauge | FamilyKind::Info => "gauge",
        FamilyKind::Histogram => "histogram",
        FamilyKind::Summary => "summary",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::sample_families;

    #[test]
    fn every_kind_of_family_is_written_as_the_format_says() {
        assert_eq!(sample_families::written(&KIND), include_str!("prometheus_sample.txt"));
    }

    #[test]
    fn calls_in_the_wrong_order_write_nothing() {
        sample_families::check_wrong_orders(&KIND, sample_families::TEXT_SERIES, "");
    }

    #[test]
    fn a_nul_in_the_help_is_replaced_and_no_help_is_no_line() {
        let family = |help: &str| Family {
            name: "x".into(),
            help: help.into(),
            unit: None,
            kind: FamilyKind::Gauge,
            labels: vec![],
        };
        let mut out = Vec::new();
        header(&family("a\0\\\n\""), &mut out);
        header(&family(""), &mut out);
        assert_eq!(out, "# HELP x a\u{fffd}\\\\\\n\"\n# TYPE x gauge\n# TYPE x gauge\n".as_bytes());
    }
}
