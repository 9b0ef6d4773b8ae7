//! The state of the ledger, and how it goes from one configuration to another.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::account::Account;
use super::pipeline::Kept;
use super::posting::{Prepared, PreparedPipeline};
use super::{Declared, Metric, Pipeline, Positions, Posted};
use crate::aggregate::Posting;
use crate::group::Directory;
use crate::model::family::UnixSeconds;
use crate::pipeline::Delta;

/// For how long the state of a metric or pipeline is kept that is not configured any more.
pub const KEEP_REMOVED: Duration = Duration::from_secs(7 * 86400);

/// Everything that is posted.
pub(super) struct State {
    /// By number, which nothing else has while it is in use; `None` where there was one that is gone.
    pub(super) pipelines: Vec<Option<Kept>>,
    /// When the last tick was posted: series that come with the next one were born after it.
    pub(super) posted: UnixSeconds,
    /// Whether a configuration that is not adopted yet was told numbers and directories: until it is, they stay what they
    /// are. Set by [`promise`](State::promise), cleared by [`adopt`](State::adopt).
    promised: bool,
}

impl State {
    /// Nothing.
    pub(super) fn new(now: Duration) -> State {
        State { pipelines: Vec::new(), posted: now.as_secs_f64(), promised: false }
    }

    /// Everything that is kept, with its number.
    pub(super) fn kept(&self) -> impl Iterator<Item = (usize, &Kept)> {
        self.pipelines.iter().enumerate().filter_map(|(number, kept)| Some((number, kept.as_ref()?)))
    }

