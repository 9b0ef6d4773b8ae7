//! The posted cells of one metric.

use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::{Aggregate, Book, Changes, Moment, Posting, See};
use crate::base::pack::{Damaged, Pack, Packed};
use crate::model::family::UnixSeconds;
use crate::model::series::SeriesId;

/// Whoever posts changes got them from a shard of the same definition.
const SAME: &str = "changes come from a shard of the same definition";

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

    /// Appends the stored form: the number that follows, so that [`ALWAYS`](Touched::ALWAYS) is zero.
    fn pack(self, into: &mut Vec<u8>) {
        into.put_number(self.0.get().wrapping_add(1));
    }

    fn unpack(from: &mut Packed<'_>) -> Result<Touched, Damaged> {
        NonZeroU64::new(from.number()?.wrapping_sub(1)).map(Touched).ok_or(Damaged("a time is before 1970"))
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

    fn post_all(&mut self, changes: Vec<(SeriesId, A::Cell)>, posting: Posting) {
        let definition = Arc::clone(&self.definition);
        let touched = Touched::at(posting.now);
        for (series, change) in changes {
            let entry = self.entry(series, posting.created);
            entry.touched = entry.touched.max(touched);
            definition.post(&mut entry.kept, change, posting.now);
        }
    }
}

impl<A: Aggregate> Book for Posted<A> {
    fn resolve(&self, changes: &mut Changes, living: &mut dyn FnMut(SeriesId) -> SeriesId) {
        let changes: &mut Vec<(SeriesId, A::Cell)> = changes.0.downcast_mut().expect(SAME);
        changes.iter_mut().for_each(|(series, _)| *series = living(*series));
    }

    fn post(&mut self, changes: Changes, posting: Posting) {
        let changes: Box<Vec<(SeriesId, A::Cell)>> = changes.0.downcast().expect(SAME);
        self.post_all(*changes, posting);
    }

    fn pack(&self, changes: &Changes, into: &mut Vec<u8>) {
        let changes: &Vec<(SeriesId, A::Cell)> = changes.0.downcast_ref().expect(SAME);
        into.put_number(changes.len() as u64);
        for (series, change) in changes {
            into.put_number(u64::from(series.0));
            self.definition.pack(change, into);
        }
    }

    fn post_packed(
        &mut self,
        from: &mut Packed<'_>,
        posting: Posting,
        known: &dyn Fn(SeriesId) -> bool,
    ) -> Result<(), Damaged> {
        let mut changes = Vec::new();
        for _ in 0..from.number()? {
            let series = SeriesId(from.size(u32::MAX as usize)? as u32);
            let change = self.definition.unpack(from)?;
            if known(series) {
                changes.push((series, change));
            }
        }
        self.post_all(changes, posting);
        Ok(())
    }

    fn pack_series(&self, series: SeriesId, into: &mut Vec<u8>) -> bool {
        let Some(entry) = self.get(series) else { return false };
        into.put_float(entry.created);
        entry.touched.pack(into);
        self.definition.pack_kept(&entry.kept, into);
        true
    }

    fn restore(&mut self, series: SeriesId, from: &mut Packed<'_>) -> Result<(), Damaged> {
        let created = from.float()?;
        if !created.is_finite() {
            return Err(Damaged("a time is not finite"));
        }
        let (touched, kept) = (Touched::unpack(from)?, self.definition.unpack_kept(from)?);
        *self.entry(series, created) = Entry { created, kept, touched };
        Ok(())
    }

