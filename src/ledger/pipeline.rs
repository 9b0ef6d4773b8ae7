//! What is kept of one pipeline.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::account::Account;
use super::{Declared, Lifetimes, Positions};
use crate::aggregate::Definition;
use crate::group::Directory;
use crate::model::family::Family;
use crate::pipeline::Flow;

/// A pipeline that the ledger is to keep.
pub struct Pipeline {
    /// What it is called, and what its parts are.
    pub about: About,
    /// The number of its next batch.
    pub order: Arc<AtomicU64>,
    /// Its metrics.
    pub metrics: Vec<Metric>,
}

/// A metric that the ledger is to keep.
pub struct Metric {
    /// What it is exposed as.
    pub family: Family,
    /// What it is declared as.
    pub declared: Declared,
    /// What becomes of its values.
    pub definition: Arc<dyn Definition>,
    /// The most series that it may have.
    pub max_series: usize,
    /// The numbers of its series; those of the metric whose state it will go on with.
    pub directory: Arc<Directory>,
    /// Which series are there from the start, and when others are hidden.
    pub lifetimes: Lifetimes,
}

/// What our own metrics call the parts of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The pipeline, by which it is known again.
    pub name: String,
    /// The kind of its source.
    pub source: String,
    /// What that reads, in a few words.
    pub reads: String,
    /// Its stages, in order.
    pub stages: Vec<String>,
}

/// What is kept of a pipeline.
pub(super) struct Kept {
    pub(super) about: About,
    /// Since when it is not configured any more, and shown nowhere.
    pub(super) removed: Option<Duration>,
    /// Since when its events are counted.
    pub(super) started: Duration,
    pub(super) flow: Flow,
    pub(super) order: Arc<AtomicU64>,
    pub(super) positions: Arc<Positions>,
    /// Its metrics, in the order of the pipeline file.
    pub(super) accounts: Vec<Account>,
    /// Metrics that it had, and since when it has them no more.
    pub(super) remains: Vec<(Duration, Account)>,
}

impl Kept {
    /// Nothing yet.
    pub(super) fn new(about: About, order: Arc<AtomicU64>, now: Duration) -> Kept {
        Kept {
            about,
            removed: None,
            started: now,
            flow: Flow::default(),
            order,
            positions: Arc::default(),
            accounts: Vec::new(),
            remains: Vec::new(),
        }
    }

    /// Every account: those of its metrics, then what remains of others.
    pub(super) fn all(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().chain(self.remains.iter().map(|(_, account)| account))
    }

    /// The names of its metrics, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.accounts.iter().map(|account| account.family().name.clone())
    }

    /// The account of this number among [`all`](Kept::all).
    pub(super) fn account(&self, number: usize) -> Option<&Account> {
        let remains = || number.checked_sub(self.accounts.len()).and_then(|at| self.remains.get(at));
        self.accounts.get(number).or_else(|| remains().map(|(_, account)| account))
    }

    /// The same, to change it.
    pub(super) fn account_mut(&mut self, number: usize) -> Option<&mut Account> {
        match number.checked_sub(self.accounts.len()) {
            None => self.accounts.get_mut(number),
            Some(at) => self.remains.get_mut(at).map(|(_, account)| account),
        }
    }

    /// Takes out every account, with the time since when it is not configured any more.
    pub(super) fn take_accounts(&mut self) -> Vec<(Option<Duration>, Account)> {
        let accounts = std::mem::take(&mut self.accounts).into_iter().map(|account| (None, account));
        let remains = std::mem::take(&mut self.remains);
        accounts.chain(remains.into_iter().map(|(since, account)| (Some(since), account))).collect()
    }

    /// Goes on as a pipeline of these parts: counts of stages and metrics that were there before stay theirs.
    pub(super) fn rename_parts(&mut self, about: About, before: &[String], now: &[String]) {
        let old = std::mem::take(&mut self.flow);
        let stage = |name: &String| {
            let at = self.about.stages.iter().position(|old| old == name)?;
            old.stages.get(at).cloned()
        };
        let metric = |name: &String| {
            let at = before.iter().position(|old| old == name)?;
            old.metrics.get(at).cloned()
        };
        self.flow = Flow {
            stages: about.stages.iter().map(|name| stage(name).unwrap_or_default()).collect(),
            metrics: now.iter().map(|name| metric(name).unwrap_or_default()).collect(),
            ..old
        };
        self.about = about;
    }
}
