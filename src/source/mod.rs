//! Where records come from: one file per kind of source, and the table of them.

use std::sync::Arc;

use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::model::batch::{Batch, Lane, LaneId, Position};

/// A source of records. It runs on a thread of its own and waits when its outlet does.
pub trait Source: Send {
    /// Reads until `shutdown` is raised, or until the input has ended for good; returns what it could not
    /// recover from. Faults that pass (a file that cannot be read for a while) are counted and tried again.
    fn run(self: Box<Self>, outlet: &mut dyn Outlet, context: &Context) -> Result<(), SourceError>;
}

/// What a source is given to run with.
#[derive(Clone, Debug)]
pub struct Context {
    /// The time.
    pub clock: Clock,
    /// When to finish.
    pub shutdown: Shutdown,
}

/// Where a source puts what it reads: the engine's side of the boundary.
pub trait Outlet {
    /// Registers a lane under what `describe` makes of the id it is given.
    fn open(&mut self, key: String, name: String, fields: Vec<Box<[u8]>>) -> Arc<Lane>;

    /// The position that the ledger holds for the lane with this key, from an earlier run or an earlier lane.
    fn position(&self, key: &str) -> Option<Position>;

    /// An empty buffer of the usual size, a used one where there is one.
    fn buffer(&mut self) -> Vec<u8>;

    /// Hands over a batch; waits while the worker's queue is full. Fails only once the engine is gone.
    fn send(&mut self, batch: Batch) -> Result<(), Closed>;

    /// Says how far lane `name` is behind its end, for the lag metric. `None`: the lane is gone.
    fn lag(&mut self, lane: LaneId, bytes: Option<u64>);

    /// Counts a fault that passed, by a constant reason, for `streamgauge_source_errors_total`.
    fn error(&mut self, reason: &'static str);
}

/// The engine takes no more batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// What a source could not recover from.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {error}")]
pub struct SourceError {
    /// What was tried, and on what.
    pub what: String,
    /// What the system said.
    pub error: std::io::Error,
}
