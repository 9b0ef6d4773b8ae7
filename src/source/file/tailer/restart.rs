//! Goes on with what an earlier run has read: where it was, in a rotated file, or in a compressed one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Tailer, announce};
use crate::model::batch::{Lane, Position};
use crate::source::file::content::{Content, Track};
use crate::source::file::lanes::Recalled;
use crate::source::file::missing::{Candidate, Form, Missing, Rotated};
use crate::source::file::packed::{Packed, Part, Step};
use crate::source::file::paths::{Found, Listing};
use crate::source::{Closed, Outlet};

/// What is known of earlier runs.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// What they have read and is not found yet; `None` before the first scan.
    missing: Option<Missing>,
    /// What was rotated since.
    rotated: Rotated,
    /// Included paths of which they have read something: what is new there is no old content.
    known: HashSet<PathBuf>,
    /// Whether something was missing after the first scan, so that it may have been at any included path.
    unplaced: bool,
}

impl Past {
    /// Whether the past of `found`, of which nothing is known, is known: then it came after what was read.
    pub(super) fn is_before(&self, found: &Found) -> bool {
        self.rotated.is_after(found) || found.included && (self.unplaced || self.known.contains(&found.path))
    }

    fn learn(&mut self, found: &Found) {
        self.known.extend(found.bases.iter().cloned());
        self.rotated.learn(found);
    }
}

impl Tailer {
    /// Goes on with the files that the ledger knows.
    pub(super) fn resume_known(&mut self, found: &[Found], outlet: &mut dyn Outlet, now: Duration) {
        if !self.scanned {
            self.past.rotated.look(found);
        }
        for found in found {
            if self.is_read(found.id) || self.passed.untouched(found).is_some() {
                continue;
            }
            let Some(stranger) = self.open(found, outlet, now) else { continue };
            let Recalled { current, former } =
                self.lanes.recall(stranger.id, &stranger.head, stranger.stamp.size, outlet);
            let Some(base) = found.bases.first() else { continue };
            if former {
                self.past.known.extend(found.bases.iter().cloned());
            }
            if let Some((key, position)) = current {
                self.past.learn(found);
                let lane = self.lanes.reopen(key, base, outlet);
                self.faults.succeeded(&found.path);
                self.admit(stranger, lane, base, position.offset);
            }
        }
    }

    /// Looks for what earlier runs have read and is not where it was, and gives up what cannot be found.
    pub(super) fn seek_missing(
        &mut self,
        listing: &Listing,
        outlet: &mut dyn Outlet,
        now: Duration,
    ) -> Result<(), Closed> {
        let mut missing = self.past.missing.take().unwrap_or_else(|| Missing::of(outlet, now));
        missing.drop_taken(&self.lanes);
        if !missing.is_empty() {
            self.resume_moved(&listing.found, &mut missing, outlet, now);
            let mut candidates = self.plain_candidates(listing, &mut missing, outlet, now);
            candidates.extend(self.packed_candidates(listing, &mut missing, outlet, now));
            for (part, candidate) in missing.find(candidates, outlet) {
                self.go_on_in(candidate, part, outlet);
            }
            self.past.unplaced |= !self.scanned && !missing.is_empty();
            // What cannot be read now may be what is missing.
            let complete = listing.faults.is_empty() && self.faults.is_empty();
            for (key, position) in missing.give_up(complete, now) {
                let lane = self.lanes.reopen(key, Path::new(""), outlet);
                self.forget(lane, position, outlet, now)?;
            }
        }
        self.past.missing = Some(missing);
        Ok(())
    }

    /// Goes on with files that are where they were, on a device of another number.
    fn resume_moved(
        &mut self,
        found: &[Found],
        missing: &mut Missing,
        outlet: &mut dyn Outlet,
        now: Duration,
    ) {
        let inodes = missing.inodes();
        for found in found.iter().filter(|found| inodes.contains(&found.id.inode)) {
            if self.is_read(found.id) || missing.has_seen(found) {
                continue;
            }
            let Some(stranger) = self.open(found, outlet, now) else { continue };
            let Some(base) = found.bases.first() else { continue };
            if let Some((key, position)) = missing.moved(stranger.id, &stranger.head, stranger.stamp.size) {
                self.past.learn(found);
                let lane = self.lanes.reopen(key, base, outlet);
                self.admit(stranger, lane, base, position.offset);
            }
        }
    }

