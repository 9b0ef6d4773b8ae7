//! Takes an input through a pipeline in this process: one worker, one tick.

use std::sync::Arc;
use std::time::Duration;

use streamgauge::config::{self, Plan};
use streamgauge::encode;
use streamgauge::ledger::Ledger;
use streamgauge::model::batch::{Batch, Ends, Lane, LaneId, Position};
use streamgauge::model::refused::Refusals;
use streamgauge::pipeline::{Delta, Flow};

/// The plan of one pipeline file, which must be valid.
pub fn plan(text: &str) -> Plan {
    config::parse(&[("test.yaml", text)], &|_| None)
        .unwrap_or_else(|faults| panic!("{}", faults.render(false)))
}

/// A batch of lane 0.
pub fn batch(input: &[u8]) -> Batch {
    let fields = vec![b"input.log".to_vec().into_boxed_slice()];
    let lane = Lane { id: LaneId(0), pipeline: 0, key: "0".to_owned(), name: "0".to_owned(), fields };
    let (bytes, end) = (input.to_vec(), Position::default());
    Batch {
        lane: Arc::new(lane),
        bytes,
        ends: Ends::Newlines,
        end,
        refused: Refusals::default(),
        last: false,
    }
}

/// The text exposition, and what became of the events.
pub fn replay(pipeline: &str, input: &str, now: Duration) -> (String, Flow) {
    replay_bytes(pipeline, input.as_bytes(), now)
}

/// The same for bytes.
pub fn replay_bytes(pipeline: &str, input: &[u8], now: Duration) -> (String, Flow) {
    exposition(&plan(pipeline), input, "prometheus", now)
}

/// The exposition of an input in any format, posted at `now`.
pub fn exposition(plan: &Plan, input: &[u8], format: &str, now: Duration) -> (String, Flow) {
    let ledger = plan.ledger(now);
    let mut processors = plan.processors();
    processors[0].process(&batch(input));
    let pipelines = processors.iter_mut().map(|processor| processor.take()).collect();
    ledger.post(vec![Delta { positions: Vec::new(), pipelines }], now);
    let kind = encode::KINDS.iter().find(|kind| kind.name == format).unwrap();
    let (mut encoder, mut out, mut flow) = ((kind.build)(now), Vec::new(), Flow::default());
    ledger.encode(now, &mut *encoder, &mut out, |posted, _, _| flow = posted[0].flow.clone());
    encoder.finish(&mut out);
    (String::from_utf8(out).unwrap(), flow)
}

/// The exposition of a ledger in any format at `now`, without our own metrics.
pub fn exposition_of(ledger: &Ledger, format: &str, now: Duration) -> String {
    let kind = encode::KINDS.iter().find(|kind| kind.name == format).unwrap();
    let (mut encoder, mut out) = ((kind.build)(now), Vec::new());
    ledger.encode(now, &mut *encoder, &mut out, |_, _, _| {});
    encoder.finish(&mut out);
    String::from_utf8(out).unwrap()
}
