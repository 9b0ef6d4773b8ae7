//! Files that are left alone: those that are not to be read, and those that cannot be read for now.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::head::{FileId, Head, Stamp};
use super::paths::Found;
use crate::base::backoff::Backoff;
use crate::source::Outlet;

/// For how many scans a file may be missing from its directory before it is forgotten. A directory that is
/// read while files in it are renamed may show them under neither name.
const MISSES: u32 = 240;

/// Why a file is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was a sibling at the first scan, or it was read to its end already.
    Old,
    /// It is, or was when last looked at, a copy of a content that is read elsewhere.
    Copy,
}

#[derive(Debug)]
struct Entry {
    stamp: Stamp,
    head: Head,
    reason: Reason,
    missed: u32,
}

/// The files that are not read.
#[derive(Debug, Default)]
pub struct Passed(HashMap<FileId, Entry>);

impl Passed {
    /// Leaves the file alone from now on.
    pub fn insert(&mut self, id: FileId, stamp: Stamp, head: Head, reason: Reason) {
        self.0.insert(id, Entry { stamp, head, reason, missed: 0 });
    }

    /// Whether the file was passed and has not changed since; says why it was.
    pub fn untouched(&self, found: &Found) -> Option<Reason> {
        self.0.get(&found.id).filter(|entry| entry.stamp == found.stamp).map(|entry| entry.reason)
    }

    /// Whether a file that has changed is still the old one. Forgets it if its inode is another file's now.
    pub fn is_still_old(&mut self, id: FileId, stamp: Stamp, head: &Head) -> bool {
        let Some(entry) = self.0.get_mut(&id) else { return false };
        if entry.stamp.is_same_age(&stamp) && Head::fits(head, entry.head.witness()) {
            // Whether what was a copy still is one has to be looked at again, until that is known.
            if entry.reason == Reason::Old {
                entry.stamp = stamp;
            }
            return entry.reason == Reason::Old;
        }
        self.0.remove(&id);
        false
    }

    /// Forgets files that have been missing for long.
    pub fn age(&mut self, found: &[Found]) {
        self.0.values_mut().for_each(|entry| entry.missed += 1);
        for found in found {
            if let Some(entry) = self.0.get_mut(&found.id) {
                entry.missed = 0;
            }
        }
        self.0.retain(|_, entry| entry.missed < MISSES);
    }
}

/// Paths that could not be read, and when to try again.
#[derive(Debug, Default)]
pub struct Faults(HashMap<PathBuf, Fault>);

#[derive(Debug)]
struct Fault {
    backoff: Backoff,
    retry_at: Duration,
    /// It was there at the first scan, so `start_at` is for it.
    from_start: bool,
}

impl Faults {
    /// Counts the fault, unless the path is being left alone after an earlier one.
    pub fn report(
        &mut self,
        path: &Path,
        reason: &'static str,
        (now, from_start): (Duration, bool),
        outlet: &mut dyn Outlet,
    ) {
        let backoff = || Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let fault = self.0.entry(path.to_owned()).or_insert_with(|| {
            tracing::warn!(path = %path.display(), reason, "a file cannot be read, and is tried again");
            Fault { backoff: backoff(), retry_at: now, from_start }
        });
        if now >= fault.retry_at {
            fault.retry_at = now + fault.backoff.failed();
            outlet.error(reason);
        }
    }

    /// Whether it is too early to try the path again.
    pub fn is_paused(&self, path: &Path, now: Duration) -> bool {
        self.0.get(path).is_some_and(|fault| now < fault.retry_at)
    }

    /// Ends the pauses of a path that could be read; says whether it was there at the first scan.
    pub fn succeeded(&mut self, path: &Path) -> bool {
        self.0.remove(path).is_some_and(|fault| fault.from_start)
    }

    /// Whether every path can be read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets paths that nobody has stumbled over for long.
    pub fn forget(&mut self, now: Duration) {
        self.0.retain(|_, fault| now < fault.retry_at + Duration::from_secs(600));
    }
}
