//! Each kind of aggregator: recording values, handing over what changed, posting it, reading it.

use std::sync::Arc;
use std::time::Duration;

use streamgauge::aggregate::{self, Book, Definition, Moment, Posting, Shard, Stamp};
use streamgauge::demo::Random;
use streamgauge::model::family::{FamilyKind, Reading};
use streamgauge::model::series::SeriesId;

use crate::measure::{Step, Work};
use crate::rows::plan;
use crate::{Named, Size};

const NOW: Duration = Duration::from_secs(1_795_183_200);

/// Since when it is counted, before now.
const RUNNING: Duration = Duration::from_secs(1000);

/// How many values each series has in a pass.
const EACH: usize = 10;

/// How many series are read at once, as the ledger does.
const BLOCK: usize = 64;

/// More of some kinds than their examples.
const VARIANTS: &[(&str, &str)] = &[
    ("gauge, mean in a window", "- gauge: {name: a, help: A., value: value, op: mean, window: 5m}\n"),
    (
        "histogram, 30 buckets",
        "- histogram: {name: a, help: A., value: value, buckets: {exponential: {start: 0.001, factor: 1.5, count: 30}}}\n",
    ),
    (
        "histogram, 100 buckets",
        "- histogram: {name: a, help: A., value: value, buckets: {exponential: {start: 0.001, factor: 1.12, count: 100}}}\n",
    ),
    (
        "summary, hdr",
        "- summary: {name: a, help: A., value: value, window: 5m, hdr: {lowest: 0.001, highest: 60}}\n",
    ),
];

/// What is measured of a kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Record,
    HandOver,
    Post,
    Read,
}

pub fn steps(size: Size) -> Vec<Named> {
    let examples = aggregate::KINDS.iter().map(|kind| (kind.name, kind.example));
    let all = examples.chain(VARIANTS.iter().copied());
    let parts =
        [(Part::Record, "record"), (Part::HandOver, "hand over"), (Part::Post, "post"), (Part::Read, "read")];
    let named = |(name, yaml): (&'static str, &'static str)| {
        parts.map(|(part, said)| Named::new(format!("{name}: {said}"), move || step(yaml, part, size)))
    };
    all.flat_map(named).collect()
}

fn step(yaml: &str, part: Part, size: Size) -> Step {
    let plan = plan(&format!("decode: json\nmetrics:\n{yaml}"));
    let metric = &plan.pipelines[0].metrics[0];
    let series = size.series / 1000;
    let metric = Metric::new(Arc::clone(&metric.definition), metric.family.kind, series);
    let (unit, units) = if part == Part::Record { ("value", series * EACH) } else { ("series", series) };
    Step { work: metric.work(part), unit, units, bytes: 0, beside: None }
}

/// A metric, and the values that it is given.
struct Metric {
    kind: FamilyKind,
    series: usize,
    shard: Box<dyn Shard>,
    book: Box<dyn Book>,
    cells: Vec<u32>,
    values: Vec<f64>,
    passes: u64,
}

impl Metric {
    fn new(definition: Arc<dyn Definition>, kind: FamilyKind, series: usize) -> Metric {
        let (mut shard, book) = (Arc::clone(&definition).shard(), definition.book());
        let mut random = Random::new(1);
        // Each series has as many as any other, in an order by chance.
        let mut cells: Vec<_> =
            (0..series * EACH).map(|at| shard.cell(SeriesId((at % series) as u32))).collect();
        for at in (1..cells.len()).rev() {
            cells.swap(at, random.below(at as u64 + 1) as usize);
        }
        let values = cells.iter().map(|_| random.skewed(0.1, 2.2).clamp(0.001, 59.0)).collect();
        Metric { kind, series, shard, book, cells, values, passes: 0 }
    }

    /// Does all parts, of which one is measured. What comes of it is how many values the series say they have in all,
    /// where they can tell, and else how many series there are.
    fn work(mut self, part: Part) -> Work {
        let counts = matches!(self.kind, FamilyKind::Histogram | FamilyKind::Summary);
        let expected = if counts { self.cells.len() } else { self.series };
        Work::new(expected, move |watch| {
            self.passes += 1;
            let stamp = Stamp(self.passes);
            let mut measured = |of: Part, work: &mut dyn FnMut()| {
                if of == part { watch.time(work) } else { work() }
            };
            measured(Part::Record, &mut || self.shard.record(&self.cells, &self.values, stamp));
            let mut changes = None;
            measured(Part::HandOver, &mut || changes = Some(self.shard.take()));
            let posting = Posting { created: (NOW - RUNNING).as_secs_f64(), now: NOW };
            measured(Part::Post, &mut || {
                if let Some(changes) = changes.take() {
                    self.book.post(changes, posting);
                }
            });
            let mut said = 0;
            measured(Part::Read, &mut || said = self.said());
            if counts { said / self.passes } else { said }
        })
    }

    fn said(&self) -> u64 {
        let moment = Moment { now: NOW, started: NOW - RUNNING };
        let series: Vec<_> = (0..self.series as u32).map(SeriesId).collect();
        let mut said = 0;
        for block in series.chunks(BLOCK) {
            self.book.read(block, moment, &mut |_, _, reading| {
                said += match reading {
                    Reading::Counter { .. } | Reading::Gauge(_) => 1,
                    Reading::Histogram { counts, .. } => counts.iter().sum(),
                    Reading::Summary { values, count, .. } if values[0] > 0.0 => *count,
                    Reading::Summary { .. } => 0,
                };
            });
        }
        said
    }
}
