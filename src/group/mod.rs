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
    /// The keys of `table`, one after the other.
    keys: Vec<u8>,
    /// The key of the event at hand, as [`key::push`] writes it.
    wanted: Vec<u8>,
    /// The same as text.
    joined: String,
    /// The cell of the overflow series, once it was needed.
    overflow: Option<u32>,
    /// The cell of the only series of a metric without labels, once it was needed.
    only: Option<u32>,
}

/// A key seen before.
struct Known {
    hash: u64,
    start: usize,
    len: usize,
    cell: u32,
}

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
            wanted: Vec::new(),
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
        self.wanted.clear();
        for label in &self.labels {
            let value = label.eval(row, arena).unwrap_or_else(|reason| {
                refused.count(reason);
                Value::Missing
            });
            key::push(&mut self.wanted, value);
        }
        let mut hasher = self.hasher.build_hasher();
        hasher.write(&self.wanted);
        let hash = hasher.finish();
        let same = |known: &Known| self.keys[known.start..known.start + known.len] == *self.wanted;
        match self.table.find(hash, same) {
            Some(known) => known.cell,
            None => self.first_sight(hash, shard, refused),
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
    fn first_sight(&mut self, hash: u64, shard: &mut dyn Shard, refused: &mut Refusals) -> u32 {
        self.joined.clear();
        let flaws = key::canonical(&self.wanted, &mut self.joined);
        flaws.count(refused);
        let Some(series) = self.directory.series(&self.joined) else {
            refused.count(Refused::Overflow);
            let directory = &self.directory;
            return *self.overflow.get_or_insert_with(|| shard.cell(directory.overflow()));
        };
        let cell = shard.cell(series);
        // Keys that had to be mended are looked up anew each time: their number has no bound, and each of
        // their events is to be counted.
        if flaws.is_empty() {
            let known = Known { hash, start: self.keys.len(), len: self.wanted.len(), cell };
            self.keys.extend_from_slice(&self.wanted);
            self.table.insert_unique(hash, known, |known| known.hash);
            self.only = self.labels.is_empty().then_some(cell);
        }
        cell
    }
}
