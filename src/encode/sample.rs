//! The sample lines of one family, which both text formats write alike.

use super::{escape, number};
use crate::model::family::{Family, FamilyKind, Reading, UnixSeconds};
use crate::model::series::SeriesKey;
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
    /// The labels of the series at hand, up to the last value: `{first="a",second="b`.
    labels: Vec<u8>,
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
            labels: Vec::new(),
            parts: Parts::new(family.kind, unlabelled),
        }
    }

    /// Writes the samples of one series; nothing if `reading` is not of the family's kind.
    pub fn write(&mut self, key: &SeriesKey, reading: &Reading<'_>, out: &mut Vec<u8>) {
        self.labels.clear();
        for (before, value) in self.before.iter().zip(key.values()) {
            self.labels.extend_from_slice(before);
            escape::quoted(value, &mut self.labels);
        }
        match (self.kind, *reading) {
            (FamilyKind::Counter, Reading::Counter { total, created }) => {
                self.line(&self.names.value, self.after, out, |out| number::sum(total, out));
                self.created(created, out);
            }
            (FamilyKind::Gauge, Reading::Gauge(value)) => {
                self.line(&self.names.value, self.after, out, |out| number::float(value, out));
            }
            (FamilyKind::Info, Reading::Gauge(_)) => {
                self.line(&self.names.value, self.after, out, |out| out.push(b'1'));
            }
            (FamilyKind::Histogram, Reading::Histogram { bounds, counts, sum, created }) => {
                self.parts.prepare(bounds, self.style.bound);
                let count = self.bucket_lines(counts, out);
                if self.style.signed || !is_signed(bounds, sum) {
                    self.line(&self.names.sum, self.after, out, |out| number::sum(sum, out));
                    self.line(&self.names.count, self.after, out, |out| number::whole(count, out));
                }
                self.created(created, out);
            }
            (FamilyKind::Summary, Reading::Summary { levels, values, sum, count, created }) => {
                self.parts.prepare(levels, self.style.bound);
                let shown = |value: &f64| self.style.signed || value.is_nan() || *value >= 0.0;
                for (end, value) in self.parts.finite.iter().zip(values).filter(|(_, value)| shown(value)) {
                    self.line(&self.names.value, end, out, |out| number::float(value, out));
                }
                if self.style.signed || sum.value() >= 0.0 {
                    self.line(&self.names.sum, self.after, out, |out| number::sum(sum, out));
                }
                self.line(&self.names.count, self.after, out, |out| number::whole(count, out));
                self.created(created, out);
            }
            _ => {}
        }
    }

    /// Writes the cumulated buckets; returns the count of all.
    fn bucket_lines(&self, counts: &[u64], out: &mut Vec<u8>) -> u64 {
        let mut cumulated = 0u64;
        for (end, count) in self.parts.finite.iter().zip(counts) {
            cumulated = cumulated.saturating_add(*count);
            self.line(&self.names.bucket, end, out, |out| number::whole(cumulated, out));
        }
        let all = counts.iter().fold(0, |all: u64, count| all.saturating_add(*count));
        self.line(&self.names.bucket, &self.parts.infinite, out, |out| number::whole(all, out));
        all
    }

    fn created(&self, created: UnixSeconds, out: &mut Vec<u8>) {
        if self.style.created {
            self.line(&self.names.created, self.after, out, |out| number::float(created, out));
        }
    }

    #[inline]
    fn line(&self, name: &[u8], end: &[u8], out: &mut Vec<u8>, number: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(name);
        out.extend_from_slice(&self.labels);
        out.extend_from_slice(end);
        number(out);
        out.push(b'\n');
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
