//! The account of one metric: its family, its series and what is kept of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::aggregate::{Book, Changes, Moment, Posting};
use crate::encode::Encode;
use crate::group::Directory;
use crate::model::family::{Family, Reading, UnixSeconds};
use crate::model::series::{SeriesId, SeriesKey};

/// Which series are there before their first event, and how long others are shown after their last.
#[derive(Clone, Debug, Default)]
pub struct Lifetimes {
    /// The series that are shown from the start, and always.
    pub init: Vec<SeriesKey>,
    /// Without an event for longer than this a series is hidden.
    pub expire_after: Option<Duration>,
}

/// One metric's posted state.
///
/// A series that is idle for longer than `expire_after` is hidden: it is not shown, but kept, and goes on when it comes
/// back. Only when there was no room for another series are hidden ones forgotten, those that are idle for longest
/// first. Workers may still know the number of a forgotten series until they have handed over twice. What they hand
/// over for it until then is posted to the series that its key has now.
pub struct Account {
    family: Family,
    directory: Arc<Directory>,
    book: Box<dyn Book>,
    lifetimes: Lifetimes,
    /// The keys of the series, by id. That of a forgotten series stays until its number is given out again.
    keys: Vec<SeriesKey>,
    /// The series in the order of their keys, in which they are exposed.
    order: Vec<SeriesId>,
    /// The series that were forgotten at the last posting.
    forgotten: Vec<SeriesId>,
    /// Whether it was logged that there is no room for more series.
    warned: bool,
}

impl Account {
    /// An account without series.
    pub fn new(
        family: Family,
        directory: Arc<Directory>,
        book: Box<dyn Book>,
        lifetimes: Lifetimes,
    ) -> Account {
        let (keys, order, forgotten) = (Vec::new(), Vec::new(), Vec::new());
        Account { family, directory, book, lifetimes, keys, order, forgotten, warned: false }
    }

    /// The family that the account is exposed as.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// How many series it has, and how many it may have.
    pub fn series(&self) -> (usize, usize) {
        (self.order.len(), self.directory.max_series())
    }

    /// What its series read that are not hidden, in the order of their keys.
    pub fn readings(&self, moment: Moment) -> impl Iterator<Item = (&SeriesKey, Reading<'_>)> {
        self.order.iter().filter_map(move |series| {
            let since = self.book.idle_since(*series)?;
            let shown = !self.is_idle(since, moment.now);
            Some((&self.keys[series.index()], self.book.read(*series, moment).filter(|_| shown)?))
        })
    }

    /// Opens the series that are there from the start, among them the only one of a metric without labels.
    pub(super) fn open(&mut self, created: UnixSeconds) {
        let only = SeriesKey::new::<&str>([]);
        let only = self.family.labels.is_empty().then_some(&only);
        for key in self.lifetimes.init.iter().chain(only) {
            if let Some(series) = self.directory.series(key.joined()) {
                self.book.open(series, created);
            }
        }
        self.learn();
    }

    /// Posts what one worker changed.
    pub(super) fn post(&mut self, changes: Changes, posting: Posting) {
        let (directory, keys) = (&self.directory, &self.keys);
        let mut reborn = HashMap::new();
        let forgotten = &self.forgotten;
        let mut living = |series: SeriesId| {
            if forgotten.binary_search(&series).is_err() {
                return series;
            }
            let key = &keys[series.index()];
            *reborn
                .entry(series)
                .or_insert_with(|| directory.series(key.joined()).unwrap_or_else(|| directory.overflow()))
        };
        self.book.post(changes, posting, &mut living);
    }

    /// Ends a posting, after the changes of all workers.
    pub(super) fn settle(&mut self, now: Duration) {
        // Every worker has handed over since these were forgotten, and knows them no more.
        self.directory.release(self.forgotten.drain(..));
        self.learn();
        let wanted = self.directory.take_turned_away();
        if wanted > 0 {
            self.warn();
            self.forget(wanted, now);
        }
    }

    /// Says once that events land in the overflow series; how many do is a metric.
    fn warn(&mut self) {
        if !std::mem::replace(&mut self.warned, true) {
            let (metric, max_series) = (&self.family.name, self.directory.max_series());
            tracing::warn!(metric, max_series, "no room for more series, events beyond go to `__overflow__`");
        }
    }

    /// Learns the keys of new series, and their places in the order.
    fn learn(&mut self) {
        let mut new = self.directory.take_new();
        if new.is_empty() {
            return;
        }
        new.sort_by(|(_, left), (_, right)| left.cmp(right));
        for (id, key) in new {
            if self.keys.len() <= id.index() {
                self.keys.resize(id.index() + 1, key.clone());
            }
            self.keys[id.index()] = key;
            self.order.push(id);
        }
        // Two sorted runs, which the standard library's sort merges.
        self.order.sort_by(|left, right| self.keys[left.index()].cmp(&self.keys[right.index()]));
    }

    /// Forgets hidden series, at most `wanted`, those that are idle for longest first.
    fn forget(&mut self, wanted: usize, now: Duration) {
        let overflow = SeriesKey::overflow(self.family.labels.len());
        let since =
            |series: &SeriesId| self.book.idle_since(*series).filter(|since| self.is_idle(*since, now));
        let mut hidden: Vec<_> = self
            .order
            .iter()
            .filter(|series| self.keys[series.index()] != overflow)
            .filter_map(|series| Some((since(series)?, *series)))
            .collect();
        hidden.sort();
        hidden.truncate(wanted);
        if hidden.is_empty() {
            return;
        }
        self.forgotten = hidden.into_iter().map(|(_, series)| series).collect();
        self.forgotten.sort();
        self.forgotten.iter().for_each(|series| self.book.forget(*series));
        self.order.retain(|series| self.forgotten.binary_search(series).is_err());
        self.directory.forget(self.forgotten.iter().map(|series| &self.keys[series.index()]));
    }

    fn is_idle(&self, since: Duration, now: Duration) -> bool {
        self.lifetimes.expire_after.is_some_and(|after| since.saturating_add(after) < now)
    }

    pub(super) fn encode(&self, moment: Moment, encoder: &mut dyn Encode, out: &mut Vec<u8>) {
        encoder.family(&self.family, out);
        self.readings(moment).for_each(|(key, reading)| encoder.series(key, &reading, out));
    }
}
