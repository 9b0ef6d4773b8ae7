//! Scenarios by name: what happens to files, and which lines come out.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::tailer::Tailer;
use super::{Files, Options, StartAt};
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::model::batch::{Batch, Ends, Lane, LaneId, Position, Records};
use crate::model::refused::Refused;
use crate::source::block::Limits;
use crate::source::multiline::Multiline;
use crate::source::unpack::tests::{gzip, zstandard};
use crate::source::{Closed, Context, Outlet, Source};
use crate::telemetry::Lag;

/// An outlet that keeps the lines of each lane and holds each lane to its contract.
#[derive(Default)]
pub struct Collector {
    lanes: Vec<Arc<Lane>>,
    pub lines: BTreeMap<LaneId, Vec<String>>,
    pub positions: HashMap<String, Position>,
    ended: HashSet<LaneId>,
    pub errors: Vec<&'static str>,
    lags: HashMap<LaneId, u64>,
    overlong: u64,
}

impl Outlet for Collector {
    fn open(&mut self, key: String, name: String, fields: Vec<Box<[u8]>>) -> Arc<Lane> {
        let in_use = self.lanes.iter().any(|lane| lane.key == key && !self.ended.contains(&lane.id));
        assert!(!in_use, "two lanes have the key {key}");
        let id = LaneId(self.lanes.len() as u64);
        self.lanes.push(Arc::new(Lane { id, pipeline: 0, key, name, fields }));
        Arc::clone(&self.lanes[id.0 as usize])
    }

    fn position(&self, key: &str) -> Option<Position> {
        self.positions.get(key).copied()
    }

    fn positions(&self) -> Vec<(String, Position)> {
        self.positions.clone().into_iter().collect()
    }

    fn buffer(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn send(&mut self, batch: Batch) -> Result<(), Closed> {
        let Batch { lane, bytes, ends, end, refused, last } = batch;
        assert!(!self.ended.contains(&lane.id), "a batch follows the last one of {}", lane.key);
        if let Some(before) = self.positions.insert(lane.key.clone(), end) {
            assert!(before.offset <= end.offset, "{} goes back", lane.key);
        }
        if last {
            self.ended.insert(lane.id);
            self.positions.remove(&lane.key);
        }
        let text = String::from_utf8(bytes).unwrap();
        let lines = self.lines.entry(lane.id).or_default();
        match ends {
            Ends::Newlines => lines.extend(text.lines().map(str::to_owned)),
            Ends::At(Records { ends, .. }) => {
                let starts = std::iter::once(&0).chain(&ends);
                lines.extend(
                    starts
                        .zip(&ends)
                        .map(|(start, end)| text[*start..*end].trim_end_matches('\n').to_owned()),
                );
            }
        }
        self.overlong += refused.get(Refused::LineTooLong);
        Ok(())
    }

    fn lag(&mut self, lane: &Lane, lag: Option<Lag>) {
        match lag {
            Some(Lag::Bytes(bytes)) => drop(self.lags.insert(lane.id, bytes)),
            Some(other) => panic!("the lag of a file is {other:?}"),
            None => drop(self.lags.remove(&lane.id)),
        }
    }

    fn error(&mut self, reason: &'static str) {
        self.errors.push(reason);
    }
}

/// A directory of logs, and a tailer whose steps are called by hand.
pub struct World {
    root: tempfile::TempDir,
    options: Options,
    tailer: Tailer,
    pub out: Collector,
    pub now: Duration,
    /// How often a file was written: the time of the last time, in seconds.
    writes: Cell<u64>,
}

impl World {
    pub fn new(include: &[&str]) -> World {
        World::with(include, |_| {})
    }

    pub fn with(include: &[&str], change: impl FnOnce(&mut Options)) -> World {
        let root = tempfile::tempdir().unwrap();
        let include = include.iter().map(|name| format!("{}/{name}", root.path().display())).collect();
        let mut options = Options { include, start_at: StartAt::Beginning, ..Options::default() };
        change(&mut options);
        let tailer = Tailer::new(&options).unwrap();
        let writes = Cell::new(0);
        World { root, options, tailer, out: Collector::default(), now: Duration::ZERO, writes }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.written(&file);
    }

    /// Lets every write be later than the one before, which the clock of a file system may not.
    fn written(&self, file: &File) {
        self.writes.set(self.writes.get() + 1);
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(self.writes.get())).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub fn copy(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        self.written(&OpenOptions::new().append(true).open(self.path(to)).unwrap());
    }

