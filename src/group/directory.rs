//! The series of one metric, numbered in the order of first sight, up to a cap.

use std::sync::{Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;

use crate::model::series::{SeriesId, SeriesKey};

/// Hands out the numbers of a metric's series to all workers. Asked only when a worker sees a key for the
/// first time.
#[derive(Debug)]
pub struct Directory {
    labels: usize,
    max_series: usize,
    /// Read by any worker without `numbered` being locked; written only while `numbered` is locked.
    ids: DashMap<SeriesKey, SeriesId, foldhash::quality::RandomState>,
    /// The keys by id. Locked by a worker to add a series, and by the ledger to learn the keys of new ones.
    numbered: Mutex<Numbered>,
}

#[derive(Debug, Default)]
struct Numbered {
    keys: Vec<SeriesKey>,
    overflow: Option<SeriesId>,
}

impl Directory {
    /// No series yet, at most `max_series` beside the overflow series, of `labels` labels.
    pub fn new(labels: usize, max_series: usize) -> Directory {
        Directory { labels, max_series, ids: DashMap::default(), numbered: Mutex::default() }
    }

    /// The series with this key, a new one if there is room; `None` at the cap.
    pub fn series(&self, key: &SeriesKey) -> Option<SeriesId> {
        if let Some(id) = self.known(key) {
            return Some(id);
        }
        let mut numbered = self.numbered();
        // Another worker may have added it since.
        if let Some(id) = self.known(key) {
            return Some(id);
        }
        if numbered.keys.len() - usize::from(numbered.overflow.is_some()) >= self.max_series {
            return None;
        }
        let id = numbered.add(key.clone());
        self.ids.insert(key.clone(), id);
        Some(id)
    }

    /// The series that takes in what is beyond the cap.
    pub fn overflow(&self) -> SeriesId {
        let key = SeriesKey::overflow(self.labels);
        let mut numbered = self.numbered();
        if let Some(id) = numbered.overflow {
            return id;
        }
        // An event may have carried these very label values before.
        let id = self.known(&key).unwrap_or_else(|| {
            let id = numbered.add(key.clone());
            self.ids.insert(key, id);
            id
        });
        numbered.overflow = Some(id);
        id
    }

    /// The keys of the series from `first` on, in order.
    pub fn keys_from(&self, first: usize) -> Vec<SeriesKey> {
        self.numbered().keys.get(first..).unwrap_or_default().to_vec()
    }

    /// The most series that the metric may have, the overflow series aside.
    pub fn max_series(&self) -> usize {
        self.max_series
    }

    fn known(&self, key: &SeriesKey) -> Option<SeriesId> {
        // The guard is dropped here: none is held across another call.
        self.ids.get(key).map(|id| *id)
    }

    fn numbered(&self) -> MutexGuard<'_, Numbered> {
        // A push either happened or not: a panic elsewhere leaves the list whole.
        self.numbered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbered {
    fn add(&mut self, key: SeriesKey) -> SeriesId {
        self.keys.push(key);
        SeriesId(self.keys.len() as u32 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_beyond_the_cap_share_one() {
        let directory = Directory::new(1, 2);
        let keys: Vec<_> = ["a", "b", "c"].map(|value| SeriesKey::new([value])).into();
        assert_eq!(directory.series(&keys[0]), Some(SeriesId(0)));
        assert_eq!(directory.series(&keys[1]), Some(SeriesId(1)));
        assert_eq!(directory.series(&keys[2]), None);
        assert_eq!(directory.overflow(), SeriesId(2));
        assert_eq!(directory.overflow(), SeriesId(2));
        assert_eq!(directory.series(&keys[1]), Some(SeriesId(1)));
        assert_eq!(directory.series(&keys[2]), None);
        assert_eq!(directory.keys_from(1), [keys[1].clone(), SeriesKey::overflow(1)]);
    }

    #[test]
    fn an_event_that_carries_the_overflow_label_itself_is_no_second_series() {
        let directory = Directory::new(1, 1);
        let id = directory.series(&SeriesKey::overflow(1));
        assert_eq!(id, Some(directory.overflow()));
        assert_eq!(directory.keys_from(0).len(), 1);
    }

    #[test]
    fn workers_that_race_for_a_key_get_the_same_number() {
        let directory = Directory::new(1, 1000);
        let seen: Vec<Vec<_>> = std::thread::scope(|scope| {
            let ask = || (0..500).map(|n| directory.series(&SeriesKey::new([n.to_string()]))).collect();
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        assert!(seen.iter().all(|ids| *ids == seen[0]));
        assert_eq!(directory.keys_from(0).len(), 500);
    }
}
