//! The engine's side of the boundary to sources: numbers lanes, pins each to a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::queue::Queue;
use super::{Surroundings, Ticker};
use crate::base::clock::Clock;
use crate::ledger::Positions;
use crate::model::batch::{Batch, Lane, LaneId, Position};
use crate::source::{Closed, Outlet, Rejected};
use crate::telemetry::{Change, Lag, Meter};

/// The numbers of lanes, shared by all outlets.
pub(super) struct Lanes {
    pub(super) next: AtomicU64,
}

/// How long it is waited until what was handed over is posted.
const SETTLE_PATIENCE: Duration = Duration::from_secs(30);

/// Where one source puts its batches.
pub struct LaneOutlet {
    pipeline: usize,
    queues: Vec<Arc<Queue>>,
    lanes: Arc<Lanes>,
    ticker: Ticker,
    positions: Arc<Positions>,
    surroundings: Surroundings,
}

impl LaneOutlet {
    pub(super) fn new(
        pipeline: usize,
        queues: Vec<Arc<Queue>>,
        lanes: Arc<Lanes>,
        ticker: Ticker,
        surroundings: Surroundings,
    ) -> LaneOutlet {
        let positions = surroundings.ledger.positions(pipeline);
        LaneOutlet { pipeline, queues, lanes, ticker, positions, surroundings }
    }

    /// The queue of the worker that the lane of a batch is pinned to.
    fn queue(&self, batch: &Batch) -> &Queue {
        let worker = batch.lane.id.0 % self.queues.len() as u64;
        &self.queues[worker as usize]
    }
}

/// Makes a batch of a few lines not hold a whole block's memory while it waits.
fn trim(batch: &mut Batch) {
    if batch.bytes.len() < batch.bytes.capacity() / 4 {
        batch.bytes.shrink_to_fit();
    }
}

/// Waits until everything that waits for the workers is posted, at most for so long; says whether it is.
pub(super) fn settle(
    queues: &[Arc<Queue>],
    ticker: &Ticker,
    (clock, patience): (&Clock, Duration),
) -> Result<bool, Closed> {
    let end = clock.monotonic() + patience;
    let (reached, heard) = sync_channel(0);
    queues.iter().try_for_each(|queue| queue.mark(reached.clone()))?;
    drop(reached);
    // Nothing is ever sent: it ends when the last worker has dropped its mark. While nothing can be posted workers wait,
    // and whoever asks has a group to stay in, or a program to end.
    let is_reached = heard.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected);
    Ok(is_reached && ticker.tick_within(end.saturating_sub(clock.monotonic())))
}

impl Outlet for LaneOutlet {
    fn open(&mut self, key: String, name: String, fields: Vec<Box<[u8]>>) -> Arc<Lane> {
        let id = LaneId(self.lanes.next.fetch_add(1, Ordering::Relaxed));
        Arc::new(Lane { id, pipeline: self.pipeline, key, name, fields })
    }

    fn position(&self, key: &str) -> Option<Position> {
        self.positions.get(key)
    }

    fn positions(&self) -> Vec<(String, Position)> {
        self.positions.all()
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.queues
            .iter()
            .map(|queue| queue.buffer())
            .find(|buffer| buffer.capacity() > 0)
            .unwrap_or_default()
    }

    fn send(&mut self, mut batch: Batch) -> Result<(), Closed> {
        trim(&mut batch);
        self.queue(&batch).push(batch)
    }

    fn offer(&mut self, mut batch: Batch) -> Result<(), Rejected> {
        trim(&mut batch);
        self.queue(&batch).offer(batch)
    }

    fn settle(&mut self) -> Result<(), Closed> {
        let patience = (&self.surroundings.clock, SETTLE_PATIENCE);
        if !settle(&self.queues, &self.ticker, patience)? {
            tracing::warn!("what was handed over could not be posted in time");
        }
        Ok(())
    }

    fn lag(&mut self, lane: &Lane, lag: Option<Lag>) {
        self.surroundings.telemetry.sources.lag(self.pipeline, lane, lag);
    }

    fn error(&mut self, reason: &'static str) {
        self.surroundings.telemetry.sources.error(self.pipeline, reason);
    }

    fn trouble(&mut self, of: &str, what: Option<String>) {
        self.surroundings.telemetry.sources.trouble(self.pipeline, of, what);
    }

    fn incident(&mut self, of: &str, what: String) {
        let now = self.surroundings.clock.monotonic();
        self.surroundings.telemetry.sources.incident(self.pipeline, of, what, now);
    }

    fn meter(&mut self, meter: &'static Meter, label: &str, change: Change) {
        self.surroundings.telemetry.sources.meter(self.pipeline, meter, label, change);
    }
}