    /// What gzip or zstd does with a file, by the new name: the packed file is as old as the plain one.
    pub fn compress(&self, from: &str, to: &str) {
        let text = fs::read(self.path(from)).unwrap();
        let modified = fs::metadata(self.path(from)).unwrap().modified().unwrap();
        let mut file = File::create(self.path(to)).unwrap();
        file.write_all(&if to.ends_with(".zst") { zstandard(&text) } else { gzip(&text) }).unwrap();
        file.set_modified(modified).unwrap();
        self.delete(from);
    }

    pub fn truncate(&self, name: &str) {
        let file = OpenOptions::new().write(true).open(self.path(name)).unwrap();
        file.set_len(0).unwrap();
        self.written(&file);
    }

    pub fn delete(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub fn scan(&mut self) {
        self.now += Duration::from_secs(100);
        self.tailer.scan(&mut self.out, self.now).unwrap();
    }

    pub fn look(&mut self) {
        self.tailer.look(&mut self.out, self.now).unwrap();
        self.tailer.wake_all();
    }

    pub fn read_some(&mut self) -> bool {
        self.tailer.read_some(&mut self.out, self.now).unwrap()
    }

    pub fn read(&mut self) {
        while self.read_some() {}
    }

    pub fn turn(&mut self) {
        self.scan();
        self.read();
    }

    /// Turns until nothing changes any more.
    pub fn settle(&mut self) {
        for _ in 0..12 {
            self.turn();
        }
    }

    /// A new process, which knows the positions of the one before; the lines of both stay.
    pub fn restart(&mut self) {
        self.tailer = Tailer::new(&self.options).unwrap();
        let open: Vec<_> = self.out.lanes.iter().map(|lane| lane.id).collect();
        self.out.ended.extend(open);
        self.out.lags.clear();
    }

    /// All lines that came out, sorted.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.out.lines.values().flatten().cloned().collect();
        lines.sort();
        lines
    }

    #[track_caller]
    pub fn check(&self, wanted: &[&str]) {
        assert_eq!(self.lines(), wanted);
    }

    pub fn open_lanes(&self) -> usize {
        self.out.lanes.len() - self.out.ended.len()
    }
}

#[test]
fn partial_line() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\ntw");
    world.turn();
    world.check(&["one"]);
    world.settle();
    world.check(&["one"]);
    assert_eq!(world.out.lags[&LaneId(0)], 2);
    world.append("app.log", "o\nthree");
    world.turn();
    world.check(&["one", "two"]);
    assert_eq!(world.out.positions.values().next().unwrap().offset, 8);
}

#[test]
fn rename_rotation() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\n");
    world.turn();
    world.append("app.log", "two\n");
    world.rename("app.log", "app.log.1");
    world.append("app.log.1", "three\n");
    world.append("app.log", "four\n");
    world.turn();
    world.append("app.log.1", "late\n");
    world.settle();
    world.check(&["four", "late", "one", "three", "two"]);
    assert_eq!(world.out.lines[&LaneId(0)], ["one", "two", "three", "late"]);
    let fields: Vec<&[Box<[u8]>]> = world.out.lanes.iter().map(|lane| &lane.fields[..]).collect();
    let path = world.path("app.log").display().to_string();
    assert_eq!(fields, [[Box::from(path.as_bytes())], [Box::from(path.as_bytes())]]);
}

#[test]
fn rename_rotation_many_times_between_scans() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log.9", "older than the program\n");
    world.append("app.log", "a\n");
    world.turn();
    for (line, name) in [("b\n", "app.log.1"), ("c\n", "app-20261120.log"), ("d\n", "app.log_x")] {
        world.append("app.log", line);
        world.rename("app.log", name);
    }
    world.append("app.log.2.gz", "not read\n");
    world.append("app.log", "e\n");
    world.settle();
    world.check(&["a", "b", "c", "d", "e"]);
}

#[test]
fn the_last_line_of_a_rotated_file_needs_no_newline() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\ntwo");
    world.turn();
    world.rename("app.log", "app.log.1");
    world.settle();
    world.check(&["one"]);
    world.append("app.log", "three\n");
    world.settle();
    world.check(&["one", "three", "two"]);
}

