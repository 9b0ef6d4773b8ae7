//! One content in a compressed file: goes on with it where an earlier run has stopped, and reads it to its end.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::sync::Arc;

use super::head::{FileId, HEAD_BYTES, Head, Stamp};
use super::lanes::Lanes;
use crate::model::batch::{Lane, Position};
use crate::source::framing::Framing;
use crate::source::once::Records;
use crate::source::unpack::{Packing, packing, unpack};
use crate::source::{Closed, Outlet};

/// For how many scans a file that cannot be unpacked may stay as it is until it is taken for a broken one.
const PATIENCE: u32 = 8;

/// How far two contents are compared behind what was read of them.
const COMPARED_BYTES: u64 = 1 << 20;

/// A compressed file, unpacked from its start as often as is wanted.
pub struct Pack {
    file: File,
    packing: Packing,
}

/// A stream of what is in a compressed file.
type Unpacked = Box<dyn Read + Send>;

impl Pack {
    /// What `file` is, if it is compressed.
    pub fn new(file: File) -> Option<Pack> {
        packing(&file).map(|packing| Pack { file, packing })
    }

    /// What is in it, from the start. An earlier stream is over then, as both read from one place in the file.
    fn unpack(&self) -> io::Result<Unpacked> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        unpack(file, self.packing, Arc::default())
    }

    /// The head of what is in it, as far as that can be unpacked.
    pub fn head(&self) -> io::Result<Head> {
        let mut bytes = Vec::new();
        // What is there of a file that is still being written is enough to know it by.
        self.unpack()?.take(HEAD_BYTES as u64).read_to_end(&mut bytes).ok();
        Ok(Head::of(bytes))
    }

    /// The fingerprint of what is in it up to a little behind `offset`; `None` if it ends before `offset`.
    pub fn digest(&self, offset: u64) -> io::Result<Option<u128>> {
        let mut unpacked = self.unpack()?;
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        let before = pass(&mut unpacked, offset, |bytes| hash.update(bytes))?;
        pass(&mut unpacked, COMPARED_BYTES, |bytes| hash.update(bytes)).ok();
        Ok((before == offset).then(|| hash.digest128()))
    }
}

