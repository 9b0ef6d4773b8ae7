//! Makes it run: lanes pinned to workers, bounded queues between sources and workers, ticks that carry what
//! the workers recorded to the ledger.

mod outlet;
mod queue;
mod swap;
mod tick;
mod worker;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::ledger::{Abandoned, Keeper, Ledger};
use crate::pipeline::Processor;
use crate::telemetry::Telemetry;
pub use outlet::LaneOutlet;
use outlet::Lanes;
use queue::Queue;
pub use swap::{Replacement, Swap, Swapped};
pub use tick::Ticker;

/// How the engine is laid out.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many workers; each lane stays on one of them.
    pub workers: usize,
    /// How many bytes may wait for each worker before its sources wait.
    pub queue_bytes: usize,
    /// The time between ticks; `None` for ticks on request only.
    pub tick: Option<Duration>,
}

/// What the engine works for and reports to.
#[derive(Clone)]
pub struct Surroundings {
    /// Where deltas are posted.
    pub ledger: Arc<Ledger>,
    /// Where the engine counts what it does.
    pub telemetry: Arc<Telemetry>,
    /// The time.
    pub clock: Clock,
}

/// Running workers and the thread that ticks them.
pub struct Engine {
    queues: Vec<Arc<Queue>>,
    workers: Vec<JoinHandle<()>>,
    ticker: Ticker,
    ticking: JoinHandle<Result<(), Abandoned>>,
    lanes: Arc<Lanes>,
    surroundings: Surroundings,
}

impl Engine {
    /// Starts the workers. `keeper` posts to the ledger; `processors` makes what one worker needs: a processor for each
    /// pipeline.
    pub fn start(
        options: &Options,
        keeper: Keeper,
        surroundings: Surroundings,
        processors: impl Fn() -> Vec<Processor>,
    ) -> Engine {
        let workers = options.workers.max(1);
        let queues: Vec<_> = (0..workers).map(|_| Arc::new(Queue::new(options.queue_bytes))).collect();
        surroundings.telemetry.engine.watch_queues(queues.iter().map(|queue| queue.fill()).collect());
        let (threads, deltas) =
            queues.iter().map(|queue| worker::start(Arc::clone(queue), processors())).unzip();
        let (ticker, ticking) =
            tick::start(queues.clone(), deltas, options.tick, (keeper, surroundings.clone()));
        let lanes = Arc::new(Lanes { next: AtomicU64::new(0) });
        Engine { queues, workers: threads, ticker, ticking, lanes, surroundings }
    }

    /// Where a source of the pipeline with this index puts its batches.
    pub fn outlet(&self, pipeline: usize) -> LaneOutlet {
        let lanes = Arc::clone(&self.lanes);
        LaneOutlet::new(pipeline, self.queues.clone(), lanes, self.ticker(), self.surroundings.clone())
    }

    /// Asks for ticks, from any thread.
    pub fn ticker(&self) -> Ticker {
        self.ticker.clone()
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Swaps processors and pipelines between two ticks; waits for it at most for so long.
    pub fn swap(&self, swap: Swap, patience: Duration) -> Swapped {
        self.ticker.swap(swap, patience)
    }

    /// Waits until everything that sources have handed over up to now is posted, at most for so long; says whether it is.
    pub fn settle(&self, patience: Duration) -> bool {
        outlet::settle(&self.queues, &self.ticker, (&self.surroundings.clock, patience)) == Ok(true)
    }

    /// Takes no more batches, finishes those that wait, posts everything, and stops. What cannot be posted is tried again
    /// for so long.
    ///
    /// # Errors
    /// If it could not be posted until then.
    pub fn drain(self, patience: Duration) -> Result<(), Abandoned> {
        self.queues.iter().for_each(|queue| queue.close());
        for worker in self.workers {
            worker.join().expect("a worker does not panic, whatever the events are");
        }
        self.ticker.close(self.surroundings.clock.monotonic() + patience);
        self.ticking.join().expect("posting does not panic")
    }
}
