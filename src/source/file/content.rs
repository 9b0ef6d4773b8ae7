//! One content of a file, from its first byte to its last: reads whole records as they come, and notices when
//! the file holds something else.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use super::head::{FileId, Head, Stamp, read_at};
use crate::base::backoff::Backoff;
use crate::model::batch::{Lane, Position};
use crate::source::block::{Cut, Look, Skip};
use crate::source::framing::Framing;

/// How many of the last bytes read are kept, to know a copy by.
const TRAIL_BYTES: usize = 256;

/// How far a content was read, and by what it is known again: all that stays of it without its file.
#[derive(Debug)]
pub struct Track {
    /// The lane it is read into.
    pub lane: Arc<Lane>,
    /// The path under which it was written, named by a pattern.
    pub base: PathBuf,
    /// Its first bytes.
    pub head: Head,
    /// The end of the last record read.
    pub offset: u64,
    /// The last bytes before `offset`, where this process has read them.
    pub trail: Vec<u8>,
    /// The size it was last seen to have.
    pub size: u64,
    /// How many bytes the witness covered in the last position that was handed on.
    pub witnessed: u32,
}

impl Track {
    /// What an earlier run knew of a content that was read up to `position`.
    pub fn recalled(lane: Arc<Lane>, base: PathBuf, position: Position) -> Track {
        let (head, offset, witnessed) =
            (Head::remembered(position.witness), position.offset, position.witness.len);
        Track { lane, base, head, offset, trail: Vec::new(), size: offset, witnessed }
    }

    /// The position to resume from.
    pub fn position(&self) -> Position {
        Position { offset: self.offset, witness: self.head.witness() }
    }

    /// Whether it can be known again by more bytes than a restart would know of.
    pub fn has_more_to_tell(&self) -> bool {
        self.head.witness().len > self.witnessed
    }

    /// Whether `file` still holds this content.
    fn is_in(&mut self, file: &File) -> io::Result<bool> {
        self.head.verify(file, self.offset)
    }

    /// Whether `file`, which starts with `head`, is a copy of this content.
    ///
    /// It may be shorter than what was read: what is written between the copy and the truncation is in
    /// neither, but may have been read in between.
    pub fn is_copied_in(&self, file: &File, head: &Head) -> io::Result<bool> {
        if !self.head.agrees(head) {
            return Ok(false);
        }
        let from = self.offset.saturating_sub(self.trail.len() as u64);
        let there = read_at(file, from, self.trail.len())?;
        Ok(there.len() < self.trail.len() || there == self.trail)
    }
}

/// What one read came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Records are in the block, or too long ones were passed.
    Records(Cut),
    /// Nothing to hand on yet, but there is more to read.
    More,
    /// Nothing more to read for now.
    Nothing,
}

/// What a file is like when it is looked at between reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// It holds another content now.
    pub truncated: bool,
    /// Nothing names it any more.
    pub unlinked: bool,
    /// It was read to its end and has neither changed nor lost its last name since it was looked at before.
    pub settled: bool,
}

/// A content with its open file.
#[derive(Debug)]
pub struct Content {
    /// How far it was read.
    pub track: Track,
    /// Which file it is read from.
    pub id: FileId,
    /// Whether that file is a finished copy, made before the original was truncated.
    pub copy: bool,
    file: File,
    /// Inside a record that is too long: how far its end was looked for, and whether that is inside a line.
    skipping: Option<(u64, bool)>,
    /// Where the last read found nothing more.
    end: u64,
    readable: bool,
    /// When the last record, which may have more lines, is taken for whole if nothing is added to it.
    whole_at: Option<Duration>,
    /// What was seen when it was last looked at.
    before: Option<(u64, bool)>,
    backoff: Backoff,
    retry_at: Duration,
}

/// What a read found, before it is known whose bytes they are.
enum Step {
    /// Whole records, with their bounds.
    Whole(Vec<usize>),
    /// Lines to which nothing was added for long.
    Stale {
        end: u64,
    },
    Skip {
        to: u64,
        inside: bool,
    },
    Skipped {
        end: u64,
    },
    End {
        at: u64,
    },
}

impl Content {
    /// A content to be read on from `track.offset`.
    pub fn new(track: Track, id: FileId, file: File) -> Content {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let end = track.offset;
        Content {
            track,
            id,
            copy: false,
            file,
            skipping: None,
            end,
            readable: true,
            whole_at: None,
            before: None,
            backoff,
            retry_at: Duration::ZERO,
        }
    }

