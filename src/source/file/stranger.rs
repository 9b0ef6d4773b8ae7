//! A file that was opened to see what it is.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::head::{FileId, Head, Stamp, read_at};

/// An open file that is not among the contents.
pub struct Stranger {
    /// The open file.
    pub file: File,
    /// Which file it is.
    pub id: FileId,
    /// Its size and times when it was opened.
    pub stamp: Stamp,
    /// Its first bytes.
    pub head: Head,
}

impl Stranger {
    /// Opens a file; `None` if it is gone, or something else is in its place.
    pub fn open(path: &Path) -> io::Result<Option<Stranger>> {
        // If a FIFO takes the file's place, opening it must not wait for a writer.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let head = Head::read(&file)?;
        Ok(Some(Stranger { id: FileId::of(&metadata), stamp: Stamp::of(&metadata), head, file }))
    }

    /// Where the line starts that reaches the end of the file; nowhere if it is too long.
    pub fn last_line(&self, max_line_bytes: usize) -> Option<u64> {
        let size = self.stamp.size;
        let from = size.saturating_sub(max_line_bytes as u64);
        let tail = read_at(&self.file, from, (size - from) as usize).ok()?;
        match memchr::memrchr(b'\n', &tail) {
            Some(newline) => Some(from + newline as u64 + 1),
            None => (from == 0).then_some(0),
        }
    }
}
