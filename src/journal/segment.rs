//! Reads a segment's file record by record, and says of what is no record whether it was ever written.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::disk::{Access, Disk};
use super::error::OpenError;
use super::format::{END, FORMAT, FRAME_HEAD_LEN, Frame, HEAD_LEN, Head, HeadFault, MAGIC, RECORD};

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;
const BUFFER: usize = 64 * 1024;

/// A segment's file that is being read.
pub(super) struct Segment {
    path: PathBuf,
    number: u64,
    file: BufReader<Box<dyn super::disk::Readable>>,
    size: u64,
    /// Where the next record begins.
    offset: u64,
    /// The sequence that the next record must have.
    next: u64,
}

/// From there on, a segment's file holds no records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub offset: u64,
    pub what: &'static str,
    /// It is what a crash leaves of a write that was never synced.
    pub torn: bool,
}

/// Why there is no next record.
pub(super) enum Stop {
    Bad(Bad),
    Refused(OpenError),
}

impl Segment {
    pub fn open(disk: &dyn Disk, path: &Path, number: u64) -> Result<Segment, OpenError> {
        let opened = disk.open(path).and_then(|mut file| {
            let size = file.seek(SeekFrom::End(0))?;
            file.rewind()?;
            Ok((file, size))
        });
        let (file, size) = opened.map_err(|error| cannot_read(path, error))?;
        let file = BufReader::with_capacity(BUFFER, file);
        Ok(Segment { path: path.to_owned(), number, file, size, offset: 0, next: 0 })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where the next record begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the head of the file, which says what the first record's sequence is.
    pub fn head(&mut self) -> Result<Head, Stop> {
        let mut bytes = [0; HEAD_LEN];
        let len = self.size.min(HEAD_LEN as u64) as usize;
        self.read(&mut bytes[..len])?;
        if len < HEAD_LEN {
            let began = bytes[..len].iter().zip(MAGIC).all(|(byte, magic)| byte == magic);
            let torn = began || bytes.iter().all(|byte| *byte == 0);
            return Err(if torn {
                self.bad("the head of the segment is not whole", true)
            } else {
                self.foreign()
            });
        }
        let head = match Head::read(&bytes) {
            Ok(head) if head.number == self.number => head,
            Ok(_) => return Err(self.bad("it is another segment, under a wrong name", false)),
            Err(HeadFault::Damaged(what)) => return Err(self.bad(what, false)),
            Err(HeadFault::Newer(found)) => {
                let file = self.path.clone();
                return Err(Stop::Refused(OpenError::Newer { file, found, known: FORMAT }));
            }
            Err(HeadFault::Foreign) if bytes.iter().all(|byte| *byte == 0) => {
                let torn = !self.has_record(HEAD_LEN as u64)?;
                return Err(self.bad("the head of the segment was never written", torn));
            }
            Err(HeadFault::Foreign) => return Err(self.foreign()),
        };
        self.offset = HEAD_LEN as u64;
        self.next = head.first;
        Ok(head)
    }

    /// Reads the next record into `record`. None at the end of the file.
    pub fn next(&mut self, record: &mut Vec<u8>) -> Result<Option<Frame>, Stop> {
        let left = self.size - self.offset;
        if left == 0 {
            return Ok(None);
        }
        if left < FRAME_HEAD_LEN as u64 {
            return Err(self.bad("it ends within the head of a record", true));
        }
        let mut head = [0; FRAME_HEAD_LEN];
        self.read(&mut head)?;
        let Some(frame) = Frame::read(&head, self.number) else {
            let torn = self.has_unwritten_sector()? && !self.has_record(self.offset + 1)?;
            return Err(self.bad("the head of a record is not what was written", torn));
        };
        if frame.size() > left {
            return Err(self.bad("it ends within a record", true));
        }
        record.resize(frame.len as usize, 0);
        self.read(record)?;
        let mut end = [0; END.len()];
        self.read(&mut end)?;
        if !frame.is_of(record) || end != *END {
            let torn = frame.size() == left && self.has_unwritten_sector()?;
            return Err(self.bad("a record is not what was written", torn));
        }
        if frame.sequence != self.next {
            return Err(self.bad("a record is not the one that comes next", false));
        }
        self.offset += frame.size();
        self.next += 1;
        Ok(Some(frame))
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        self.file.read_exact(bytes).map_err(|error| self.failed(error))
    }

    /// Whether a sector reads as zeros, as far as it lies behind the last good record. No part of a record that was
    /// written does, unless the caller's bytes do.
    fn has_unwritten_sector(&mut self) -> Result<bool, Stop> {
        let mut at = self.offset;
        self.seek(at)?;
        let mut sector = [0; SECTOR as usize];
        while at < self.size {
            let len = (SECTOR - at % SECTOR).min(self.size - at);
            let part = &mut sector[..len as usize];
            self.read(part)?;
            if part.iter().all(|byte| *byte == 0) {
                return Ok(true);
            }
            at += len;
        }
        Ok(false)
    }

    /// Whether a record's head lies there or behind: then what is before it was followed by a commit, so it was durable.
    fn has_record(&mut self, from: u64) -> Result<bool, Stop> {
        self.seek(from.min(self.size))?;
        let mut window = Vec::new();
        loop {
            let read = self.file.by_ref().take(BUFFER as u64).read_to_end(&mut window);
            if read.map_err(|error| self.failed(error))? == 0 {
                return Ok(false);
            }
            let mut heads = memmem::find_iter(&window, RECORD).filter_map(|at| window[at..].first_chunk());
            if heads.any(|head| Frame::read(head, self.number).is_some()) {
                return Ok(true);
            }
            window.drain(..window.len().saturating_sub(FRAME_HEAD_LEN - 1));
        }
    }

    fn seek(&mut self, to: u64) -> Result<(), Stop> {
        self.file.seek(SeekFrom::Start(to)).map(|_| ()).map_err(|error| self.failed(error))
    }

    fn bad(&self, what: &'static str, torn: bool) -> Stop {
        Stop::Bad(Bad { offset: self.offset, what, torn })
    }

    fn foreign(&self) -> Stop {
        Stop::Refused(OpenError::Foreign { file: self.path.clone() })
    }

    fn failed(&self, error: io::Error) -> Stop {
        Stop::Refused(cannot_read(&self.path, error))
    }
}

pub(super) fn cannot_read(path: &Path, error: io::Error) -> OpenError {
    OpenError::Failed { file: path.to_owned(), access: Access::Read, error }
}
