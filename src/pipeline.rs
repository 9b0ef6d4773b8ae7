//! The straight line: a batch in, changes out. What one worker holds of one pipeline.

mod metric;
mod search;

pub use metric::Metric;
pub use search::{Search, Skipped};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bumpalo::Bump;

use crate::aggregate::{Changes, Stamp};
use crate::decode::Decode;
use crate::group::Keys;
use crate::model::batch::{Batch, Column, Ends, Lane, Position, Records};
use crate::model::event::Events;
use crate::model::field::Slot;
use crate::model::refused::Refusals;
use crate::model::value::Value;
use crate::stage::Stage;
use search::Manner;

/// How many records are decoded before the stages and metrics see them: few enough that their rows stay in
/// the processor's cache.
const CHUNK: usize = 256;

/// Everything a worker changed between two ticks, with the positions that its lanes have reached. It is
/// posted whole or not at all.
#[derive(Default)]
pub struct Delta {
    /// Where the lanes stand, in the order they got there; `None` where a lane has ended.
    pub positions: Vec<(Arc<Lane>, Option<Position>)>,
    /// The changes of each pipeline.
    pub pipelines: Vec<PipelineDelta>,
}

/// What one worker changed in one pipeline.
pub struct PipelineDelta {
    /// The pipeline's number.
    pub pipeline: usize,
    /// What came in, and what became of it.
    pub flow: Flow,
    /// The changes by metric, in the order of the plan.
    pub metrics: Vec<Changes>,
}

/// Counts of the events of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Records that came from the source.
    pub events: u64,
    /// Their bytes, line ends included.
    pub bytes: u64,
    /// What the source refused.
    pub source: Refusals,
    /// What the decoder refused.
    pub decode: Refusals,
    /// What each stage could not compute, and how many events it took out of play.
    pub stages: Vec<(Refusals, u64)>,
    /// What each metric refused.
    pub metrics: Vec<Refusals>,
}

impl Flow {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        // A record of no bytes is an event, and whatever else is counted is counted of records or refused by the source.
        self.events == 0 && self.bytes == 0 && self.source == Refusals::default()
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Flow) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.source.merge(&other.source);
        self.decode.merge(&other.decode);
        let stages = self.stages.len().max(other.stages.len());
        self.stages.resize_with(stages, Default::default);
        for (into, from) in self.stages.iter_mut().zip(&other.stages) {
            into.0.merge(&from.0);
            into.1 += from.1;
        }
        let metrics = self.metrics.len().max(other.metrics.len());
        self.metrics.resize_with(metrics, Default::default);
        for (into, from) in self.metrics.iter_mut().zip(&other.metrics) {
            into.merge(from);
        }
    }
}

/// One pipeline of one worker: decode ▶ stages ▶ group ▶ aggregate, on memory that nobody else sees.
pub struct Processor {
    /// The pipeline's number.
    pipeline: usize,
    decode: Box<dyn Decode>,
    stages: Vec<Box<dyn Stage>>,
    metrics: Vec<Metric>,
    /// The keys of the metrics' labels.
    keys: Vec<Keys>,
    /// Finds the lines that are worth decoding, where others are not.
    search: Option<Search>,
    /// Where the record itself goes, if it is used.
    raw: Option<Slot>,
    /// Which of the lane's own fields are used, and where they go.
    lane_fields: Vec<(usize, Slot)>,
    /// Where the columns of a batch go.
    columns: Vec<Slot>,
    /// The number of the next batch of this pipeline; every worker takes one for each of its batches.
    order: Arc<AtomicU64>,
    flow: Flow,
    arena: Bump,
    /// Kept for its storage; empty between batches.
    events: Events<'static>,
}

/// How a processor is laid out: the slots that are filled from what the source knows, and the order of
/// the batches of all workers.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The pipeline's number.
    pub pipeline: usize,
    /// How many slots there are.
    pub width: usize,
    /// The slot of `raw`.
    pub raw: Option<Slot>,
    /// Index of a field in [`Lane::fields`], and its slot.
    pub lane: Vec<(usize, Slot)>,
    /// The slots of the source's own fields of single records, in the order of [`Records::columns`].
    pub columns: Vec<Slot>,
    /// The number of the next batch of the pipeline, shared by its workers.
    pub order: Arc<AtomicU64>,
}