    /// The plain files in which something missing may be. Of those that a pattern names only copies that were there at
    /// the start, beside the file that they are made of: any other may be a new file that just starts the same.
    fn plain_candidates(
        &mut self,
        listing: &Listing,
        missing: &mut Missing,
        outlet: &mut dyn Outlet,
        now: Duration,
    ) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for found in &listing.found {
            if self.is_read(found.id) || missing.has_seen(found) {
                continue;
            }
            let was_there = |base: &PathBuf| !self.scanned && self.past.rotated.was_there(base);
            let mut bases = found.bases.iter().filter(|base| **base != found.path);
            let Some(base) = bases.find(|base| !found.included || was_there(base)) else { continue };
            let Some(stranger) = self.open(found, outlet, now) else { continue };
            missing.see(found);
            if missing.may_be(&stranger.head) {
                candidates.push(Candidate::plain(found, base.clone(), stranger));
            }
        }
        candidates
    }

    fn packed_candidates(
        &mut self,
        listing: &Listing,
        missing: &mut Missing,
        outlet: &mut dyn Outlet,
        now: Duration,
    ) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for found in &listing.packed {
            if self.is_read(found.id) || missing.has_seen(found) {
                continue;
            }
            let Some(stranger) = self.open(found, outlet, now) else { continue };
            missing.see(found);
            let candidate = Candidate::packed(found, stranger);
            candidates.extend(candidate.filter(|candidate| missing.may_be(&candidate.head)));
        }
        candidates
    }

    /// Goes on with a content in the file that holds it now.
    fn go_on_in(&mut self, candidate: Candidate, part: Part, outlet: &mut dyn Outlet) {
        let Candidate { found, base, head, form } = candidate;
        match form {
            Form::Plain(stranger) => {
                let lane = self.lanes.reopen(part.key, &base, outlet);
                let track = Track::recalled(lane, base, part.position);
                let mut content = Content::new(track, stranger.id, stranger.file);
                content.copy = true;
                self.ids.insert(content.id);
                self.contents.push(content);
            }
            Form::Packed(pack) => {
                self.lanes.take(&part.key);
                self.ids.insert(found.id);
                self.packed.push(Packed::new((found.id, found.stamp), pack, head, part));
            }
        }
        self.past.learn(&found);
    }

    /// Begins to read the compressed files that were written and rotated while the program was not running: those
    /// that are newer than what is known of their paths. Where nothing is known, all of them are old.
    pub(super) fn begin_packed(
        &mut self,
        listing: &Listing,
        outlet: &mut dyn Outlet,
        now: Duration,
    ) -> Result<(), Closed> {
        for found in &listing.packed {
            if !self.past.rotated.is_after(found) || self.is_read(found.id) {
                continue;
            }
            let Some(stranger) = self.open(found, outlet, now) else { continue };
            let Some(Candidate { base, head, form: Form::Packed(pack), .. }) =
                Candidate::packed(found, stranger)
            else {
                continue;
            };
            let mut heads = self.contents.iter().map(|content| &content.track.head);
            if heads.any(|known| known.agrees(&head))
                || self.packed.iter().any(|packed| packed.head.agrees(&head))
            {
                continue;
            }
            let key = self.lanes.fresh(found.id, outlet);
            self.lanes.take(&key);
            self.ids.insert(found.id);
            let part = Part { key, base: base.clone(), position: Position::default() };
            let mut packed = Packed::new((found.id, found.stamp), pack, head, part);
            let lane = Arc::clone(packed.open(&self.framing, &mut self.lanes, outlet).lane());
            announce(&mut Track::recalled(lane, base, packed.position()), outlet)?;
            self.packed.push(packed);
        }
        Ok(())
    }

    /// Unpacks one block of the first compressed file that has something to read; false if none has. They are read one
    /// after the other, as unpacking takes memory.
    pub(super) fn read_packed(&mut self, outlet: &mut dyn Outlet, now: Duration) -> Result<bool, Closed> {
        let Some(at) = self.packed.iter().position(Packed::is_readable) else { return Ok(false) };
        let packed = &mut self.packed[at];
        let step = packed.step(&self.framing, &mut self.lanes, outlet)?;
        match step {
            Step::More | Step::Stuck => {}
            Step::Ended => {
                let packed = self.packed.remove(at);
                if let Some(lane) = packed.lane() {
                    self.lanes.ended(lane, outlet, now);
                }
            }
            Step::Short => {
                let packed = self.packed.remove(at);
                self.lanes.give_back(&packed.part.key);
                self.past.missing.get_or_insert_default().push(packed.part);
            }
        }
        Ok(true)
    }

    /// Looks at the compressed files between reads.
    pub(super) fn check_packed(&mut self, outlet: &mut dyn Outlet, now: Duration) -> Result<(), Closed> {
        for mut packed in std::mem::take(&mut self.packed) {
            if packed.check(outlet) {
                self.packed.push(packed);
            } else {
                let lane = match packed.lane() {
                    Some(lane) => Arc::clone(lane),
                    None => self.lanes.reopen(packed.part.key.clone(), &packed.part.base, outlet),
                };
                self.forget(lane, packed.position(), outlet, now)?;
            }
        }
        Ok(())
    }

    /// Ends the lane of a content that is gone, so that the ledger forgets it.
    fn forget(
        &mut self,
        lane: Arc<Lane>,
        position: Position,
        outlet: &mut dyn Outlet,
        now: Duration,
    ) -> Result<(), Closed> {
        if position.witness.len > 0 {
            tracing::warn!(
                key = lane.key,
                path = lane.name,
                "a file is gone, with what may not have been read of it"
            );
            outlet.error("file_gone");
        }
        self.lanes.end(&Track::recalled(lane, PathBuf::new(), position), Default::default(), outlet, now)
    }
}
