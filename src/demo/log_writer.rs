//! Writes the application log live, as services do: in bursts, with rotation.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::drive::{BURST, Drive};
use super::{AppLog, Generate, Totals};

/// The fewest lines after which a file is rotated.
const LINES_A_FILE: u64 = 5_000;

/// So many rotated files may wait to be deleted.
const ROTATED: usize = 8;

/// The log.
pub struct LogWriter {
    path: PathBuf,
    file: File,
    generator: AppLog,
    /// Lines in all, and in the file at hand.
    lines: u64,
    in_file: u64,
    /// Rotated files that are still there, and how many there were in all.
    rotated: Vec<PathBuf>,
    rotations: u64,
    buffer: Vec<u8>,
}

impl LogWriter {
    /// Creates the file in `folder`.
    ///
    /// It is there before a source looks for it, and nothing is in it until it has found it: whatever `start_at` says, it
    /// begins with the first line.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn create(folder: &Path, seed: u64) -> io::Result<LogWriter> {
        let path = folder.join("app.log");
        let file = File::create_new(&path)?;
        let (rotated, buffer) = (Vec::new(), Vec::new());
        let generator = AppLog::new(seed);
        Ok(LogWriter { path, file, generator, lines: 0, in_file: 0, rotated, rotations: 0, buffer })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes until it is stopped: the true totals.
    ///
    /// # Errors
    /// What kept it from going on.
    pub fn run(mut self, drive: &Drive) -> io::Result<Totals> {
        let lines_a_file = LINES_A_FILE.max(drive.rate / 2);
        while !drive.stop.wait(BURST) {
            let lines = drive.due(self.lines);
            self.write(lines, lines_a_file, drive.clock.unix())?;
            drive.progress.add_generated(lines);
            if self.rotated.len() > ROTATED {
                self.clear_out(drive)?;
            }
        }
        Ok(self.generator.totals())
    }

    /// Deletes the rotated files. A file that is deleted before it is found is lost, so nothing is written until
    /// all of them are counted.
    fn clear_out(&mut self, drive: &Drive) -> io::Result<()> {
        while drive.progress.counted() < self.lines {
            if drive.stop.wait(BURST) {
                return Ok(());
            }
        }
        self.rotated.drain(..).try_for_each(fs::remove_file)
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
    use crate::base::clock::Clock;

    #[test]
    fn rotation_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::create(folder.path(), 5).unwrap();
        for lines in [3, 0, 4, 25] {
            log.write(lines, 10, Duration::ZERO).unwrap();
        }
        let files = log.rotated.iter().chain([&log.path]);
        let text: String = files.map(|path| fs::read_to_string(path).unwrap()).collect();
        let mut whole = Vec::new();
        AppLog::new(5).fill(32, Duration::ZERO, &mut whole);
        assert_eq!((text.as_bytes(), log.rotated.len()), (whole.as_slice(), 3));
    }

    #[test]
    fn rotated_files_are_deleted_only_when_all_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::create(folder.path(), 5).unwrap();
        log.write(25, 10, Duration::ZERO).unwrap();
        let drive = Drive::begun(1, 0, Clock::system());
        drive.progress.set_counted(25);
        log.clear_out(&drive).unwrap();
        assert_eq!((log.rotated.len(), fs::read_dir(folder.path()).unwrap().count()), (0, 1));
        log.write(10, 10, Duration::ZERO).unwrap();
        drive.stop.raise();
        log.clear_out(&drive).unwrap();
        assert_eq!(log.rotated.len(), 1);
    }

    #[test]
    fn a_log_that_cannot_be_rotated_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::create(folder.path(), 1).unwrap();
        fs::remove_file(log.path()).unwrap();
        let error = log.write(25, 10, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn true_totals_are_those_of_the_lines_written() {
        let folder = tempfile::tempdir().unwrap();
        let log = LogWriter::create(folder.path(), 1).unwrap();
        let path = log.path().to_owned();
        let drive = Drive::begun(1_000_000, 100, Clock::system());
        let writing = std::thread::spawn({
            let drive = drive.clone();
            move || log.run(&drive)
        });
        while drive.progress.generated() < 100 {
            assert!(!drive.stop.wait(Duration::from_millis(1)));
        }
        drive.stop.raise();
        let totals = writing.join().unwrap().unwrap();
        assert_eq!(totals.sum(crate::demo::Figure::SourceEvents), 100);
        assert_eq!(totals.sum(crate::demo::Figure::SourceBytes), fs::metadata(path).unwrap().len());
    }
}