#[test]
fn copy_truncate() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\ntwo\n");
    world.turn();
    world.copy("app.log", "app.log.1");
    world.turn();
    world.truncate("app.log");
    world.append("app.log", "three\n");
    world.settle();
    world.check(&["one", "three", "two"]);
    assert_eq!(world.out.errors, [] as [&str; 0]);
    assert_eq!(world.open_lanes(), 1);
}

#[test]
fn copy_truncate_with_unread_tail() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\n");
    world.turn();
    world.append("app.log", "two\nthree");
    world.copy("app.log", "app.log.1");
    world.truncate("app.log");
    world.append("app.log", "four\n");
    world.settle();
    world.check(&["four", "one", "three", "two"]);
    assert_eq!(world.open_lanes(), 1);
    assert_eq!(world.out.lines[&LaneId(0)], ["one", "two", "three"]);
}

#[test]
fn copy_truncate_many_times_between_scans() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "a1\n");
    world.turn();
    for (line, name) in [("a2\n", "app.log.3"), ("b\n", "app.log.2"), ("c\n", "app.log.1")] {
        world.append("app.log", line);
        world.copy("app.log", name);
        world.truncate("app.log");
    }
    world.settle();
    world.check(&["a1", "a2", "b", "c"]);
    world.append("app.log", "d\n");
    world.settle();
    world.check(&["a1", "a2", "b", "c", "d"]);
}

#[test]
fn copy_in_the_making() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\ntwo\n");
    world.turn();
    for part in ["", "one", "\ntwo\n"] {
        world.append("app.log.1", part);
        world.turn();
    }
    world.append("app.log", "three\n");
    world.turn();
    world.truncate("app.log");
    world.append("app.log", "four\n");
    world.settle();
    world.check(&["four", "one", "three", "two"]);
}

#[test]
fn a_name_that_begins_as_a_copy_and_goes_on_otherwise_is_read() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "start\none\n");
    world.turn();
    world.append("app.log.1", "start\n");
    world.turn();
    world.check(&["one", "start"]);
    world.append("app.log.1", "two\n");
    world.settle();
    world.check(&["one", "start", "start", "two"]);
}

#[test]
fn truncated_and_regrown_past_the_offset() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\n");
    world.turn();
    world.truncate("app.log");
    world.append("app.log", "a line that is longer\n");
    // The file is read before anything else is looked at, and still the bytes are not taken for the old ones.
    world.read();
    world.check(&["one"]);
    world.settle();
    world.check(&["a line that is longer", "one"]);
    assert_eq!(world.out.lines[&LaneId(1)], ["a line that is longer"]);
}

#[test]
fn a_partial_line_that_is_taken_back() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\nhalf");
    world.settle();
    OpenOptions::new().write(true).open(world.path("app.log")).unwrap().set_len(4).unwrap();
    world.settle();
    world.append("app.log", "two\n");
    world.settle();
    world.check(&["one", "two"]);
    assert_eq!(world.out.errors, [] as [&str; 0]);
}

#[test]
fn truncated_without_a_copy() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\n");
    world.turn();
    world.append("app.log", "two\n");
    world.scan();
    world.truncate("app.log");
    world.settle();
    world.append("app.log", "three\n");
    world.settle();
    world.check(&["one", "three"]);
    assert_eq!(world.out.errors, ["file_truncated_unread"]);
    assert_eq!(world.open_lanes(), 1);
}

#[test]
fn deleted_while_reading() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\n");
    world.scan();
    let mut writer = OpenOptions::new().append(true).open(world.path("app.log")).unwrap();
    world.delete("app.log");
    world.read();
    world.check(&["one"]);
    world.scan();
    writer.write_all(b"two\nthree").unwrap();
    world.settle();
    world.check(&["one", "three", "two"]);
    assert_eq!(world.open_lanes(), 0);
    assert!(world.out.lags.is_empty() && world.out.positions.is_empty());
}

#[test]
fn deleted_and_recreated() {
    let mut world = World::new(&["app.log"]);
    for line in ["one\n", "two\n", "three\n"] {
        world.append("app.log", line);
        world.turn();
        world.delete("app.log");
        world.turn();
    }
    world.settle();
    world.check(&["one", "three", "two"]);
}

#[test]
fn appears_while_running() {
    let mut world = World::with(&["logs/*.log"], |options| options.start_at = StartAt::End);
    world.settle();
    fs::create_dir(world.path("logs")).unwrap();
    world.turn();
    world.append("logs/app.log", "one\n");
    world.turn();
    world.check(&["one"]);
    assert_eq!(world.out.errors, [] as [&str; 0]);
}

