//! Writes files that are rotated all the while.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use streamgauge::base::shutdown::Shutdown;

use super::scraper::Counted;
use super::truth::event;

const PAUSE: Duration = Duration::from_millis(4);
/// With the pause not more than some megabytes a second.
const LINES_AT_ONCE: u64 = 160;
const LINES_A_FILE: u64 = 4000;
/// What may wait to be counted.
const MOST_AHEAD: u64 = 200_000;

/// A content's number has so many remainders, which its lines say: as many as there can be contents at a time, and one more.
pub const PARTS: usize = 4;

fn numbered(log: &Path, number: u32) -> PathBuf {
    log.with_extension(format!("log.{number}"))
}

/// Of a file that is not there yet there is nothing to move.
fn if_there(result: std::io::Result<()>) {
    result.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }).unwrap();
}

fn make_room(log: &Path) {
    if_there(fs::remove_file(numbered(log, 2)));
    if_there(fs::rename(numbered(log, 1), numbered(log, 2)));
}

/// `app.log` → `app.log.1` → `app.log.2`, which is deleted.
pub fn rotate_by_rename(log: &Path) {
    make_room(log);
    fs::rename(log, numbered(log, 1)).unwrap();
}

/// The same, but the file is copied and truncated. The writer waits for it, so that no line is written in between.
pub fn rotate_by_copy(log: &Path) {
    make_room(log);
    fs::copy(log, numbered(log, 1)).unwrap();
    OpenOptions::new().write(true).open(log).unwrap().set_len(0).unwrap();
}

/// A file that is written, and the contents that it has had: the numbers of their lines.
pub struct Log<'l> {
    path: &'l Path,
    contents: Vec<Range<u64>>,
    counted: &'l Counted,
}

impl<'l> Log<'l> {
    /// An empty file, whose lines are numbered from `first` on.
    pub fn new(path: &'l Path, first: u64, counted: &'l Counted) -> Log<'l> {
        Log { path, contents: std::iter::once(first..first).collect(), counted }
    }

    /// Writes, and rotates the file, until `stop` is raised; and says what it wrote, once all is counted.
    pub fn write(mut self, rotate: fn(&Path), stop: &Shutdown, over: &Shutdown) -> Vec<Range<u64>> {
        while !stop.wait(PAUSE) {
            let ahead: u64 = (0..PARTS).map(|part| self.uncounted(part)).sum();
            if ahead < MOST_AHEAD {
                self.append(LINES_AT_ONCE);
            }
            if self.is_to_be_rotated() {
                rotate(self.path);
                let end = self.newest().end;
                self.contents.push(end..end);
            }
        }
        // With one line after all others are counted there is no doubt which is the last.
        self.wait_until_counted(over);
        self.append(1);
        self.wait_until_counted(over);
        self.contents
    }

    fn newest(&self) -> &Range<u64> {
        self.contents.last().unwrap()
    }

    /// Appends lines in two writes, of which the first ends somewhere in a line.
    fn append(&mut self, lines: u64) {
        let part = (self.contents.len() - 1) % PARTS;
        let newest = self.contents.last_mut().unwrap();
        let text: String =
            (newest.end..newest.end + lines).map(|number| event(number, part) + "\n").collect();
        newest.end += lines;
        let (start, rest) = text.as_bytes().split_at(text.len() * 2 / 3);
        let mut file = OpenOptions::new().append(true).create(true).open(self.path).unwrap();
        file.write_all(start).unwrap();
        file.write_all(rest).unwrap();
    }

    /// How many lines of all contents with this remainder were written.
    fn written(&self, part: usize) -> u64 {
        self.contents.iter().skip(part).step_by(PARTS).map(|content| content.end - content.start).sum()
    }

    fn sample(&self, part: usize) -> String {
        format!("files_lanes_total{{lane=\"{}\",part=\"{part}\"}}", self.path.display())
    }

    fn counted(&self, part: usize) -> u64 {
        self.counted.sample(&self.sample(part)) as u64
    }

    fn uncounted(&self, part: usize) -> u64 {
        let (written, counted) = (self.written(part), self.counted(part));
        assert!(counted <= written, "{} is {counted}, but {written} were written", self.sample(part));
        written - counted
    }

    /// A file is rotated away only once something of it was counted: a program that is not running cannot know of one that
    /// comes and goes meanwhile. And only once all of the one before it was counted, so that what is deleted is always counted.
    fn is_to_be_rotated(&self) -> bool {
        let (at, lines) = (self.contents.len() - 1, self.newest().end - self.newest().start);
        let is_known = |part: usize| self.counted(part) > self.written(part) - lines;
        let is_counted = |part: usize| self.uncounted(part) == 0;
        lines >= LINES_A_FILE && is_known(at % PARTS) && (at == 0 || is_counted((at - 1) % PARTS))
    }

    #[track_caller]
    fn wait_until_counted(&self, over: &Shutdown) {
        for part in 0..PARTS {
            self.counted.wait_for(&self.sample(part), self.written(part) as f64, over);
        }
    }
}
