//! What an earlier run has read and whose file is not there under its inode: which rotated, copied or compressed
//! file holds it now, and what is newer than it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::head::{FileId, Head, Stamp};
use super::lanes::{Lanes, inode, is_key};
use super::packed::{Pack, Part};
use super::paths::{self, Found};
use super::stranger::Stranger;
use crate::model::batch::Position;
use crate::source::Outlet;

/// For how long a content is looked for. A directory may be mounted late, and a file be under way between two.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Contents that are looked for, by the positions that the ledger holds.
#[derive(Debug, Default)]
pub struct Missing {
    sought: Vec<(String, Position)>,
    /// The files that were looked at. They are not looked at again until they change.
    seen: HashMap<FileId, Stamp>,
    since: Duration,
}

/// A file in which a content may be.
pub struct Candidate {
    /// Where it is.
    pub found: Found,
    /// The path from which it was rotated.
    pub base: PathBuf,
    /// The first bytes of the content.
    pub head: Head,
    /// The file.
    pub form: Form,
}

/// How a file holds a content.
pub enum Form {
    /// As it was written.
    Plain(Stranger),
    /// Compressed.
    Packed(Pack),
}

impl Candidate {
    /// Opens a plain file as a candidate.
    pub fn plain(found: &Found, base: PathBuf, stranger: Stranger) -> Candidate {
        let head = stranger.head.clone();
        Candidate { found: found.clone(), base, head, form: Form::Plain(stranger) }
    }

    /// Opens a compressed file as a candidate; `None` if nothing can be said of what is in it.
    pub fn packed(found: &Found, stranger: Stranger) -> Option<Candidate> {
        let base = found.bases.first()?.clone();
        let pack = Pack::new(stranger.file)?;
        let head = pack.head().ok().filter(|head| !head.is_empty())?;
        Some(Candidate { found: found.clone(), base, head, form: Form::Packed(pack) })
    }
}

impl Missing {
    /// Everything that the ledger holds for files.
    pub fn of(outlet: &dyn Outlet, now: Duration) -> Missing {
        let sought = outlet.positions().into_iter().filter(|(key, _)| is_key(key)).collect();
        Missing { sought, seen: HashMap::new(), since: now }
    }

    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.sought.is_empty()
    }

    /// Looks no more for what is being read.
    pub fn drop_taken(&mut self, lanes: &Lanes) {
        self.sought.retain(|(key, _)| !lanes.is_taken(key));
        if self.sought.is_empty() {
            self.seen.clear();
        }
    }

    /// Finds what is in a file of so many bytes whose device has another number than it had: devices are numbered anew when
    /// the system starts, inodes are not.
    pub fn moved(&mut self, id: FileId, head: &Head, size: u64) -> Option<(String, Position)> {
        let is_it = |(key, position): &(String, Position)| {
            inode(key) == Some(id.inode) && position.offset <= size && fits(head, position)
        };
        let furthest = self.sought.iter().enumerate().filter(|(_, sought)| is_it(sought));
        let at = furthest.max_by_key(|(_, (_, position))| (position.witness.len, position.offset))?.0;
        Some(self.sought.swap_remove(at))
    }

    /// The inodes of the files that are looked for.
    pub fn inodes(&self) -> HashSet<u64> {
        self.sought.iter().filter_map(|(key, _)| inode(key)).collect()
    }

    /// Looks again for a content that was not where it was thought to be.
    pub fn push(&mut self, part: Part) {
        self.sought.push((part.key, part.position));
    }

    /// Whether the file was looked at as it is now.
    pub fn has_seen(&self, found: &Found) -> bool {
        self.seen.get(&found.id) == Some(&found.stamp)
    }

    /// The file was looked at.
    pub fn see(&mut self, found: &Found) {
        self.seen.insert(found.id, found.stamp);
    }

    /// Whether a content that starts with `head` may be among those that are looked for.
    pub fn may_be(&self, head: &Head) -> bool {
        self.sought.iter().any(|(_, position)| fits(head, position))
    }

    /// Finds what is in one of the candidates, which are used up: each content, and the file that holds it.
    pub fn find(
        &mut self,
        mut candidates: Vec<Candidate>,
        outlet: &mut dyn Outlet,
    ) -> Vec<(Part, Candidate)> {
        let mut pairs = Vec::new();
        for (key, position) in std::mem::take(&mut self.sought) {
            let fitting: Vec<_> =
                candidates.extract_if(.., |candidate| fits(&candidate.head, &position)).collect();
            let (chosen, others) = choose(fitting, position.offset, outlet);
            candidates.extend(others);
            match chosen {
                Some(candidate) => {
                    let base = candidate.base.clone();
                    pairs.push((Part { key, base, position }, candidate));
                }
                None => self.sought.push((key, position)),
            }
        }
        pairs
    }

    /// What cannot be found any more: of which nothing was read, or that was looked for for long. `complete`: all
    /// files and directories could be looked into.
    pub fn give_up(&mut self, complete: bool, now: Duration) -> Vec<(String, Position)> {
        let is_over = complete && now >= self.since + PATIENCE;
        self.sought.extract_if(.., |(_, position)| is_over || position.witness.len == 0).collect()
    }
}