    /// Whether a read may find something.
    pub fn is_readable(&self, now: Duration) -> bool {
        (self.readable || self.is_stale(now)) && !self.is_paused(now)
    }

    /// When a read may find something although nothing is written until then.
    pub fn deadline(&self) -> Option<Duration> {
        self.whole_at.map(|whole_at| whole_at.max(self.retry_at))
    }

    fn is_stale(&self, now: Duration) -> bool {
        self.whole_at.is_some_and(|whole_at| now >= whole_at)
    }

    /// A read may find something, as the file was written.
    pub fn wake(&mut self) {
        self.readable = true;
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether its last record is there in part, or may be.
    pub fn has_rest(&self) -> bool {
        self.end > self.track.offset
    }

    /// Whether it is left alone for a while after a fault.
    pub fn is_paused(&self, now: Duration) -> bool {
        now < self.retry_at
    }

    /// Leaves it alone for a while.
    pub fn pause(&mut self, now: Duration) {
        self.readable = false;
        self.retry_at = now + self.backoff.failed();
    }

    /// Reads the next records into `block`, which is empty.
    pub fn read(&mut self, block: &mut Vec<u8>, framing: &Framing, now: Duration) -> io::Result<Outcome> {
        let step = match self.skipping {
            Some(skipping) => self.find_end_of_record(skipping, block, framing)?,
            None => self.read_records(block, framing, now)?,
        };
        // The file may have been truncated and written anew just before or during the read. The bytes are
        // this content's only if it still starts the same after they were read.
        if !self.track.is_in(&self.file)? {
            self.readable = false;
            self.whole_at = None;
            return Ok(Outcome::Nothing);
        }
        self.backoff.succeeded();
        Ok(self.take(step, block, framing, now))
    }

    fn read_records(&self, block: &mut Vec<u8>, framing: &Framing, now: Duration) -> io::Result<Step> {
        loop {
            let before = block.len();
            let at = self.track.offset + before as u64;
            if self.read_block(at, block, framing)? == 0 {
                let is_stale = self.is_stale(now) && at == self.end;
                return Ok(if is_stale { Step::Stale { end: at } } else { Step::End { at } });
            }
            match framing.look(block, before) {
                Look::Whole(bounds) => return Ok(Step::Whole(bounds)),
                Look::Overlong { from, inside } => {
                    return Ok(Step::Skip { to: self.track.offset + from as u64, inside });
                }
                Look::Partial => {}
            }
        }
    }

    fn find_end_of_record(
        &self,
        (from, inside): (u64, bool),
        block: &mut Vec<u8>,
        framing: &Framing,
    ) -> io::Result<Step> {
        loop {
            let at = from + block.len() as u64;
            if self.read_block(at, block, framing)? == 0 {
                return Ok(Step::End { at });
            }
            match framing.skip(block, inside) {
                Skip::Ends(end) => return Ok(Step::Skipped { end: from + end as u64 }),
                Skip::Passes { to, inside } => return Ok(Step::Skip { to: from + to as u64, inside }),
                Skip::Unknown => {}
            }
        }
    }

    fn read_block(&self, at: u64, block: &mut Vec<u8>, framing: &Framing) -> io::Result<usize> {
        block.reserve_exact(framing.limits.block_bytes.max(1));
        loop {
            match rustix::io::pread(&self.file, spare_capacity(block), at) {
                Err(Errno::INTR) => {}
                read => return Ok(read?),
            }
        }
    }

    fn take(&mut self, step: Step, block: &mut Vec<u8>, framing: &Framing, now: Duration) -> Outcome {
        if !matches!(step, Step::End { .. }) {
            self.whole_at = None;
        }
        match step {
            Step::Whole(bounds) => {
                self.remember(block, bounds.last().copied());
                let cut = framing.cut(block, &bounds);
                self.track.offset += cut.taken as u64;
                self.end = self.track.offset;
                Outcome::Records(cut)
            }
            Step::Stale { end } => {
                self.remember(block, None);
                let cut = framing.cut_lines(block);
                self.track.offset += cut.taken as u64;
                self.end = end;
                Outcome::Records(cut)
            }
            Step::Skip { to, inside } => {
                self.skipping = Some((to, inside));
                Outcome::More
            }
            Step::Skipped { end } => {
                let taken = (end - self.track.offset) as usize;
                self.go_to(end);
                block.clear();
                Outcome::Records(Cut { taken, overlong: 1, ..Cut::default() })
            }
            Step::End { at } => {
                if let Some(multiline) = &framing.multiline
                    && at != self.end
                {
                    let has_line = self.skipping.is_none() && memchr::memchr(b'\n', block).is_some();
                    self.whole_at = has_line.then(|| now + multiline.timeout);
                }
                self.end = at;
                self.readable = false;
                Outcome::Nothing
            }
        }
    }

    fn go_to(&mut self, end: u64) {
        self.skipping = None;
        self.track.offset = end;
        self.track.trail.clear();
        self.end = end;
    }

    /// Keeps the last bytes of what is taken of `block`: up to `end`, or its last newline.
    fn remember(&mut self, block: &[u8], end: Option<usize>) {
        let end = end.unwrap_or_else(|| memchr::memrchr(b'\n', block).map_or(0, |newline| newline + 1));
        let trail = &mut self.track.trail;
        trail.extend_from_slice(&block[end.saturating_sub(TRAIL_BYTES)..end]);
        trail.drain(..trail.len().saturating_sub(TRAIL_BYTES));
    }

    /// Reads the last record, which nothing ends, into `block`, which is empty. To be called once it is known
    /// that nothing will be added to it.
    pub fn read_rest(&mut self, block: &mut Vec<u8>, framing: &Framing) -> io::Result<Outcome> {
        let from = self.skipping.map_or(self.track.offset, |(from, _)| from);
        let rest = (self.end - from) as usize;
        *block = read_at(&self.file, from, rest)?;
        if block.len() < rest || !self.track.is_in(&self.file)? {
            block.clear();
            return Ok(Outcome::Nothing);
        }
        let cut = match self.skipping {
            Some((_, inside)) => framing.cut_rest_of_overlong(block, inside),
            None => framing.cut_rest(block),
        };
        let taken = (self.end - self.track.offset) as usize;
        self.go_to(self.end);
        self.whole_at = None;
        Ok(Outcome::Records(Cut { taken, ..cut }))
    }

    /// Looks at the file between reads.
    pub fn check(&mut self) -> io::Result<Condition> {
        let metadata = self.file.metadata()?;
        let (size, unlinked) = (metadata.len(), std::os::unix::fs::MetadataExt::nlink(&metadata) == 0);
        // A copy is all there from the moment it is known to be one, and may be shorter than what was read.
        let shrunk = size < self.track.offset && !self.copy;
        // Size and time of change cannot rule out a truncation: time stands still for milliseconds.
        let truncated = shrunk || !self.track.is_in(&self.file)?;
        let now = Some((size, unlinked));
        let settled = !self.readable && size <= self.end && self.before == now;
        self.end = self.end.min(size.max(self.track.offset));
        self.readable |= size > self.end;
        self.before = now;
        if !truncated {
            self.track.size = size;
        }
        Ok(Condition { truncated, unlinked, settled })
    }

    /// Whether another file, which starts with `head`, is a copy of this one, perhaps still in the making.
    /// `None`: the content was truncated meanwhile, so ask again when that is known.
    pub fn is_copied_in(&mut self, file: &File, head: &Head) -> io::Result<Option<bool>> {
        let size = file.metadata()?.len();
        if !self.is_intact()? {
            return Ok(None);
        }
        if !self.track.head.agrees(head) {
            return Ok(Some(false));
        }
        let from = size.saturating_sub(TRAIL_BYTES as u64);
        let theirs = read_at(file, from, (size - from) as usize)?;
        // A copy is never longer than what it is made of, so a missing byte here is a difference too.
        let same = theirs == read_at(&self.file, from, theirs.len())?;
        Ok(if self.is_intact()? { Some(same) } else { None })
    }

    fn is_intact(&mut self) -> io::Result<bool> {
        let size = self.file.metadata()?.len();
        Ok((size >= self.track.offset || self.copy) && self.track.is_in(&self.file)?)
    }

    /// What is left of the content once the file holds another one, and the file.
    pub fn part(self) -> (Track, File) {
        (self.track, self.file)
    }

    /// What the file looks like now.
    pub fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::of(&self.file.metadata()?))
    }
}
