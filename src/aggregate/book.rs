//! The posted cells of one metric.

use std::sync::Arc;

use super::{Aggregate, Book, Changes};
use crate::model::family::{Reading, UnixSeconds};
use crate::model::series::SeriesId;

pub(super) struct Posted<A: Aggregate> {
    definition: Arc<A>,
    /// By series id. A series whose id was handed out, but for which nothing was posted yet, is `None`.
    series: Vec<Option<Entry<A::Cell>>>,
}

struct Entry<C> {
    created: UnixSeconds,
    cell: C,
}

impl<A: Aggregate> Posted<A> {
    pub(super) fn new(definition: Arc<A>) -> Posted<A> {
        Posted { definition, series: Vec::new() }
    }

    fn entry(&mut self, series: SeriesId, created: UnixSeconds) -> &mut Entry<A::Cell> {
        if self.series.len() <= series.index() {
            self.series.resize_with(series.index() + 1, || None);
        }
        self.series[series.index()].get_or_insert_with(|| Entry { created, cell: self.definition.zero() })
    }
}

impl<A: Aggregate> Book for Posted<A> {
    fn post(&mut self, changes: Changes, created: UnixSeconds) {
        let changes: Box<Vec<(SeriesId, A::Cell)>> =
            changes.0.downcast().expect("changes come from a shard of the same definition");
        let definition = Arc::clone(&self.definition);
        for (series, change) in changes.iter() {
            definition.merge(&mut self.entry(*series, created).cell, change);
        }
    }

    fn open(&mut self, series: SeriesId, created: UnixSeconds) {
        self.entry(series, created);
    }

    fn end(&self) -> usize {
        self.series.len()
    }

    fn read(&self, series: SeriesId) -> Option<Reading<'_>> {
        let entry = self.series.get(series.index())?.as_ref()?;
        Some(self.definition.read(&entry.cell, entry.created))
    }
}