    /// The pipelines that are configured.
    pub(super) fn posted(&self) -> impl Iterator<Item = Posted<'_>> {
        let configured = self.kept().filter(|(_, kept)| kept.removed.is_none());
        configured.map(|(pipeline, kept)| Posted {
            pipeline,
            about: &kept.about,
            created: kept.started.as_secs_f64(),
            flow: &kept.flow,
            accounts: &kept.accounts,
        })
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.kept().find(|(_, kept)| kept.about.name == name).map(|(number, _)| number)
    }

    fn named(&self, name: &str) -> Option<&Kept> {
        self.pipelines[self.number(name)?].as_ref()
    }

    /// See [`Ledger::numbers`](super::Ledger::numbers).
    pub(super) fn promise(&mut self, names: &[&str]) -> Vec<usize> {
        self.promised = true;
        self.numbers(names)
    }

    fn numbers(&self, names: &[&str]) -> Vec<usize> {
        let known: Vec<_> = names.iter().map(|name| self.number(name)).collect();
        let mut free = (0..).filter(|number| self.pipelines.get(*number).is_none_or(Option::is_none));
        known.into_iter().map(|number| number.or_else(|| free.next()).unwrap_or_default()).collect()
    }

    /// See [`Ledger::directory`](super::Ledger::directory).
    pub(super) fn directory(
        &self,
        pipeline: &str,
        metric: &str,
        declared: &Declared,
    ) -> Option<Arc<Directory>> {
        let account = self.named(pipeline)?.all().find(|account| account.is(metric, declared))?;
        Some(Arc::clone(account.directory()))
    }

    /// See [`Ledger::order`](super::Ledger::order).
    pub(super) fn order(&self, pipeline: &str) -> Option<Arc<AtomicU64>> {
        Some(Arc::clone(&self.named(pipeline)?.order))
    }

    /// The positions of the lanes of a pipeline, none if there is no such pipeline.
    pub(super) fn positions(&self, pipeline: usize) -> Arc<Positions> {
        let kept = self.pipelines.get(pipeline).and_then(Option::as_ref);
        kept.map_or_else(Arc::default, |kept| Arc::clone(&kept.positions))
    }

    /// See [`Ledger::adopt`](super::Ledger::adopt).
    pub(super) fn adopt(&mut self, pipelines: Vec<Pipeline>, now: Duration) {
        self.promised = false;
        let names: Vec<_> = pipelines.iter().map(|pipeline| pipeline.about.name.as_str()).collect();
        let numbers = self.numbers(&names);
        for kept in self.pipelines.iter_mut().flatten() {
            if !names.contains(&kept.about.name.as_str()) {
                kept.retire(now);
            }
        }
        for (number, pipeline) in numbers.into_iter().zip(pipelines) {
            if self.pipelines.len() <= number {
                self.pipelines.resize_with(number + 1, || None);
            }
            let order = Arc::clone(&pipeline.order);
            let kept =
                self.pipelines[number].get_or_insert_with(|| Kept::new(pipeline.about.clone(), order, now));
            kept.adopt(pipeline, (self.posted, now));
        }
        self.drop_namesakes();
        self.drop_old(now);
        self.kept().for_each(|(_, kept)| kept.tell_removed(now));
    }

    /// Drops what other pipelines keep under the names of metrics that are configured. Names are shared by all pipelines: what
    /// came back after another metric of its name was shown would be older than that.
    fn drop_namesakes(&mut self) {
        let configured = self.kept().filter(|(_, kept)| kept.removed.is_none());
        let owners: HashMap<String, usize> =
            configured.flat_map(|(number, kept)| kept.names().map(move |name| (name, number))).collect();
        for (number, kept) in self.pipelines.iter_mut().enumerate() {
            let Some(kept) = kept else { continue };
            kept.drop_remains(&|metric| owners.get(metric).is_some_and(|owner| *owner != number));
        }
    }

    /// Drops what was removed so long ago that it does not come back, unless a configuration is about to go on with it.
    pub(super) fn drop_old(&mut self, now: Duration) {
        const DROPPED: &str = "its state is dropped, as it was removed long ago";
        if self.promised {
            return;
        }
        for kept in &mut self.pipelines {
            let is_over = |since: Duration| since + KEEP_REMOVED < now;
            if let Some(gone) = kept.take_if(|kept| kept.removed.is_some_and(is_over)) {
                tracing::info!(pipeline = gone.about.name, "{DROPPED}");
            }
            let Some(Kept { about, remains, .. }) = kept else { continue };
            for (_, account) in remains.extract_if(.., |(since, _)| is_over(*since)) {
                tracing::info!(pipeline = about.name, metric = account.family().name, "{DROPPED}");
            }
        }
    }

    /// See [`Ledger::prepare`](super::Ledger::prepare).
    pub(super) fn prepare(&self, deltas: Vec<Delta>, now: Duration) -> Prepared {
        let mut prepared = Prepared {
            posting: Posting { created: self.posted, now },
            pipelines: self.pipelines.iter().map(|_| PreparedPipeline::default()).collect(),
            positions: Vec::new(),
        };
        let mut seen = HashSet::new();
        for delta in deltas {
            // Of a lane only the last position counts, and a lane is on one worker.
            let last = delta.positions.into_iter().rev().filter(|(lane, _)| seen.insert(lane.id));
            prepared.positions.extend(last);
            for changes in delta.pipelines {
                let kept = self.pipelines.get(changes.pipeline).and_then(Option::as_ref);
                let Some(kept) = kept.filter(|kept| kept.removed.is_none()) else { continue };
                let pipeline = &mut prepared.pipelines[changes.pipeline];
                pipeline.flow.merge(&changes.flow);
                pipeline.changes.resize_with(kept.accounts.len(), Vec::new);
                for ((account, mut changes), into) in
                    kept.accounts.iter().zip(changes.metrics).zip(&mut pipeline.changes)
                {
                    account.resolve(&mut changes);
                    into.push(changes);
                }
            }
        }
        // Where a lane ended and another one with its key began, the later one counts.
        prepared.positions.sort_by_key(|(lane, _)| lane.id);
        for (pipeline, kept) in prepared.pipelines.iter_mut().zip(&self.pipelines) {
            let Some(kept) = kept else { continue };
            pipeline.order = kept.order.load(Ordering::Relaxed);
            // After all changes were resolved, which may give a forgotten series a new number.
            pipeline.new = kept.accounts.iter().map(|account| account.directory().take_new()).collect();
        }
        prepared
    }

    /// See [`Ledger::apply`](super::Ledger::apply).
    pub(super) fn apply(&mut self, prepared: Prepared) {
        let Prepared { posting, pipelines, positions } = prepared;
        for (kept, changes) in self.pipelines.iter_mut().zip(pipelines) {
            let Some(kept) = kept else { continue };
            kept.flow.merge(&changes.flow);
            let mut workers = changes.changes.into_iter();
            for (account, new) in kept.accounts.iter_mut().zip(changes.new) {
                workers
                    .next()
                    .unwrap_or_default()
                    .into_iter()
                    .for_each(|changes| account.post(changes, posting));
                account.settle(&new, posting.now);
            }
        }
        self.posted = self.posted.max(posting.now.as_secs_f64());
        for (lane, position) in positions {
            if let Some(Some(kept)) = self.pipelines.get(lane.pipeline) {
                kept.positions.set(&lane.key, position);
            }
        }
    }
}

