//! Which format a client gets, by its `Accept` header (RFC 9110, section 12.5.1).

use std::cmp::Reverse;

use super::{KINDS, Kind};

/// The format of the metrics that the header prefers: of those that have no path of their own, those with the highest weight, the one it names most precisely,
/// then the one it names first. A client that accepts none of them, or has no header, gets the first of
/// [`KINDS`], which is more use to it than a refusal.
pub fn negotiate(accept: Option<&str>) -> &'static Kind {
    let ranges: Vec<Range<'_>> = accept.unwrap_or("*/*").split(',').map(Range::parse).collect();
    KINDS
        .iter()
        .enumerate()
        .filter(|(_, kind)| kind.path.is_none())
        .filter_map(|(at, kind)| Some((preference(kind, &ranges)?, Reverse(at), *kind)))
        .max_by_key(|(preference, at, _)| (*preference, *at))
        .map_or(KINDS[0], |(_, _, kind)| kind)
}

/// How much a client likes a format; more is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Preference {
    weight: Weight,
    precision: Precision,
    first: Reverse<usize>,
}

/// A `q` in thousandths.
pub type Weight = u16;

/// How precisely a range names a format. The most precise range that matches decides on the weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Anything,
    Type,
    Subtype,
    Version,
}

/// One of the alternatives of the header: a media range and its weight.
#[derive(Debug)]
struct Range<'a> {
    media: &'a str,
    version: Option<&'a str>,
    weight: Weight,
}

/// What the ranges make of a format; `None` if they do not accept it.
fn preference(kind: &Kind, ranges: &[Range<'_>]) -> Option<Preference> {
    ranges
        .iter()
        .enumerate()
        .filter_map(|(at, range)| Some((range.matches(kind)?, Reverse(at), range.weight)))
        .max()
        .map(|(precision, first, weight)| Preference { weight, precision, first })
        .filter(|preference| preference.weight > 0)
}

impl<'a> Range<'a> {
    /// Parameters that do not tell our formats apart (`charset`, `escaping`) are passed over.
    fn parse(text: &'a str) -> Range<'a> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Range { media: parts.next().unwrap_or_default(), version: None, weight: 1000 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("version") {
                range.version = Some(value);
            } else if name.trim().eq_ignore_ascii_case("q") {
                range.weight = weight(value);
            }
        }
        range
    }

    fn matches(&self, kind: &Kind) -> Option<Precision> {
        let media = kind.content_type.split(';').next().unwrap_or_default();
        let (class, _) = media.split_once('/')?;
        let (own_class, own_subtype) = self.media.split_once('/')?;
        match (own_class, own_subtype, self.version) {
            ("*", "*", _) => Some(Precision::Anything),
            (_, "*", _) => own_class.eq_ignore_ascii_case(class).then_some(Precision::Type),
            _ if !self.media.eq_ignore_ascii_case(media) => None,
            (_, _, None) => Some(Precision::Subtype),
            (_, _, Some(version)) => kind.versions.contains(&version).then_some(Precision::Version),
        }
    }
}

/// The weight that a `q` says. One that is no number counts as none, that is as 1, as it does for exporters in Go.
pub fn weight(text: &str) -> Weight {
    let weight: f32 = text.parse().ok().filter(|weight: &f32| weight.is_finite()).unwrap_or(1.0);
    (weight.clamp(0.0, 1.0) * 1000.0).round() as Weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, name: &str) {
        assert_eq!(negotiate(Some(accept)).name, name, "{accept}");
    }

    #[test]
    fn who_does_not_care_gets_the_text_format() {
        assert_eq!(negotiate(None).name, "prometheus");
        for accept in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "image/png",
            ",;=/",
        ] {
            check(accept, "prometheus");
        }
    }

    #[test]
    fn every_version_of_the_prometheus_server_gets_what_it_prefers() {
        for accept in [
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        ] {
            check(accept, "openmetrics");
        }
        check("text/plain;version=0.0.4;q=1,*/*;q=0.1", "prometheus");
        check("text/plain;version=1.0.0;escaping=underscores,*/*;q=0.1", "prometheus");
        check("application/json, text/plain;q=0.1", "prometheus");
        check(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3",
            "prometheus",
        );
    }

    #[test]
    fn weights_decide_and_zero_refuses() {
        check("application/openmetrics-text;q=0.5,text/plain;q=0.4", "openmetrics");
        check("application/openmetrics-text;q=0.4,text/plain;q=0.5", "prometheus");
        check("text/plain;q=0,*/*;q=0.1", "openmetrics");
        check("application/openmetrics-text;q=0,*/*", "prometheus");
        check("application/openmetrics-text;q=0", "prometheus");
        check("text/plain;q=0.001, application/*;q=0.002", "openmetrics");
        check("text/plain;q=NaN, application/openmetrics-text;q=0.9", "prometheus");
    }

    #[test]
    fn the_most_precise_range_decides_on_the_weight() {
        check("application/*;q=1,application/openmetrics-text;q=0.1,text/plain;q=0.5", "prometheus");
        check(
            "application/openmetrics-text;version=1.0.0;q=0.1,application/openmetrics-text;q=1,text/plain;q=0.5",
            "prometheus",
        );
    }

    #[test]
    fn between_equals_the_more_precise_then_the_first_wins() {
        check("application/openmetrics-text,*/*", "openmetrics");
        check("text/plain,application/openmetrics-text", "prometheus");
        check("application/openmetrics-text,text/plain", "openmetrics");
        check("application/*,text/*", "openmetrics");
    }

    #[test]
    fn versions_we_do_not_write_do_not_match() {
        check("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", "prometheus");
        check("application/openmetrics-text;version=2.0.0", "prometheus");
    }

    #[test]
    fn case_blanks_and_quotes_do_not_matter() {
        check(
            " Application/OpenMetrics-Text ; VERSION = \"1.0.0\" ; Charset=utf-8 ; Q = 0.9 , text/plain;q=0.8",
            "openmetrics",
        );
    }
}
