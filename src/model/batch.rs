//! What sources hand over: stretches of a lane's records, with the position they end at.

use std::sync::Arc;

use super::refused::Refusals;
use super::value::Value;

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
    /// The values of those of the source's own fields that are the same for all its records, in the order of its
    /// kind's `fields`.
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
    /// Where the source says. A newline at the end of a record ends its last line.
    At(Records),
}

/// Records that the source itself knows apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Behind how many bytes of the batch each of them ends, in order.
    pub ends: Vec<usize>,
    /// Which of them, by number, are nothing at all (a tombstone of Kafka), in order. They are not decoded: such an
    /// event has only the source's own fields.
    pub blank: Vec<usize>,
    /// The values of the source's own fields of each record, in the order in which they were asked for. One that is
    /// not there, or too short, is a missing field.
    pub columns: Vec<Column>,
}

impl Ends {
    /// The memory that they hold, in bytes.
    pub fn held(&self) -> usize {
        match self {
            Ends::Newlines => 0,
            Ends::At(Records { ends, blank, columns }) => {
                let numbers = (ends.capacity() + blank.capacity()) * size_of::<usize>();
                numbers + columns.iter().map(Column::held).sum::<usize>()
            }
        }
    }
}

impl From<Vec<usize>> for Records {
    fn from(ends: Vec<usize>) -> Records {
        Records { ends, ..Records::default() }
    }
}

/// The values that a field has in the records of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// Numbers; `None` where a record has none.
    Integers(Vec<Option<i64>>),
    /// Whether something is so.
    Bools(Vec<bool>),
    /// Bytes.
    Texts(Texts),
}

/// Texts one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    bytes: Vec<u8>,
    /// Where each of them is; `None` where a record has none.
    spans: Vec<Option<(usize, usize)>>,
}

impl Texts {
    /// Adds the text of the next record.
    pub fn push(&mut self, text: Option<&[u8]>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.unwrap_or_default());
        self.spans.push(text.map(|text| (start, start + text.len())));
    }

    /// The memory that they hold, in bytes.
    pub fn held(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Option<(usize, usize)>>()
    }
}

impl Column {
    /// The value in the record of this number.
    pub fn value(&self, record: usize) -> Value<'_> {
        match self {
            Column::Integers(numbers) => {
                numbers.get(record).copied().flatten().map_or(Value::Missing, Value::Integer)
            }
            Column::Bools(bools) => bools.get(record).copied().map_or(Value::Missing, Value::Bool),
            Column::Texts(Texts { bytes, spans }) => match spans.get(record) {
                Some(Some((start, end))) => Value::Text(&bytes[*start..*end]),
                _ => Value::Missing,
            },
        }
    }

    /// The memory that it holds, in bytes.
    pub fn held(&self) -> usize {
        match self {
            Column::Integers(numbers) => numbers.capacity() * size_of::<Option<i64>>(),
            Column::Bools(bools) => bools.capacity(),
            Column::Texts(texts) => texts.held(),
        }
    }
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
