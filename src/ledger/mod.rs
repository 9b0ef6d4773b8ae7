//! The ledger: the posted state of every metric, and the positions it goes with.
//!
//! The deltas of a tick are posted whole, under one lock, and only posted state is ever exposed: every exposition
//! is therefore a consistent cut. A [`Keeper`] posts; with a state directory it first commits each posting to a journal, so
//! that what is exposed survives whatever happens. The ledger knows nothing of workers, queues or sources.

mod account;
mod declared;
mod keeper;
mod look;
mod order;
mod pipeline;
mod positions;
mod posting;
mod record;
mod replay;
mod state;
mod stored;

#[cfg(test)]
mod adopt_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod durable_tests;
#[cfg(test)]
mod world;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

pub use account::{Account, Lifetimes};
pub use declared::Declared;
pub use keeper::{Abandoned, Keeper, Opened};
pub use look::{Found, Remembered};
pub use pipeline::{About, Metric, Pipeline};
pub use positions::Positions;
pub use state::KEEP_REMOVED;

use crate::encode::Encode;
use crate::group::Directory;
use crate::model::family::UnixSeconds;
use crate::pipeline::{Delta, Flow};
use posting::Prepared;
use state::State;

/// The posted state. Shared by the [`Keeper`], which posts, and by expositions, which read.
pub struct Ledger {
    /// Written a whole tick at a time, by who posts; and when the configuration changes.
    state: RwLock<State>,
}

impl Ledger {
    /// A ledger in which nothing was posted yet.
    pub fn new(pipelines: Vec<Pipeline>, now: Duration) -> Ledger {
        let ledger = Ledger::of(State::new(now));
        ledger.adopt(pipelines, now);
        ledger
    }

    fn of(state: State) -> Ledger {
        Ledger { state: RwLock::new(state) }
    }

    /// From now on the ledger is that of these pipelines. A metric that is declared as one of a pipeline of the same name
    /// was goes on with its state; others begin. What is not among them any more is kept for a while.
    pub fn adopt(&self, pipelines: Vec<Pipeline>, now: Duration) {
        self.write().adopt(pipelines, now);
    }

    /// The number that each of these pipelines will have once they are adopted. From now until then nothing is dropped that
    /// they might go on with.
    pub fn numbers(&self, names: &[&str]) -> Vec<usize> {
        self.write().promise(names)
    }

    /// What a metric that is declared like this has to share with the one whose state it will go on with: the numbers of
    /// its series.
    pub fn directory(&self, pipeline: &str, metric: &str, declared: &Declared) -> Option<Arc<Directory>> {
        self.read().directory(pipeline, metric, declared)
    }

    /// What the pipeline of this name has to share with the one that it will go on as: the number of its next batch.
    pub fn order(&self, pipeline: &str) -> Option<Arc<std::sync::atomic::AtomicU64>> {
        self.read().order(pipeline)
    }

    /// Posts the deltas of a tick, one of each worker: all their changes and positions become visible at once.
    pub fn post(&self, deltas: Vec<Delta>, now: Duration) {
        let prepared = self.prepare(deltas, now);
        self.apply(prepared);
    }

    /// Makes a posting of the deltas of a tick, one of each worker. Nothing is posted yet; it is to be the next one.
    fn prepare(&self, deltas: Vec<Delta>, now: Duration) -> Prepared {
        self.read().prepare(deltas, now)
    }

    /// Posts what was prepared: all its changes and positions become visible at once.
    fn apply(&self, prepared: Prepared) {
        self.write().apply(prepared);
    }

    /// The posted positions of the lanes of a pipeline.
    pub fn positions(&self, pipeline: usize) -> Arc<Positions> {
        self.read().positions(pipeline)
    }

    /// Writes every metric of every pipeline as of `now`, and what `own` makes of the flow and the series of the
    /// pipelines: one consistent cut.
    pub fn encode(
        &self,
        now: Duration,
        encoder: &mut dyn Encode,
        out: &mut Vec<u8>,
        own: impl FnOnce(&[Posted<'_>], &mut dyn Encode, &mut Vec<u8>),
    ) {
        self.look(|posted| {
            let accounts = posted.iter().flat_map(|posted| posted.accounts);
            accounts.for_each(|account| account.encode(now, encoder, out));
            own(posted, encoder, out);
        });
    }

    /// What `see` makes of one consistent cut. Nothing is posted while it looks.
    pub fn look<T>(&self, see: impl FnOnce(&[Posted<'_>]) -> T) -> T {
        see(&self.read().posted().collect::<Vec<_>>())
    }

    /// What `see` makes of everything that is kept, also of what is not configured any more.
    pub fn remembered<T>(&self, see: impl FnOnce(&[Remembered<'_>]) -> T) -> T {
        see(&self.read().kept().map(|(_, kept)| Remembered::of(kept)).collect::<Vec<_>>())
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the ledger says about one pipeline itself.
pub struct Posted<'l> {
    /// Its number.
    pub pipeline: usize,
    /// What it is called, and what its parts are.
    pub about: &'l About,
    /// Since when its events are counted.
    pub created: UnixSeconds,
    /// Its events.
    pub flow: &'l Flow,
    /// Its metrics.
    pub accounts: &'l [Account],
}