/// Shows `see` the next `most` bytes, a block at a time, and says how many there were.
fn pass(from: &mut Unpacked, most: u64, mut see: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut block = [0; 16 << 10];
    let mut passed = 0;
    while passed < most {
        let wanted = block.len().min(usize::try_from(most - passed).unwrap_or(usize::MAX));
        match from.read(&mut block[..wanted]) {
            Ok(0) => break,
            Ok(read) => {
                see(&block[..read]);
                passed += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(passed)
}

/// What is known of a content that goes on in a compressed file.
#[derive(Debug)]
pub struct Part {
    /// The key of its lane.
    pub key: String,
    /// The path under which it was written.
    pub base: PathBuf,
    /// The end of the last record read.
    pub position: Position,
}

/// What one step came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to unpack.
    More,
    /// All of it is handed on.
    Ended,
    /// It ends before the place from which it was to be read: it is another content.
    Short,
    /// The file is broken, or not all there yet.
    Stuck,
}

/// A content that is read from a compressed file.
pub struct Packed {
    /// Which file it is.
    pub id: FileId,
    /// What it is a part of.
    pub part: Part,
    /// The first bytes of what is in it.
    pub head: Head,
    pack: Pack,
    stamp: Stamp,
    /// From its first step on, until it waits.
    stream: Option<Unpacked>,
    /// How many bytes were unpacked.
    unpacked: u64,
    /// What was unpacked and is not handed on: the beginning of a record.
    block: Vec<u8>,
    /// Only once what was read before is passed.
    records: Option<Records>,
    /// For how many scans it has been waiting for the file to change; `None` if it is not.
    waiting: Option<u32>,
}

impl Packed {
    /// A content to be read on from the position of `part`, from a file that had the `stamp` when it was opened.
    pub fn new((id, stamp): (FileId, Stamp), pack: Pack, head: Head, part: Part) -> Packed {
        let (stream, records, waiting) = (None, None, None);
        Packed { id, part, head, pack, stamp, stream, unpacked: 0, block: Vec::new(), records, waiting }
    }

    /// Whether a step may come further.
    pub fn is_readable(&self) -> bool {
        self.waiting.is_none()
    }

    /// Unpacks one block, and hands on the records in it.
    pub fn step(
        &mut self,
        framing: &Framing,
        lanes: &mut Lanes,
        outlet: &mut dyn Outlet,
    ) -> Result<Step, Closed> {
        let from = self.records.as_ref().map_or(self.part.position.offset, Records::offset);
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => match self.pack.unpack() {
                Ok(stream) => none.insert(stream),
                Err(_) => return Ok(self.stop()),
            },
        };
        let most = framing.limits.block_bytes.max(1) as u64;
        // After a fault it begins anew, and what was handed on already is passed.
        if self.unpacked < from {
            return Ok(match pass(stream, most.min(from - self.unpacked), |_| {}) {
                Ok(0) if self.records.is_none() && self.is_untouched() => Step::Short,
                Ok(0) | Err(_) => self.stop(),
                Ok(passed) => {
                    self.unpacked += passed;
                    Step::More
                }
            });
        }
        let before = self.block.len();
        let read = pass(stream, most, |bytes| self.block.extend_from_slice(bytes));
        let added = self.block.len() - before;
        self.unpacked += added as u64;
        let is_whole = matches!(read, Ok(0)) && self.is_untouched();
        let block = std::mem::take(&mut self.block);
        let records = self.open(framing, lanes, outlet);
        if is_whole {
            records.finish(block, outlet)?;
            return Ok(Step::Ended);
        }
        let block = if added > 0 { records.pass(block, before, outlet)? } else { block };
        self.block = block;
        Ok(if matches!(read, Ok(1..)) { Step::More } else { self.stop() })
    }

    /// Opens the lane, if it is not open yet.
    pub fn open(&mut self, framing: &Framing, lanes: &mut Lanes, outlet: &mut dyn Outlet) -> &mut Records {
        self.records.get_or_insert_with(|| {
            let lane = lanes.reopen(self.part.key.clone(), &self.part.base, outlet);
            let position = Position { witness: self.head.witness(), ..self.part.position };
            Records::new(lane, framing.clone(), position)
        })
    }

    /// The end of the last record that was handed on.
    pub fn position(&self) -> Position {
        self.records.as_ref().map_or(self.part.position, Records::position)
    }

    /// The lane, once something may have been put into it.
    pub fn lane(&self) -> Option<&Arc<Lane>> {
        self.records.as_ref().map(Records::lane)
    }

    /// Waits for the file to change.
    fn stop(&mut self) -> Step {
        (self.stream, self.unpacked, self.waiting) = (None, 0, Some(0));
        self.block.clear();
        Step::Stuck
    }

    fn is_untouched(&self) -> bool {
        self.pack.file.metadata().is_ok_and(|metadata| Stamp::of(&metadata) == self.stamp)
    }

    /// Looks at the file between steps: what is stuck begins anew when the file has changed. False if nothing names
    /// the file any more, so that it never will.
    pub fn check(&mut self, outlet: &mut dyn Outlet) -> bool {
        let Some(waiting) = &mut self.waiting else { return true };
        let Ok(metadata) = self.pack.file.metadata() else { return true };
        let now = Stamp::of(&metadata);
        if now != self.stamp {
            self.stamp = now;
            *waiting = 0;
            if self.pack.head().is_ok_and(|head| self.head.agrees(&head)) {
                self.waiting = None;
            }
        } else if *waiting < PATIENCE {
            *waiting += 1;
            if *waiting == PATIENCE {
                outlet.error("file_corrupt");
                let path = self.part.base.display();
                tracing::error!(%path, "the compressed rest of a file cannot be unpacked, and is read once it can");
            }
        }
        std::os::unix::fs::MetadataExt::nlink(&metadata) > 0
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packed").field("id", &self.id).field("part", &self.part).finish_non_exhaustive()
    }
}
