//! A posting: everything that a tick changes, made ready before any of it is posted.

use std::sync::Arc;

use super::pipeline::Kept;
use super::state::State;
use super::stored;
use crate::aggregate::{Changes, Posting};
use crate::base::pack::Pack;
use crate::group::NewSeries;
use crate::model::batch::{Lane, Position};
use crate::pipeline::Flow;

/// What is to be posted as one.
pub(super) struct Prepared {
    pub(super) posting: Posting,
    /// By the number of the pipeline.
    pub(super) pipelines: Vec<PreparedPipeline>,
    /// Where lanes are; `None` where one has ended.
    pub(super) positions: Vec<(Arc<Lane>, Option<Position>)>,
}

/// What is to be posted to one pipeline.
#[derive(Default)]
pub(super) struct PreparedPipeline {
    pub(super) flow: Flow,
    /// The number of the pipeline's next batch.
    pub(super) order: u64,
    /// The series that are new, by metric.
    pub(super) new: Vec<NewSeries>,
    /// The changes of every worker, by metric; nothing at all if there are none.
    pub(super) changes: Vec<Vec<Changes>>,
}

impl Prepared {
    /// Whether posting it changes nothing but the time.
    pub(super) fn is_empty(&self, state: &State) -> bool {
        let nothing_new = |pipeline: &PreparedPipeline| {
            pipeline.flow.is_empty() && pipeline.new.iter().all(NewSeries::is_empty)
        };
        let none_forgotten = || {
            state.kept().all(|(_, kept)| kept.accounts.iter().all(|account| account.forgotten().is_empty()))
        };
        self.positions.is_empty() && self.pipelines.iter().all(nothing_new) && none_forgotten()
    }

    /// Appends the stored form, which [`Replay`](super::replay::Replay) reads.
    pub(super) fn pack(&self, state: &State, into: &mut Vec<u8>) {
        into.put_number(self.posting.now.as_nanos() as u64);
        into.put_float(self.posting.created);
        let changed = |(number, kept)| Some((number, kept, self.pipelines.get(number)?));
        let pipelines: Vec<_> =
            state.kept().filter(|(_, kept)| kept.removed.is_none()).filter_map(changed).collect();
        into.put_number(pipelines.len() as u64);
        for (number, kept, pipeline) in pipelines {
            into.put_number(number as u64);
            pipeline.pack(kept, into);
        }
        into.put_number(self.positions.len() as u64);
        for (lane, position) in &self.positions {
            into.put_number(lane.pipeline as u64);
            stored::put_position(&lane.key, *position, into);
        }
    }
}

impl PreparedPipeline {
    fn pack(&self, kept: &Kept, into: &mut Vec<u8>) {
        into.put_number(self.order);
        stored::put_flow(&self.flow, into);
        into.put_number(kept.accounts.len() as u64);
        for (at, account) in kept.accounts.iter().enumerate() {
            let forgotten = account.forgotten();
            into.put_number(forgotten.len() as u64);
            for (series, key) in forgotten {
                into.put_number(series.0.into());
                into.put_text(key.joined());
            }
            let none = NewSeries::default();
            let new = self.new.get(at).unwrap_or(&none);
            into.put_number(new.len() as u64);
            for (series, key) in (0..new.len()).map(|at| new.get(at)) {
                into.put_number(series.0.into());
                into.put_text(key);
            }
            let changes = self.changes.get(at).map_or(&[][..], Vec::as_slice);
            into.put_number(changes.len() as u64);
            changes.iter().for_each(|changes| account.pack_changes(changes, into));
        }
    }
}
