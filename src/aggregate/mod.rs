//! Aggregators: what becomes of the values of a series. One file per kind, and the table of them.
//!
//! An aggregator is a commutative monoid: a cell starts at [`zero`](Aggregate::zero), can
//! [`record`](Aggregate::record) a value and [`merge`](Aggregate::merge) with another cell. Cells live in a worker's
//! [`Shard`] between two ticks and travel in [`Changes`] by value. The ledger [`posts`](Aggregate::post) them to what
//! it keeps of a series in a [`Book`], a cell for ever or one for each part of a window, and
//! [`reads`](Aggregate::read) that at an exposition. Cells and what is kept have a stored form, for a ledger that lasts.

mod book;
mod counter;
mod counts;
mod few;
mod gauge;
mod hdr;
mod histogram;
#[cfg(test)]
mod laws;
mod rate;
mod shard;
mod sketch;
mod summary;
mod window;

pub use hdr::KEYS as HDR_KEYS;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::base::pack::{Damaged, Packed};
use crate::model::family::{FamilyKind, Reading, UnixSeconds};
use crate::model::refused::Refused;
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
    /// Whether a series without a value is shown as 0, so that it can be shown before its first event.
    pub starts_at_zero: bool,
    /// Makes the definition from its own keys.
    pub build: fn(&Mapping<'_>, &mut Faults) -> Option<Arc<dyn Definition>>,
}

/// Every kind of aggregator.
pub static KINDS: &[&Kind] = &[&counter::KIND, &gauge::KIND, &histogram::KIND, &summary::KIND, &rate::KIND];

/// An aggregator's definition: everything that its cells share, such as the bounds of buckets.
pub trait Aggregate: Send + Sync + 'static {
    /// What one worker records of one series between two ticks. Merging is commutative and associative.
    type Cell: Send + Sync + 'static;

    /// What the ledger keeps of one series.
    type Kept: Send + Sync + 'static;

    /// The cell of nothing: merging it changes nothing.
    fn zero(&self) -> Self::Cell;

    /// Which values can be recorded.
    fn accepted(&self) -> Accepted {
        Accepted { least: f64::MIN, greatest: f64::MAX }
    }

    /// Takes in one of the accepted values, which came at `stamp`.
    fn record(&self, cell: &mut Self::Cell, value: f64, stamp: Stamp);

    /// Takes in what another cell has taken in.
    fn merge(&self, into: &mut Self::Cell, from: &Self::Cell);

    /// Hands over what the cell has taken in and leaves it at zero, with its storage where it has any.
    fn take(&self, cell: &mut Self::Cell) -> Self::Cell {
        std::mem::replace(cell, self.zero())
    }

    /// What is kept of a series for which nothing was posted.
    fn keep(&self) -> Self::Kept;

    /// Adds a cell that was handed over at `now`, the time since the Unix epoch.
    fn post(&self, kept: &mut Self::Kept, change: Self::Cell, now: Duration);

    /// What a series says at an exposition; `None` if it has nothing to say.
    fn read<'k>(&'k self, kept: &'k Self::Kept, created: UnixSeconds, moment: Moment) -> Option<Reading<'k>>;

    /// Appends the stored form of a cell.
    fn pack(&self, cell: &Self::Cell, into: &mut Vec<u8>);

    /// Reads what [`pack`](Aggregate::pack) of the same definition wrote. Whatever the bytes are it neither panics nor
    /// allocates more than in proportion to them, or than a cell ever takes.
    fn unpack(&self, from: &mut Packed<'_>) -> Result<Self::Cell, Damaged>;

    /// Appends the stored form of what is kept of a series.
    fn pack_kept(&self, kept: &Self::Kept, into: &mut Vec<u8>);

    /// Reads what [`pack_kept`](Aggregate::pack_kept) of the same definition wrote, as [`unpack`](Aggregate::unpack) does.
    fn unpack_kept(&self, from: &mut Packed<'_>) -> Result<Self::Kept, Damaged>;
}

/// The range of values that a metric takes. Others are refused before they are given a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accepted {
    /// The least value; one below it is negative where it should not be.
    pub least: f64,
    /// The greatest value.
    pub greatest: f64,
}

