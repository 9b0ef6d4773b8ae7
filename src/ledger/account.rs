//! The account of one metric: its family, its series and what is kept of them.

mod stored;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::order::{Block, Order};
use super::{Declared, Metric};
use crate::aggregate::{Book, Changes, Moment, Posting};
use crate::encode::Encode;
use crate::group::{Directory, NewSeries};
use crate::model::family::{Family, Reading, UnixSeconds};
use crate::model::series::{Labels, SeriesId, SeriesKey};

/// Which series are there before their first event, and how long others are shown after their last.
#[derive(Clone, Debug, Default)]
pub struct Lifetimes {
    /// The series that are shown from the start, and always.
    pub init: Vec<SeriesKey>,
    /// Without an event for longer than this a series is hidden.
    pub expire_after: Option<Duration>,
}

/// How many series are read at a time: more than memory can be asked for at once, few enough that they are still in the
/// first-level cache when they are written.
const TOGETHER: usize = 64;

/// How many new series are put into the order at a time.
const ADDED: usize = 16 << 10;

/// One metric's posted state.
///
/// A series that is idle for longer than `expire_after` is hidden: it is not shown, but kept, and goes on when it comes
/// back. Only when there was no room for another series are hidden ones forgotten, those that are idle for longest
/// first. Workers may still know the number of a forgotten series until they have handed over twice. What they hand
/// over for it until then is posted to the series that its key has now.
pub struct Account {
    family: Family,
    declared: Declared,
    /// Since when it records.
    started: Duration,
    directory: Arc<Directory>,
    book: Box<dyn Book>,
    lifetimes: Lifetimes,
    /// The series in the order of their keys, in which they are exposed.
    order: Order,
    /// The series that were forgotten at the last posting, with their keys, in the order of their numbers.
    forgotten: Vec<(SeriesId, SeriesKey)>,
    /// While it is read back from a journal: which numbers of series are known.
    replayed: Vec<bool>,
    /// Whether it was logged that there is no room for more series.
    warned: bool,
}

impl Account {
    /// An account without series, which records from `now` on.
    pub(super) fn new(metric: Metric, now: Duration) -> Account {
        let Metric { family, declared, definition, directory, lifetimes, .. } = metric;
        Account {
            family,
            declared,
            started: now,
            directory,
            book: definition.book(),
            lifetimes,
            order: Order::default(),
            forgotten: Vec::new(),
            replayed: Vec::new(),
            warned: false,
        }
    }

    /// Whether its state is that of a metric of this name which is declared like this.
    pub(super) fn is(&self, metric: &str, declared: &Declared) -> bool {
        self.family.name == metric && self.declared.fingerprint == declared.fingerprint
    }

    /// Goes on for a metric that is declared in the same way, but may be shown in another.
    pub(super) fn go_on(&mut self, metric: Metric, now: Duration) {
        self.directory.set_max_series(metric.max_series);
        self.family = metric.family;
        self.lifetimes = metric.lifetimes;
        self.warned = false;
        self.book.unpin(now);
        self.open(now.as_secs_f64());
    }

    /// What it is declared as.
    pub(super) fn declared(&self) -> &Declared {
        &self.declared
    }

    /// Since when it records.
    pub fn started(&self) -> Duration {
        self.started
    }

    /// The numbers of its series.
    pub(super) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The series that were forgotten at the last posting, of which the journal is still to hear.
    pub(super) fn forgotten(&self) -> &[(SeriesId, SeriesKey)] {
        &self.forgotten
    }

    /// The family that the account is exposed as.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// How many series it has, and how many it may have.
    pub fn series(&self) -> (usize, usize) {
        (self.order.len(), self.directory.max_series())
    }

