//! The keys that were seen before, by the values of an event: for all metrics that have the same labels.

use std::hash::{BuildHasher, Hasher};

use bumpalo::Bump;
use foldhash::quality::RandomState;
use hashbrown::HashTable;

use super::key::{self, Flaws};
use super::spread;
use crate::expr::Program;
use crate::model::field::Slot;
use crate::model::refused::Refusals;
use crate::model::value::Value;

/// Numbers the lists of values that the labels of some metrics have had, without locks or allocation for known ones.
///
/// Metrics whose labels are the same fields share one, so that their keys are looked up once for all of them. Labels that
/// are computed are not shared: what could not be computed is counted by each metric.
pub struct Keys {
    labels: Vec<Program>,
    /// The fields that all labels are, if they are nothing more.
    fields: Option<Vec<Slot>>,
    is_shared: bool,
    hasher: RandomState,
    table: HashTable<Known>,
    /// The known keys, one after the other, as [`key::push`] writes them.
    written: Vec<u8>,
    /// The number of the next key.
    next: u32,
    /// The numbers of the rows at hand, as far as they were looked up; for shared keys only.
    rows: Vec<u32>,
    /// A key as text.
    joined: String,
}

/// There may be millions, so everything is as short as can be.
struct Known {
    hash: u32,
    /// Where its key begins.
    start: u32,
    number: u32,
}

/// What is known of the key of an event.
pub(super) enum Sight {
    /// It has this number.
    Known(u32),
    /// It was never seen; its hash.
    New(u32),
}

/// A row whose key was not looked up, or is not known.
const NONE: u32 = u32::MAX;

/// Up to so many labels are taken from an event without any memory of their own.
const FEW_LABELS: usize = 4;

impl Keys {
    /// The keys that these labels make. No key is known yet.
    pub fn new(labels: Vec<Program>) -> Keys {
        let fields = labels.iter().map(Program::field).collect();
        let (hasher, table, written) = (RandomState::default(), HashTable::new(), Vec::new());
        let (rows, joined) = (Vec::new(), String::new());
        Keys { labels, fields, is_shared: false, hasher, table, written, next: 0, rows, joined }
    }

    /// Whether a metric with these labels can share the keys; from then on they are shared.
    pub fn share(&mut self, labels: &[Program]) -> bool {
        let fields: Option<Vec<_>> = labels.iter().map(Program::field).collect();
        let is_same = fields.is_some() && fields == self.fields;
        self.is_shared |= is_same;
        is_same
    }

    /// Begins with other rows, of which there are so many.
    pub fn begin(&mut self, rows: usize) {
        if self.is_shared {
            self.rows.clear();
            self.rows.resize(rows, NONE);
        }
    }

    pub(super) fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    /// Looks up the key of the row that is the `at`th of those at hand.
    #[inline]
    pub(super) fn look<'b>(
        &mut self,
        at: usize,
        row: &[Value<'b>],
        arena: &'b Bump,
        refused: &mut Refusals,
    ) -> Sight {
        if let Some(number) = self.rows.get(at).filter(|number| **number != NONE) {
            return Sight::Known(*number);
        }
        let mut few = [Value::Missing; FEW_LABELS];
        let values = match few.get_mut(..self.labels.len()) {
            Some(few) => few,
            None => arena.alloc_slice_fill_copy(self.labels.len(), Value::Missing),
        };
        let mut hasher = self.hasher.build_hasher();
        for (value, label) in values.iter_mut().zip(&self.labels) {
            *value = evaluated(label, row, arena, refused);
            key::hash(*value, &mut hasher);
        }
        let hash = hasher.finish() as u32;
        let same = |known: &Known| {
            known.hash == hash && key::begins_with(&self.written[known.start as usize..], values)
        };
        let Some(known) = self.table.find(spread(hash), same) else { return Sight::New(hash) };
        if let Some(row) = self.rows.get_mut(at) {
            *row = known.number;
        }
        Sight::Known(known.number)
    }

    /// The key of a row as text, and what had to be mended in it. It was looked up before, when what could not be computed
    /// was counted.
    pub(super) fn text<'b>(&mut self, row: &[Value<'b>], arena: &'b Bump) -> (&str, Flaws) {
        let start = self.write(row, arena);
        self.joined.clear();
        let flaws = key::canonical(&self.written[start..], &mut self.joined);
        self.written.truncate(start);
        (&self.joined, flaws)
    }

    /// Learns the key of a row, which is new: its number; `None` where there is no room.
    pub(super) fn learn<'b>(&mut self, hash: u32, row: &[Value<'b>], arena: &'b Bump) -> Option<u32> {
        let start = u32::try_from(self.written.len()).ok()?;
        self.write(row, arena);
        let number = self.next;
        self.next += 1;
        self.table.insert_unique(spread(hash), Known { hash, start, number }, |known| spread(known.hash));
        Some(number)
    }

    /// Whether no key is known.
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.table.clear();
        self.written.clear();
        self.rows.clear();
        self.next = 0;
    }

    /// Writes the key of a row behind all others: where it begins.
    fn write<'b>(&mut self, row: &[Value<'b>], arena: &'b Bump) -> usize {
        let start = self.written.len();
        for label in &self.labels {
            key::push(&mut self.written, evaluated(label, row, arena, &mut Refusals::default()));
        }
        start
    }
}

#[inline]
fn evaluated<'b>(label: &Program, row: &[Value<'b>], arena: &'b Bump, refused: &mut Refusals) -> Value<'b> {
    label.eval(row, arena).unwrap_or_else(|reason| {
        refused.count(reason);
        Value::Missing
    })
}
