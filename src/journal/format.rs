//! How segments and records lie in their files. All numbers are written with the lowest byte first.
//!
//! | at | of a segment's head | | at | of a record's head |
//! |---|---|---|---|---|
//! | 0 | `streamgauge journal`, line feed | | 0 | `F5`, `rec` |
//! | 20 | format version | | 4 | marks |
//! | 24 | number of the segment | | 8 | bytes of the record |
//! | 32 | sequence of its first record | | 16 | its sequence |
//! | 40 | XXH3 of all that | | 24 | XXH3 of its bytes |
//! | | | | 32 | XXH3 of all that, seeded by the number of the segment |
//!
//! The bytes of the record follow its head, and a line feed follows them. So neither the first nor the last byte that a
//! record has in any sector is zero, and a part of a record that reads as zeros either is in the caller's bytes or was
//! never written.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::Mark;

/// The version that this program writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

pub(super) const HEAD_LEN: usize = 48;
pub(super) const FRAME_HEAD_LEN: usize = 40;
pub(super) const MAGIC: &[u8; 20] = b"streamgauge journal\n";
/// What every record begins with.
pub(super) const RECORD: &[u8; 4] = b"\xF5rec";
/// What every record ends with.
pub(super) const END: &[u8; 1] = b"\n";

/// The head of a segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub number: u64,
    /// The sequence of its first record.
    pub first: u64,
}

/// Why a head is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadFault {
    Foreign,
    Newer(u32),
    Damaged(&'static str),
}

impl Head {
    pub fn to_bytes(self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        bytes[..20].copy_from_slice(MAGIC);
        bytes[20..24].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.number.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first.to_le_bytes());
        let hash = xxh3_64(&bytes[..40]);
        bytes[40..].copy_from_slice(&hash.to_le_bytes());
        bytes
    }

    /// The first 48 bytes mean the same in every version, so a newer one can be told from damage.
    pub fn read(bytes: &[u8; HEAD_LEN]) -> Result<Head, HeadFault> {
        if !bytes.starts_with(MAGIC) {
            return Err(HeadFault::Foreign);
        }
        if number_at(bytes, 40) != xxh3_64(&bytes[..40]) {
            return Err(HeadFault::Damaged("the checksum of the segment's head is wrong"));
        }
        match number_at(bytes, 20) as u32 {
            FORMAT => Ok(Head { number: number_at(bytes, 24), first: number_at(bytes, 32) }),
            0 => Err(HeadFault::Damaged("there is no format version 0")),
            newer => Err(HeadFault::Newer(newer)),
        }
    }
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub mark: Mark,
    /// Bytes of the record.
    pub len: u64,
    pub sequence: u64,
    /// The hash of the record's bytes.
    pub hash: u64,
}

const BEGINS: u32 = 1;
const COMPLETES: u32 = 2;

impl Frame {
    pub fn new(record: &[u8], sequence: u64, mark: Mark) -> Frame {
        Frame { mark, len: record.len() as u64, sequence, hash: xxh3_64(record) }
    }

    /// The head of this record in the segment of that number.
    pub fn to_bytes(self, segment: u64) -> [u8; FRAME_HEAD_LEN] {
        let begins = if self.mark.begins { BEGINS } else { 0 };
        let completes = if self.mark.completes { COMPLETES } else { 0 };
        let mut bytes = [0; FRAME_HEAD_LEN];
        bytes[..4].copy_from_slice(RECORD);
        bytes[4..8].copy_from_slice(&(begins | completes).to_le_bytes());
        bytes[8..16].copy_from_slice(&self.len.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.hash.to_le_bytes());
        let hash = xxh3_64_with_seed(&bytes[..32], segment);
        bytes[32..].copy_from_slice(&hash.to_le_bytes());
        bytes
    }

    /// The head of a record of the segment of that number, if these bytes are one.
    pub fn read(bytes: &[u8; FRAME_HEAD_LEN], segment: u64) -> Option<Frame> {
        let is_one =
            bytes.starts_with(RECORD) && number_at(bytes, 32) == xxh3_64_with_seed(&bytes[..32], segment);
        let marks = number_at(bytes, 4) as u32;
        is_one.then(|| Frame {
            mark: Mark { begins: marks & BEGINS != 0, completes: marks & COMPLETES != 0 },
            len: number_at(bytes, 8),
            sequence: number_at(bytes, 16),
            hash: number_at(bytes, 24),
        })
    }

    /// Whether these are the bytes of the record.
    pub fn is_of(self, record: &[u8]) -> bool {
        xxh3_64(record) == self.hash
    }

    /// What the record takes in its file.
    pub fn size(self) -> u64 {
        self.len.saturating_add((FRAME_HEAD_LEN + END.len()) as u64)
    }
}

/// The number of eight bytes there; of its lower half where a field has four.
fn number_at(bytes: &[u8], at: usize) -> u64 {
    let field = bytes[at..].first_chunk().expect("every field has eight bytes behind its start");
    u64::from_le_bytes(*field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn heads_come_back_and_a_changed_one_is_none(
            (number, sequence, begins, completes) in any::<(u64, u64, bool, bool)>(),
            record in prop::collection::vec(any::<u8>(), 0..50),
            bit in 0..8 * FRAME_HEAD_LEN,
        ) {
            let head = Head { number, first: sequence };
            prop_assert_eq!(Head::read(&head.to_bytes()), Ok(head));
            let mut changed = head.to_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Head::read(&changed).is_err());

            let frame = Frame::new(&record, sequence, Mark { begins, completes });
            let mut bytes = frame.to_bytes(number);
            prop_assert_eq!(Frame::read(&bytes, number), Some(frame));
            prop_assert_eq!(Frame::read(&bytes, number ^ 1), None);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Frame::read(&bytes, number), None);
        }
    }

    #[test]
    fn a_newer_head_is_told_from_damage() {
        let mut bytes = Head { number: 1, first: 1 }.to_bytes();
        bytes[20] = 2;
        assert!(matches!(Head::read(&bytes), Err(HeadFault::Damaged(_))));
        let hash = xxh3_64(&bytes[..40]);
        bytes[40..].copy_from_slice(&hash.to_le_bytes());
        assert_eq!(Head::read(&bytes), Err(HeadFault::Newer(2)));
    }
}
