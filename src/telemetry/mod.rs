//! Our own counters: what sources, engine and process do. Shown as `streamgauge_…` beside the user's metrics.
//!
//! Counts that belong to events travel with the deltas instead, so that they are posted with what they count.

pub mod log;
mod process;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use process::Process;

use crate::model::batch::{Lane, LaneId};

/// Everything counted outside the record path.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// What sources report.
    pub sources: Sources,
    /// What the engine reports.
    pub engine: Engine,
}

/// What sources report, by pipeline. Written by source threads, read by expositions; both rarely.
#[derive(Debug, Default)]
pub struct Sources(Mutex<SourceState>);

#[derive(Debug, Default)]
struct SourceState {
    errors: BTreeMap<(usize, &'static str), u64>,
    /// The lane's name and how many bytes it is behind.
    lags: BTreeMap<(usize, LaneId), (String, u64)>,
    /// Why a pipeline's source ended that should not have.
    failures: BTreeMap<usize, String>,
}

impl Sources {
    /// Counts a fault that passed.
    pub fn error(&self, pipeline: usize, reason: &'static str) {
        *self.state().errors.entry((pipeline, reason)).or_default() += 1;
    }

    /// Notes that the source of a pipeline could not go on, and counts it.
    pub fn failed(&self, pipeline: usize, error: String) {
        self.error(pipeline, "failed");
        self.state().failures.insert(pipeline, error);
    }

    /// Why sources could not go on, by pipeline.
    pub fn failures(&self) -> BTreeMap<usize, String> {
        self.state().failures.clone()
    }

    /// Notes how far a lane is behind its end; `None` when the lane is gone.
    pub fn lag(&self, pipeline: usize, lane: &Lane, bytes: Option<u64>) {
        let mut state = self.state();
        match bytes {
            Some(bytes) => {
                let name = || (lane.name.clone(), 0);
                state.lags.entry((pipeline, lane.id)).or_insert_with(name).1 = bytes;
            }
            None => drop(state.lags.remove(&(pipeline, lane.id))),
        }
    }

    /// The faults by pipeline and reason.
    pub fn errors(&self) -> Vec<((usize, &'static str), u64)> {
        self.state().errors.iter().map(|(key, count)| (*key, *count)).collect()
    }

    /// The lag in bytes and the number of lanes, by pipeline and lane name. Lanes of one name (a file and what
    /// was rotated away from its path) are taken together.
    pub fn lags(&self) -> BTreeMap<(usize, String), (u64, u64)> {
        let mut lags = BTreeMap::new();
        for ((pipeline, _), (name, bytes)) in &self.state().lags {
            let (lag, lanes): &mut (u64, u64) = lags.entry((*pipeline, name.clone())).or_default();
            *lag += bytes;
            *lanes += 1;
        }
        lags
    }

    fn state(&self) -> MutexGuard<'_, SourceState> {
        // Counts cannot be left half written by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
