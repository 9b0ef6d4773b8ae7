//! A disk in memory that fails and crashes as disks do.
//!
//! Processes see what was written; after a crash there is what was synced, and of everything else an arbitrary part: of
//! a write nothing, a part from its start, some sectors (the others zeros) or all, and of the changes of names some. A sync
//! that fails decides this at once, and what is lost then no later sync writes.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Access, Appendable, Disk, Lock, Readable};

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A write takes only so many bytes.
    NoSpace(usize),
    Sync,
    SyncDirectory,
    Truncate,
    Create,
    Remove,
    Read,
    List,
    Rename,
}

#[derive(Clone, Debug)]
pub(crate) struct Faulty(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: u64,
    files: Vec<Contents>,
    names: Names,
    faults: Vec<Fault>,
    /// What goes wrong once this file is to be created or removed.
    fault_at: Option<(PathBuf, Fault)>,
    /// After so many calls nothing works any more: the process died.
    calls_left: Option<usize>,
    is_locked: bool,
}

#[derive(Debug, Default)]
struct Names {
    seen: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    unsynced: Vec<Naming>,
}

#[derive(Clone, Debug)]
enum Naming {
    Create(PathBuf, usize),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

#[derive(Debug, Default)]
struct Contents {
    seen: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

fn rename_in(names: &mut BTreeMap<PathBuf, usize>, naming: &Naming) {
    match naming {
        Naming::Create(path, file) => _ = names.insert(path.clone(), *file),
        Naming::Remove(path) => _ = names.remove(path),
        Naming::Rename(from, to, file) => {
            names.remove(from);
            names.insert(to.clone(), *file);
        }
    }
}

impl State {
    /// A number below `end`, by xorshift.
    fn draw(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) as usize % end.max(1)
    }

