//! The sample lines of one family, which both text formats write alike.

use std::ops::Range;

use super::{escape, number};
use crate::model::family::{Family, FamilyKind, Reading, UnixSeconds};
use crate::model::series::Labels;
use crate::model::sum::Sum;

/// Where the text formats differ in their samples.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Writes the upper bound of a bucket, or a quantile.
    pub bound: fn(f64, &mut Vec<u8>),
    /// Whether it is said since when a counter or histogram counts.
    pub created: bool,
    /// Whether sums and quantiles are shown where negative values keep a sum from being a counter.
    pub signed: bool,
}

/// Writes the samples of one family. Everything that its series have in common is made once.
#[derive(Debug)]
pub struct Samples {
    kind: FamilyKind,
    style: Style,
    names: Names,
    /// What stands before each label value: `{first="`, `",second="`.
    before: Vec<Vec<u8>>,
    /// What ends the labels and the space after them: `"} `, or the space alone.
    after: &'static [u8],
    /// What tells the buckets of a histogram or the quantiles of a summary from each other.
    parts: Parts,
}

/// The names of a family's samples.
#[derive(Debug)]
struct Names {
    value: Vec<u8>,
    bucket: Vec<u8>,
    sum: Vec<u8>,
    count: Vec<u8>,
    created: Vec<u8>,
}

/// The ends of the labels of buckets or quantiles, for the bounds of the series before: `",le="0.5"} `.
#[derive(Debug)]
struct Parts {
    /// `",le="`
    open: Vec<u8>,
    bounds: Vec<f64>,
    finite: Vec<Vec<u8>>,
    infinite: Vec<u8>,
}

impl Samples {
    /// For the series of `family`, whose plain samples are called `value` and whose others start with `base`.
    pub fn new(family: &Family, style: Style, base: &str, value: &str) -> Samples {
        let unlabelled = family.labels.is_empty();
        Samples {
            kind: family.kind,
            style,
            names: Names::new(base, value),
            before: family.labels.iter().enumerate().map(|(at, name)| before(at, name)).collect(),
            after: if unlabelled { b" " } else { b"\"} " },
            parts: Parts::new(family.kind, unlabelled),
        }
    }

    /// Writes the samples of one series; nothing if `reading` is not of the family's kind.
    pub fn write(&mut self, key: Labels<'_>, reading: &Reading<'_>, out: &mut Vec<u8>) {
        match reading {
            Reading::Histogram { bounds, .. } => self.parts.prepare(bounds, self.style.bound),
            Reading::Summary { levels, .. } => self.parts.prepare(levels, self.style.bound),
            Reading::Counter { .. } | Reading::Gauge(_) => {}
        }
        Lines { samples: self, key, labels: None, out }.write(reading);
    }

    /// Writes the labels of a series up to the last value: `{first="a",second="b`.
    #[inline]
    fn labels(&self, key: Labels<'_>, out: &mut Vec<u8>) {
        let values = self.before.iter().zip(key.values());
        if escape::is_plain(key.joined()) {
            for (before, value) in values {
                out.extend_from_slice(before);
                out.extend_from_slice(value.as_bytes());
            }
        } else {
            for (before, value) in values {
                out.extend_from_slice(before);
                escape::quoted(value, out);
            }
        }
    }
}

/// The lines of one series.
struct Lines<'w> {
    samples: &'w Samples,
    key: Labels<'w>,
    /// Where the labels are, in `out`, once a line was written: the others have them from there.
    labels: Option<Range<usize>>,
    out: &'w mut Vec<u8>,
}

