//! The engine's side of the boundary to sources: numbers lanes, pins each to a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Surroundings;
use super::queue::Queue;
use crate::model::batch::{Batch, Lane, LaneId, Position};
use crate::source::{Closed, Outlet};

/// The numbers of lanes, shared by all outlets.
pub(super) struct Lanes {
    pub(super) next: AtomicU64,
}

/// Where one source puts its batches.
pub struct LaneOutlet {
    pipeline: usize,
    queues: Vec<Arc<Queue>>,
    lanes: Arc<Lanes>,
    surroundings: Surroundings,
}

impl LaneOutlet {
    pub(super) fn new(
        pipeline: usize,
        queues: Vec<Arc<Queue>>,
        lanes: Arc<Lanes>,
        surroundings: Surroundings,
    ) -> LaneOutlet {
        LaneOutlet { pipeline, queues, lanes, surroundings }
    }
}

impl Outlet for LaneOutlet {
    fn open(&mut self, key: String, name: String, fields: Vec<Box<[u8]>>) -> Arc<Lane> {
        let id = LaneId(self.lanes.next.fetch_add(1, Ordering::Relaxed));
        Arc::new(Lane { id, pipeline: self.pipeline, key, name, fields })
    }

    fn position(&self, key: &str) -> Option<Position> {
        self.surroundings.ledger.position(self.pipeline, key)
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.queues
            .iter()
            .map(|queue| queue.buffer())
            .find(|buffer| buffer.capacity() > 0)
            .unwrap_or_default()
    }

    fn send(&mut self, mut batch: Batch) -> Result<(), Closed> {
        // A few lines do not hold a whole block's memory while they wait.
        if batch.bytes.len() < batch.bytes.capacity() / 4 {
            batch.bytes.shrink_to_fit();
        }
        let worker = batch.lane.id.0 % self.queues.len() as u64;
        self.queues[worker as usize].push(batch)
    }

    fn lag(&mut self, lane: &Lane, bytes: Option<u64>) {
        self.surroundings.telemetry.sources.lag(self.pipeline, lane, bytes);
    }

    fn error(&mut self, reason: &'static str) {
        self.surroundings.telemetry.sources.error(self.pipeline, reason);
    }
}
