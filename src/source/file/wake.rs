//! Wakes the reader as soon as something is written: inotify, beside the looks that are taken at intervals anyhow.
//!
//! Open files are watched themselves, so that their watches stay with them through renames and symbolic links;
//! directories are watched for files that appear. What inotify does not see (network file systems, watches
//! beyond the system's limit) is found by the next look.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::head::FileId;
use crate::base::backoff::Backoff;
use crate::base::shutdown::Shutdown;
use crate::source::{Context, Outlet};

/// The shortest time from one waking to the next, so that a busy writer is read in blocks, not in lines.
const PACE: Duration = Duration::from_millis(5);

/// The bytes of events taken from the system at once.
const EVENT_BYTES: usize = 16 << 10;

/// What woke the reader.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The files that were written.
    pub written: HashSet<FileId>,
    /// Something has a new name in a directory.
    pub appeared: bool,
    /// There were more events than the system keeps: anything may have happened.
    pub overflow: bool,
}

/// The watches of one source.
#[derive(Debug)]
pub struct Wake {
    /// `None` where the system has no inotify to give.
    inotify: Option<OwnedFd>,
    /// Becomes readable when the program is to finish.
    bell: Option<Arc<OwnedFd>>,
    directories: HashSet<i32>,
    files: HashMap<i32, FileId>,
    watched: HashMap<FileId, i32>,
    news: News,
    /// No more watches are to be had until then.
    retry_at: Duration,
    backoff: Backoff,
    woken_at: Duration,
}