#[test]
fn start_at_end() {
    let mut world = World::with(&["app.log"], |options| options.start_at = StartAt::End);
    world.append("app.log", "old\nold\nhalf");
    world.turn();
    world.restart();
    world.append("app.log", " old\nnew\n");
    world.turn();
    world.check(&["half old", "new"]);
}

#[test]
fn directory_in_place() {
    let mut world = World::new(&["app.log"]);
    fs::create_dir(world.path("app.log")).unwrap();
    world.turn();
    assert_eq!(world.out.errors, ["not_a_regular_file"]);
    fs::remove_dir(world.path("app.log")).unwrap();
    world.append("app.log", "one\n");
    world.turn();
    world.check(&["one"]);
}

#[test]
fn unreadable_then_readable() {
    let mut world = World::new(&["app.log"]);
    std::os::unix::fs::symlink(world.path("app.log"), world.path("app.log")).unwrap();
    world.turn();
    assert_eq!(world.out.errors, ["file_unreadable"]);
    world.delete("app.log");
    world.append("app.log", "one\n");
    world.settle();
    world.check(&["one"]);
}

#[test]
fn faults_are_counted_at_growing_intervals() {
    let mut world = World::new(&["app.log"]);
    fs::create_dir(world.path("app.log")).unwrap();
    for _ in 0..40 {
        world.tailer.scan(&mut world.out, world.now).unwrap();
        world.now += Duration::from_millis(250);
    }
    assert_eq!(world.out.errors.len(), 4);
}

#[test]
fn overlong_line() {
    let limits = |options: &mut Options| {
        options.framing.limits = Limits { block_bytes: 4, max_line_bytes: 10 };
    };
    let mut world = World::with(&["app.log"], limits);
    world.append("app.log", "0123456789\n");
    world.append("app.log", &"x".repeat(100));
    world.settle();
    world.check(&["0123456789"]);
    assert_eq!(world.out.positions.values().next().unwrap().offset, 11);
    world.append("app.log", "x\nshort\n01234567890\n");
    world.settle();
    world.check(&["0123456789", "short"]);
    assert_eq!(world.out.overlong, 2);
    world.append("app.log", &"y".repeat(11));
    world.turn();
    world.delete("app.log");
    world.settle();
    assert_eq!(world.out.overlong, 3);
    assert_eq!(world.lines().len(), 2);
}

#[test]
fn carriage_returns_and_nul_bytes_and_the_missing_last_newline() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\r\n\r\nt\0wo\n\0\0\0\n\nlast");
    world.settle();
    world.check(&["", "", "\0\0\0", "one", "t\0wo"]);
    world.delete("app.log");
    world.settle();
    world.check(&["", "", "\0\0\0", "last", "one", "t\0wo"]);
}

#[test]
fn a_symbolic_link_that_is_turned_to_another_file() {
    use std::os::unix::fs::symlink;
    let mut world = World::new(&["current.log"]);
    world.append("a.txt", "one\n");
    world.append("b.txt", "two\n");
    symlink(world.path("a.txt"), world.path("current.log")).unwrap();
    world.turn();
    world.append("a.txt", "late\n");
    symlink(world.path("b.txt"), world.path("next")).unwrap();
    world.rename("next", "current.log");
    world.settle();
    world.check(&["late", "one", "two"]);
    world.append("b.txt", "three\n");
    world.turn();
    world.check(&["late", "one", "three", "two"]);
    assert_eq!(world.out.errors, [] as [&str; 0]);
}

#[test]
fn the_file_behind_a_symbolic_link_is_rotated() {
    let mut world = World::new(&["link.log"]);
    world.append("app.txt", "one\n");
    std::os::unix::fs::symlink(world.path("app.txt"), world.path("link.log")).unwrap();
    world.turn();
    world.append("app.txt", "two\n");
    world.rename("app.txt", "app.txt.1");
    world.turn();
    world.append("app.txt", "three\n");
    world.settle();
    world.check(&["one", "three", "two"]);
}

