//! A worker: takes batches off its queue, records them, hands over what it recorded when asked.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::queue::{Queue, Work};
use super::swap::Replacement;
use crate::model::batch::{Batch, Lane, Position};
use crate::pipeline::{Delta, Processor};

/// Starts a worker on `queue`. It sends a delta for each hand-over that is requested, and a last one when the
/// queue has ended. The channel holds two deltas, so that the worker never waits: one that was requested, which the
/// ticker takes before it asks for the next, and the last one.
pub(super) fn start(queue: Arc<Queue>, processors: Vec<Processor>) -> (JoinHandle<()>, Receiver<Delta>) {
    let (deltas, receiver) = sync_channel(2);
    let mut worker = Worker { queue, processors: Vec::new(), positions: Vec::new(), room: POSITIONS, deltas };
    worker.replace(processors.into_iter().map(|processor| (processor.pipeline(), Some(processor))).collect());
    let thread = std::thread::Builder::new().name("worker".to_owned());
    (thread.spawn(|| worker.run()).expect("the system can start a thread"), receiver)
}

struct Worker {
    queue: Arc<Queue>,
    /// By the number of the pipeline.
    processors: Vec<Option<Processor>>,
    /// In the order in which they were reached; of a lane perhaps several.
    positions: Vec<(Arc<Lane>, Option<Position>)>,
    /// How many positions there may be before all but the last of each lane are dropped.
    room: usize,
    deltas: SyncSender<Delta>,
}

/// How many positions are kept without looking whether they are still needed.
const POSITIONS: usize = 1024;

impl Worker {
    fn run(mut self) {
        loop {
            match self.queue.next() {
                Work::Batch(batch) => self.process(batch),
                Work::Reached(mark) => drop(mark),
                Work::HandOver(replacement) => {
                    if !self.hand_over() {
                        return;
                    }
                    self.replace(replacement);
                }
                Work::End => {
                    self.hand_over();
                    return;
                }
            }
        }
    }

    fn process(&mut self, batch: Batch) {
        // A pipeline goes only when its source has ended and nothing of it waits any more.
        let Some(Some(processor)) = self.processors.get_mut(batch.lane.pipeline) else { return };
        processor.process(&batch);
        let position = (!batch.last).then_some(batch.end);
        match self.positions.last_mut() {
            Some((lane, reached)) if lane.id == batch.lane.id => *reached = position,
            _ => self.positions.push((batch.lane, position)),
        }
        if self.positions.len() > self.room {
            drop_passed(&mut self.positions);
            self.room = POSITIONS.max(2 * self.positions.len());
        }
        self.queue.give_back(batch.bytes);
    }

    fn replace(&mut self, replacement: Replacement) {
        for (pipeline, processor) in replacement {
            if self.processors.len() <= pipeline {
                self.processors.resize_with(pipeline + 1, || None);
            }
            self.processors[pipeline] = processor;
        }
    }

    /// Sends everything recorded since the last time; false once nobody takes it any more.
    fn hand_over(&mut self) -> bool {
        let positions = std::mem::take(&mut self.positions);
        let pipelines = self.processors.iter_mut().flatten().map(Processor::take).collect();
        self.deltas.send(Delta { positions, pipelines }).is_ok()
    }
}

/// Drops positions from which their lanes have moved on.
fn drop_passed(positions: &mut Vec<(Arc<Lane>, Option<Position>)>) {
    let mut seen = HashSet::new();
    positions.reverse();
    positions.retain(|(lane, _)| seen.insert(lane.id));
    positions.reverse();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::LaneId;

    #[test]
    fn only_the_last_position_of_each_lane_is_kept_in_order() {
        let reached = |id: u64, offset: u64| {
            let lane =
                Lane { id: LaneId(id), pipeline: 0, key: String::new(), name: String::new(), fields: vec![] };
            (Arc::new(lane), Some(Position { offset, ..Position::default() }))
        };
        let mut positions: Vec<_> =
            [(1, 1), (2, 1), (1, 2), (3, 1), (2, 2)].map(|(id, at)| reached(id, at)).into();
        drop_passed(&mut positions);
        let left: Vec<_> =
            positions.iter().map(|(lane, at)| (lane.id.0, at.map(|position| position.offset))).collect();
        assert_eq!(left, [(1, Some(2)), (3, Some(1)), (2, Some(2))]);
    }
}
