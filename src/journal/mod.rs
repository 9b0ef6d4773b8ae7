//! Records on disk: each is committed whole, and found again after a crash.
//!
//! A journal is a directory of segments. A commit appends one record to the newest segment, with one write and one
//! `fdatasync`, or begins a segment with it; a new segment's file is synced before its name is. Each record has a
//! sequence and carries checksums, so that recovery finds where the records end, whatever a crash left of the last
//! write ("Atomic Commit In SQLite", section 2, says what it may leave).
//!
//! The caller marks the record with which a segment *begins* and the one with which it *completes*: from its begin to
//! there the segment says everything. Once that is durable, older segments are removed. Recovery replays from the begin
//! of the newest segment that completes; if none does, from record 1. It leaves out, as a write that a crash cut off, only
//! what looks like one: a file that ends within its last record, or a last record of which a sector was never written.
//! Everything else is refused, and a refusal changes nothing that was written.
//!
//! That the only file ends before its first record may be such a write too, of the first commit of all. So once a record is
//! durable the file `committed` is made. Where it is, or where a file says that records came before its own, there must
//! be a record: otherwise somebody removed them.
//!
//! After a failed sync nothing written since the last one is known to be on disk, and a later sync that succeeds says
//! nothing about it ("Can Applications Recover from fsync Failures?", Rebello et al., USENIX ATC 2020; PostgreSQL's
//! "fsyncgate"). So after any failure the record is written again, with its sequence, to a new file, which goes on with
//! the segment. For the same reason opening writes the newest record that it found to a new file: the process that wrote
//! it may have died between a failed sync and its next try. A record that a later file repeats counts there only.

mod disk;
mod error;
mod format;
mod home;
mod recovery;
mod segment;
mod writer;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
pub(crate) mod faulty;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod system_tests;

use std::path::Path;
use std::sync::Arc;

pub use disk::{Access, Appendable, Disk, Lock, Readable, System};
pub use error::{CommitError, OpenError};
pub use format::FORMAT;

use crate::base::pack::Damaged;
use format::Frame;
use home::Home;
use recovery::{Found, Survey, recover};
use writer::{Kept, Writer};

/// What a record is in its segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// With this record a new segment begins.
    pub begins: bool,
    /// With this record the segment, from its begin, says everything: older segments are not needed any more.
    pub completes: bool,
}

/// A record that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'r> {
    /// What was committed.
    pub bytes: &'r [u8],
    /// The first record of a directory has 1, and each the next number.
    pub sequence: u64,
    /// As it was committed.
    pub mark: Mark,
}

/// Takes the records that are found, or says what is wrong with one.
pub type Replay<'r> = dyn FnMut(Record<'_>) -> Result<(), Damaged> + 'r;

/// What is in a directory that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Of the process that writes there: 32 hexadecimal digits, or nothing if there was none yet.
    pub instance: String,
    /// How many files have records that are needed.
    pub segments: usize,
    /// Bytes of those files.
    pub bytes: u64,
    /// How many records they hold, each counted once.
    pub records: u64,
    /// The sequence of the newest, 0 if there is none.
    pub sequence: u64,
}

/// A journal that is open for writing. The directory is locked until it is dropped.
pub struct Journal {
    writer: Writer,
    /// The sequence of the next record.
    next: u64,
    /// The record whose commit failed.
    failed: Option<Frame>,
}

impl Journal {
    /// Locks the directory, which is made if it is not there, hands every committed record to `replay`, in order, and
    /// begins a new file. After Ok everything that was replayed is durable. A record whose commit had not returned Ok
    /// may be the last.
    pub fn open(
        directory: &Path,
        disk: Arc<dyn Disk>,
        replay: &mut Replay<'_>,
    ) -> Result<Journal, OpenError> {
        let (home, numbers) = Home::enter(directory, disk, Access::Write)?;
        let found = recover(&home, &numbers, replay)?;
        let newest = numbers.last().copied().unwrap_or(0);
        let next = found.last.map_or(0, |last| last.sequence) + 1;
        let (needed, obsolete) = sort_out(&home, &found, &numbers);
        let mut writer = Writer::new(home, needed, newest);
        if let Some(last) = found.last {
            let written = writer.write(last, &found.last_record);
            let access = Access::Write;
            written.map_err(|error| OpenError::Failed { file: writer.path(), access, error })?;
            writer.note_commit();
        }
        obsolete.into_iter().for_each(|number| writer.remove(number));
        Ok(Journal { writer, next, failed: None })
    }

    /// Hands every committed record to `replay`, in order, and changes nothing. Fails while a process writes there.
    pub fn look(
        directory: &Path,
        disk: Arc<dyn Disk>,
        replay: &mut Replay<'_>,
    ) -> Result<Summary, OpenError> {
        let (home, numbers) = Home::enter(directory, disk, Access::Read)?;
        let found = recover(&home, &numbers, replay)?;
        let needed = || found.files.iter().filter(|survey| !survey.sequences().is_empty());
        Ok(Summary {
            segments: needed().count(),
            bytes: needed().map(|survey| survey.size).sum(),
            records: found.replayed,
            sequence: found.last.map_or(0, |last| last.sequence),
            instance: home.instance,
        })
    }

    /// Makes a record durable: after Ok it will be found. After an error it may or may not be found, and must be
    /// committed again, with the same mark, until that returns Ok. After opening, the first record that completes must
    /// stand behind one that begins: what was written before the start does not know of it.
    pub fn commit(&mut self, record: &[u8], mark: Mark) -> Result<(), CommitError> {
        let frame = Frame::new(record, self.next, mark);
        if self.failed.is_some_and(|failed| failed != frame) {
            return Err(CommitError::Changed { sequence: self.next });
        }
        if let Err(error) = self.writer.write(frame, record) {
            self.failed = Some(frame);
            return Err(CommitError::Failed { directory: self.writer.directory().to_owned(), error });
        }
        self.writer.note_commit();
        self.failed = None;
        self.next += 1;
        if mark.completes {
            self.writer.remove_older();
        }
        Ok(())
    }

    /// Who writes in this directory: 32 hexadecimal digits, which are drawn when it is new.
    pub fn instance(&self) -> &str {
        self.writer.instance()
    }

    /// Bytes of all segments on disk.
    pub fn size(&self) -> u64 {
        self.writer.files.iter().map(|kept| kept.bytes).sum()
    }

    /// Bytes of the newest segment's file.
    pub fn segment_bytes(&self) -> u64 {
        self.writer.files.last().map_or(0, |kept| kept.bytes)
    }

    /// Bytes that were written since the start, heads included.
    pub fn written(&self) -> u64 {
        self.writer.written
    }
}

/// The files that are needed once the newest record is repeated behind them, and the numbers of those that are not: the ones
/// before the first record that is replayed, and those with no records or only the one that is repeated.
fn sort_out(home: &Home, found: &Found, numbers: &[u64]) -> (Vec<Kept>, Vec<u64>) {
    let repeated = found.last.map_or(0, |last| last.sequence);
    let is_needed = |survey: &&Survey| !survey.sequences().is_empty() && survey.sequences().start < repeated;
    let needed: Vec<_> = found.files.iter().filter(is_needed).collect();
    let obsolete = numbers.iter().filter(|number| needed.iter().all(|survey| survey.number != **number));
    let obsolete = obsolete.copied().collect();
    let kept = |survey: &Survey| Kept {
        path: home.segment_path(survey.number),
        bytes: survey.size,
        begins: survey.begins(),
    };
    (needed.into_iter().map(kept).collect(), obsolete)
}
