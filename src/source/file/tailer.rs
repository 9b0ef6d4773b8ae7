//! Follows the contents of files through rotation: one step looks at the directories, another reads.

mod restart;

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::restart::Past;
use super::content::{Condition, Content, Outcome, Track};
use super::head::{FileId, Head};
use super::lanes::Lanes;
use super::packed::Packed;
use super::passed::{Faults, Passed, Reason};
use super::paths::{self, Found, Listing, Patterns};
use super::stranger::Stranger;
use super::{Options, StartAt};
use crate::model::batch::{Batch, Lane};
use crate::source::block::Cut;
use crate::source::framing::Framing;
use crate::source::{Closed, Outlet};
use crate::telemetry::Lag;

/// For how many scans the copy of a truncated content is looked for.
const PATIENCE: u32 = 8;

/// All files of one source. [`scan`](Tailer::scan) and [`read_some`](Tailer::read_some) are called in turn.
#[derive(Debug)]
pub struct Tailer {
    patterns: Patterns,
    start_at: StartAt,
    framing: Framing,
    contents: Vec<Content>,
    /// The files of the contents.
    ids: HashSet<FileId>,
    /// Contents that were truncated before they were read to their end as far as is known.
    orphans: Vec<Orphan>,
    lanes: Lanes,
    passed: Passed,
    faults: Faults,
    /// What earlier runs have read.
    past: Past,
    /// Contents that go on in compressed files.
    packed: Vec<Packed>,
    scanned: bool,
    /// The directories that were looked into.
    directories: BTreeSet<PathBuf>,
    /// Whose turn it is to be read.
    turn: usize,
    /// A buffer that the last read left empty.
    spare: Option<Vec<u8>>,
}

/// A content without a file.
#[derive(Debug)]
struct Orphan {
    track: Track,
    patience: u32,
}

impl Tailer {
    /// Knows no file yet. Fails on a pattern that is not a valid glob.
    pub fn new(options: &Options) -> Result<Tailer, globset::Error> {
        Ok(Tailer {
            patterns: Patterns::new(&options.include, &options.exclude)?,
            start_at: options.start_at,
            framing: options.framing.clone(),
            contents: Vec::new(),
            ids: HashSet::new(),
            orphans: Vec::new(),
            lanes: Lanes::default(),
            passed: Passed::default(),
            faults: Faults::default(),
            past: Past::default(),
            packed: Vec::new(),
            scanned: false,
            directories: BTreeSet::new(),
            turn: 0,
            spare: None,
        })
    }

    /// Looks at the directories and at every open file: finds new contents, and the end of old ones. What is
    /// known from two scans in a row, or only after several, counts on the time between them.
    pub fn scan(&mut self, outlet: &mut dyn Outlet, now: Duration) -> Result<(), Closed> {
        let listing = self.list(outlet, now);
        self.check_contents(&listing.found, outlet, now)?;
        self.check_packed(outlet, now)?;
        self.ids = self.contents.iter().map(|content| content.id).collect();
        self.ids.extend(self.packed.iter().map(|packed| packed.id));
        self.resume_known(&listing.found, outlet, now);
        self.adopt_copies(&listing.found, outlet, now)?;
        self.seek_missing(&listing, outlet, now)?;
        for found in &listing.found {
            self.meet(found, outlet, now)?;
        }
        if !self.scanned {
            self.begin_packed(&listing, outlet, now)?;
        }
        for content in &mut self.contents {
            let behind = content.track.size.saturating_sub(content.track.offset);
            outlet.lag(&content.track.lane, Some(Lag::Bytes(behind)));
            if content.track.has_more_to_tell() {
                announce(&mut content.track, outlet)?;
            }
        }
        if listing.faults.is_empty() {
            self.passed.age(&listing.found);
        }
        self.faults.forget(now);
        self.lanes.forget(outlet, now);
        self.scanned = true;
        Ok(())
    }

    /// Looks at the directories between two scans, for files that have appeared.
    pub fn look(&mut self, outlet: &mut dyn Outlet, now: Duration) -> Result<(), Closed> {
        let listing = self.list(outlet, now);
        self.resume_known(&listing.found, outlet, now);
        // While the copy of a truncated content is looked for, a new file may be that.
        if self.orphans.is_empty() {
            self.seek_missing(&listing, outlet, now)?;
            for found in &listing.found {
                self.meet(found, outlet, now)?;
            }
        }
        Ok(())
    }