impl Wake {
    /// Watches nothing yet. A system without inotify is counted and polled.
    pub fn new(shutdown: &Shutdown, outlet: &mut dyn Outlet) -> Wake {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        if let Err(error) = inotify {
            tracing::warn!(%error, "no inotify: files are only read at intervals");
            outlet.error("inotify_unavailable");
        }
        Wake {
            inotify: inotify.ok(),
            bell: shutdown.bell().ok(),
            directories: HashSet::new(),
            files: HashMap::new(),
            watched: HashMap::new(),
            news: News::default(),
            retry_at: Duration::ZERO,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(600)),
            woken_at: Duration::ZERO,
        }
    }

    /// Watches these directories and files and nothing else. What is watched for the first time is news, as it
    /// may have changed just before.
    pub fn watch<'f>(
        &mut self,
        directories: &BTreeSet<PathBuf>,
        files: impl Iterator<Item = (FileId, &'f File)>,
        outlet: &mut dyn Outlet,
        now: Duration,
    ) {
        if now < self.retry_at {
            return;
        }
        let full = self.watch_directories(directories).and_then(|()| self.watch_files(files)).is_err();
        if full {
            self.retry_at = now + self.backoff.failed();
            tracing::warn!("the limit of inotify watches is reached: some files are only read at intervals");
            outlet.error("inotify_watch_limit");
        } else {
            self.backoff.succeeded();
        }
    }

    /// Directories are watched anew each time: another one may have taken the place of one that was renamed.
    fn watch_directories(&mut self, directories: &BTreeSet<PathBuf>) -> Result<(), Errno> {
        let mut watched = HashSet::new();
        for directory in directories {
            let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            let wanted = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
            if let Some(watch) = self.add(here, wanted)? {
                self.news.appeared |= !self.directories.contains(&watch);
                watched.insert(watch);
            }
        }
        for gone in self.directories.difference(&watched) {
            self.remove(*gone);
        }
        self.directories = watched;
        Ok(())
    }

    fn watch_files<'f>(&mut self, files: impl Iterator<Item = (FileId, &'f File)>) -> Result<(), Errno> {
        let mut gone = std::mem::take(&mut self.watched);
        let mut full = Ok(());
        for (id, file) in files {
            if let Some(watch) = gone.remove(&id) {
                self.watched.insert(id, watch);
            } else if full.is_ok() {
                // By its descriptor, as its name may be another file's by now.
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                full = self.add(Path::new(&path), WatchFlags::MODIFY).map(|watch| {
                    if let Some(watch) = watch {
                        self.watched.insert(id, watch);
                        self.files.insert(watch, id);
                        self.news.written.insert(id);
                    }
                });
            }
        }
        for watch in gone.into_values() {
            self.files.remove(&watch);
            self.remove(watch);
        }
        full
    }

    /// `None` where there is nothing to be watched; fails at the limit of watches.
    fn add(&self, path: &Path, flags: WatchFlags) -> Result<Option<i32>, Errno> {
        let Some(inotify) = &self.inotify else { return Ok(None) };
        match inotify::add_watch(inotify, path, flags) {
            Ok(watch) => Ok(Some(watch)),
            Err(full @ (Errno::NOSPC | Errno::NOMEM)) => Err(full),
            Err(_) => Ok(None),
        }
    }

    fn remove(&self, watch: i32) {
        if let Some(inotify) = &self.inotify {
            // It fails where the watch ended with what it watched.
            inotify::remove_watch(inotify, watch).ok();
        }
    }

    /// Waits for news, for the end of the program or until then.
    pub fn wait(&mut self, until: Duration, context: &Context) {
        let (clock, shutdown) = (&context.clock, &context.shutdown);
        let now = clock.monotonic();
        if shutdown.wait((self.woken_at + PACE).min(until).saturating_sub(now)) {
            return;
        }
        let left = until.saturating_sub(clock.monotonic());
        if self.bell.is_none() || self.inotify.is_none() {
            shutdown.wait(left);
            return;
        }
        let descriptors = self.inotify.iter().chain(self.bell.as_deref());
        let mut waiting: Vec<_> = descriptors.map(|one| PollFd::new(one, PollFlags::IN)).collect();
        let left = Timespec::try_from(left).expect("no wait lasts longer than the time between two scans");
        // A wait that a signal ends is one that ends early.
        poll(&mut waiting, Some(&left)).ok();
        self.woken_at = clock.monotonic();
    }

    /// What has happened since this was last asked.
    pub fn take(&mut self) -> News {
        let mut news = std::mem::take(&mut self.news);
        let Some(inotify) = &self.inotify else { return news };
        let mut buffer = [MaybeUninit::uninit(); EVENT_BYTES];
        let mut events = Reader::new(inotify, &mut buffer);
        // It ends with "would block"; any other fault leaves the rest to the next look.
        while let Ok(event) = events.next() {
            news.overflow |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            if event.events().contains(ReadFlags::IGNORED) {
                self.directories.remove(&event.wd());
                if let Some(id) = self.files.remove(&event.wd()) {
                    self.watched.remove(&id);
                }
            } else if let Some(id) = self.files.get(&event.wd()) {
                news.written.insert(*id);
            } else {
                news.appeared |= self.directories.contains(&event.wd());
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::{Mutex, MutexGuard};

    use super::super::tests::Collector;
    use super::super::{Files, Options, StartAt};
    use super::*;
    use crate::base::clock::Clock;
    use crate::model::batch::{Batch, Lane, Position};
    use crate::source::{Closed, Source};
    use crate::telemetry::Lag;

    /// A collector that the test looks into while the source runs.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Collector>>);

    impl Shared {
        fn collector(&self) -> MutexGuard<'_, Collector> {
            self.0.lock().unwrap()
        }

        /// Waits for so many lines; panics after half a minute.
        #[track_caller]
        fn wait_for(&self, lines: usize) {
            let pause = Shutdown::new();
            let count = || self.collector().lines.values().map(Vec::len).sum::<usize>();
            for _ in 0..30_000 {
                if count() >= lines {
                    break;
                }
                pause.wait(Duration::from_millis(1));
            }
            assert_eq!(count(), lines);
        }
    }

    impl Outlet for Shared {
        fn open(&mut self, key: String, name: String, fields: Vec<Box<[u8]>>) -> Arc<Lane> {
            self.collector().open(key, name, fields)
        }

        fn position(&self, key: &str) -> Option<Position> {
            self.collector().position(key)
        }

        fn positions(&self) -> Vec<(String, Position)> {
            self.collector().positions()
        }

        fn buffer(&mut self) -> Vec<u8> {
            Vec::new()
        }

        fn send(&mut self, batch: Batch) -> Result<(), Closed> {
            self.collector().send(batch)
        }

        fn lag(&mut self, lane: &Lane, lag: Option<Lag>) {
            self.collector().lag(lane, lag);
        }

        fn error(&mut self, reason: &'static str) {
            self.collector().error(reason);
        }
    }

    /// Runs the source on a folder, of which it looks at the files only once an hour.
    fn follow(include: &str, scenario: impl FnOnce(&Path, &Shared)) {
        let root = tempfile::tempdir().unwrap();
        let options = Options {
            include: vec![format!("{}/{include}", root.path().display())],
            start_at: StartAt::Beginning,
            poll_interval: Duration::from_secs(3600),
            ..Options::default()
        };
        fs::write(root.path().join("first.log"), "first\n").unwrap();
        let (shared, shutdown) = (Shared::default(), Shutdown::new());
        let running = {
            let (mut outlet, context) = (
                shared.clone(),
                Context { clock: Clock::system(), shutdown: shutdown.clone(), columns: vec![] },
            );
            std::thread::spawn(move || Box::new(Files::new(&options).unwrap()).run(&mut outlet, &context))
        };
        shared.wait_for(1);
        scenario(root.path(), &shared);
        shutdown.raise();
        running.join().unwrap().unwrap();
    }

    fn append(path: &Path, text: &str) {
        use std::io::Write as _;
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn what_is_appended_is_read_long_before_the_next_scan() {
        follow("*.log", |root, out| {
            for lines in 2..20 {
                append(&root.join("first.log"), "more\n");
                out.wait_for(lines);
            }
        });
    }

    #[test]
    fn what_appears_is_read_and_stays_watched_through_renames() {
        follow("*.log", |root, out| {
            append(&root.join("second.log"), "one\n");
            out.wait_for(2);
            fs::rename(root.join("second.log"), root.join("second.log.1")).unwrap();
            append(&root.join("second.log.1"), "late\n");
            append(&root.join("second.log"), "new\n");
            out.wait_for(4);
        });
    }

    #[test]
    fn a_file_behind_a_symbolic_link_is_watched() {
        let elsewhere = tempfile::tempdir().unwrap();
        append(&elsewhere.path().join("target"), "one\n");
        follow("*.log", |root, out| {
            std::os::unix::fs::symlink(elsewhere.path().join("target"), root.join("link.log")).unwrap();
            out.wait_for(2);
            append(&elsewhere.path().join("target"), "two\n");
            out.wait_for(3);
        });
    }

    #[test]
    fn a_directory_that_appears_gets_its_watch() {
        follow("**/*.log", |root, out| {
            fs::create_dir(root.join("later")).unwrap();
            append(&root.join("later/app.log"), "one\n");
            out.wait_for(2);
            append(&root.join("later/other.log"), "two\n");
            out.wait_for(3);
        });
    }
}