impl Processor {
    /// A pipeline of one worker, which has nothing recorded yet. With a `search` only the lines that it finds are
    /// decoded; all are counted.
    pub fn new(
        layout: Layout,
        decode: Box<dyn Decode>,
        stages: Vec<Box<dyn Stage>>,
        mut metrics: Vec<Metric>,
        search: Option<Search>,
    ) -> Processor {
        let mut keys = Vec::new();
        metrics.iter_mut().for_each(|metric| metric.share(&mut keys));
        let mut flow = Flow::default();
        flow.stages.resize_with(stages.len(), Default::default);
        flow.metrics.resize_with(metrics.len(), Default::default);
        let Layout { pipeline, width, raw, lane: lane_fields, columns, order } = layout;
        let events = Events::new(width);
        let arena = Bump::new();
        Processor {
            pipeline,
            decode,
            stages,
            metrics,
            keys,
            search,
            raw,
            lane_fields,
            columns,
            order,
            flow,
            arena,
            events,
        }
    }

    /// The number of the pipeline.
    pub fn pipeline(&self) -> usize {
        self.pipeline
    }

    /// Takes a batch through the line.
    pub fn process(&mut self, batch: &Batch) {
        let stamp = Stamp(self.order.fetch_add(1, Ordering::Relaxed));
        self.flow.bytes += batch.bytes.len() as u64;
        self.flow.source.merge(&batch.refused);
        let lane = &batch.lane;
        let chunk =
            Chunk { records: &[], first: 0, columns: &[], is_blank: false, is_recount: false, lane, stamp };
        let mut records = [&[][..]; CHUNK];
        match &batch.ends {
            Ends::Newlines => self.lines(&batch.bytes, chunk, &mut records),
            Ends::At(Records { ends, blank, columns }) => {
                let (mut first, mut start) = (0, 0);
                let mut blank = blank.iter().copied().peekable();
                while first < ends.len() {
                    let is_blank = blank.next_if_eq(&first).is_some();
                    let next_blank = blank.peek().copied().unwrap_or(ends.len());
                    let len = if is_blank { 1 } else { (next_blank - first).min(CHUNK) };
                    for (record, end) in records.iter_mut().zip(&ends[first..first + len]) {
                        *record = without_line_end(&batch.bytes[start..*end]);
                        start = *end;
                    }
                    self.chunk(&Chunk { records: &records[..len], first, columns, is_blank, ..chunk });
                    first += len;
                }
            }
        }
    }

