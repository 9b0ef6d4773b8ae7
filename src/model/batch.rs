//! What sources hand over: stretches of a lane's records, with the position they end at.

use std::sync::Arc;

use super::refused::Refusals;

/// The number of a lane, unique while the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub u64);

/// An ordered stream of records: one file, one partition, one connection, standard input.
#[derive(Debug)]
pub struct Lane {
    /// The lane's number.
    pub id: LaneId,
    /// The pipeline it feeds, by index.
    pub pipeline: usize,
    /// What the stream is to its source, the same after a restart (device and inode of a file, say).
    pub key: String,
    /// What a person calls it: the path of a file.
    pub name: String,
    /// The values of the source's own fields, in the order of its kind's `fields`.
    pub fields: Vec<Box<[u8]>>,
}

/// A place in a lane from which its source can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// How far: bytes of a file, the next offset of a partition.
    pub offset: u64,
    /// By what the source knows the stream again; all zero where it needs nothing.
    pub witness: Witness,
}

/// A fingerprint of the first bytes of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// How many of the first bytes were hashed.
    pub len: u32,
    /// Their 128-bit XXH3 hash.
    pub hash: u128,
}

/// Where the records of a batch end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ends {
    /// At each newline, the last one perhaps at the end of the bytes.
    #[default]
    Newlines,
    /// Behind these many bytes of the batch each, in order. A newline at the end of a record ends its last line.
    At(Vec<usize>),
}

/// Whole records of one lane, in order.
#[derive(Debug)]
pub struct Batch {
    /// The lane they belong to.
    pub lane: Arc<Lane>,
    /// The records, one after the other.
    pub bytes: Vec<u8>,
    /// Where one ends and the next one starts.
    pub ends: Ends,
    /// Where the lane stands once this batch is processed.
    pub end: Position,
    /// What the source itself refused on the way here.
    pub refused: Refusals,
    /// No batch follows in this lane: its position may be forgotten.
    pub last: bool,
}
