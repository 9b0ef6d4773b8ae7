//! One partition that is ours: its messages made into batches, and how far it is.

use std::ffi::CString;
use std::sync::Arc;

use rdkafka::types::RDKafkaErrorCode;

use super::client::PartitionName;
use super::options::{Options, Tombstones};
use super::queue::{Message, Messages, PartitionQueue};
use crate::model::batch::{Batch, Column, Ends, Lane, Position, Records, Texts, Witness};
use crate::model::refused::{Refusals, Refused};
use crate::source::{Closed, Outlet, OwnField, Rejected};

/// A batch that has so many bytes or records is whole.
const BATCH_BYTES: usize = 256 << 10;
const BATCH_RECORDS: usize = 4096;

/// A partition that was assigned.
pub struct Partition {
    /// Its topic and number.
    pub name: PartitionName,
    /// Its records.
    pub lane: Arc<Lane>,
    /// The offset of the next message, once it is known.
    pub next: Option<i64>,
    /// The offset from which it is read since it was assigned. What the ledger holds from before is not to be
    /// committed: another member may have gone further.
    pub begun: i64,
    /// The offset that the group has committed, as far as we know.
    pub committed: Option<i64>,
    /// The timestamp of the newest message that was read, in milliseconds.
    pub newest: Option<i64>,
    queue: PartitionQueue,
    /// A batch for which there was no room yet; nothing is read until there is.
    pending: Option<Box<Batch>>,
}

/// What came of reading.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Something was read.
    pub progressed: bool,
    /// Something was read that there is no room for.
    pub waits: bool,
    /// The first message that was larger than they may be: its offset and size.
    pub too_long: Option<(i64, usize)>,
    /// What was said instead of messages.
    pub errors: Vec<(RDKafkaErrorCode, String)>,
}

impl Partition {
    /// A partition of which nothing is read yet.
    pub fn new(name: PartitionName, lane: Arc<Lane>, queue: PartitionQueue) -> Partition {
        Partition { name, lane, next: None, begun: 0, committed: None, newest: None, queue, pending: None }
    }

    /// Reads what is there, a batch at most.
    pub fn read(
        &mut self,
        messages: &mut Messages,
        reading: &Reading,
        outlet: &mut dyn Outlet,
    ) -> Result<Outcome, Closed> {
        let mut outcome = Outcome::default();
        if let Some(batch) = self.pending.take() {
            self.offer(*batch, outlet)?;
            if self.pending.is_some() {
                return Ok(Outcome { waits: true, ..outcome });
            }
        }
        let mut filling = None;
        loop {
            let taken = self.queue.take(messages);
            if taken.is_empty() {
                break;
            }
            outcome.progressed = true;
            let filling = filling.get_or_insert_with(|| Filling::new(reading, outlet.buffer()));
            // Asked for once: the client looks it up each time.
            self.newest = taken.last().and_then(Message::timestamp).or(self.newest);
            for message in taken {
                match message.error() {
                    Some(error) => outcome.errors.push(error),
                    // What was read before comes again where a fetch was under way when the partition was assigned anew.
                    None if self.next.is_some_and(|next| message.offset() < next) => {}
                    None => {
                        let too_long = filling.add(message, reading);
                        outcome.too_long = outcome.too_long.or(too_long);
                        self.next = Some(message.offset() + 1);
                    }
                }
            }
            if filling.is_full() {
                break;
            }
        }
        messages.clear();
        if let (Some(filling), Some(next)) = (filling, self.next)
            && filling.has_something()
        {
            let batch = filling.batch(&self.lane, next);
            self.offer(batch, outlet)?;
            outcome.waits = self.pending.is_some();
        }
        Ok(outcome)
    }

    fn offer(&mut self, batch: Batch, outlet: &mut dyn Outlet) -> Result<(), Closed> {
        match outlet.offer(batch) {
            Ok(()) => Ok(()),
            Err(Rejected::Full(batch)) => {
                self.pending = Some(batch);
                Ok(())
            }
            Err(Rejected::Closed) => Err(Closed),
        }
    }

    /// Hands over what was read, waiting for room.
    pub fn finish(&mut self, outlet: &mut dyn Outlet) -> Result<(), Closed> {
        self.pending.take().map_or(Ok(()), |batch| outlet.send(*batch))
    }

    /// Is read from `offset` on.
    pub fn go_on_at(&mut self, offset: i64) {
        self.next = Some(offset);
        self.begun = offset;
    }