    /// Takes lines through the line, those that are worth it where that is known.
    fn lines<'b>(&mut self, bytes: &'b [u8], chunk: Chunk<'b>, records: &mut [&'b [u8]; CHUNK]) {
        let manner = self.search.as_mut().map_or(Manner::Every, Search::begin);
        let (mut rest, mut looked_at) = (bytes, 0);
        while !rest.is_empty() {
            let (count, taken) = match &self.search {
                Some(search) if manner == Manner::Found => search.split(rest, records),
                _ => split(rest, records),
            };
            let before =
                (manner == Manner::Checked).then(|| (self.flow.decode.clone(), self.flow.stages[0].clone()));
            if count > 0 {
                self.chunk(&Chunk { records: &records[..count], ..chunk });
            }
            if let Some(before) = before
                && (before.0 != self.flow.decode || before.1.0 != self.flow.stages[0].0)
            {
                self.recount(before, &mut records[..count], chunk);
            }
            looked_at += count as u64;
            rest = &rest[taken..];
        }
        if let Some(search) = &mut self.search
            && manner == Manner::Found
        {
            let lines = search::lines(bytes);
            let filtered = search.end(lines, looked_at);
            self.flow.events += lines - looked_at;
            if let Some((_, removed)) = self.flow.stages.first_mut() {
                *removed += filtered;
            }
        }
    }

    /// Counts what the decoder and the first stage refused and filtered of `records` once more, as if they had been
    /// searched. None of those that are not found came past that stage, so nothing else is different.
    #[cold]
    fn recount<'b>(
        &mut self,
        before: (Refusals, (Refusals, u64)),
        records: &mut [&'b [u8]],
        chunk: Chunk<'b>,
    ) {
        let Some(search) = &mut self.search else { return };
        let found = search.sift(records);
        (self.flow.decode, self.flow.stages[0]) = before;
        self.flow.stages[0].1 += (records.len() - found) as u64;
        self.chunk(&Chunk { records: &records[..found], is_recount: true, ..chunk });
    }

    fn chunk(&mut self, chunk: &Chunk<'_>) {
        let Chunk { records, first, columns, is_blank, is_recount, lane, stamp } = *chunk;
        let storage = std::mem::replace(&mut self.events, Events::new(0));
        let mut events = storage.recycle();
        events.reset(records.len());
        if let Some(slot) = self.raw {
            events.fill(slot, records.iter().map(|record| Value::Text(record)));
        }
        for (field, slot) in &self.lane_fields {
            events.fill(*slot, std::iter::repeat(Value::Text(&lane.fields[*field])));
        }
        for (slot, column) in self.columns.iter().zip(columns) {
            events.fill(*slot, (first..first + records.len()).map(|record| column.value(record)));
        }
        if is_blank {
            (0..records.len()).for_each(|row| events.admit(row));
        } else {
            self.decode.decode(records, &self.arena, &mut events, &mut self.flow.decode);
        }
        let stages = if is_recount { 1 } else { self.stages.len() };
        for (stage, (refused, filtered)) in self.stages.iter_mut().zip(&mut self.flow.stages).take(stages) {
            stage.apply(&mut events, &self.arena, refused);
            *filtered += events.take_removed();
        }
        if !is_recount {
            self.flow.events += records.len() as u64;
            self.keys.iter_mut().for_each(|keys| keys.begin(events.live()));
            for (metric, refused) in self.metrics.iter_mut().zip(&mut self.flow.metrics) {
                metric.record(&events, &self.arena, stamp, (&mut self.keys, refused));
            }
        }
        self.events = events.recycle();
        self.arena.reset();
    }

    /// Hands over everything since the last time, and starts at zero again.
    pub fn take(&mut self) -> PipelineDelta {
        let mut flow = Flow::default();
        flow.stages.resize_with(self.stages.len(), Default::default);
        flow.metrics.resize_with(self.metrics.len(), Default::default);
        let metrics = self.metrics.iter_mut().map(|metric| metric.take(&mut self.keys)).collect();
        self.metrics.iter_mut().for_each(|metric| metric.follow(&self.keys));
        PipelineDelta { pipeline: self.pipeline, flow: std::mem::replace(&mut self.flow, flow), metrics }
    }
}

/// Some records of a batch.
#[derive(Clone, Copy)]
struct Chunk<'b> {
    records: &'b [&'b [u8]],
    /// The number in the batch of the first of them.
    first: usize,
    /// The values of the source's own fields in all records of the batch.
    columns: &'b [Column],
    /// They are nothing that could be decoded.
    is_blank: bool,
    /// They were taken through the line before: only what the decoder and the first stage say counts.
    is_recount: bool,
    lane: &'b Lane,
    stamp: Stamp,
}

fn without_line_end(record: &[u8]) -> &[u8] {
    record.strip_suffix(b"\n").map_or(record, without_return)
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Splits the next records off `bytes`, without their line ends: how many, and how many bytes they took.
fn split<'b>(bytes: &'b [u8], records: &mut [&'b [u8]]) -> (usize, usize) {
    let mut start = 0;
    let mut ends = memchr::memchr_iter(b'\n', bytes);
    for (count, record) in records.iter_mut().enumerate() {
        if start == bytes.len() {
            return (count, start);
        }
        let end = ends.next().unwrap_or(bytes.len());
        *record = without_return(&bytes[start..end]);
        start = (end + 1).min(bytes.len());
    }
    (records.len(), start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &str, expected: &[&str]) {
        let mut found = Vec::new();
        let mut rest = bytes.as_bytes();
        while !rest.is_empty() {
            let mut records = [&[][..]; 2];
            let (count, taken) = split(rest, &mut records);
            found.extend(records[..count].iter().map(|record| String::from_utf8_lossy(record).into_owned()));
            rest = &rest[taken..];
        }
        assert_eq!(found, expected, "{bytes:?}");
    }

    #[test]
    fn records_end_at_newlines_and_at_the_end() {
        check("", &[]);
        check("a\nb\n", &["a", "b"]);
        check("a\nb\nc", &["a", "b", "c"]);
        check("\n\nx\r\n\r\n", &["", "", "x", ""]);
        check("a\rb\n", &["a\rb"]);
    }
}
