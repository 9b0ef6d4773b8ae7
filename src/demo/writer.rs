//! Writes the logs live, as services do: in bursts, with rotation.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{AccessLog, AppLog, Generate, Totals};
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;

/// The time between two bursts.
const BURST: Duration = Duration::from_millis(50);

/// The most lines of one log that are written at once; more are due only if the system is too slow.
const BURST_LINES: u64 = 50_000;

/// The fewest lines after which a file is rotated.
const LINES_A_FILE: u64 = 5_000;

/// So many rotated files of a log may wait to be deleted.
const ROTATED: usize = 8;

/// The two logs, of which nothing but empty files is written yet.
///
/// The files are there before a source looks for them, and nothing is in them until it has found them: whatever
/// `start_at` says, it begins with the first line.
pub struct Logs {
    app: Log,
    access: Log,
}

impl Logs {
    /// Creates the files in `folder`.
    ///
    /// # Errors
    /// If a file cannot be created.
    pub fn create(folder: &Path, seed: u64) -> io::Result<Logs> {
        let app = Log::create(folder.join("app.log"), Box::new(AppLog::new(seed)))?;
        // The two logs do not follow from the same numbers.
        let access = Log::create(folder.join("access.log"), Box::new(AccessLog::new(!seed)))?;
        Ok(Logs { app, access })
    }

    /// Where the application log and the access log are.
    pub fn paths(&self) -> [&Path; 2] {
        [&self.app.path, &self.access.path]
    }
}

/// The thread that writes.
pub struct Writer {
    /// Lines in the files. Added to by the thread after it has written them, read by whoever shows it.
    written: Arc<AtomicU64>,
    thread: JoinHandle<io::Result<Totals>>,
}

impl Writer {
    /// Starts to write `rate` lines a second, of both logs together, until `stop` is raised; the writer raises it
    /// itself if it cannot go on. `counted` says how many lines are known to be counted.
    pub fn start(
        logs: Logs,
        rate: u64,
        clock: Clock,
        stop: Shutdown,
        counted: impl Fn() -> u64 + Send + 'static,
    ) -> Writer {
        let written = Arc::new(AtomicU64::new(0));
        let mut live = Live { logs, rate, written: Arc::clone(&written), clock };
        let run = move || {
            let result = live.run(&stop, &counted);
            stop.raise();
            result
        };
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(run);
        Writer { written, thread: thread.expect("the system can start a thread") }
    }

    /// How many lines are in the files.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Waits until the last line is written: the true totals.
    ///
    /// # Errors
    /// What kept the writer from going on.
    pub fn finish(self) -> io::Result<Totals> {
        self.thread.join().expect("the writer does not panic")
    }
}

/// What the thread works with.
struct Live {
    logs: Logs,
    rate: u64,
    written: Arc<AtomicU64>,
    clock: Clock,
}

impl Live {
    fn run(&mut self, stop: &Shutdown, counted: &impl Fn() -> u64) -> io::Result<Totals> {
        let start = self.clock.monotonic();
        let lines_a_file = LINES_A_FILE.max(self.rate / 4);
        while !stop.wait(BURST) {
            let elapsed = self.clock.monotonic() - start;
            let due = (elapsed.as_secs_f64() * self.rate as f64) as u64;
            let logs = [(&mut self.logs.app, due / 2), (&mut self.logs.access, due - due / 2)];
            for (log, due) in logs {
                let lines = due.saturating_sub(log.lines).min(BURST_LINES);
                log.write(lines, lines_a_file, self.clock.unix())?;
                self.written.fetch_add(lines, Ordering::Relaxed);
            }
            if [&self.logs.app, &self.logs.access].iter().any(|log| log.rotated.len() > ROTATED) {
                self.clear_out(stop, counted)?;
            }
        }
        let mut totals = self.logs.app.generator.totals();
        totals.merge(&self.logs.access.generator.totals());
        Ok(totals)
    }

    /// Deletes the rotated files. A file that is deleted before it is found is lost, so nothing is written until
    /// all of them are counted.
    fn clear_out(&mut self, stop: &Shutdown, counted: &impl Fn() -> u64) -> io::Result<()> {
        while counted() < self.written.load(Ordering::Relaxed) {
            if stop.wait(BURST) {
                return Ok(());
            }
        }
        let mut rotated = self.logs.app.rotated.drain(..).chain(self.logs.access.rotated.drain(..));
        rotated.try_for_each(fs::remove_file)
    }
}