impl Accepted {
    /// The value, if it is a number in the range.
    pub fn check(self, value: f64) -> Result<f64, Refused> {
        if !value.is_finite() {
            Err(Refused::NotFinite)
        } else if value < self.least {
            Err(Refused::Negative)
        } else if value > self.greatest {
            Err(Refused::OutOfRange)
        } else {
            Ok(value)
        }
    }
}

/// The order in which batches came, over all lanes of a pipeline. A later one is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub u64);

/// When something is read or posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Now, since the Unix epoch.
    pub now: Duration,
    /// When the program began to count, since the Unix epoch.
    pub started: Duration,
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

    /// Which values can be recorded.
    fn accepted(&self) -> Accepted;

    /// Records `values[i]`, an accepted value which came at `stamp`, into the cell `cells[i]`.
    fn record(&mut self, cells: &[u32], values: &[f64], stamp: Stamp);

    /// Records 1 into each of `cells`.
    fn count(&mut self, cells: &[u32], stamp: Stamp);

    /// Hands over everything recorded since the last time, and starts at zero again.
    fn take(&mut self) -> Changes;

    /// Forgets every cell. To be called when nothing was recorded since the last time that changes were taken.
    fn clear(&mut self);
}

/// What a shard recorded between two ticks: cells by series, to be merged into the book of the same
/// definition.
pub struct Changes(Box<dyn Any + Send>);

/// The posted cells of one metric, by series. Written by the ledger alone, under its lock.
pub trait Book: Send + Sync {
    /// Puts the series that `living` says, usually the same, in the place of each that the shard knew.
    fn resolve(&self, changes: &mut Changes, living: &mut dyn FnMut(SeriesId) -> SeriesId);

    /// Posts what a shard of the same definition handed over. A series not seen before is created.
    fn post(&mut self, changes: Changes, posting: Posting);

    /// Appends the stored form of changes: how many there are, and the series and the cell of each.
    fn pack(&self, changes: &Changes, into: &mut Vec<u8>);

    /// Posts what [`pack`](Book::pack) of the same definition wrote, of those series that `known` holds for; the others
    /// are read and passed over. If it is damaged, nothing is posted.
    fn post_packed(
        &mut self,
        from: &mut Packed<'_>,
        posting: Posting,
        known: &dyn Fn(SeriesId) -> bool,
    ) -> Result<(), Damaged>;

    /// Appends the stored form of a series. False, and nothing is appended, if it does not exist.
    fn pack_series(&self, series: SeriesId, into: &mut Vec<u8>) -> bool;

    /// Puts back a series as [`pack_series`](Book::pack_series) of the same definition wrote it, in place of what there
    /// may be; if it is damaged, nothing is changed. Room is made for all series up to this one: whoever read its number
    /// somewhere has to see that it is not too large.
    fn restore(&mut self, series: SeriesId, from: &mut Packed<'_>) -> Result<(), Damaged>;

    /// Lets series that were opened be idle from `now` on, until they are opened again.
    fn unpin(&mut self, now: Duration);

    /// Opens a series that has recorded nothing, if it is not there yet. It never counts as idle.
    fn open(&mut self, series: SeriesId, created: UnixSeconds);

    /// Since when nothing was posted for a series; `None` if it does not exist.
    fn idle_since(&self, series: SeriesId) -> Option<Duration>;

    /// Forgets a series.
    fn forget(&mut self, series: SeriesId);

    /// Shows `see` what each of some series says, in their order; nothing of those for which nothing was ever posted or
    /// that have nothing to say. Best for some dozens at a time: as many as memory is asked for at once.
    fn read<'b>(&'b self, series: &[SeriesId], moment: Moment, see: See<'_, 'b>);
}

/// Sees what a series says: which of those asked for it is, since when nothing was posted for it, and its reading.
pub type See<'s, 'b> = &'s mut dyn FnMut(usize, Duration, &Reading<'b>);

/// When changes are posted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posting {
    /// Since when series count that are new.
    pub created: UnixSeconds,
    /// Now, since the Unix epoch.
    pub now: Duration,
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