#[test]
fn a_directory_takes_the_place_of_a_file_and_gives_it_back() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\n");
    world.turn();
    world.append("app.log", "two\n");
    world.rename("app.log", "app.log.1");
    fs::create_dir(world.path("app.log")).unwrap();
    world.settle();
    world.check(&["one", "two"]);
    fs::remove_dir(world.path("app.log")).unwrap();
    world.append("app.log", "three\n");
    world.settle();
    world.check(&["one", "three", "two"]);
}

#[test]
fn a_file_that_cannot_be_read_for_a_while_is_read_from_where_it_was() {
    use std::os::unix::fs::symlink;
    let mut world = World::new(&["app.log"]);
    world.append("app.txt", "one\n");
    symlink(world.path("app.txt"), world.path("app.log")).unwrap();
    world.turn();
    // A loop of links: nobody can open it, not even root.
    world.delete("app.log");
    symlink(world.path("app.log"), world.path("app.log")).unwrap();
    world.append("app.txt", "two\n");
    world.settle();
    assert!(world.out.errors.contains(&"file_unreadable"));
    world.delete("app.log");
    symlink(world.path("app.txt"), world.path("app.log")).unwrap();
    world.append("app.txt", "three\n");
    world.settle();
    world.check(&["one", "three", "two"]);
}

#[test]
fn an_inode_that_is_used_again_at_once() {
    let mut world = World::new(&["app.log"]);
    let mut wanted = Vec::new();
    for number in 0..20 {
        world.append("app.log", &format!("line {number:02}\n"));
        world.turn();
        world.delete("app.log");
        // The file is closed, and its inode free, once it is known to be finished.
        if number % 2 == 0 {
            world.settle();
        }
        wanted.push(format!("line {number:02}"));
    }
    world.settle();
    assert_eq!(world.lines(), wanted);
    assert_eq!(world.open_lanes(), 0);
}

#[test]
fn a_thousand_files_at_once() {
    let mut world = World::new(&["*.log"]);
    super::raise_file_limit();
    let name = |file: usize| format!("{file}.log");
    (0..1000).for_each(|file| world.append(&name(file), &format!("first of {file}\n")));
    world.turn();
    (0..1000).for_each(|file| world.append(&name(file), &format!("second of {file}\n")));
    for file in (0..1000).step_by(2) {
        world.rename(&name(file), &format!("{file}.log.1"));
        world.append(&name(file), &format!("third of {file}\n"));
    }
    world.turn();
    let mut wanted: Vec<_> = (0..1000)
        .flat_map(|file| {
            let third = (file % 2 == 0).then(|| format!("third of {file}"));
            [Some(format!("first of {file}")), Some(format!("second of {file}")), third]
        })
        .flatten()
        .collect();
    wanted.sort();
    assert_eq!(world.lines(), wanted);
    assert_eq!(world.out.errors, [] as [&str; 0]);
}

fn with_stack_traces(timeout: u64) -> World {
    World::with(&["app.log"], |options| {
        options.framing.limits.block_bytes = 16;
        options.framing.multiline = Some(Multiline::begun_by("^[A-Z]", Duration::from_secs(timeout), 40));
    })
}

#[test]
fn a_record_ends_where_the_next_one_begins() {
    let mut world = with_stack_traces(1_000_000);
    world.append("app.log", " before any\nOne\n at a\r\n at b\nTwo");
    world.turn();
    world.check(&[" before any"]);
    world.append("app.log", "\n at c\n");
    world.turn();
    world.check(&[" before any", "One\n at a\r\n at b"]);
    assert_eq!(world.out.positions.values().next().unwrap().offset, 29);
    world.restart();
    world.append("app.log", " at d\nThree\n");
    world.turn();
    world.check(&[" before any", "One\n at a\r\n at b", "Two\n at c\n at d"]);
}

#[test]
fn a_record_to_which_nothing_is_added_is_handed_on_after_a_while() {
    let mut world = with_stack_traces(150);
    world.append("app.log", "One\n at a\n at");
    world.turn();
    world.turn();
    world.check(&[]);
    assert!(world.tailer.deadline().is_some_and(|deadline| deadline > world.now));
    world.now += Duration::from_secs(100);
    world.read();
    world.check(&["One\n at a"]);
    assert_eq!(world.tailer.deadline(), None);
    world.append("app.log", " b\nTwo\n");
    world.turn();
    world.check(&[" at b", "One\n at a"]);
}

