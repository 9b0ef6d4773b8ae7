//! What the journal does to files. Tests put a disk in its place that fails and crashes.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Files in directories, and what is known of them to survive a crash.
pub trait Disk: Debug + Send + Sync {
    /// Makes a directory, and those above it, if it is not there. A directory that was made survives a crash.
    fn make_directory(&self, directory: &Path) -> io::Result<()>;

    /// The names in a directory. Those that are not UTF-8 come with replacement characters.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// A file to read from.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Readable>>;

    /// A new file to append to; fails if it is there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appendable>>;

    /// Gives a file another name, in place of the file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// After Ok the names in the directory survive a crash.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Locks a file against other processes, for as long as the lock lives and no longer than this process.
    fn lock(&self, path: &Path, access: Access) -> io::Result<Lock>;
}

/// A file that is read.
pub trait Readable: Read + Seek {}

impl<File: Read + Seek> Readable for File {}

/// A file that grows at its end.
pub trait Appendable: Send {
    /// Writes the parts one after the other, with one call of the system if that takes them all. After an error some of
    /// it may be in the file.
    fn append(&mut self, parts: &mut [IoSlice<'_>]) -> io::Result<()>;

    /// After Ok what was written survives a crash, but not the name of a new file. After an error nothing is known of
    /// what was written since the last Ok, whatever later calls say.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts off everything from there.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// What the holder of a lock will do in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written, not even the file of the lock.
    Read,
    /// The file of the lock is made if it is not there, and says which process holds it.
    Write,
}

/// The answer to whoever wants a lock.
pub enum Lock {
    /// It is held until this is dropped.
    Held(Box<dyn Send + Sync>),
    /// Another has it: this process, if the file says so.
    HeldBy(Option<u32>),
}

/// The files of this machine.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Disk for System {
    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        if directory.is_dir() {
            return Ok(());
        }
        if directory.exists() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let above = directory.parent().filter(|above| !above.as_os_str().is_empty());
        if let Some(above) = above {
            self.make_directory(above)?;
        }
        fs::create_dir(directory)?;
        self.sync_directory(above.unwrap_or(Path::new(".")))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Readable>> {
        Ok(Box::new(File::open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appendable>> {
        Ok(Box::new(OpenOptions::new().append(true).create_new(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    fn lock(&self, path: &Path, access: Access) -> io::Result<Lock> {
        let writes = access == Access::Write;
        let mut file =
            OpenOptions::new().read(true).write(writes).create(writes).truncate(false).open(path)?;
        if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return if error == rustix::io::Errno::WOULDBLOCK {
                Ok(Lock::HeldBy(pid))
            } else {
                Err(error.into())
            };
        }
        if writes {
            file.set_len(0)?;
            file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
        }
        Ok(Lock::Held(Box::new(file)))
    }
}

impl Appendable for File {
    fn append(&mut self, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        // Empty parts at the start would make a write of nothing look like a disk that takes nothing.
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match self.write_vectored(parts) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut parts, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        // Of the metadata this includes what reading needs, above all the length.
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}