    fn call(&mut self) -> io::Result<()> {
        match &mut self.calls_left {
            Some(0) => Err(io::Error::other("the process is dead")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn fails(&mut self, fault: Fault) -> io::Result<()> {
        match self.faults.iter().position(|planned| *planned == fault) {
            Some(at) => Err(io::Error::other(format!("{:?} fails", self.faults.remove(at)))),
            None => Ok(()),
        }
    }

    fn reach(&mut self, path: &Path) {
        if let Some((_, fault)) = self.fault_at.take_if(|(at, _)| at == path) {
            self.faults.push(fault);
        }
    }

    fn named(&mut self, naming: Naming) {
        rename_in(&mut self.names.seen, &naming);
        self.names.unsynced.push(naming);
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names.seen.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Decides what becomes of the writes to a file that were not synced.
    fn lose(&mut self, file: usize) {
        for change in std::mem::take(&mut self.files[file].unsynced) {
            let choice = self.draw(4);
            match change {
                Change::Truncate(_) if choice < 2 => {}
                Change::Truncate(len) => self.files[file].durable.truncate(len),
                Change::Write { .. } if choice == 0 => {}
                Change::Write { at, bytes } if choice == 1 => {
                    let len = self.draw(bytes.len() + 1);
                    write_at(&mut self.files[file].durable, at, &bytes[..len]);
                }
                Change::Write { at, bytes } if choice == 2 => self.lose_sectors(file, at, &bytes),
                Change::Write { at, bytes } => write_at(&mut self.files[file].durable, at, &bytes),
            }
        }
    }

    fn lose_sectors(&mut self, file: usize, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        let len = self.files[file].durable.len().max(end);
        self.files[file].durable.resize(len, 0);
        let mut from = at;
        while from < end {
            let to = (from / 512 * 512 + 512).min(end);
            if self.draw(2) == 0 {
                self.files[file].durable[from..to].copy_from_slice(&bytes[from - at..to - at]);
            }
            from = to;
        }
    }

    fn lose_names(&mut self) {
        for naming in std::mem::take(&mut self.names.unsynced) {
            if self.draw(2) == 0 {
                rename_in(&mut self.names.durable, &naming);
            }
        }
    }
}

fn write_at(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    file.resize(file.len().max(at + bytes.len()), 0);
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

impl Faulty {
    pub fn new(seed: u64) -> Faulty {
        Faulty(Arc::new(Mutex::new(State {
            random: seed | 1,
            files: Vec::new(),
            names: Names::default(),
            faults: Vec::new(),
            fault_at: None,
            calls_left: None,
            is_locked: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn plan(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// The same for the first call of that kind once this file is to be created or removed.
    pub fn fail_at(&self, path: &Path, fault: Fault) {
        self.state().fault_at = Some((path.to_owned(), fault));
    }

    /// Every fault that was planned and did not happen is forgotten.
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// The process dies after so many calls.
    pub fn die_after(&self, calls: usize) {
        self.state().calls_left = Some(calls);
    }

    pub fn is_dead(&self) -> bool {
        self.state().calls_left == Some(0)
    }

    /// Another process starts on the same machine.
    pub fn restart_process(&self) {
        self.state().calls_left = None;
    }

    /// The machine loses its power, and starts again.
    pub fn crash(&self) {
        let mut state = self.state();
        state.calls_left = None;
        for file in 0..state.files.len() {
            state.lose(file);
            state.files[file].seen = state.files[file].durable.clone();
        }
        state.lose_names();
        state.names.seen = state.names.durable.clone();
    }

    /// All files with what is in them.
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        state.names.seen.iter().map(|(path, file)| (path.clone(), state.files[*file].seen.clone())).collect()
    }

    /// A machine with just these files, all durable.
    pub fn holding(files: &BTreeMap<PathBuf, Vec<u8>>) -> Faulty {
        let disk = Faulty::new(1);
        {
            let mut state = disk.state();
            for (number, (path, bytes)) in files.iter().enumerate() {
                let (seen, durable) = (bytes.clone(), bytes.clone());
                state.files.push(Contents { seen, durable, unsynced: Vec::new() });
                state.names.seen.insert(path.clone(), number);
            }
            state.names.durable = state.names.seen.clone();
        }
        disk
    }
}

impl Disk for Faulty {
    fn make_directory(&self, _: &Path) -> io::Result<()> {
        self.state().call()
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.call()?;
        state.fails(Fault::List)?;
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        Ok(state.names.seen.keys().map(name).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Readable>> {
        let mut state = self.state();
        state.call()?;
        state.fails(Fault::Read)?;
        let file = state.file(path)?;
        Ok(Box::new(io::Cursor::new(state.files[file].seen.clone())))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appendable>> {
        let mut state = self.state();
        state.call()?;
        state.reach(path);
        state.fails(Fault::Create)?;
        if state.file(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.files.push(Contents::default());
        state.named(Naming::Create(path.to_owned(), file));
        Ok(Box::new(FaultyFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.fails(Fault::Rename)?;
        let file = state.file(from)?;
        state.named(Naming::Rename(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.reach(path);
        state.fails(Fault::Remove)?;
        state.file(path)?;
        state.named(Naming::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        if let Err(error) = state.fails(Fault::SyncDirectory) {
            state.lose_names();
            return Err(error);
        }
        let names = &mut state.names;
        names.unsynced.drain(..).for_each(|naming| rename_in(&mut names.durable, &naming));
        Ok(())
    }

    fn lock(&self, _: &Path, _: Access) -> io::Result<Lock> {
        let mut state = self.state();
        state.call()?;
        if std::mem::replace(&mut state.is_locked, true) {
            return Ok(Lock::HeldBy(Some(1234)));
        }
        Ok(Lock::Held(Box::new(Unlock(self.clone()))))
    }
}

struct Unlock(Faulty);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.state().is_locked = false;
    }
}

struct FaultyFile {
    disk: Faulty,
    file: usize,
}

impl Appendable for FaultyFile {
    fn append(&mut self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut bytes = parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>();
        let mut state = self.disk.state();
        let mut result = state.call();
        let no_space = |fault: &Fault| matches!(fault, Fault::NoSpace(_));
        if result.is_err() {
            // The process was dead before.
            return result;
        } else if let Some(at) = state.faults.iter().position(no_space)
            && let Fault::NoSpace(room) = state.faults.remove(at)
        {
            bytes.truncate(room % bytes.len());
            result = Err(io::ErrorKind::StorageFull.into());
        } else if state.calls_left == Some(0) {
            let len = state.draw(bytes.len() + 1);
            bytes.truncate(len);
            result = Err(io::Error::other("the process dies"));
        }
        let file = &mut state.files[self.file];
        let at = file.seen.len();
        file.seen.extend_from_slice(&bytes);
        file.unsynced.push(Change::Write { at, bytes });
        result
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.call()?;
        if let Err(error) = state.fails(Fault::Sync) {
            state.lose(self.file);
            return Err(error);
        }
        let file = &mut state.files[self.file];
        for change in file.unsynced.drain(..) {
            match change {
                Change::Write { at, bytes } => write_at(&mut file.durable, at, &bytes),
                Change::Truncate(len) => file.durable.truncate(len),
            }
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.call()?;
        state.fails(Fault::Truncate)?;
        let file = &mut state.files[self.file];
        file.seen.truncate(len as usize);
        file.unsynced.push(Change::Truncate(len as usize));
        Ok(())
    }
}