#[test]
fn a_growing_record_is_not_handed_on() {
    let mut world = with_stack_traces(150);
    world.append("app.log", "One\n");
    for _ in 0..5 {
        world.append("app.log", " at\n");
        world.turn();
    }
    world.check(&[]);
    world.turn();
    world.turn();
    world.check(&["One\n at\n at\n at\n at\n at"]);
}

#[test]
fn the_last_record_of_a_rotated_or_truncated_file_is_whole() {
    let mut world = with_stack_traces(1_000_000);
    world.append("app.log", "One\n at a\nTwo without an end");
    world.turn();
    world.rename("app.log", "app.log.1");
    world.append("app.log", "Three\n at b\n");
    world.settle();
    world.check(&["One\n at a", "Two without an end"]);
    world.copy("app.log", "app.log.2");
    world.truncate("app.log");
    world.append("app.log", "Four\n");
    world.settle();
    world.check(&["One\n at a", "Three\n at b", "Two without an end"]);
    world.delete("app.log");
    world.settle();
    world.check(&["Four", "One\n at a", "Three\n at b", "Two without an end"]);
}

#[test]
fn an_overlong_record_is_skipped_to_the_next_one() {
    let mut world = with_stack_traces(1_000_000);
    world.append("app.log", "One\n");
    for _ in 0..5 {
        world.append("app.log", " at 12345678\n");
        world.turn();
    }
    world.append("app.log", &(" ".repeat(100) + "\n"));
    world.turn();
    assert_eq!((world.out.overlong, world.out.positions.values().next().unwrap().offset), (0, 0));
    world.append("app.log", "Two\nThree");
    world.append("app.log", &"e".repeat(100));
    world.turn();
    world.check(&["Two"]);
    assert_eq!(world.out.overlong, 1);
    world.delete("app.log");
    world.settle();
    world.check(&["Two"]);
    assert_eq!(world.out.overlong, 2);
}

#[test]
fn equal_heads_of_two_files() {
    let mut world = World::new(&["*.log"]);
    world.turn();
    let head = "the same line\n".repeat(100);
    world.append("a.log", &head);
    world.append("b.log", &head);
    world.turn();
    world.append("b.log", "b\n");
    world.settle();
    assert_eq!(world.lines().len(), 201);
}

#[test]
fn two_names_of_one_file() {
    let mut world = World::new(&["*.log"]);
    world.append("a.log", "one\n");
    fs::hard_link(world.path("a.log"), world.path("b.log")).unwrap();
    std::os::unix::fs::symlink(world.path("a.log"), world.path("c.log")).unwrap();
    world.settle();
    world.check(&["one"]);
}

#[test]
fn reused_inode() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\n");
    world.turn();
    let positions = world.out.positions.clone();
    world.restart();
    world.truncate("app.log");
    world.append("app.log", "another file\n");
    world.settle();
    world.now += Duration::from_secs(3600);
    world.settle();
    world.check(&["another file", "one"]);
    let kept: Vec<_> = world.out.positions.keys().filter(|key| positions.contains_key(*key)).collect();
    assert!(kept.is_empty(), "the position of the old content is given up: {kept:?}");
}

#[test]
fn position_resumes() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log.1", "older than everything\n");
    world.append("app.log", "one\n");
    world.turn();
    world.restart();
    world.append("app.log", "two\n");
    world.turn();
    world.check(&["one", "two"]);
}

#[test]
fn rotated_by_rename_while_not_running() {
    let mut world = World::with(&["app.log"], |options| options.start_at = StartAt::End);
    world.turn();
    world.append("app.log", "one\n");
    world.turn();
    world.restart();
    world.append("app.log", "two\n");
    world.rename("app.log", "app.log.1");
    world.append("app.log", "three\n");
    world.settle();
    world.check(&["one", "three", "two"]);
}

#[test]
fn copy_truncated_while_not_running() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log.2", "older\n");
    world.append("app.log", "one\n");
    world.turn();
    world.restart();
    world.append("app.log", "two\n");
    world.copy("app.log", "app.log.1");
    world.truncate("app.log");
    world.append("app.log", "three\n");
    world.settle();
    world.check(&["one", "three", "two"]);
    world.restart();
    world.settle();
    world.check(&["one", "three", "two"]);
}

