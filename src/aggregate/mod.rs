//! Aggregators: what becomes of the values of a series. One file per kind, and the table of them.
//!
//! An aggregator is a commutative monoid: a cell starts at [`zero`](Aggregate::zero), can
//! [`record`](Aggregate::record) a value, [`merge`](Aggregate::merge) with another cell, and be
//! [`read`](Aggregate::read). The same cells live in a worker's [`Shard`] between two ticks, travel in
//! [`Changes`] by value, and are kept by the ledger in a [`Book`].

mod book;
mod counter;
mod histogram;
#[cfg(test)]
mod laws;
mod shard;

use std::any::Any;
use std::sync::Arc;

use crate::model::family::{FamilyKind, Reading, UnixSeconds};
use crate::model::refused::{Refusals, Refused};
use crate::model::series::SeriesId;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};

/// One kind of aggregator, as written in a pipeline file.
#[derive(Debug)]
pub struct Kind {
    /// The word in the pipeline file.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// A metric of this kind, as YAML.
    pub example: &'static str,
    /// The keys it has beside those of every metric.
    pub keys: &'static [Key],
    /// How it is exposed.
    pub family: FamilyKind,
    /// Whether `value` must be given; otherwise it defaults to 1.
    pub needs_value: bool,
    /// Makes the definition from its own keys.
    pub build: fn(&Mapping<'_>, &mut Faults) -> Option<Arc<dyn Definition>>,
}

/// Every kind of aggregator.
pub static KINDS: &[&Kind] = &[&counter::KIND, &histogram::KIND];

/// An aggregator's definition: everything that its cells share, such as the bounds of buckets.
pub trait Aggregate: Send + Sync + 'static {
    /// The state of one series. Merging is commutative and associative.
    type Cell: Clone + Send + Sync + 'static;

    /// The cell of nothing: merging it changes nothing.
    fn zero(&self) -> Self::Cell;

    /// Takes in one finite value, or refuses it and leaves the cell as it was.
    fn record(&self, cell: &mut Self::Cell, value: f64) -> Result<(), Refused>;

    /// Takes in what another cell has taken in.
    fn merge(&self, into: &mut Self::Cell, from: &Self::Cell);

    /// What the cell says at an exposition.
    fn read<'c>(&'c self, cell: &'c Self::Cell, created: UnixSeconds) -> Reading<'c>;
}

/// An [`Aggregate`] of any cell type: makes the two places its cells live in.
pub trait Definition: Send + Sync {
    /// An empty worker-local place for cells.
    fn shard(self: Arc<Self>) -> Box<dyn Shard>;

    /// An empty place for the posted cells.
    fn book(self: Arc<Self>) -> Box<dyn Book>;
}

impl<A: Aggregate> Definition for A {
    fn shard(self: Arc<Self>) -> Box<dyn Shard> {
        Box::new(shard::Cells::new(self))
    }

    fn book(self: Arc<Self>) -> Box<dyn Book> {
        Box::new(book::Posted::new(self))
    }
}

/// The cells that one worker writes between two ticks. Only that worker ever sees it.
pub trait Shard: Send {
    /// The index of the cell of `series`, a new one on first sight.
    fn cell(&mut self, series: SeriesId) -> u32;

    /// Records `values[i]` into the cell `cells[i]`.
    fn record(&mut self, cells: &[u32], values: &[f64], refused: &mut Refusals);

    /// Records 1 into each of `cells`.
    fn count(&mut self, cells: &[u32], refused: &mut Refusals);

    /// Hands over everything recorded since the last time, and starts at zero again.
    fn take(&mut self) -> Changes;
}

/// What a shard recorded between two ticks: cells by series, to be merged into the book of the same
/// definition.
pub struct Changes(Box<dyn Any + Send>);

/// The posted cells of one metric, by series. Written by the ledger alone, under its lock.
pub trait Book: Send + Sync {
    /// Merges what a shard of the same definition handed over. A series not seen before is created at
    /// `created`.
    fn post(&mut self, changes: Changes, created: UnixSeconds);

    /// Opens a series that has recorded nothing, if it is not there yet.
    fn open(&mut self, series: SeriesId, created: UnixSeconds);

    /// One more than the greatest id that was posted.
    fn end(&self) -> usize;

    /// What a series says; `None` if nothing was ever posted for it.
    fn read(&self, series: SeriesId) -> Option<Reading<'_>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_table_differ() {
        let mut names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
    }
}
