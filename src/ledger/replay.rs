//! Reads the records of a journal back into a state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::account::{Account, Lifetimes};
use super::pipeline::{Kept, Metric};
use super::record::Part;
use super::state::State;
use super::stored::{self, MANY, list};
use crate::aggregate::Posting;
use crate::base::pack::{Damaged, Packed};
use crate::group::Directory;
use crate::model::series::SeriesId;

/// The state as far as it was read.
pub(super) struct Replay {
    state: State,
}

impl Replay {
    /// Nothing was read yet.
    pub(super) fn new() -> Replay {
        Replay { state: State::new(Duration::ZERO) }
    }

    /// Takes in the next record.
    pub(super) fn record(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let mut from = Packed::new(bytes);
        while !from.is_empty() {
            match Part::of(from.byte()?)? {
                Part::Layout => self.layout(&mut from)?,
                Part::Slice => self.slice(&mut from)?,
                Part::Posting => self.posting(&mut from)?,
            }
        }
        Ok(())
    }

    /// The state, once every record was read.
    pub(super) fn end(mut self) -> State {
        for kept in self.state.pipelines.iter_mut().flatten() {
            let all = kept.accounts.iter_mut().chain(kept.remains.iter_mut().map(|(_, account)| account));
            all.for_each(Account::recovered);
        }
        self.state
    }

    /// From here on there are these pipelines. What they have in common with those that were there goes on.
    fn layout(&mut self, from: &mut Packed<'_>) -> Result<(), Damaged> {
        self.state.posted = from.float()?;
        let mut before = std::mem::take(&mut self.state.pipelines);
        for _ in 0..from.size(MANY)? {
            let number = from.size(MANY)?;
            let kept = kept(from, &mut before)?;
            if self.state.pipelines.len() <= number {
                self.state.pipelines.resize_with(number + 1, || None);
            }
            self.state.pipelines[number] = Some(kept);
        }
        Ok(())
    }

    fn slice(&mut self, from: &mut Packed<'_>) -> Result<(), Damaged> {
        let (pipeline, account) = (from.size(MANY)?, from.size(MANY)?);
        let kept = self.state.pipelines.get_mut(pipeline).and_then(Option::as_mut);
        let account = kept.and_then(|kept| kept.account_mut(account));
        account.ok_or(Damaged("it has series of a metric that nobody knows"))?.restore_slice(from)
    }

    fn posting(&mut self, from: &mut Packed<'_>) -> Result<(), Damaged> {
        let posting = Posting { now: time(from)?, created: from.float()? };
        for _ in 0..from.size(MANY)? {
            let number = from.size(MANY)?;
            let kept = self.state.pipelines.get_mut(number).and_then(Option::as_mut);
            let kept = kept.ok_or(Damaged("it has a posting to a pipeline that nobody knows"))?;
            kept.order.store(from.number()?, Ordering::Relaxed);
            kept.flow.merge(&stored::flow(from)?);
            if from.size(MANY)? != kept.accounts.len() {
                return Err(Damaged("it has a posting to other metrics than there are"));
            }
            kept.accounts.iter_mut().try_for_each(|account| posted(account, from, posting))?;
        }
        for _ in 0..from.size(MANY)? {
            let number = from.size(MANY)?;
            let (key, position) = stored::position(from)?;
            if let Some(Some(kept)) = self.state.pipelines.get(number) {
                kept.positions.set(key, position);
            }
        }
        self.state.posted = self.state.posted.max(posting.now.as_secs_f64());
        Ok(())
    }
}

fn posted(account: &mut Account, from: &mut Packed<'_>, posting: Posting) -> Result<(), Damaged> {
    let series = |from: &mut Packed<'_>| Ok(SeriesId(from.size(u32::MAX as usize)? as u32));
    let forgotten = list(from, |from| Ok((series(from)?, from.text()?)))?;
    account.forget_replayed(&forgotten);
    for _ in 0..from.size(usize::MAX)? {
        let (series, key) = (series(from)?, from.text()?);
        account.define(series, key)?;
    }
    for _ in 0..from.size(MANY)? {
        account.post_packed(from, posting)?;
    }
    Ok(())
}

fn time(from: &mut Packed<'_>) -> Result<Duration, Damaged> {
    Ok(Duration::from_nanos(from.number()?))
}

/// A time since when something is not configured any more, if it is not.
fn removed(from: &mut Packed<'_>) -> Result<Option<Duration>, Damaged> {
    Ok(Some(time(from)?).filter(|time| !time.is_zero()))
}

fn kept(from: &mut Packed<'_>, before: &mut [Option<Kept>]) -> Result<Kept, Damaged> {
    let about = stored::about(from)?;
    let same = |kept: &mut Kept| kept.about.name == about.name;
    let mut known = before.iter_mut().find_map(|kept| kept.take_if(same));
    let mut accounts = known.as_mut().map(Kept::take_accounts).unwrap_or_default();
    let order = Arc::new(AtomicU64::default());
    let mut kept = Kept::new(about, order, Duration::ZERO);
    kept.removed = removed(from)?;
    kept.started = time(from)?;
    kept.order.store(from.number()?, Ordering::Relaxed);
    kept.flow = stored::flow(from)?;
    for (key, position) in list(from, stored::position)? {
        kept.positions.set(key, position);
    }
    for _ in 0..from.size(MANY)? {
        let (family, declared) = stored::metric(from)?;
        let (removed, started, max_series) = (removed(from)?, time(from)?, from.size(usize::MAX)?);
        let definition =
            declared.definition().ok_or(Damaged("it has a metric that this version cannot define"))?;
        let directory = Arc::new(Directory::new(family.labels.len(), max_series));
        let metric =
            Metric { family, declared, definition, max_series, directory, lifetimes: Lifetimes::default() };
        let same = accounts.iter().position(|(_, account)| account.is(&metric.family.name, &metric.declared));
        let account = match same {
            Some(at) => accounts.swap_remove(at).1,
            None => Account::new(metric, started),
        };
        match removed {
            None => kept.accounts.push(account),
            Some(since) => kept.remains.push((since, account)),
        }
    }
    Ok(kept)
}
