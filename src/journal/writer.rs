//! Writes records to segments, so that each is durable or will be written again.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::disk::Appendable;
use super::format::{END, Frame, HEAD_LEN, Head};
use super::home::Home;

/// A segment's file that is kept.
pub(super) struct Kept {
    pub path: PathBuf,
    pub bytes: u64,
    /// With this file a segment as the caller sees it begins.
    pub begins: bool,
}

/// The segments of a directory, and the newest to write to.
pub(super) struct Writer {
    home: Home,
    /// The oldest first.
    pub files: Vec<Kept>,
    /// The last of `files`, while it may be written to: not once a write or a sync failed.
    newest: Option<Box<dyn Appendable>>,
    /// The number of the newest segment that was ever begun here.
    number: u64,
    /// Bytes that were written since the start.
    pub written: u64,
    /// That a commit could not be noted was said.
    is_note_missed: bool,
}

impl Writer {
    /// Goes on behind the segment of that number.
    pub fn new(home: Home, files: Vec<Kept>, number: u64) -> Writer {
        Writer { home, files, newest: None, number, written: 0, is_note_missed: false }
    }

    /// Who writes.
    pub fn instance(&self) -> &str {
        &self.home.instance
    }

    /// Makes a record durable, in the newest segment if it can be written to and the record does not begin one.
    pub fn write(&mut self, frame: Frame, record: &[u8]) -> io::Result<()> {
        match self.newest.take() {
            Some(file) if !frame.mark.begins => self.append(file, frame, record),
            _ => self.begin(frame, record),
        }
    }

    /// The file that is written to, or was when writing to it failed.
    pub fn path(&self) -> PathBuf {
        self.home.segment_path(self.number)
    }

    /// The directory that is written to.
    pub fn directory(&self) -> &Path {
        &self.home.directory
    }

    /// Notes, unless it is, that something was committed. A record is durable by now, and stays so if this fails; the next
    /// commit tries again.
    pub fn note_commit(&mut self) {
        if self.home.is_noted {
            return;
        }
        let noted = self.home.note_commit();
        if let Err(error) = noted
            && !std::mem::replace(&mut self.is_note_missed, true)
        {
            let directory = self.home.directory.display();
            warn!(%directory, %error, "the state directory cannot be marked as one that is in use; this is tried again");
        }
    }

    fn append(&mut self, mut file: Box<dyn Appendable>, frame: Frame, record: &[u8]) -> io::Result<()> {
        let kept = self.files.last_mut().expect("the newest segment is the last of all");
        let head = frame.to_bytes(self.number);
        let parts = &mut [IoSlice::new(&head), IoSlice::new(record), IoSlice::new(END)];
        if let Err(error) = file.append(parts) {
            // This only gives room back. After a crash the place might hold a part of this write and zeros of the next
            // one, so there is none: the record goes to another file.
            file.truncate(kept.bytes).ok();
            return Err(error);
        }
        self.written += frame.size();
        // After an error the system may take for written what is not, so this file is not written to again.
        file.sync()?;
        kept.bytes += frame.size();
        self.newest = Some(file);
        Ok(())
    }

    fn begin(&mut self, frame: Frame, record: &[u8]) -> io::Result<()> {
        self.number += 1;
        let path = self.home.segment_path(self.number);
        let mut file = self.home.disk.create(&path)?;
        let segment = Head { number: self.number, first: frame.sequence }.to_bytes();
        let head = frame.to_bytes(self.number);
        let written = file.append(&mut [&segment[..], &head[..], record, END].map(IoSlice::new));
        if written.is_err() && self.remove_file(&path) {
            return written;
        }
        // From here on the record may be on disk. Even if it is written again elsewhere the file stays until a segment
        // completes, so that its number is known: if it came back after a crash, it must not be the newest.
        let bytes = HEAD_LEN as u64 + frame.size();
        self.files.push(Kept { path, bytes, begins: false });
        written?;
        self.written += bytes;
        file.sync()?;
        self.home.disk.sync_directory(&self.home.directory)?;
        if let Some(kept) = self.files.last_mut() {
            kept.begins = frame.mark.begins;
        }
        self.newest = Some(file);
        Ok(())
    }

    /// Removes the segments before the newest that the caller began, which completes.
    pub fn remove_older(&mut self) {
        let begin = self.files.iter().rposition(|kept| kept.begins).unwrap_or(0);
        let older: Vec<_> = self.files.drain(..begin).collect();
        let left: Vec<_> = older.into_iter().filter(|kept| !self.remove_file(&kept.path)).collect();
        self.files.splice(..0, left);
    }

    /// Removes a segment that is not needed.
    pub fn remove(&self, number: u64) {
        self.remove_file(&self.home.segment_path(number));
    }

    /// If the file stays, it is in nobody's way, but takes room.
    fn remove_file(&self, path: &Path) -> bool {
        let removed = self.home.disk.remove(path);
        if let Err(error) = &removed {
            warn!(file = %path.display(), %error, "an old segment of the journal cannot be removed");
        }
        removed.is_ok()
    }
}