impl Kept {
    /// It is not configured any more from now on.
    fn retire(&mut self, now: Duration) {
        if self.removed.is_none() {
            tracing::info!(pipeline = self.about.name, "was removed; its state is kept for 7 days");
        }
        // Its metrics stay in their order, as what was refused by each is counted in that order.
        self.removed = self.removed.or(Some(now));
    }

    /// Goes on as this pipeline.
    fn adopt(&mut self, pipeline: Pipeline, (posted, now): (UnixSeconds, Duration)) {
        let Pipeline { about, order, metrics } = pipeline;
        let before: Vec<_> = self.names().collect();
        let removed = self.removed.take();
        self.order = order;
        let mut known = self.take_accounts();
        for metric in metrics {
            let same =
                known.iter().position(|(_, account)| account.is(&metric.family.name, &metric.declared));
            let account = match same {
                Some(at) => {
                    let mut account = known.swap_remove(at).1;
                    account.go_on(metric, now);
                    account
                }
                None => begin(&about.name, metric, &mut known, (posted, now)),
            };
            self.accounts.push(account);
        }
        self.remains =
            known.into_iter().map(|(since, account)| (since.or(removed).unwrap_or(now), account)).collect();
        let now: Vec<_> = self.names().collect();
        self.rename_parts(about, &before, &now);
    }

    /// Says which of its metrics are not configured any more from now on.
    fn tell_removed(&self, now: Duration) {
        for (_, account) in self.remains.iter().filter(|(since, _)| *since == now) {
            let (pipeline, metric) = (&self.about.name, &account.family().name);
            tracing::info!(pipeline, metric, "was removed; its state is kept for 7 days");
        }
    }

    /// Drops those of its metrics that are not configured and have such a name.
    fn drop_remains(&mut self, is_taken: &dyn Fn(&str) -> bool) {
        let pipeline = self.about.name.clone();
        let is_dropped = |account: &Account| {
            let metric = &account.family().name;
            let is_dropped = is_taken(metric);
            if is_dropped {
                tracing::info!(
                    pipeline,
                    metric,
                    "its state is dropped, as another pipeline has a metric of its name"
                );
            }
            is_dropped
        };
        self.remains.retain(|(_, account)| !is_dropped(account));
        if self.removed.is_some() {
            let before: Vec<_> = self.names().collect();
            self.accounts.retain(|account| !is_dropped(account));
            // What each of the others refused stays theirs.
            let now: Vec<_> = self.names().collect();
            self.rename_parts(self.about.clone(), &before, &now);
        }
    }
}

/// A metric begins. If one of its name was declared otherwise, that is over.
fn begin(
    pipeline: &str,
    metric: Metric,
    known: &mut Vec<(Option<Duration>, Account)>,
    (posted, now): (UnixSeconds, Duration),
) -> Account {
    let before = known.len();
    known.retain(|(_, account)| account.family().name != metric.family.name);
    let is_changed = known.len() < before;
    if is_changed {
        let metric = &metric.family.name;
        tracing::warn!(pipeline, metric, "its definition was changed: it starts anew");
    }
    let mut account = Account::new(metric, now);
    account.open(if is_changed { now.as_secs_f64() } else { posted });
    account
}