#[test]
fn truncated_more_often_within_a_moment_than_there_are_keys_for() {
    let mut world = World::new(&["app.log"]);
    let mut wanted = Vec::new();
    world.append("app.log", "");
    world.scan();
    for round in 0..100 {
        let line = format!("line {round:03}");
        world.append("app.log", &(line.clone() + "\n"));
        wanted.push(line);
        world.read();
        if round > 0 {
            world.delete("app.log.1");
        }
        world.copy("app.log", "app.log.1");
        world.truncate("app.log");
        for _ in 0..3 {
            // No time passes in which keys could rest.
            world.now = Duration::ZERO;
            world.turn();
        }
    }
    world.append("app.log", "line 100\n");
    world.turn();
    world.restart();
    world.append("app.log", "line 101\n");
    world.copy("app.log", "app.log.1");
    world.truncate("app.log");
    world.append("app.log", "line 102\n");
    world.settle();
    wanted.extend((100..103).map(|round| format!("line {round}")));
    assert_eq!(world.lines(), wanted);
}

#[test]
fn a_huge_file_does_not_starve_others() {
    let mut world = World::with(&["*.log"], |options| options.framing.limits.block_bytes = 4096);
    world.append("a.log", &"a long file\n".repeat(10_000));
    world.append("b.log", "b\n");
    world.scan();
    for _ in 0..2 {
        world.read_some();
    }
    assert!(world.lines().contains(&"b".to_owned()));
}

#[test]
fn fifos_are_refused() {
    let mut world = World::new(&["app.log"]);
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, world.path("app.log"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    world.settle();
    assert_eq!(world.out.errors[0], "not_a_regular_file");
}

/// Collects lines, starts a writer on the first batch and raises the flag once enough lines came.
struct Storm {
    out: Collector,
    writer: Option<Box<dyn FnOnce() + Send>>,
    running: Option<std::thread::JoinHandle<()>>,
    seen: usize,
    wanted: usize,
    shutdown: Shutdown,
}

impl Outlet for Storm {
    fn open(&mut self, key: String, name: String, fields: Vec<Box<[u8]>>) -> Arc<Lane> {
        self.out.open(key, name, fields)
    }

    fn position(&self, key: &str) -> Option<Position> {
        self.out.position(key)
    }

    fn positions(&self) -> Vec<(String, Position)> {
        self.out.positions()
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.out.buffer()
    }

    fn send(&mut self, batch: Batch) -> Result<(), Closed> {
        if let Some(writer) = self.writer.take() {
            self.running = Some(std::thread::spawn(writer));
        }
        self.seen += batch.bytes.iter().filter(|byte| **byte == b'\n').count();
        if self.seen >= self.wanted {
            self.shutdown.raise();
        }
        self.out.send(batch)
    }

    fn lag(&mut self, lane: &Lane, lag: Option<Lag>) {
        self.out.lag(lane, lag);
    }

    fn error(&mut self, reason: &'static str) {
        self.out.error(reason);
    }
}

#[test]
fn a_million_lines_through_twenty_rotations_at_full_speed() {
    const LINES: usize = 1_000_000;
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("app.log");
    fs::write(&path, "first\n").unwrap();
    let writer = {
        let path = path.clone();
        move || {
            let mut file = None;
            for number in 0..LINES {
                let mut open = || {
                    std::io::BufWriter::new(File::options().append(true).create(true).open(&path).unwrap())
                };
                let into = file.get_or_insert_with(&mut open);
                writeln!(into, "line {number}").unwrap();
                if (number + 1) % 50_000 == 0 {
                    into.flush().unwrap();
                    let rotated = path.with_extension(format!("log.{}", number / 50_000));
                    fs::rename(&path, rotated).unwrap();
                    file = None;
                }
            }
        }
    };
    let shutdown = Shutdown::new();
    let mut storm = Storm {
        out: Collector::default(),
        writer: Some(Box::new(writer)),
        running: None,
        seen: 0,
        wanted: LINES + 1,
        shutdown: shutdown.clone(),
    };
    let options = Options {
        include: vec![path.display().to_string()],
        start_at: StartAt::Beginning,
        poll_interval: Duration::from_millis(20),
        ..Options::default()
    };
    let context = Context { clock: Clock::system(), shutdown, columns: Vec::new() };
    Box::new(Files::new(&options).unwrap()).run(&mut storm, &context).unwrap();
    storm.running.take().unwrap().join().unwrap();
    let mut lines: Vec<&String> = storm.out.lines.values().flatten().collect();
    assert_eq!(lines.len(), LINES + 1);
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), LINES + 1);
}
