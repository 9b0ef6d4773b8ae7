//! Parts of a pipeline, and the rows of events that they work on, as a worker has them.

use std::sync::Arc;

use bumpalo::Bump;
use streamgauge::config::{self, PipelinePlan, Plan};
use streamgauge::decode::Decode;
use streamgauge::model::batch::{Batch, Ends, Lane, LaneId, Position};
use streamgauge::model::event::Events;
use streamgauge::model::field::{Field, RAW, Slot};
use streamgauge::model::refused::Refusals;
use streamgauge::model::value::Value;

use crate::requests::Lines;

/// How many records a worker takes at a time.
const CHUNK: usize = 256;

/// The plan of one pipeline: what stands below `source: stdin`.
pub fn plan(text: &str) -> Plan {
    config::parse(&[("steps.yaml", &format!("source: stdin\n{text}"))], &|_| None)
        .unwrap_or_else(|faults| panic!("{}", faults.render(false)))
}

/// Lines as a source hands them over.
pub fn batch(bytes: Vec<u8>) -> Batch {
    let lane =
        Lane { id: LaneId(0), pipeline: 0, key: "0".into(), name: "0".into(), fields: vec![Box::default()] };
    Batch {
        lane: Arc::new(lane),
        bytes,
        ends: Ends::Newlines,
        end: Position::default(),
        refused: Refusals::default(),
        last: false,
    }
}

/// The rows of a pipeline's events.
pub struct Rows {
    lines: Lines,
    raw: Option<Slot>,
    arena: Bump,
    /// Kept for its storage.
    events: Events<'static>,
}

impl Rows {
    pub fn new(plan: &PipelinePlan, lines: Lines) -> Rows {
        let used = plan.fields.used();
        let raw = used.iter().position(|field| *field == Field::Source(RAW.to_owned())).map(Slot);
        Rows { lines, raw, arena: Bump::new(), events: Events::new(used.len()) }
    }

    /// Goes over all lines, so many at a time; their rows hold nothing but `raw`.
    pub fn each(&mut self, mut see: impl for<'b> FnMut(&[&'b [u8]], &'b Bump, &mut Events<'b>)) {
        for chunk in self.lines.records.chunks(CHUNK) {
            let mut events = std::mem::replace(&mut self.events, Events::new(0)).recycle();
            events.reset(chunk.len());
            if let Some(slot) = self.raw {
                events.fill(slot, chunk.iter().map(|record| Value::Text(record)));
            }
            see(chunk, &self.arena, &mut events);
            self.events = events.recycle();
            self.arena.reset();
        }
    }

    /// The same with rows that were decoded.
    pub fn decoded(
        &mut self,
        decoder: &mut dyn Decode,
        mut see: impl for<'b> FnMut(&'b Bump, &mut Events<'b>),
    ) {
        let mut refused = Refusals::default();
        self.each(|records, arena, events| {
            decoder.decode(records, arena, events, &mut refused);
            see(arena, events);
        });
        assert_eq!(refused, Refusals::default(), "the inputs are well-formed");
    }
}
