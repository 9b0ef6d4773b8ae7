//! The posted cells of one metric.

use std::sync::Arc;
use std::time::Duration;

use super::{Aggregate, Book, Changes, Moment, Posting};
use crate::model::family::{Reading, UnixSeconds};
use crate::model::series::SeriesId;

pub(super) struct Posted<A: Aggregate> {
    definition: Arc<A>,
    /// By series id. A series whose id was handed out, but for which nothing was posted yet, is `None`.
    series: Vec<Option<Entry<A::Kept>>>,
}

struct Entry<K> {
    created: UnixSeconds,
    /// When it was last posted to, since the Unix epoch; the end of time for a series that was opened.
    touched: Duration,
    kept: K,
}

impl<A: Aggregate> Posted<A> {
    pub(super) fn new(definition: Arc<A>) -> Posted<A> {
        Posted { definition, series: Vec::new() }
    }

    fn entry(&mut self, series: SeriesId, created: UnixSeconds) -> &mut Entry<A::Kept> {
        if self.series.len() <= series.index() {
            self.series.resize_with(series.index() + 1, || None);
        }
        let definition = &self.definition;
        let new = || Entry { created, touched: Duration::ZERO, kept: definition.keep() };
        self.series[series.index()].get_or_insert_with(new)
    }
}

impl<A: Aggregate> Book for Posted<A> {
    fn post(&mut self, changes: Changes, posting: Posting, living: &mut dyn FnMut(SeriesId) -> SeriesId) {
        let changes: Box<Vec<(SeriesId, A::Cell)>> =
            changes.0.downcast().expect("changes come from a shard of the same definition");
        let definition = Arc::clone(&self.definition);
        for (series, change) in changes.iter() {
            let entry = self.entry(living(*series), posting.created);
            entry.touched = entry.touched.max(posting.now);
            definition.post(&mut entry.kept, change, posting.now);
        }
    }

    fn open(&mut self, series: SeriesId, created: UnixSeconds) {
        self.entry(series, created).touched = Duration::MAX;
    }

    fn idle_since(&self, series: SeriesId) -> Option<Duration> {
        Some(self.series.get(series.index())?.as_ref()?.touched)
    }

    fn forget(&mut self, series: SeriesId) {
        if let Some(entry) = self.series.get_mut(series.index()) {
            *entry = None;
        }
    }

    fn read(&self, series: SeriesId, moment: Moment) -> Option<Reading<'_>> {
        let entry = self.series.get(series.index())?.as_ref()?;
        self.definition.read(&entry.kept, entry.created, moment)
    }
}
