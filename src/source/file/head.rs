//! What a file is known by: its inode, and a fingerprint of its first bytes.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::SystemTime;

use xxhash_rust::xxh3::xxh3_128;

use crate::model::batch::Witness;

/// The most bytes a fingerprint covers.
pub const HEAD_BYTES: usize = 1024;

/// Device and inode: which file it is, for as long as it is held open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
}

impl FileId {
    /// Of the file that `metadata` describes.
    pub fn of(metadata: &Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What changes when a file is written, truncated or replaced. Equal stamps mean untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its bytes.
    pub size: u64,
    /// When it was last written: seconds since the Unix epoch, and nanoseconds.
    pub modified: (i64, i64),
    born: Option<SystemTime>,
}

impl Stamp {
    /// Of the file that `metadata` describes.
    pub fn of(metadata: &Metadata) -> Stamp {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Stamp { size: metadata.len(), modified, born: metadata.created().ok() }
    }

    /// Whether both were taken of a file created at the same time, where the file system says so.
    pub fn is_same_age(&self, other: &Stamp) -> bool {
        self.born == other.born
    }
}

/// The first bytes of a content, at most [`HEAD_BYTES`], and their hash.
#[derive(Clone, Debug, Default)]
pub struct Head {
    bytes: Vec<u8>,
    witness: Witness,
}

impl Head {
    /// The head of `file` as it is now.
    pub fn read(file: &File) -> io::Result<Head> {
        Ok(Head::of(read_at(file, 0, HEAD_BYTES)?))
    }

    /// The head of a content that starts with `bytes`, at most [`HEAD_BYTES`].
    pub fn of(bytes: Vec<u8>) -> Head {
        let witness = witness(&bytes);
        Head { bytes, witness }
    }

    /// A head of which nothing is left but its fingerprint.
    pub fn remembered(witness: Witness) -> Head {
        Head { bytes: Vec::new(), witness }
    }

    /// The fingerprint.
    pub fn witness(&self) -> Witness {
        self.witness
    }

    /// Whether nothing is known of the content.
    pub fn is_empty(&self) -> bool {
        self.witness.len == 0
    }

    /// Whether a content that now starts like `now` may be the one that `witness` was taken of.
    pub fn fits(now: &Head, taken: Witness) -> bool {
        let covered = now.bytes.get(..taken.len as usize);
        covered.is_some_and(|covered| witness(covered) == taken)
    }

    /// Whether `other` starts as this content does, as far as both are known; never if one is empty.
    pub fn agrees(&self, other: &Head) -> bool {
        if self.bytes.is_empty() {
            return !self.is_empty() && Head::fits(other, self.witness);
        }
        let both = self.bytes.len().min(other.bytes.len());
        both > 0 && self.bytes[..both] == other.bytes[..both]
    }

    /// Looks at `file` again, of which `read` bytes were read: false if it does not hold this content any more. A
    /// content that has grown is known by more bytes from then on.
    pub fn verify(&mut self, file: &File, read: u64) -> io::Result<bool> {
        let now = Head::read(file)?;
        let grown = Head::fits(&now, self.witness);
        let lost_rest = !grown && self.has_lost_rest(&now, read);
        if lost_rest || grown && (now.witness.len > self.witness.len || self.bytes.is_empty()) {
            *self = now;
        }
        Ok(grown || lost_rest)
    }

    /// Whether `now` is this content without a line that was there in part, behind the `read` bytes that were read.
    fn has_lost_rest(&self, now: &Head, read: u64) -> bool {
        let (known, left) = (self.bytes.len(), now.bytes.len());
        let Some(read) = usize::try_from(read).ok().filter(|read| (1..=left).contains(read)) else {
            return false;
        };
        left < known && self.bytes[..left] == now.bytes && !self.bytes[read..].contains(&b'\n')
    }
}

fn witness(bytes: &[u8]) -> Witness {
    if bytes.is_empty() {
        return Witness::default();
    }
    Witness { len: bytes.len() as u32, hash: xxh3_128(bytes) }
}

/// Up to `len` bytes of `file` from `offset`; fewer at its end.
pub fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