impl Lines<'_> {
    fn write(&mut self, reading: &Reading<'_>) {
        let Samples { kind, style, names, after, parts, .. } = self.samples;
        match (kind, reading) {
            (FamilyKind::Counter, Reading::Counter { total, created }) => {
                self.line(&names.value, after, |out| number::sum(*total, out));
                self.created(*created);
            }
            (FamilyKind::Gauge, Reading::Gauge(value)) => {
                self.line(&names.value, after, |out| number::float(*value, out));
            }
            (FamilyKind::Info, Reading::Gauge(_)) => self.line(&names.value, after, |out| out.push(b'1')),
            (FamilyKind::Histogram, Reading::Histogram { bounds, counts, sum, created }) => {
                let count = self.buckets(counts);
                if style.signed || !is_signed(bounds, *sum) {
                    self.line(&names.sum, after, |out| number::sum(*sum, out));
                    self.line(&names.count, after, |out| number::whole(count, out));
                }
                self.created(*created);
            }
            (FamilyKind::Summary, Reading::Summary { values, sum, count, created, .. }) => {
                let shown = |value: &f64| style.signed || value.is_nan() || *value >= 0.0;
                for (end, value) in parts.finite.iter().zip(values).filter(|(_, value)| shown(value)) {
                    self.line(&names.value, end, |out| number::float(*value, out));
                }
                if style.signed || sum.value() >= 0.0 {
                    self.line(&names.sum, after, |out| number::sum(*sum, out));
                }
                self.line(&names.count, after, |out| number::whole(*count, out));
                self.created(*created);
            }
            _ => {}
        }
    }

    /// Writes the cumulated buckets; returns the count of all.
    fn buckets(&mut self, counts: &[u64]) -> u64 {
        let Samples { names, parts, .. } = self.samples;
        let mut cumulated = 0u64;
        for (end, count) in parts.finite.iter().zip(counts) {
            cumulated = cumulated.saturating_add(*count);
            self.line(&names.bucket, end, |out| number::whole(cumulated, out));
        }
        let all = counts.iter().fold(0, |all: u64, count| all.saturating_add(*count));
        self.line(&names.bucket, &parts.infinite, |out| number::whole(all, out));
        all
    }

    fn created(&mut self, created: UnixSeconds) {
        let Samples { style, names, after, .. } = self.samples;
        if style.created {
            self.line(&names.created, after, |out| number::float(created, out));
        }
    }

    #[inline]
    fn line(&mut self, name: &[u8], end: &[u8], number: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(name);
        match &self.labels {
            Some(labels) => self.out.extend_from_within(labels.clone()),
            None => {
                let start = self.out.len();
                self.samples.labels(self.key, self.out);
                self.labels = Some(start..self.out.len());
            }
        }
        self.out.extend_from_slice(end);
        number(self.out);
        self.out.push(b'\n');
    }
}

impl Names {
    fn new(base: &str, value: &str) -> Names {
        let name = |suffix: &str| format!("{base}{suffix}").into_bytes();
        Names {
            value: value.as_bytes().to_vec(),
            bucket: name("_bucket"),
            sum: name("_sum"),
            count: name("_count"),
            created: name("_created"),
        }
    }
}

impl Parts {
    fn new(kind: FamilyKind, unlabelled: bool) -> Parts {
        let label = if kind == FamilyKind::Summary { "quantile" } else { "le" };
        let open = format!("{}{label}=\"", if unlabelled { "{" } else { "\"," }).into_bytes();
        let mut parts = Parts { open, bounds: Vec::new(), finite: Vec::new(), infinite: Vec::new() };
        parts.infinite = parts.end(|out| number::float(f64::INFINITY, out));
        parts
    }

    /// Makes the ends for these bounds; the series of a family usually share them, so they are seldom new.
    fn prepare(&mut self, bounds: &[f64], write: fn(f64, &mut Vec<u8>)) {
        if self.bounds != bounds {
            self.bounds = bounds.to_vec();
            self.finite = bounds.iter().map(|bound| self.end(|out| write(*bound, out))).collect();
        }
    }

    fn end(&self, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut end = self.open.clone();
        write(&mut end);
        end.extend_from_slice(b"\"} ");
        end
    }
}

fn before(at: usize, name: &str) -> Vec<u8> {
    let open = if at == 0 { "{" } else { "\"," };
    format!("{open}{name}=\"").into_bytes()
}

/// Whether negative values keep the sum of these buckets from being a counter.
fn is_signed(bounds: &[f64], sum: Sum) -> bool {
    bounds.first().is_some_and(|bound| *bound < 0.0) || sum.value() < 0.0
}
