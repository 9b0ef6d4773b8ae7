//! The series of one metric, numbered in the order of first sight, up to a cap.

mod keys;

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::quality::RandomState;

use crate::model::series::{SeriesId, SeriesKey};
use keys::Keys;

/// Hands out the numbers of a metric's series to all workers. Asked only when a worker sees a key for the
/// first time.
#[derive(Debug)]
pub struct Directory {
    labels: usize,
    /// Set when the configuration changes.
    max_series: AtomicUsize,
    hasher: RandomState,
    /// Read by workers that look for a key; written by a worker that adds one, and by the ledger.
    numbered: RwLock<Numbered>,
    /// How often series were forgotten. Raised by the ledger while `numbered`, from which the keys are gone, is locked;
    /// read by each worker when it hands over, which then forgets the numbers that it knows.
    epoch: AtomicU64,
    /// Whether there is no room. Written while `numbered` is locked; read without, as a hint that it need not be.
    full: AtomicBool,
    /// A bit for each key for which there was no room since the ledger last asked, by its hash. Set by workers, cleared
    /// by the ledger. Keys that share a bit count as one; the next time they may not.
    turned_away: [AtomicU64; 64],
}

#[derive(Debug, Default)]
struct Numbered {
    keys: Keys,
    /// The next number that was never given out.
    next: u32,
    /// Numbers of forgotten series that no worker knows any more.
    free: Vec<SeriesId>,
    /// Series that the ledger has not heard of yet.
    new: NewSeries,
    /// How many series there are, the overflow series aside.
    living: usize,
    overflow: Option<SeriesId>,
}

/// Series that were added, in the order of that.
#[derive(Debug, Default)]
pub struct NewSeries {
    /// Their keys, one after the other.
    text: String,
    /// Their numbers, and where their keys end: no further than [`Keys`] reach.
    ends: Vec<(SeriesId, u32)>,
}

impl NewSeries {
    fn push(&mut self, series: SeriesId, key: &str) {
        self.text.push_str(key);
        self.ends.push((series, self.text.len() as u32));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One of them with its key, as [`SeriesKey::joined`] has it.
    pub fn get(&self, at: usize) -> (SeriesId, &str) {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before].1);
        let (series, end) = self.ends[at];
        (series, &self.text[start as usize..end as usize])
    }
}

