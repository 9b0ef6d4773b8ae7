//! The ledger: the posted state of every metric, and the positions it goes with.
//!
//! The deltas of a tick are posted whole, under one lock, and only posted state is ever exposed: every exposition
//! is therefore a consistent cut. The ledger knows nothing of workers, queues or sources.

mod account;
mod order;

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use dashmap::DashMap;

pub use account::{Account, Lifetimes};

use crate::aggregate::{Moment, Posting};
use crate::encode::Encode;
use crate::model::batch::Position;
use crate::model::family::UnixSeconds;
use crate::pipeline::{Delta, Flow, PipelineDelta};

/// The posted state. Shared by the ticker, which posts, and by expositions, which read.
pub struct Ledger {
    /// Written by [`post`](Ledger::post) alone, a whole tick at a time.
    state: RwLock<State>,
    /// By pipeline and by the lane's key. Written by [`post`](Ledger::post) alone, after all that they stand for and while
    /// `state` is locked; read by sources, which wait neither for a posting nor for an exposition.
    positions: Vec<DashMap<String, Position>>,
}

struct State {
    pipelines: Vec<Pipeline>,
    /// When the program began to count, since the Unix epoch.
    started: Duration,
    /// When the last tick was posted: series that come with the next one were born after it.
    posted: UnixSeconds,
}

struct Pipeline {
    flow: Flow,
    accounts: Vec<Account>,
}

impl Ledger {
    /// A ledger in which nothing was posted yet: for each pipeline, the accounts of its metrics.
    pub fn new(pipelines: Vec<Vec<Account>>, now: Duration) -> Ledger {
        let posted = now.as_secs_f64();
        let open = |mut accounts: Vec<Account>| {
            accounts.iter_mut().for_each(|account| account.open(posted));
            Pipeline { flow: Flow::default(), accounts }
        };
        let pipelines: Vec<_> = pipelines.into_iter().map(open).collect();
        let positions = pipelines.iter().map(|_| DashMap::new()).collect();
        Ledger { state: RwLock::new(State { pipelines, started: now, posted }), positions }
    }

    /// Posts the deltas of a tick, one of each worker: all their changes and positions become visible at once.
    pub fn post(&self, deltas: Vec<Delta>, now: Duration) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let posting = Posting { created: state.posted, now };
        let mut positions = Vec::new();
        for delta in deltas {
            state.post(delta.pipelines, posting);
            positions.extend(delta.positions);
        }
        let accounts = state.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.accounts);
        accounts.for_each(|account| account.settle(now));
        state.posted = state.posted.max(now.as_secs_f64());
        for (lane, position) in positions {
            let positions = &self.positions[lane.pipeline];
            match position {
                Some(position) => positions.insert(lane.key.clone(), position),
                None => positions.remove(&lane.key).map(|(_, position)| position),
            };
        }
    }

    /// The posted position of the lane with this key.
    pub fn position(&self, pipeline: usize, key: &str) -> Option<Position> {
        self.positions.get(pipeline)?.get(key).map(|position| *position)
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
        self.look(now, |posted, moment| {
            let accounts = posted.iter().flat_map(|posted| posted.accounts);
            accounts.for_each(|account| account.encode(moment, encoder, out));
            own(posted, encoder, out);
        });
    }

    /// What `see` makes of one consistent cut at `now`. Nothing is posted while it looks.
    pub fn look<T>(&self, now: Duration, see: impl FnOnce(&[Posted<'_>], Moment) -> T) -> T {
        let state = self.state();
        let moment = Moment { now, started: state.started };
        let pipelines = state.pipelines.iter();
        let posted = pipelines.map(|pipeline| Posted { flow: &pipeline.flow, accounts: &pipeline.accounts });
        see(&posted.collect::<Vec<_>>(), moment)
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn post(&mut self, pipelines: Vec<PipelineDelta>, posting: Posting) {
        for (pipeline, changes) in self.pipelines.iter_mut().zip(pipelines) {
            pipeline.flow.merge(&changes.flow);
            for (account, changes) in pipeline.accounts.iter_mut().zip(changes.metrics) {
                account.post(changes, posting);
            }
        }
    }
}

/// What the ledger says about one pipeline itself.
pub struct Posted<'l> {
    /// Its events.
    pub flow: &'l Flow,
    /// Its metrics.
    pub accounts: &'l [Account],
}
