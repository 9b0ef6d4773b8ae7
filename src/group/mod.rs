//! Which series an event belongs to: its labels, looked up by borrowed key, owned on first sight.

mod directory;
mod key;

pub use directory::Directory;

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use bumpalo::Bump;
use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::aggregate::Shard;
use crate::expr::Program;
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;

/// Finds the cell of an event's series for one metric and one worker.
///
/// Keys that were seen before are found in a worker-local table, without locks or allocation. Only a new
/// key asks the [`Directory`] that all workers share.
pub struct Group {
    labels: Vec<Program>,
    directory: Arc<Directory>,
    /// The epoch of the directory in which `table` was learned.
    epoch: u64,
    hasher: RandomState,
    table: HashTable<Known>,
    /// The keys of `table`, one after the other, as [`key::push`] writes them.
    keys: Vec<u8>,
    /// A new key as text.
    joined: String,
    /// The cell of the overflow series, once it was needed.
    overflow: Option<u32>,
    /// The cell of the only series of a metric without labels, once it was needed.
    only: Option<u32>,
}

/// A key seen before. There may be millions, so everything is as short as can be.
struct Known {
    hash: u32,
    /// Where its key begins.
    start: u32,
    cell: u32,
}

/// Up to so many labels are taken from an event without any memory of their own.
const FEW_LABELS: usize = 4;

impl Group {
    /// Groups by the values of `labels`; series are numbered by `directory`.
    pub fn new(labels: Vec<Program>, directory: Arc<Directory>) -> Group {
        Group {
            labels,
            epoch: directory.epoch(),
            directory,
            hasher: RandomState::default(),
            table: HashTable::new(),
            keys: Vec::new(),
            joined: String::new(),
            overflow: None,
            only: None,
        }
    }

    /// The cell in `shard` of the series that `row` belongs to. Every event has one: a label without a value
    /// is empty, and beyond the metric's cap there is the overflow series.
    pub fn cell<'b>(
        &mut self,
        row: &[Value<'b>],
        arena: &'b Bump,
        shard: &mut dyn Shard,
        refused: &mut Refusals,
    ) -> u32 {
        if let Some(only) = self.only {
            return only;
        }
        let mut few = [Value::Missing; FEW_LABELS];
        let values = match few.get_mut(..self.labels.len()) {
            Some(few) => few,
            None => arena.alloc_slice_fill_copy(self.labels.len(), Value::Missing),
        };
        let mut hasher = self.hasher.build_hasher();
        for (value, label) in values.iter_mut().zip(&self.labels) {
            *value = label.eval(row, arena).unwrap_or_else(|reason| {
                refused.count(reason);
                Value::Missing
            });
            key::hash(*value, &mut hasher);
        }
        let hash = hasher.finish() as u32;
        let same = |known: &Known| {
            known.hash == hash && key::begins_with(&self.keys[known.start as usize..], values)
        };
        match self.table.find(spread(hash), same) {
            Some(known) => known.cell,
            None => self.first_sight(hash, values, shard, refused),
        }
    }

    /// Forgets the cells of `shard`, from which everything was just taken, if series were forgotten meanwhile.
    pub fn renew(&mut self, shard: &mut dyn Shard) {
        let epoch = self.directory.epoch();
        if epoch != self.epoch {
            self.epoch = epoch;
            self.table.clear();
            self.keys.clear();
            self.overflow = None;
            self.only = None;
            shard.clear();
        }
    }

    #[cold]
    fn first_sight(
        &mut self,
        hash: u32,
        values: &[Value<'_>],
        shard: &mut dyn Shard,
        refused: &mut Refusals,
    ) -> u32 {
        let start = self.keys.len();
        values.iter().for_each(|value| key::push(&mut self.keys, *value));
        self.joined.clear();
        let flaws = key::canonical(&self.keys[start..], &mut self.joined);
        flaws.count(refused);
        let series = self.directory.series(&self.joined);
        let cell = match series {
            Some(series) => shard.cell(series),
            None => {
                refused.count(Refused::Overflow);
                let directory = &self.directory;
                *self.overflow.get_or_insert_with(|| shard.cell(directory.overflow()))
            }
        };
        // Keys that had to be mended are looked up anew each time: their number has no bound, and each of
        // their events is to be counted. So are those that found no room.
        match u32::try_from(start) {
            Ok(start) if flaws.is_empty() && series.is_some() => {
                self.table
                    .insert_unique(spread(hash), Known { hash, start, cell }, |known| spread(known.hash));
                self.only = self.labels.is_empty().then_some(cell);
            }
            _ => self.keys.truncate(start),
        }
        cell
    }
}

/// A hash of 64 bits: the table takes its place from the lowest ones and tells places apart by the highest.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