    fn unpin(&mut self, now: Duration) {
        let pinned = self.series.iter_mut().flatten().filter(|entry| entry.touched == Touched::ALWAYS);
        pinned.for_each(|entry| entry.touched = Touched::at(now));
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
    use super::super::counter::Counter;
    use super::super::{Definition, Stamp};
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

    fn book() -> Box<dyn Book> {
        Arc::new(Counter).book()
    }

    /// What a worker recorded: so many events of each series.
    fn changes(counts: &[(u32, u64)]) -> Changes {
        let mut shard = Arc::new(Counter).shard();
        for (series, count) in counts {
            let cell = shard.cell(SeriesId(*series));
            (0..*count).for_each(|_| shard.count(&[cell], Stamp(0)));
        }
        shard.take()
    }

    fn posting(now: u64) -> Posting {
        Posting { created: now as f64 - 0.5, now: Duration::from_secs(now) }
    }

    /// What is known of each of eight series: since when it is idle, and what it says.
    fn known(book: &dyn Book) -> Vec<String> {
        let series: Vec<_> = (0..8).map(SeriesId).collect();
        let mut known: Vec<_> =
            series.iter().map(|series| format!("{:?}", book.idle_since(*series))).collect();
        let moment = Moment { now: Duration::from_secs(200), started: Duration::ZERO };
        book.read(&series, moment, &mut |at, since, reading| known[at] += &format!(" {since:?} {reading:?}"));
        known
    }

    /// A book in which a series was opened, others were posted at different times, and one was forgotten.
    fn posted() -> Box<dyn Book> {
        let mut book = book();
        book.open(SeriesId(0), 50.25);
        book.post(changes(&[(3, 7), (5, 40)]), posting(100));
        book.post(changes(&[(5, 1), (6, 2)]), posting(150));
        book.forget(SeriesId(6));
        book
    }

    #[test]
    fn a_restored_book_says_the_same() {
        let (book, mut restored) = (posted(), book());
        restored.post(changes(&[(3, 1000)]), posting(199));
        for series in (0..8).map(SeriesId) {
            let mut bytes = Vec::new();
            if book.pack_series(series, &mut bytes) {
                let mut packed = Packed::new(&bytes);
                assert_eq!(restored.restore(series, &mut packed), Ok(()));
                assert!(packed.is_empty());
            } else {
                assert!(bytes.is_empty() && book.idle_since(series).is_none());
            }
        }
        assert_eq!(known(&*restored), known(&*book));
        assert_eq!(known(&*book)[0].matches(&format!("{:?}", Duration::MAX)).count(), 2, "it is never idle");
    }

    #[test]
    fn a_damaged_series_changes_nothing() {
        let (book, mut restored) = (posted(), posted());
        let mut bytes = Vec::new();
        assert!(book.pack_series(SeriesId(5), &mut bytes));
        let before_1970 = [&bytes[..8], &[1, 2]].concat();
        let no_time = [&f64::NAN.to_le_bytes(), &bytes[8..]].concat();
        for bytes in (0..bytes.len()).map(|len| bytes[..len].to_vec()).chain([before_1970, no_time]) {
            assert!(restored.restore(SeriesId(3), &mut Packed::new(&bytes)).is_err(), "{bytes:?}");
        }
        assert_eq!(known(&*restored), known(&*book));
    }

    #[test]
    fn changes_are_posted_from_their_stored_form_if_their_series_are_known() {
        let (mut live, mut stored) = (posted(), posted());
        let mut bytes = Vec::new();
        stored.pack(&changes(&[(5, 3), (1000, 1), (7, 1), (2, 9)]), &mut bytes);
        for len in 0..bytes.len() {
            let damaged = stored.post_packed(&mut Packed::new(&bytes[..len]), posting(180), &|_| true);
            assert!(damaged.is_err(), "of {len} bytes");
        }
        assert_eq!(known(&*stored), known(&*live), "nothing of what is damaged");
        let mut packed = Packed::new(&bytes);
        assert_eq!(stored.post_packed(&mut packed, posting(180), &|series| series.0 < 7), Ok(()));
        assert!(packed.is_empty());
        live.post(changes(&[(5, 3), (2, 9)]), posting(180));
        assert_eq!(known(&*stored), known(&*live));
    }

    #[test]
    fn a_change_of_one_takes_two_bytes() {
        let (mut none, mut one) = (Vec::new(), Vec::new());
        book().pack(&changes(&[]), &mut none);
        book().pack(&changes(&[(100, 1)]), &mut one);
        assert_eq!((none.len(), one.len()), (1, 1 + 2));
    }

    #[test]
    fn changes_are_posted_to_the_living() {
        let (mut book, mut wanted) = (posted(), posted());
        let mut resolved = changes(&[(5, 3), (6, 1)]);
        book.resolve(&mut resolved, &mut |series| if series.0 == 6 { SeriesId(2) } else { series });
        book.post(resolved, posting(180));
        wanted.post(changes(&[(5, 3), (2, 1)]), posting(180));
        assert_eq!(known(&*book), known(&*wanted));
    }

    #[test]
    fn a_series_that_was_opened_is_idle_once_it_is_let() {
        let mut book = posted();
        let since = |book: &dyn Book| [0, 3].map(|series| book.idle_since(SeriesId(series)));
        book.unpin(Duration::from_secs(170));
        assert_eq!(since(&*book), [170, 100].map(|seconds| Some(Duration::from_secs(seconds))));
        book.open(SeriesId(0), 180.0);
        assert_eq!(since(&*book)[0], Some(Duration::MAX));
    }
}
