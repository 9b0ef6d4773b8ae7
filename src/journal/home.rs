//! The directory of a journal: who may use it, which instance of the program it belongs to, which segments are in it.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, IoSlice, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Access, Disk, Lock};
use super::error::OpenError;
use super::segment::cannot_read;

const LOCK: &str = "lock";
const INSTANCE: &str = "instance";
/// Says, by being there, that a record was durable once. Without it an empty directory would look new.
const COMMITTED: &str = "committed";
/// What becomes `instance` once it is whole.
const NEW_INSTANCE: &str = "instance.new";
const SEGMENT: &str = "journal-";
/// What lies at the root of a file system that is used as a directory of its own.
const LOST_AND_FOUND: &str = "lost+found";

/// A directory that is locked.
pub(super) struct Home {
    pub disk: Arc<dyn Disk>,
    pub directory: PathBuf,
    /// 32 hexadecimal digits. Empty if it is only looked at and has none yet.
    pub instance: String,
    /// Whether it is noted there that something was committed.
    pub is_noted: bool,
    /// Where there is nothing to lock, nobody writes.
    _lock: Option<Box<dyn Send + Sync>>,
}

impl Home {
    /// Locks the directory and finds its segments, the oldest first. To write there, it is made if it is not there, and
    /// its instance is named.
    pub fn enter(
        directory: &Path,
        disk: Arc<dyn Disk>,
        access: Access,
    ) -> Result<(Home, Vec<u64>), OpenError> {
        let unusable = |error| OpenError::Directory { directory: directory.to_owned(), access, error };
        if access == Access::Write {
            disk.make_directory(directory).map_err(unusable)?;
        }
        refuse_foreign(directory, &disk.list(directory).map_err(unusable)?)?;
        let lock = lock(directory, &*disk, access)?;
        // Only now does nobody else change it.
        let names = disk.list(directory).map_err(unusable)?;
        let segments = segments(&names);
        let has = |known: &str| names.iter().any(|name| name == known);
        let (instance, is_noted) = (String::new(), has(COMMITTED));
        let mut home = Home { disk, directory: directory.to_owned(), instance, is_noted, _lock: lock };
        if segments.is_empty() {
            home.refuse_emptied()?;
        }
        if has(INSTANCE) {
            home.instance = home.read_instance()?;
        } else if !segments.is_empty() {
            let what = "it is missing, but there are segments";
            return Err(OpenError::Damaged { file: directory.join(INSTANCE), offset: 0, what });
        } else if access == Access::Write {
            home.instance = new_instance();
        }
        // Before there is a segment, it is written again: whoever wrote it may not have known that it is durable.
        if segments.is_empty() && access == Access::Write {
            home.write_instance().map_err(|error| home.cannot_write(INSTANCE, error))?;
        }
        Ok((home, segments))
    }

    pub fn segment_path(&self, number: u64) -> PathBuf {
        self.directory.join(segment_name(number))
    }

    /// For a directory in which no record was found.
    pub fn refuse_emptied(&self) -> Result<(), OpenError> {
        match self.is_noted {
            true => Err(OpenError::Emptied { directory: self.directory.clone() }),
            false => Ok(()),
        }
    }

    /// Notes that something was committed. To be called once a record is durable, and again after an error.
    pub fn note_commit(&mut self) -> io::Result<()> {
        let file = self.directory.join(COMMITTED);
        // One that is there was made by a try that failed, and nobody knows whether its name would survive a crash.
        match self.disk.remove(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.disk.create(&file)?;
        self.disk.sync_directory(&self.directory)?;
        self.is_noted = true;
        Ok(())
    }

    fn read_instance(&self) -> Result<String, OpenError> {
        let file = self.directory.join(INSTANCE);
        let mut bytes = Vec::new();
        let read = self.disk.open(&file).and_then(|opened| opened.take(100).read_to_end(&mut bytes));
        read.map_err(|error| cannot_read(&file, error))?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        match text.strip_suffix('\n') {
            Some(digits) if digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(digits.to_owned())
            }
            _ => Err(OpenError::Damaged { file, offset: 0, what: "these are not 32 hexadecimal digits" }),
        }
    }

    fn write_instance(&self) -> io::Result<()> {
        let new = self.directory.join(NEW_INSTANCE);
        if self.disk.list(&self.directory)?.iter().any(|name| name == NEW_INSTANCE) {
            self.disk.remove(&new)?;
        }
        let mut file = self.disk.create(&new)?;
        file.append(&mut [IoSlice::new(self.instance.as_bytes()), IoSlice::new(b"\n")])?;
        file.sync()?;
        self.disk.rename(&new, &self.directory.join(INSTANCE))?;
        self.disk.sync_directory(&self.directory)
    }

    fn cannot_write(&self, name: &str, error: io::Error) -> OpenError {
        OpenError::Failed { file: self.directory.join(name), access: Access::Write, error }
    }
}

fn lock(
    directory: &Path,
    disk: &dyn Disk,
    access: Access,
) -> Result<Option<Box<dyn Send + Sync>>, OpenError> {
    let file = directory.join(LOCK);
    let error = match disk.lock(&file, access) {
        Ok(Lock::Held(lock)) => return Ok(Some(lock)),
        Ok(Lock::HeldBy(pid)) => return Err(OpenError::InUse { directory: directory.to_owned(), pid }),
        Err(error) => error,
    };
    match error.kind() {
        io::ErrorKind::NotFound if access == Access::Read => Ok(None),
        io::ErrorKind::IsADirectory => Err(OpenError::Foreign { file }),
        io::ErrorKind::PermissionDenied => {
            Err(OpenError::Directory { directory: directory.to_owned(), access, error })
        }
        _ => Err(OpenError::Failed { file, access, error }),
    }
}

/// A directory without an instance is new, so whatever is in it belongs to somebody else.
fn refuse_foreign(directory: &Path, names: &[String]) -> Result<(), OpenError> {
    let known = [LOCK, NEW_INSTANCE, COMMITTED, LOST_AND_FOUND];
    let is_ours = |name: &String| known.contains(&name.as_str()) || segment_number(name).is_some();
    match names.iter().find(|name| !is_ours(name)) {
        Some(foreign) if !names.iter().any(|name| name == INSTANCE) => {
            Err(OpenError::Foreign { file: directory.join(foreign) })
        }
        _ => Ok(()),
    }
}

fn segment_name(number: u64) -> String {
    format!("{SEGMENT}{number:010}")
}

fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix(SEGMENT)?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

fn segments(names: &[String]) -> Vec<u64> {
    let mut numbers: Vec<_> = names.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    numbers
}

/// The seeds of hash tables are the randomness that the standard library has.
fn new_instance() -> String {
    let half = || RandomState::new().hash_one(());
    format!("{:016x}{:016x}", half(), half())
}