impl Directory {
    /// No series yet, at most `max_series` beside the overflow series, of `labels` labels.
    pub fn new(labels: usize, max_series: usize) -> Directory {
        Directory {
            labels,
            max_series: AtomicUsize::new(max_series),
            hasher: RandomState::default(),
            numbered: RwLock::default(),
            epoch: AtomicU64::new(0),
            full: AtomicBool::new(false),
            turned_away: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// The series with this key, a new one if there is room; `None` at the cap.
    pub fn series(&self, key: &str) -> Option<SeriesId> {
        let hash = self.hash(key);
        if let Some(id) = self.read().keys.find(hash, key) {
            return Some(id);
        }
        if self.full.load(Ordering::Relaxed) {
            self.turn_away(hash);
            return None;
        }
        let mut numbered = self.write();
        // Another worker may have added it since.
        if let Some(id) = numbered.keys.find(hash, key) {
            return Some(id);
        }
        if numbered.living >= self.max_series() || numbered.keys.is_full() {
            self.full.store(true, Ordering::Relaxed);
            self.turn_away(hash);
            return None;
        }
        numbered.living += 1;
        Some(numbered.add(hash, key))
    }

    /// The series that takes in what is beyond the cap.
    pub fn overflow(&self) -> SeriesId {
        let key = SeriesKey::overflow(self.labels);
        let hash = self.hash(key.joined());
        let mut numbered = self.write();
        if let Some(id) = numbered.overflow {
            return id;
        }
        // An event may have carried these very label values before.
        let id = match numbered.keys.find(hash, key.joined()) {
            Some(id) => {
                numbered.living -= 1;
                self.full.store(false, Ordering::Relaxed);
                id
            }
            None => numbered.add(hash, key.joined()),
        };
        numbered.overflow = Some(id);
        id
    }

    /// The series that were added since the last time this was asked.
    pub fn take_new(&self) -> NewSeries {
        if self.read().new.is_empty() {
            return NewSeries::default();
        }
        std::mem::take(&mut self.write().new)
    }

    /// For how many series there was no room since the last time this was asked, at most 4,096.
    pub fn take_turned_away(&self) -> usize {
        self.turned_away.iter().map(|bits| bits.swap(0, Ordering::Relaxed).count_ones() as usize).sum()
    }

    fn turn_away(&self, hash: u32) {
        let hash = hash as usize;
        let (bits, bit) = (&self.turned_away[hash / 64 % 64], 1 << (hash % 64));
        if bits.load(Ordering::Relaxed) & bit == 0 {
            bits.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Forgets series, all but the overflow series: their keys are unknown from here on, and there is room for
    /// others. Workers may know their numbers until they have handed over twice; then they are to be
    /// [released](Directory::release).
    pub fn forget<'k>(&self, series: impl IntoIterator<Item = &'k str>) {
        let mut numbered = self.write();
        for key in series {
            numbered.living -= usize::from(numbered.keys.remove(self.hash(key), key));
        }
        self.full.store(numbered.living >= self.max_series(), Ordering::Relaxed);
        // Pairs with the load in `epoch`: a worker that sees the new epoch does not find the keys any more.
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// Lets the numbers of forgotten series be given out again.
    pub fn release(&self, series: impl IntoIterator<Item = SeriesId>) {
        self.write().free.extend(series);
    }

    /// How often series were forgotten. Numbers that a worker learned in an earlier epoch may be void.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The most series that the metric may have, the overflow series aside.
    pub fn max_series(&self) -> usize {
        self.max_series.load(Ordering::Relaxed)
    }

    /// Sets the most series that the metric may have. Where there are more already, they stay.
    pub fn set_max_series(&self, max_series: usize) {
        let numbered = self.write();
        self.max_series.store(max_series, Ordering::Relaxed);
        self.full.store(numbered.living >= max_series, Ordering::Relaxed);
    }

    /// Puts back a series under the number that it had; `false` if its key is taken. The numbers between those that were put
    /// back are not given out before they are [released](Directory::release).
    pub fn restore(&self, series: SeriesId, key: &str) -> bool {
        let hash = self.hash(key);
        let mut numbered = self.write();
        if numbered.keys.find(hash, key).is_some() {
            return false;
        }
        if self.labels > 0 && key == SeriesKey::overflow(self.labels).joined() {
            numbered.overflow = Some(series);
        } else {
            numbered.living += 1;
        }
        numbered.next = numbered.next.max(series.0 + 1);
        numbered.insert(hash, key, series);
        self.full.store(numbered.living >= self.max_series(), Ordering::Relaxed);
        true
    }

    fn hash(&self, key: &str) -> u32 {
        (self.hasher.hash_one(key) >> 32) as u32
    }

    // No guard is held across a call of anything but `Numbered`, and none of its methods panics half way.

    fn read(&self) -> RwLockReadGuard<'_, Numbered> {
        self.numbered.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Numbered> {
        self.numbered.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbered {
    fn add(&mut self, hash: u32, key: &str) -> SeriesId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            SeriesId(self.next - 1)
        });
        self.insert(hash, key, id);
        id
    }

    fn insert(&mut self, hash: u32, key: &str, series: SeriesId) {
        self.keys.insert(hash, key, series);
        self.new.push(series, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_beyond_the_cap_share_one() {
        let directory = Directory::new(1, 2);
        let keys: Vec<_> = ["a", "b", "c"].map(|value| SeriesKey::new([value])).into();
        assert_eq!(directory.series(keys[0].joined()), Some(SeriesId(0)));
        assert_eq!(directory.series(keys[1].joined()), Some(SeriesId(1)));
        assert_eq!(directory.series(keys[2].joined()), None);
        assert_eq!(directory.overflow(), SeriesId(2));
        assert_eq!(directory.overflow(), SeriesId(2));
        assert_eq!(directory.series(keys[1].joined()), Some(SeriesId(1)));
        assert_eq!(directory.series(keys[2].joined()), None);
        let new = directory.take_new();
        let new: Vec<_> = (0..new.len()).map(|at| new.get(at)).collect();
        assert_eq!(new, [(SeriesId(0), "a"), (SeriesId(1), "b"), (SeriesId(2), "__overflow__")]);
        assert_eq!((directory.take_turned_away(), directory.take_turned_away()), (1, 0));
    }

    #[test]
    fn an_event_that_carries_the_overflow_label_itself_is_no_second_series() {
        let directory = Directory::new(1, 1);
        let id = directory.series(SeriesKey::overflow(1).joined());
        assert_eq!(id, Some(directory.overflow()));
        assert_eq!(directory.take_new().len(), 1);
    }

    #[test]
    fn forgotten_series_make_room_and_their_numbers_come_back_when_they_are_released() {
        let directory = Directory::new(1, 2);
        let [a, b] = ["a", "b"].map(|value| directory.series(value).unwrap());
        directory.forget(["a", "never there"]);
        assert_eq!(directory.epoch(), 1);
        let c = directory.series("c").unwrap();
        assert!(c != a && c != b, "the number of `a` is not free yet");
        assert_eq!(directory.series("d"), None);
        directory.release([a]);
        directory.forget(["b"]);
        assert_eq!(directory.series("d"), Some(a));
    }

    #[test]
    fn workers_that_race_for_a_key_get_the_same_number() {
        let directory = Directory::new(1, 1000);
        let seen: Vec<Vec<_>> = std::thread::scope(|scope| {
            let ask = || (0..500).map(|n| directory.series(&n.to_string())).collect();
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        assert!(seen.iter().all(|ids| *ids == seen[0]));
        assert_eq!(directory.take_new().len(), 500);
    }
}
