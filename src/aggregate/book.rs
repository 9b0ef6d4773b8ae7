//! The posted cells of one metric.

use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::{Aggregate, Book, Changes, Moment, Posting, See};
use crate::model::family::UnixSeconds;
use crate::model::series::SeriesId;

pub(super) struct Posted<A: Aggregate> {
    definition: Arc<A>,
    /// By series id. A series whose id was handed out, but for which nothing was posted yet, is `None`.
    series: Vec<Option<Entry<A::Kept>>>,
}

/// What is kept of a series. There may be millions: every byte counts. In this order, so that its first and its last field
/// are also at the two ends of its memory.
#[repr(C)]
struct Entry<K> {
    created: UnixSeconds,
    kept: K,
    touched: Touched,
}

/// When a series was last posted to: nanoseconds since the Unix epoch and one, which is enough until 2554. Never zero,
/// so that no series at all takes no more room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Touched(NonZeroU64);

impl Touched {
    /// That of a series that was opened, which is never idle.
    const ALWAYS: Touched = Touched(NonZeroU64::MAX);

    fn at(now: Duration) -> Touched {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX - 2);
        Touched(NonZeroU64::MIN.saturating_add(nanos))
    }

    fn since(self) -> Duration {
        if self == Touched::ALWAYS { Duration::MAX } else { Duration::from_nanos(self.0.get() - 1) }
    }
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
        let new = || Entry { created, kept: definition.keep(), touched: Touched::at(Duration::ZERO) };
        self.series[series.index()].get_or_insert_with(new)
    }

    fn get(&self, series: SeriesId) -> Option<&Entry<A::Kept>> {
        self.series.get(series.index())?.as_ref()
    }
}

impl<A: Aggregate> Book for Posted<A> {
    fn post(&mut self, changes: Changes, posting: Posting, living: &mut dyn FnMut(SeriesId) -> SeriesId) {
        let changes: Box<Vec<(SeriesId, A::Cell)>> =
            changes.0.downcast().expect("changes come from a shard of the same definition");
        let definition = Arc::clone(&self.definition);
        let touched = Touched::at(posting.now);
        for (series, change) in *changes {
            let entry = self.entry(living(series), posting.created);
            entry.touched = entry.touched.max(touched);
            definition.post(&mut entry.kept, change, posting.now);
        }
    }

    fn open(&mut self, series: SeriesId, created: UnixSeconds) {
        self.entry(series, created).touched = Touched::ALWAYS;
    }

    fn idle_since(&self, series: SeriesId) -> Option<Duration> {
        self.get(series).map(|entry| entry.touched.since())
    }

    fn forget(&mut self, series: SeriesId) {
        if let Some(entry) = self.series.get_mut(series.index()) {
            *entry = None;
        }
    }

    fn read<'b>(&'b self, series: &[SeriesId], moment: Moment, see: See<'_, 'b>) {
        // Entries are in no order that those who read know, so each is somewhere else in memory. Looked at all at once the
        // processor waits for many of them at a time; one after the other, with the writing of lines in between, it would
        // wait for each. At both ends, for an entry may lie across two lines of the cache.
        let glance = |series: &SeriesId| {
            self.get(*series).map_or(0, |entry| entry.touched.0.get() ^ entry.created.to_bits())
        };
        black_box(series.iter().map(glance).fold(0, |all, one| all ^ one));
        for (at, entry) in series.iter().enumerate() {
            if let Some(entry) = self.get(*entry)
                && let Some(reading) = self.definition.read(&entry.kept, entry.created, moment)
            {
                see(at, entry.touched.since(), &reading);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sum::Sum;

    #[test]
    fn a_counter_takes_40_bytes_whether_it_is_there_or_not() {
        assert_eq!(size_of::<Option<Entry<Sum>>>(), 40);
    }

    #[test]
    fn times_are_kept_to_the_nanosecond_and_in_order() {
        let times = [0, 1, 1_800_000_000_123_456_789].map(Duration::from_nanos);
        assert_eq!(times.map(|time| Touched::at(time).since()), times);
        assert_eq!(Touched::ALWAYS.since(), Duration::MAX);
        assert!(
            Touched::at(Duration::MAX) < Touched::ALWAYS
                && Touched::at(times[2]) < Touched::at(Duration::MAX)
        );
    }
}