    /// Shows `see` what its series read that are not hidden, in the order of their keys.
    pub fn readings<'l>(&'l self, now: Duration, see: &mut dyn FnMut(Labels<'l>, &Reading<'l>)) {
        self.order.blocks().for_each(|block| self.show(block, now, see));
    }

    fn show<'l>(&'l self, block: &'l Block, now: Duration, see: &mut dyn FnMut(Labels<'l>, &Reading<'l>)) {
        let moment = Moment { now, started: self.started };
        for (first, series) in (0..).step_by(TOGETHER).zip(block.series().chunks(TOGETHER)) {
            self.book.read(series, moment, &mut |at, since, reading| {
                if !self.is_idle(since, now) {
                    see(block.labels(first + at), reading);
                }
            });
        }
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
        self.learn(&self.directory.take_new());
    }

    /// Puts the living series in the place of those that were forgotten when one worker still knew them.
    pub(super) fn resolve(&self, changes: &mut Changes) {
        let (directory, forgotten) = (&self.directory, &self.forgotten);
        if forgotten.is_empty() {
            return;
        }
        let mut reborn = HashMap::new();
        let mut living = |series: SeriesId| {
            let Ok(at) = forgotten.binary_search_by_key(&series, |(series, _)| *series) else {
                return series;
            };
            let key = &forgotten[at].1;
            *reborn
                .entry(series)
                .or_insert_with(|| directory.series(key.joined()).unwrap_or_else(|| directory.overflow()))
        };
        self.book.resolve(changes, &mut living);
    }

    /// Posts what one worker changed, once it is resolved.
    pub(super) fn post(&mut self, changes: Changes, posting: Posting) {
        self.book.post(changes, posting);
    }

    /// Ends a posting, after the changes of all workers, with the series that are new since the last one.
    pub(super) fn settle(&mut self, new: &NewSeries, now: Duration) {
        // Every worker has handed over since these were forgotten, and knows them no more.
        self.directory.release(self.forgotten.drain(..).map(|(series, _)| series));
        self.learn(new);
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
    fn learn(&mut self, new: &NewSeries) {
        // A million series may come within a second: what that takes for a moment is kept small.
        let mut sorted: Vec<_> = (0..new.len()).map(|at| (start(new.get(at).1), at as u32)).collect();
        let key = |at: u32| new.get(at as usize).1;
        sorted
            .sort_unstable_by(|left, right| left.0.cmp(&right.0).then_with(|| key(left.1).cmp(key(right.1))));
        for some in sorted.chunks(ADDED) {
            self.order.add(&some.iter().map(|(_, at)| new.get(*at as usize)).collect::<Vec<_>>());
        }
    }

    /// Forgets hidden series, at most `wanted`, those that are idle for longest first.
    fn forget(&mut self, wanted: usize, now: Duration) {
        let overflow = SeriesKey::overflow(self.family.labels.len());
        let since = |series: SeriesId| self.book.idle_since(series).filter(|since| self.is_idle(*since, now));
        let mut hidden: Vec<_> = self
            .order
            .blocks()
            .flat_map(Block::iter)
            .filter(|(_, key)| *key != overflow.joined())
            .filter_map(|(series, key)| Some((since(series)?, series, key)))
            .collect();
        hidden.sort_unstable();
        hidden.truncate(wanted);
        if hidden.is_empty() {
            return;
        }
        self.forgotten =
            hidden.into_iter().map(|(_, series, key)| (series, SeriesKey::from_joined(key))).collect();
        self.forgotten.sort_unstable_by_key(|(series, _)| *series);
        self.forgotten.iter().for_each(|(series, _)| self.book.forget(*series));
        let forgotten = |series| self.forgotten.binary_search_by_key(&series, |(series, _)| *series).is_ok();
        self.order.retain(|series| !forgotten(series));
        self.directory.forget(self.forgotten.iter().map(|(_, key)| key.joined()));
    }

    /// Every series with its key and the stored form of what is kept of it.
    #[cfg(test)]
    pub(super) fn everything(&self) -> Vec<(SeriesId, String, Option<Vec<u8>>)> {
        let kept = |series| {
            let mut bytes = Vec::new();
            self.book.pack_series(series, &mut bytes).then_some(bytes)
        };
        self.order.after(None).map(|(series, key)| (series, key.to_owned(), kept(series))).collect()
    }

    fn is_idle(&self, since: Duration, now: Duration) -> bool {
        self.lifetimes.expire_after.is_some_and(|after| since.saturating_add(after) < now)
    }

    pub(super) fn encode(&self, now: Duration, encoder: &mut dyn Encode, out: &mut Vec<u8>) {
        encoder.family(&self.family, out);
        for block in self.order.blocks() {
            if !encoder.wants_series() {
                return;
            }
            self.show(block, now, &mut |key, reading| encoder.series(key, reading, out));
        }
    }
}

/// The first eight bytes of a key, in the order of the keys: most pairs can be told apart without looking at their text.
fn start(key: &str) -> u64 {
    let mut start = [0; 8];
    let len = key.len().min(8);
    start[..len].copy_from_slice(&key.as_bytes()[..len]);
    u64::from_be_bytes(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_start_of_a_key_does_not_change_the_order(keys in prop::collection::vec("[\\x00ab\u{ff}]{0,12}", 2..20)) {
            let mut sorted = keys.clone();
            sorted.sort();
            let mut by_start = keys;
            by_start.sort_by_key(|key| (start(key), key.clone()));
            prop_assert_eq!(by_start, sorted);
        }
    }
}