/// One log.
struct Log {
    path: PathBuf,
    file: File,
    generator: Box<dyn Generate>,
    /// Lines in all, and in the file at hand.
    lines: u64,
    in_file: u64,
    /// Rotated files that are still there, and how many there were in all.
    rotated: Vec<PathBuf>,
    rotations: u64,
    buffer: Vec<u8>,
}

impl Log {
    fn create(path: PathBuf, generator: Box<dyn Generate>) -> io::Result<Log> {
        let file = File::create_new(&path)?;
        let (rotated, buffer) = (Vec::new(), Vec::new());
        Ok(Log { path, file, generator, lines: 0, in_file: 0, rotated, rotations: 0, buffer })
    }

    /// Writes `lines` lines, and rotates the file whenever it has `lines_a_file`.
    fn write(&mut self, mut lines: u64, lines_a_file: u64, unix: Duration) -> io::Result<()> {
        while lines > 0 {
            let some = lines.min(lines_a_file - self.in_file);
            self.buffer.clear();
            self.generator.fill(some, unix, &mut self.buffer);
            self.file.write_all(&self.buffer)?;
            self.lines += some;
            self.in_file += some;
            lines -= some;
            if self.in_file == lines_a_file {
                self.rotate()?;
            }
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.rotations += 1;
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{}", self.rotations));
        fs::rename(&self.path, &name)?;
        self.rotated.push(name.into());
        self.file = File::create_new(&self.path)?;
        self.in_file = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Figure;

    /// The lines of a log in the order in which they were written, and how many files they are in.
    fn read(log: &Log) -> (String, usize) {
        let files = log.rotated.iter().chain([&log.path]);
        (files.map(|path| fs::read_to_string(path).unwrap()).collect(), log.rotated.len() + 1)
    }

    #[test]
    fn rotation_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Logs::create(folder.path(), 5).unwrap().app;
        for lines in [3, 0, 4, 25] {
            log.write(lines, 10, Duration::ZERO).unwrap();
        }
        let (text, files) = read(&log);
        let mut whole = Vec::new();
        AppLog::new(5).fill(32, Duration::ZERO, &mut whole);
        assert_eq!((text.as_bytes(), files), (whole.as_slice(), 4));
    }

    #[test]
    fn rotated_files_are_deleted_only_when_all_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = Logs::create(folder.path(), 5).unwrap();
        logs.access.write(25, 10, Duration::ZERO).unwrap();
        let written = Arc::new(AtomicU64::new(25));
        let mut live = Live { logs, rate: 1, written, clock: Clock::system() };
        let stop = Shutdown::new();
        let seen = AtomicU64::new(23);
        let counted = || seen.fetch_add(1, Ordering::Relaxed);
        live.clear_out(&stop, &counted).unwrap();
        assert_eq!(seen.into_inner(), 26);
        assert_eq!((live.logs.access.rotated.len(), fs::read_dir(folder.path()).unwrap().count()), (0, 2));
        live.logs.access.write(10, 10, Duration::ZERO).unwrap();
        stop.raise();
        live.clear_out(&stop, &|| 0).unwrap();
        assert_eq!(live.logs.access.rotated.len(), 1);
    }

    #[test]
    fn a_writer_that_cannot_go_on_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::create(folder.path(), 1).unwrap();
        // What is rotated cannot be renamed.
        fs::remove_file(logs.paths()[0]).unwrap();
        let stop = Shutdown::new();
        let writer = Writer::start(logs, 10_000_000, Clock::system(), stop.clone(), || 0);
        assert!(stop.wait(Duration::from_secs(60)));
        assert_eq!(writer.finish().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn true_totals_are_those_of_the_lines_written() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::create(folder.path(), 1).unwrap();
        let stop = Shutdown::new();
        let writer = Writer::start(logs, 5_000, Clock::system(), stop.clone(), || 0);
        while writer.written() < 100 {
            assert!(!stop.wait(Duration::from_millis(1)));
        }
        stop.raise();
        let (written, totals) = (Arc::clone(&writer.written), writer.finish().unwrap());
        assert_eq!(totals.sum(Figure::SourceLines), written.load(Ordering::Relaxed));
    }
}