    fn list(&mut self, outlet: &mut dyn Outlet, now: Duration) -> Listing {
        let mut listing = self.patterns.list();
        for (path, reason) in &listing.faults {
            let from_start = !self.scanned && *reason == paths::UNREADABLE;
            self.faults.report(path, reason, (now, from_start), outlet);
        }
        if !self.scanned && !listing.found.iter().any(|found| found.included) {
            tracing::warn!(include = ?self.patterns.written, "no file is there yet that `include` names");
        }
        self.directories = std::mem::take(&mut listing.directories);
        listing
    }

    /// The directories in which files may appear, and the files that may be written.
    pub fn to_watch(&self) -> (&BTreeSet<PathBuf>, impl Iterator<Item = (FileId, &File)>) {
        (&self.directories, self.contents.iter().map(|content| (content.id, content.file())))
    }

    /// Says that these files were written.
    pub fn wake(&mut self, written: &HashSet<FileId>) {
        self.contents.iter_mut().filter(|content| written.contains(&content.id)).for_each(Content::wake);
    }

    /// Says that any file may have been written.
    pub fn wake_all(&mut self) {
        self.contents.iter_mut().for_each(Content::wake);
    }

    /// Reads one block of the next file that has something to read; false if none has.
    pub fn read_some(&mut self, outlet: &mut dyn Outlet, now: Duration) -> Result<bool, Closed> {
        let all = self.contents.len() + usize::from(!self.packed.is_empty());
        for _ in 0..all {
            self.turn = (self.turn + 1) % all;
            let Some(content) = self.contents.get_mut(self.turn) else {
                if self.read_packed(outlet, now)? {
                    return Ok(true);
                }
                continue;
            };
            if !content.is_readable(now) {
                continue;
            }
            let mut block = self.spare.take().unwrap_or_else(|| outlet.buffer());
            match content.read(&mut block, &self.framing, now) {
                Ok(Outcome::Records(cut)) => {
                    send(&mut content.track, block, cut, outlet)?;
                    return Ok(true);
                }
                outcome => {
                    block.clear();
                    self.spare = Some(block);
                    if outcome.is_err() {
                        content.pause(now);
                        outlet.error("file_read_failed");
                    } else if matches!(outcome, Ok(Outcome::More)) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// When a read may find something although nothing is written until then.
    pub fn deadline(&self) -> Option<Duration> {
        self.contents.iter().filter_map(Content::deadline).min()
    }

    fn check_contents(
        &mut self,
        found: &[Found],
        outlet: &mut dyn Outlet,
        now: Duration,
    ) -> Result<(), Closed> {
        for mut content in std::mem::take(&mut self.contents) {
            if content.is_paused(now) {
                self.contents.push(content);
                continue;
            }
            match content.check() {
                Ok(condition) if condition.truncated => self.truncated(content, outlet, now)?,
                Ok(condition) => {
                    if let Some(content) = self.go_on(content, (condition, found), outlet, now)? {
                        self.contents.push(content);
                    }
                }
                Err(_) => {
                    outlet.error("file_read_failed");
                    content.pause(now);
                    self.contents.push(content);
                }
            }
        }
        Ok(())
    }

    /// The file of `content` holds another content now. What was not read of the old one may be in a copy.
    fn truncated(&mut self, content: Content, outlet: &mut dyn Outlet, now: Duration) -> Result<(), Closed> {
        let (id, copy) = (content.id, content.copy);
        let (track, file) = content.part();
        if copy {
            lost(&track, "file_copy_lost", outlet);
            return self.lanes.end(&track, Default::default(), outlet, now);
        }
        let base = track.base.clone();
        self.orphans.push(Orphan { track, patience: PATIENCE });
        let lane = self.lanes.open(id, &base, outlet);
        let head = Head::default();
        let track = Track { lane, base, head, offset: 0, trail: Vec::new(), size: 0, witnessed: 0 };
        let mut content = Content::new(track, id, file);
        if content.check().is_err() {
            content.pause(now);
        }
        announce(&mut content.track, outlet)?;
        self.contents.push(content);
        Ok(())
    }

    /// Ends the lane of a content that is finished, and the last line of one that was rotated away.
    fn go_on(
        &mut self,
        mut content: Content,
        (condition, found): (Condition, &[Found]),
        outlet: &mut dyn Outlet,
        now: Duration,
    ) -> Result<Option<Content>, Closed> {
        if !condition.settled {
            return Ok(Some(content));
        }
        let finished = condition.unlinked || content.copy;
        let mut rest = Default::default();
        if content.has_rest() && (finished || is_rotated_away(&content, found)) {
            let mut block = Vec::new();
            match content.read_rest(&mut block, &self.framing) {
                Ok(Outcome::Records(cut)) if finished => rest = (block, cut),
                Ok(Outcome::Records(cut)) => send(&mut content.track, block, cut, outlet)?,
                Ok(_) => return Ok(Some(content)),
                Err(_) => {
                    outlet.error("file_read_failed");
                    content.pause(now);
                    return Ok(Some(content));
                }
            }
        }
        if !finished {
            return Ok(Some(content));
        }
        if let Ok(stamp) = content.stamp()
            && !condition.unlinked
        {
            self.passed.insert(content.id, stamp, content.track.head.clone(), Reason::Old);
        }
        self.lanes.end(&content.track, rest, outlet, now)?;
        Ok(None)
    }

    /// Finishes truncated contents from their copies.
    fn adopt_copies(
        &mut self,
        found: &[Found],
        outlet: &mut dyn Outlet,
        now: Duration,
    ) -> Result<(), Closed> {
        for mut orphan in std::mem::take(&mut self.orphans) {
            if let Some(copy) = self.find_copy(&orphan, found, outlet, now) {
                let mut content = Content::new(orphan.track, copy.id, copy.file);
                content.copy = true;
                self.ids.insert(content.id);
                self.contents.push(content);
            } else if orphan.patience > 0 && !orphan.track.head.is_empty() {
                orphan.patience -= 1;
                self.orphans.push(orphan);
            } else {
                if orphan.track.size > orphan.track.offset {
                    lost(&orphan.track, "file_truncated_unread", outlet);
                }
                self.lanes.end(&orphan.track, Default::default(), outlet, now)?;
            }
        }
        Ok(())
    }

    /// The longest copy of a truncated content. If there are more, the others are left alone.
    fn find_copy(
        &mut self,
        orphan: &Orphan,
        found: &[Found],
        outlet: &mut dyn Outlet,
        now: Duration,
    ) -> Option<Stranger> {
        let mut copies: Vec<Stranger> = Vec::new();
        for found in found {
            let may_be_copy = is_sibling_of(found, &orphan.track.base)
                && !self.is_read(found.id)
                && self.passed.untouched(found) != Some(Reason::Old);
            if !may_be_copy {
                continue;
            }
            if let Some(stranger) = self.open(found, outlet, now)
                && orphan.track.is_copied_in(&stranger.file, &stranger.head).unwrap_or(false)
            {
                copies.push(stranger);
            }
        }
        copies.sort_by_key(|copy| copy.stamp.size);
        let longest = copies.pop();
        for copy in copies {
            self.passed.insert(copy.id, copy.stamp, copy.head, Reason::Copy);
        }
        longest
    }

    /// Decides what to do with a file that is not read.
    fn meet(&mut self, found: &Found, outlet: &mut dyn Outlet, now: Duration) -> Result<(), Closed> {
        if self.is_read(found.id) || self.passed.untouched(found).is_some() {
            return Ok(());
        }
        let Some(stranger) = self.open(found, outlet, now) else { return Ok(()) };
        if self.is_read(stranger.id) || self.passed.is_still_old(stranger.id, stranger.stamp, &stranger.head)
        {
            return Ok(());
        }
        // A sibling without a byte is a copy that has just been begun, or nothing to read.
        if !found.included && stranger.head.is_empty() {
            return Ok(());
        }
        let reason = match self.is_copy(found, &stranger) {
            Some(true) => Reason::Copy,
            Some(false) if !self.scanned && !found.included && !self.past.is_before(found) => Reason::Old,
            Some(false) => return self.begin(found, stranger, outlet),
            None => return Ok(()),
        };
        self.passed.insert(stranger.id, stranger.stamp, stranger.head, reason);
        Ok(())
    }

    /// Begins to read a content that was never read before.
    fn begin(&mut self, found: &Found, stranger: Stranger, outlet: &mut dyn Outlet) -> Result<(), Closed> {
        let Some(base) = found.bases.first() else { return Ok(()) };
        let was_there = self.faults.succeeded(&found.path) || !self.scanned;
        let skip =
            was_there && found.included && self.start_at == StartAt::End && !self.past.is_before(found);
        let offset = if skip {
            stranger.last_line(self.framing.limits.max_line_bytes).unwrap_or(stranger.stamp.size)
        } else {
            0
        };
        let lane = self.lanes.open(stranger.id, base, outlet);
        self.admit(stranger, lane, base, offset);
        let content = self.contents.last_mut().expect("a content was just admitted");
        announce(&mut content.track, outlet)
    }

    /// Whether the file is a copy of a content that is being read. `None`: it is too early to say.
    fn is_copy(&mut self, found: &Found, stranger: &Stranger) -> Option<bool> {
        if !self.scanned && found.included {
            return Some(false);
        }
        for content in &mut self.contents {
            if !is_sibling_of(found, &content.track.base) {
                continue;
            }
            match content.is_copied_in(&stranger.file, &stranger.head) {
                Ok(Some(false)) => {}
                Ok(verdict) => return verdict,
                Err(_) => return None,
            }
        }
        Some(false)
    }

    fn admit(&mut self, stranger: Stranger, lane: Arc<Lane>, base: &Path, offset: u64) {
        let Stranger { file, id, stamp, head } = stranger;
        let track = Track {
            lane,
            base: base.to_owned(),
            head,
            offset,
            trail: Vec::new(),
            size: stamp.size,
            witnessed: 0,
        };
        self.ids.insert(id);
        self.contents.push(Content::new(track, id, file));
    }

    fn is_read(&self, id: FileId) -> bool {
        self.ids.contains(&id)
    }

    fn open(&mut self, found: &Found, outlet: &mut dyn Outlet, now: Duration) -> Option<Stranger> {
        if self.faults.is_paused(&found.path, now) {
            return None;
        }
        match Stranger::open(&found.path) {
            Ok(stranger) => stranger,
            Err(error) => {
                self.faults.report(&found.path, fault(&error), (now, !self.scanned), outlet);
                None
            }
        }
    }
}

fn send(track: &mut Track, bytes: Vec<u8>, cut: Cut, outlet: &mut dyn Outlet) -> Result<(), Closed> {
    let (lane, end) = (Arc::clone(&track.lane), track.position());
    track.witnessed = end.witness.len;
    let refused = cut.refused();
    outlet.send(Batch { lane, bytes, ends: cut.ends, end, refused, last: false })
}

/// Makes a content known to the ledger before anything of it is read, and by as many of its first bytes as there
/// are. A restart must neither take it for one that was there before the program nor confuse it with the next one.
fn announce(track: &mut Track, outlet: &mut dyn Outlet) -> Result<(), Closed> {
    send(track, Vec::new(), Cut::default(), outlet)
}

/// Counts and logs that lines are lost which were written and not read.
fn lost(track: &Track, reason: &'static str, outlet: &mut dyn Outlet) {
    tracing::error!(path = %track.base.display(), reason, "lines that were not read are lost");
    outlet.error(reason);
}

/// Whether the writer has moved on: another file, in which something is written, is in the content's place.
fn is_rotated_away(content: &Content, found: &[Found]) -> bool {
    let base = &content.track.base;
    found.iter().any(|found| found.path == *base && found.id != content.id && found.stamp.size > 0)
}

/// Whether the name of `found` is one that rotation may give to what was at `base`.
fn is_sibling_of(found: &Found, base: &Path) -> bool {
    found.path != base && found.bases.iter().any(|former| former == base)
}

fn fault(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => "file_permission_denied",
        _ if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => "too_many_open_files",
        _ => paths::UNREADABLE,
    }
}
