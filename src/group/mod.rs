//! Which series an event belongs to: its labels, looked up by borrowed key, owned on first sight.

mod directory;
mod key;
mod keys;

pub use directory::{Directory, NewSeries};
pub use keys::Keys;

use std::sync::Arc;

use bumpalo::Bump;

use self::keys::Sight;
use crate::aggregate::Shard;
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;

/// Finds the cell of an event's series for one metric and one worker.
///
/// The cells of keys that were seen before are known, without locks or allocation. Only a new key asks the [`Directory`]
/// that all workers share.
pub struct Group {
    directory: Arc<Directory>,
    /// The epoch of the directory in which `cells` were learned.
    epoch: u64,
    /// By the number of a key: the cell of its series, or [`NONE`].
    cells: Vec<u32>,
    /// The cell of the overflow series, once it was needed.
    overflow: Option<u32>,
    /// The cell of the only series of a metric without labels, once it was needed.
    only: Option<u32>,
}

/// No cell for this key yet.
const NONE: u32 = u32::MAX;

/// The memory of one metric that its group needs for an event.
pub struct Place<'p> {
    /// The keys of its labels.
    pub keys: &'p mut Keys,
    /// Its cells.
    pub shard: &'p mut dyn Shard,
    /// What it refused.
    pub refused: &'p mut Refusals,
}

impl Group {
    /// A group whose series are numbered by `directory`.
    pub fn new(directory: Arc<Directory>) -> Group {
        Group { epoch: directory.epoch(), directory, cells: Vec::new(), overflow: None, only: None }
    }

    /// The cell of the series that `row` belongs to, the `at`th of the rows at hand. Every event has one: a label without a
    /// value is empty, and beyond the metric's cap there is the overflow series.
    #[inline]
    pub fn cell<'b>(&mut self, at: usize, row: &[Value<'b>], arena: &'b Bump, place: Place<'_>) -> u32 {
        if let Some(only) = self.only {
            return only;
        }
        let sight = place.keys.look(at, row, arena, place.refused);
        if let Sight::Known(number) = sight
            && let Some(cell) = self.cells.get(number as usize).filter(|cell| **cell != NONE)
        {
            return *cell;
        }
        self.first_sight(&sight, row, arena, place)
    }

    /// Forgets the cells of `shard`, from which everything was just taken, if series were forgotten meanwhile. Its keys
    /// are then to be forgotten too, by all that share them.
    pub fn renew(&mut self, shard: &mut dyn Shard) -> bool {
        let epoch = self.directory.epoch();
        let is_old = epoch != self.epoch;
        if is_old {
            self.epoch = epoch;
            self.overflow = None;
            self.only = None;
            shard.clear();
        }
        is_old
    }

    /// Forgets which keys have which cells.
    pub fn forget_keys(&mut self) {
        self.cells.clear();
    }

    #[cold]
    fn first_sight<'b>(
        &mut self,
        sight: &Sight,
        row: &[Value<'b>],
        arena: &'b Bump,
        Place { keys, shard, refused }: Place<'_>,
    ) -> u32 {
        let (text, flaws) = keys.text(row, arena);
        flaws.count(refused);
        let Some(series) = self.directory.series(text) else {
            refused.count(Refused::Overflow);
            let directory = &self.directory;
            return *self.overflow.get_or_insert_with(|| shard.cell(directory.overflow()));
        };
        let cell = shard.cell(series);
        let number = match sight {
            Sight::Known(number) => Some(*number),
            // Keys that had to be mended are looked up anew each time: their number has no bound, and each of
            // their events is to be counted.
            Sight::New(hash) if flaws.is_empty() => keys.learn(*hash, row, arena),
            Sight::New(_) => None,
        };
        if let Some(number) = number {
            let number = number as usize;
            if self.cells.len() <= number {
                self.cells.resize(number + 1, NONE);
            }
            self.cells[number] = cell;
            self.only = (!keys.has_labels()).then_some(cell);
        }
        cell
    }
}

/// A hash of 64 bits from one of 32, which is all that tables with millions of keys have room for: they take a key's place
/// from the lowest bits and tell places apart by the highest.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
