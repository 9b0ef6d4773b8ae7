//! The lanes of files: their keys, which positions are known for them, and their end.

use std::collections::{HashSet, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::content::Track;
use super::head::{FileId, Head};
use crate::model::batch::{Batch, Lane, Position};
use crate::source::block::Cut;
use crate::source::{Closed, Outlet};

/// How many contents of one inode have keys of their own. They follow each other by truncation, so only a few can be
/// unfinished at a time, unless the program is killed again and again before it can give up those whose copies are gone. After a
/// restart keys are asked for until so many in a row are not known.
const GENERATIONS: u32 = 64;

/// How long the key of a lane that ended is left alone, so that its last posting is surely done.
const REST: Duration = Duration::from_secs(60);

/// The keys in use.
///
/// A key is `device:inode:generation`. It says where to look; whether a file still holds the content that
/// was read under a key is for the witness of its position to say.
#[derive(Debug, Default)]
pub struct Lanes {
    taken: HashSet<String>,
    ended: VecDeque<(Duration, String)>,
}

/// What the ledger knows of an inode.
#[derive(Debug, Default)]
pub struct Recalled {
    /// The key and position of the content that the file holds now.
    pub current: Option<(String, Position)>,
    /// Whether something is known of contents that it held before.
    pub former: bool,
}

impl Lanes {
    /// Opens a lane for a content that was never read before.
    pub fn open(&mut self, id: FileId, base: &Path, outlet: &mut dyn Outlet) -> Arc<Lane> {
        let key = self.fresh(id, outlet);
        self.reopen(key, base, outlet)
    }

    /// A key for a content that was never read before.
    pub fn fresh(&mut self, id: FileId, outlet: &mut dyn Outlet) -> String {
        if self.free(id, GENERATIONS, outlet).is_none() {
            // A file that was truncated so often within a while: what ended is posted now, and needs no more rest. Where
            // nothing can be posted because the program stops, nothing will be sent either.
            outlet.settle().ok();
            for (_, key) in self.ended.drain(..) {
                self.taken.remove(&key);
            }
        }
        let key = self.free(id, u32::MAX, outlet);
        key.expect("fewer than 2^32 contents of a file are unfinished")
    }

    /// The first key of a file, of so many, that is not in use.
    fn free(&self, id: FileId, generations: u32, outlet: &dyn Outlet) -> Option<String> {
        let mut keys = (0..generations).map(|generation| key(id, generation));
        keys.find(|key| !self.taken.contains(key) && outlet.position(key).is_none())
    }

    /// Keeps a key for a lane that may be opened later.
    pub fn take(&mut self, key: &str) {
        self.taken.insert(key.to_owned());
    }

    /// Gives back the key of a lane that was not opened.
    pub fn give_back(&mut self, key: &str) {
        self.taken.remove(key);
    }

    /// Whether a content is, or was, read under the key.
    pub fn is_taken(&self, key: &str) -> bool {
        self.taken.contains(key)
    }

    /// Opens the lane of a content that was read before.
    pub fn reopen(&mut self, key: String, base: &Path, outlet: &mut dyn Outlet) -> Arc<Lane> {
        self.taken.insert(key.clone());
        let path = base.as_os_str().as_bytes();
        outlet.open(key, base.display().to_string(), vec![path.into()])
    }

    /// What the ledger knows of the file `id`, which now starts with `head` and has `size` bytes.
    pub fn recall(&self, id: FileId, head: &Head, size: u64, outlet: &dyn Outlet) -> Recalled {
        let mut recalled = Recalled::default();
        let mut unknown = 0;
        for key in (0..u32::MAX).map(|generation| key(id, generation)) {
            if unknown == GENERATIONS {
                break;
            }
            let position = outlet.position(&key).filter(|_| !self.taken.contains(&key));
            let Some(position) = position else {
                unknown += 1;
                continue;
            };
            unknown = 0;
            if position.offset > size || !Head::fits(head, position.witness) {
                recalled.former = true;
            } else if recalled.current.as_ref().is_none_or(|(_, best)| reach(best) < reach(&position)) {
                recalled.current = Some((key, position));
            }
        }
        recalled
    }

    /// Hands on the last bytes of a lane and gives its key free after a while.
    pub fn end(
        &mut self,
        track: &Track,
        (bytes, cut): (Vec<u8>, Cut),
        outlet: &mut dyn Outlet,
        now: Duration,
    ) -> Result<(), Closed> {
        let lane = Arc::clone(&track.lane);
        let refused = cut.refused();
        let (ends, end) = (cut.ends, track.position());
        outlet.send(Batch { lane, bytes, ends, end, refused, last: true })?;
        self.ended(&track.lane, outlet, now);
        Ok(())
    }

    /// Gives the key of a lane, whose last bytes were handed on, free after a while.
    pub fn ended(&mut self, lane: &Lane, outlet: &mut dyn Outlet, now: Duration) {
        outlet.lag(lane, None);
        self.ended.push_back((now, lane.key.clone()));
    }

    /// Frees the keys of lanes that ended long enough ago.
    pub fn forget(&mut self, outlet: &dyn Outlet, now: Duration) {
        while let Some((_, key)) =
            self.ended.pop_front_if(|(at, key)| *at + REST <= now && outlet.position(key).is_none())
        {
            self.taken.remove(&key);
        }
    }
}

/// Whether a key is one of a file's content.
pub fn is_key(key: &str) -> bool {
    let mut numbers = key.split(':').map(str::parse::<u64>);
    (0..3).all(|_| matches!(numbers.next(), Some(Ok(_)))) && numbers.next().is_none()
}

/// The inode in the key of a file's lane.
pub fn inode(key: &str) -> Option<u64> {
    key.split(':').nth(1)?.parse().ok()
}

fn key(id: FileId, generation: u32) -> String {
    format!("{}:{}:{generation}", id.device, id.inode)
}

/// Which of two positions that both fit says more.
fn reach(position: &Position) -> (u32, u64) {
    (position.witness.len, position.offset)
}