    /// Begins at `offset`, which becomes the lane's position although nothing was read.
    pub fn begin_at(&mut self, offset: i64, outlet: &mut dyn Outlet) -> Result<(), Closed> {
        self.go_on_at(offset);
        outlet.send(Batch {
            lane: Arc::clone(&self.lane),
            bytes: Vec::new(),
            ends: Ends::Newlines,
            end: position(offset),
            refused: Refusals::default(),
            last: false,
        })
    }

    /// The offset that the ledger holds, from this assignment or an earlier one: everything before it is posted.
    pub fn posted(&self, outlet: &dyn Outlet) -> Option<i64> {
        Some(outlet.position(&self.lane.key)?.offset as i64)
    }

    /// The offset to commit, if there is something to commit.
    pub fn to_commit(&self, outlet: &dyn Outlet) -> Option<i64> {
        self.posted(outlet).filter(|posted| *posted >= self.begun && self.committed != Some(*posted))
    }
}

fn position(offset: i64) -> Position {
    Position { offset: offset.max(0) as u64, witness: Witness::default() }
}

/// How messages are read.
pub struct Reading {
    tombstones: Tombstones,
    max_message_bytes: usize,
    columns: Vec<Wanted>,
}

/// A field of a message that is used.
enum Wanted {
    Key,
    Header(CString),
    Offset,
    Timestamp,
    Tombstone,
}

/// The fields of single messages, in the order of [`Wanted`].
pub const FIELDS: [&str; 5] =
    ["kafka.key", "kafka.headers", "kafka.offset", "kafka.timestamp", "kafka.tombstone"];

impl Reading {
    /// Reading as it was configured, of messages of which these fields are used.
    pub fn new(options: &Options, columns: &[OwnField]) -> Reading {
        let wanted = |field: &OwnField| match field.name {
            "kafka.key" => Wanted::Key,
            // A name with a zero in it is none that librdkafka could find.
            "kafka.headers" => {
                Wanted::Header(CString::new(field.key.clone().unwrap_or_default()).unwrap_or_default())
            }
            "kafka.offset" => Wanted::Offset,
            "kafka.timestamp" => Wanted::Timestamp,
            _ => Wanted::Tombstone,
        };
        let columns = columns.iter().map(wanted).collect();
        let Options { tombstones, max_message_bytes, .. } = *options;
        Reading { tombstones, max_message_bytes, columns }
    }
}

/// A batch that is being filled.
struct Filling {
    bytes: Vec<u8>,
    records: Records,
    refused: Refusals,
}

impl Filling {
    fn new(reading: &Reading, bytes: Vec<u8>) -> Filling {
        let column = |wanted: &Wanted| match wanted {
            Wanted::Key | Wanted::Header(_) => Column::Texts(Texts::default()),
            Wanted::Offset | Wanted::Timestamp => Column::Integers(Vec::new()),
            Wanted::Tombstone => Column::Bools(Vec::new()),
        };
        let columns = reading.columns.iter().map(column).collect();
        let records = Records { columns, ..Records::default() };
        Filling { bytes, records, refused: Refusals::default() }
    }

    /// Adds a message, or refuses it; says which it was and how large, where that is too much.
    fn add(&mut self, message: &Message, reading: &Reading) -> Option<(i64, usize)> {
        let value = match message.value() {
            Some(value) if value.len() > reading.max_message_bytes => {
                self.refused.count(Refused::MessageTooLong);
                return Some((message.offset(), value.len()));
            }
            None if reading.tombstones == Tombstones::Drop => {
                self.refused.count(Refused::Tombstone);
                return None;
            }
            value => value,
        };
        match value {
            Some(value) => self.bytes.extend_from_slice(value),
            None => self.records.blank.push(self.records.ends.len()),
        }
        self.records.ends.push(self.bytes.len());
        for (column, wanted) in self.records.columns.iter_mut().zip(&reading.columns) {
            match (column, wanted) {
                (Column::Texts(texts), Wanted::Header(name)) => texts.push(message.header(name)),
                (Column::Texts(texts), _) => texts.push(message.key()),
                (Column::Integers(numbers), Wanted::Timestamp) => numbers.push(message.timestamp()),
                (Column::Integers(numbers), _) => numbers.push(Some(message.offset())),
                (Column::Bools(bools), _) => bools.push(value.is_none()),
            }
        }
        None
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || self.records.ends.len() >= BATCH_RECORDS
    }

    fn has_something(&self) -> bool {
        !self.records.ends.is_empty() || self.refused != Refusals::default()
    }

    fn batch(self, lane: &Arc<Lane>, next: i64) -> Batch {
        let Filling { bytes, records, refused } = self;
        let (lane, ends) = (Arc::clone(lane), Ends::At(records));
        Batch { lane, bytes, ends, end: position(next), refused, last: false }
    }
}