fn fits(head: &Head, position: &Position) -> bool {
    position.witness.len > 0 && Head::fits(head, position.witness)
}

/// Which of the files whose contents all start the same holds the one that was read up to `offset`, and the others.
/// The longest plain one, or the newest compressed one, that is long enough. Otherwise a plain one: a copy lacks what was
/// written between it and the truncation, and may have been read.
fn choose(
    mut fitting: Vec<Candidate>,
    offset: u64,
    outlet: &mut dyn Outlet,
) -> (Option<Candidate>, Vec<Candidate>) {
    let is_packed = |candidate: &Candidate| matches!(candidate.form, Form::Packed(_));
    fitting.sort_by_key(|candidate| {
        let stamp = candidate.found.stamp;
        match is_packed(candidate) {
            true => (1, 0, stamp.modified),
            false => (if stamp.size < offset { 0 } else { 2 }, stamp.size, stamp.modified),
        }
    });
    if fitting.len() > 1 && fitting.last().is_some_and(is_packed) {
        return choose_packed(fitting, offset, outlet);
    }
    (fitting.pop(), fitting)
}

fn choose_packed(
    fitting: Vec<Candidate>,
    offset: u64,
    outlet: &mut dyn Outlet,
) -> (Option<Candidate>, Vec<Candidate>) {
    let digest = |candidate: &Candidate| match &candidate.form {
        Form::Packed(pack) => pack.digest(offset).ok().flatten(),
        Form::Plain(_) => None,
    };
    let (mut long_enough, mut others) = (Vec::new(), Vec::new());
    for candidate in fitting {
        match digest(&candidate) {
            Some(digest) => long_enough.push((digest, candidate)),
            None => others.push(candidate),
        }
    }
    let Some((digest, newest)) = long_enough.pop() else { return (None, others) };
    if long_enough.iter().any(|(other, _)| *other != digest) {
        outlet.error("file_copy_ambiguous");
        let path = newest.found.path.display();
        tracing::warn!(%path, "several compressed files start like the one that was read, the newest is taken");
    }
    others.extend(long_enough.into_iter().map(|(_, candidate)| candidate));
    (Some(newest), others)
}

/// Which paths were rotated since an earlier run has read them.
#[derive(Debug, Default)]
pub struct Rotated {
    /// The paths at which a file was at the start.
    there: HashSet<PathBuf>,
    /// The paths at which the content is that an earlier run has read there.
    in_place: HashSet<PathBuf>,
    /// When the newest known content of each path was last written, of those that are elsewhere.
    newest: HashMap<PathBuf, (i64, i64)>,
}

impl Rotated {
    /// Learns which files are there.
    pub fn look(&mut self, found: &[Found]) {
        let included = found.iter().filter(|found| found.included);
        self.there.extend(included.map(|found| found.path.clone()));
    }

    /// Whether a file was at the path at the start.
    pub fn was_there(&self, path: &Path) -> bool {
        self.there.contains(path)
    }

    /// Learns where a known content is.
    pub fn learn(&mut self, found: &Found) {
        for base in &found.bases {
            if *base == found.path {
                self.in_place.insert(base.clone());
            } else {
                let newest = self.newest.entry(base.clone()).or_insert(found.stamp.modified);
                *newest = found.stamp.modified.max(*newest);
            }
        }
    }

    /// Whether `found`, of which nothing is known, was rotated away from a path after all that is known of it: then
    /// it was written while the program was not running. Another file has to be at the path, by which the next run
    /// will know that this one is old. Its name has to be numbered: `app-debug.log` is hardly `app.log` of yesterday.
    pub fn is_after(&self, found: &Found) -> bool {
        let was_rotated = |base: &&PathBuf| {
            **base != found.path && self.there.contains(*base) && !self.in_place.contains(*base)
        };
        let is_numbered = |base: &&PathBuf| paths::is_numbered(&found.path, base);
        let bases = found.bases.iter().filter(|base| is_numbered(base) && was_rotated(base));
        let mut newest = bases.filter_map(|base| self.newest.get(base));
        newest.any(|newest| found.stamp.modified > *newest)
    }
}
