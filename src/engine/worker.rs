//! A worker: takes batches off its queue, records them, hands over what it recorded when asked.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::queue::{Queue, Work};
use crate::model::batch::{Batch, Lane, Position};
use crate::pipeline::{Delta, Processor};

/// Starts a worker on `queue`. It sends a delta for each hand-over that is requested, and a last one when the
/// queue has ended. The channel holds two deltas, so that the worker never waits: one that was requested, which the
/// ticker takes before it asks for the next, and the last one.
pub(super) fn start(queue: Arc<Queue>, processors: Vec<Processor>) -> (JoinHandle<()>, Receiver<Delta>) {
    let (deltas, receiver) = sync_channel(2);
    let worker = Worker { queue, processors, positions: Vec::new(), deltas };
    let thread = std::thread::Builder::new().name("worker".to_owned());
    (thread.spawn(|| worker.run()).expect("the system can start a thread"), receiver)
}

struct Worker {
    queue: Arc<Queue>,
    /// By pipeline.
    processors: Vec<Processor>,
    positions: Vec<(Arc<Lane>, Option<Position>)>,
    deltas: SyncSender<Delta>,
}

impl Worker {
    fn run(mut self) {
        loop {
            match self.queue.next() {
                Work::Batch(batch) => self.process(batch),
                Work::HandOver if self.hand_over() => {}
                Work::HandOver => return,
                Work::End => {
                    self.hand_over();
                    return;
                }
            }
        }
    }

    fn process(&mut self, batch: Batch) {
        self.processors[batch.lane.pipeline].process(&batch);
        let position = (!batch.last).then_some(batch.end);
        match self.positions.last_mut() {
            Some((lane, reached)) if lane.id == batch.lane.id => *reached = position,
            _ => self.positions.push((batch.lane, position)),
        }
        self.queue.give_back(batch.bytes);
    }

    /// Sends everything recorded since the last time; false once nobody takes it any more.
    fn hand_over(&mut self) -> bool {
        let positions = std::mem::take(&mut self.positions);
        let pipelines = self.processors.iter_mut().map(Processor::take).collect();
        self.deltas.send(Delta { positions, pipelines }).is_ok()
    }
}
