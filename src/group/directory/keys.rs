//! The numbers of series by their keys, in as little memory as there can be: millions of them are no exception.

use hashbrown::HashTable;

use crate::group::spread;
use crate::model::series::SeriesId;

/// A hash table whose entries take eight bytes, beside the text of the keys and as much again for each.
#[derive(Debug, Default)]
pub(super) struct Keys {
    table: HashTable<Known>,
    /// For each key its number and its length, four bytes each, and its text.
    records: Vec<u8>,
    /// How many bytes of `records` are of keys that were removed.
    void: usize,
}

/// A key: its hash, so that most others need not be looked at, and the table can grow without looking at any.
#[derive(Debug)]
struct Known {
    hash: u32,
    /// Where its record starts.
    at: u32,
}

/// Beyond this there is no room for more keys: places in it have 32 bits, of which the last key and that of the overflow
/// series need some.
const MAX_RECORDS: usize = 3 << 30;

/// What stands before the text in a record.
const HEAD: usize = 8;

impl Keys {
    /// The number of a key.
    pub(super) fn find(&self, hash: u32, key: &str) -> Option<SeriesId> {
        let known = self.table.find(spread(hash), |known| is(&self.records, known, hash, key))?;
        Some(SeriesId(word(&self.records, known.at as usize)))
    }

    /// Whether there is no room for more keys.
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= MAX_RECORDS
    }

    /// Adds a key that is not there yet.
    pub(super) fn insert(&mut self, hash: u32, key: &str, series: SeriesId) {
        let at = self.records.len() as u32;
        self.records.extend_from_slice(&series.0.to_le_bytes());
        self.records.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.records.extend_from_slice(key.as_bytes());
        self.table.insert_unique(spread(hash), Known { hash, at }, |known| spread(known.hash));
    }

    /// Removes a key; `false` if it is not there.
    pub(super) fn remove(&mut self, hash: u32, key: &str) -> bool {
        let Keys { table, records, .. } = self;
        let is = |known: &Known| is(records, known, hash, key);
        let Ok(entry) = table.find_entry(spread(hash), is) else { return false };
        entry.remove();
        self.void += HEAD + key.len();
        if self.void > self.records.len() / 2 {
            self.compact();
        }
        true
    }

    /// Gives back the room of keys that were removed.
    fn compact(&mut self) {
        let mut records = Vec::with_capacity(self.records.len() - self.void);
        for known in self.table.iter_mut() {
            let start = known.at as usize;
            let end = start + HEAD + text(&self.records, known.at).len();
            known.at = records.len() as u32;
            records.extend_from_slice(&self.records[start..end]);
        }
        self.records = records;
        self.void = 0;
    }
}

fn is(records: &[u8], known: &Known, hash: u32, key: &str) -> bool {
    known.hash == hash && text(records, known.at) == key.as_bytes()
}

fn text(records: &[u8], at: u32) -> &[u8] {
    let start = at as usize + HEAD;
    &records[start..start + word(records, start - 4) as usize]
}

fn word(records: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(records[at..at + 4].try_into().expect("four bytes are four bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn an_entry_takes_eight_bytes() {
        assert_eq!(size_of::<Known>(), 8);
    }

    proptest! {
        /// Few hashes, so that many keys share one.
        #[test]
        fn keys_are_found_until_they_are_removed(
            steps in prop::collection::vec((any::<bool>(), 0u32..3, "[ab]{0,3}"), 0..300),
        ) {
            let (mut keys, mut model) = (Keys::default(), HashMap::new());
            for (number, (adds, hash, key)) in (0..).zip(steps) {
                let there = model.get(&(hash, key.clone())).copied();
                prop_assert_eq!(keys.find(hash, &key), there);
                if !adds {
                    prop_assert_eq!(keys.remove(hash, &key), there.is_some());
                    model.remove(&(hash, key));
                } else if there.is_none() {
                    keys.insert(hash, &key, SeriesId(number));
                    model.insert((hash, key), SeriesId(number));
                }
                let living: usize = model.keys().map(|(_, key)| HEAD + key.len()).sum();
                prop_assert!(keys.records.len() <= 2 * living);
            }
            for ((hash, key), series) in model {
                prop_assert_eq!(keys.find(hash, &key), Some(series));
            }
        }
    }
}
