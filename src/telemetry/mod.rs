//! Our own counters: what sources, engine and process do. Shown as `streamgauge_…` beside the user's metrics.
//!
//! Counts that belong to events travel with the deltas instead, so that they are posted with what they count.

mod journal;
pub mod log;
mod process;
mod reloads;
mod sources;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use journal::{Commits, Journal};
pub use process::Process;
pub use reloads::{Loaded, Reloads};
pub use sources::{Change, Lag, Meter, Sources};

/// Everything counted outside the record path.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// What sources report.
    pub sources: Sources,
    /// What the engine reports.
    pub engine: Engine,
    /// What the keeping of the ledger reports.
    pub journal: Journal,
    /// How the configuration was loaded.
    pub reloads: Reloads,
}

/// What the engine reports.
#[derive(Debug, Default)]
pub struct Engine {
    /// Ticks posted, and how long all of them took to post. Written by the ticker, read by expositions.
    ticks: AtomicU64,
    posting_nanos: AtomicU64,
    /// The bytes that wait for each worker. Set once at the start.
    queues: Mutex<Vec<Arc<AtomicU64>>>,
}

impl Engine {
    /// Counts a tick and how long its posting took.
    pub fn ticked(&self, took: Duration) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
        self.posting_nanos.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// How many ticks were posted, and how long that took in all.
    pub fn ticks(&self) -> (u64, Duration) {
        let nanos = self.posting_nanos.load(Ordering::Relaxed);
        (self.ticks.load(Ordering::Relaxed), Duration::from_nanos(nanos))
    }

    /// Gives the queues' fills to watch.
    pub fn watch_queues(&self, fills: Vec<Arc<AtomicU64>>) {
        *self.queues.lock().unwrap_or_else(PoisonError::into_inner) = fills;
    }

    /// The bytes that wait for each worker.
    pub fn queues(&self) -> Vec<u64> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.iter().map(|fill| fill.load(Ordering::Relaxed)).collect()
    }
}
