//! Posts to the ledger, and keeps it: with a state directory each posting is committed to the journal before it shows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::posting::Prepared;
use super::record::{self, Cursor, Part};
use super::replay::Replay;
use super::state::State;
use super::{Ledger, Pipeline};
use crate::journal::{CommitError, Disk, Journal, Mark, OpenError};
use crate::pipeline::Delta;

/// A segment has at least so many bytes before the next one is begun: few enough to be read in no time.
const SEGMENT_BYTES: u64 = 8 << 20;

/// How many bytes of slices go with a posting, at least. Otherwise as many as the posting has, so that slices keep up however
/// fast postings come.
const SLICE_BYTES: usize = 1 << 20;

/// How much memory is kept for the next record.
const KEPT_BYTES: usize = 4 << 20;

/// The one who posts.
pub struct Keeper {
    ledger: Arc<Ledger>,
    journal: Option<Journal>,
    roll: Roll,
    /// Kept for its storage.
    record: Vec<u8>,
}

/// How large segments and slices are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) segment: u64,
    pub(super) slice: usize,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes { segment: SEGMENT_BYTES, slice: SLICE_BYTES }
    }
}

/// How far the writing of segments is.
#[derive(Default)]
struct Roll {
    sizes: Sizes,
    /// Whether a record is to be written also for nothing.
    is_asked: bool,
    /// What the next record begins, if it begins a segment.
    next: Option<Begin>,
    /// How far the slices of the segment are; `None` once all are written.
    cursor: Option<Cursor>,
    /// How many bytes its records have, in however many files.
    bytes: u64,
    /// How many bytes its slices took up to now.
    sliced: u64,
}

/// How a segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// With the layout and the first slices.
    Slices,
    /// With the layout and all slices: series may have been numbered that no posting has told of.
    Whole,
}

/// A ledger that was found in a state directory, and who posts to it.
pub struct Opened {
    /// The ledger. Its pipelines are those of the last run; this one's are still to be [adopted](Keeper::adopt).
    pub ledger: Arc<Ledger>,
    /// The one who posts.
    pub keeper: Keeper,
    /// Whether there was nothing in the directory.
    pub is_new: bool,
}

/// What was to be posted could not be committed, and is not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was counted last could not be written to the state directory")]
pub struct Abandoned;

impl Keeper {
    /// Posts to a ledger that lasts as long as the process.
    pub fn volatile(ledger: Arc<Ledger>) -> Keeper {
        Keeper { ledger, journal: None, roll: Roll::default(), record: Vec::new() }
    }

    /// Reads the ledger that is kept in a directory.
    ///
    /// # Errors
    /// Why the directory cannot be used. Then nothing in it was changed.
    pub fn open(directory: &Path, disk: Arc<dyn Disk>, now: Duration) -> Result<Opened, OpenError> {
        let (mut replay, mut is_new) = (Replay::new(), true);
        let journal = Journal::open(directory, disk, &mut |record| {
            is_new = false;
            replay.record(record.bytes)
        })?;
        let mut state = replay.end();
        // Series that come from here on were seen by no scrape before.
        state.posted = state.posted.max(now.as_secs_f64());
        let ledger = Arc::new(Ledger::of(state));
        let keeper = Keeper { journal: Some(journal), ..Keeper::volatile(Arc::clone(&ledger)) };
        Ok(Opened { ledger, keeper, is_new })
    }

    /// The journal, if there is one.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// From now on the ledger is that of these pipelines; see [`Ledger::adopt`]. The next posting commits that.
    pub fn adopt(&mut self, pipelines: Vec<Pipeline>, now: Duration) {
        self.ledger.adopt(pipelines, now);
        self.roll.next = Some(Begin::Whole);
    }

    /// Has the next posting committed also if there is nothing in it: to see whether that is possible.
    pub fn insist(&mut self) {
        self.roll.is_asked = true;
    }

    /// Posts the deltas of a tick, one of each worker, once they are committed; says whether there was anything to commit.
    /// What cannot be committed is tried again for as long as `again` says so.
    ///
    /// # Errors
    /// If that says no. Then nothing of the deltas is posted, and nothing must be posted any more.
    pub fn post(
        &mut self,
        deltas: Vec<Delta>,
        now: Duration,
        again: &mut dyn FnMut(&CommitError) -> bool,
    ) -> Result<bool, Abandoned> {
        let prepared = self.ledger.prepare(deltas, now);
        let is_committed = self.commit(&prepared, again)?;
        self.ledger.apply(prepared);
        Ok(is_committed)
    }

    /// Commits what is to be posted next, if there is a journal and anything to commit.
    pub(super) fn commit(
        &mut self,
        prepared: &Prepared,
        again: &mut dyn FnMut(&CommitError) -> bool,
    ) -> Result<bool, Abandoned> {
        let Keeper { ledger, journal, roll, record } = self;
        let Some(journal) = journal else { return Ok(false) };
        let is_asked = std::mem::take(&mut roll.is_asked);
        if roll.next.is_none() {
            if !is_asked && prepared.is_empty(&ledger.read()) {
                return Ok(false);
            }
            if roll.is_due() {
                roll.next = Some(Begin::Slices);
                // A process that runs for months without another configuration would write it again in every segment.
                ledger.write().drop_old(prepared.posting.now);
            }
        }
        let mark = roll.write(prepared, &ledger.read(), record);
        while let Err(error) = journal.commit(record, mark) {
            if !again(&error) {
                return Err(Abandoned);
            }
        }
        // One that has the whole state in it may be large, and there are not many of those.
        record.clear();
        record.shrink_to(KEPT_BYTES);
        Ok(true)
    }

    /// Small segments and slices.
    #[cfg(test)]
    pub(super) fn resize(&mut self, sizes: Sizes) {
        self.roll.sizes = sizes;
    }
}

impl Roll {
    /// Whether the segment has grown so much that the next one is to begin.
    fn is_due(&self) -> bool {
        self.cursor.is_none() && self.bytes > 2 * self.sliced + self.sizes.segment
    }

    /// Writes the next record.
    fn write(&mut self, prepared: &Prepared, state: &State, record: &mut Vec<u8>) -> Mark {
        let mut posting = Vec::new();
        prepared.pack(state, &mut posting);
        let mut mark = Mark { begins: self.next.is_some(), completes: false };
        record.clear();
        if mark.begins {
            record::put_layout(state, record);
            (self.cursor, self.sliced, self.bytes) = (Some(Cursor::default()), 0, 0);
        }
        let most = match self.next.take() {
            Some(Begin::Whole) => usize::MAX,
            _ => self.sizes.slice.max(posting.len()),
        };
        let before = record.len();
        if let Some(cursor) = &mut self.cursor
            && !record::put_slices(state, cursor, most, record)
        {
            self.cursor = None;
            mark.completes = true;
        }
        self.sliced += (record.len() - before) as u64;
        record.push(Part::Posting as u8);
        record.extend_from_slice(&posting);
        self.bytes += record.len() as u64;
        mark
    }
}
