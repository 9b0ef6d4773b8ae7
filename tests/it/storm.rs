//! I2 under a storm: eight files written at full speed and rotated all the while are counted exactly.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::program::Running;

const FILES: u64 = 8;
const LINES_A_FILE: u64 = 250_000;
const LINES: u64 = FILES * LINES_A_FILE;
const LINES_A_ROTATION: u64 = 50_000;

const PIPELINE: &str = "
source: {file: {include: [\"FOLDER/app-*.log\"]}}
decode: {regex: '^line (?P<number>\\d+) '}
metrics:
  - counter: {name: lines_total, help: Lines.}
  - counter: {name: numbers_total, help: Sum of the lines' numbers., value: number}
";

fn rotate_by_rename(log: &Path, rotated: &Path) {
    fs::rename(log, rotated).unwrap();
}

/// The writer waits for it, so that no line is written between the copy and the truncation.
fn rotate_by_copy(log: &Path, rotated: &Path) {
    fs::copy(log, rotated).unwrap();
    OpenOptions::new().write(true).open(log).unwrap().set_len(0).unwrap();
}

/// Writes the lines with these numbers as fast as they go.
fn write(log: &Path, numbers: std::ops::Range<u64>, rotate: fn(&Path, &Path)) {
    let open = || BufWriter::new(OpenOptions::new().append(true).create(true).open(log).unwrap());
    let (mut out, first) = (open(), numbers.start);
    for number in numbers {
        let written = number - first;
        if written > 0 && written % LINES_A_ROTATION == 0 {
            out.flush().unwrap();
            rotate(log, &log.with_extension(format!("log.{}", written / LINES_A_ROTATION)));
            out = open();
        }
        writeln!(out, "line {number} of a file that is rotated in a storm").unwrap();
    }
    out.flush().unwrap();
}

fn storm(rotate: fn(&Path, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let logs: Vec<PathBuf> = (0..FILES).map(|file| folder.path().join(format!("app-{file}.log"))).collect();
    for log in &logs {
        File::create(log).unwrap();
    }
    let pipeline = folder.path().join("numbers.yaml");
    fs::write(&pipeline, PIPELINE.replace("FOLDER", &folder.path().display().to_string())).unwrap();
    let running = Running::start(&[&pipeline.display().to_string()]);
    // What is in a file when it is first looked at was there before the program, and is not counted.
    running.wait_for("streamgauge_source_lanes{pipeline=\"numbers\",source=\"file\"}", FILES as f64);
    std::thread::scope(|scope| {
        for (log, file) in logs.iter().zip(0..) {
            let first = file * LINES_A_FILE + 1;
            scope.spawn(move || write(log, first..first + LINES_A_FILE, rotate));
        }
    });
    running.wait_for("lines_total", LINES as f64);
    // A line counted twice in place of a lost one would show in the sum.
    assert_eq!(running.sample("numbers_total"), (LINES * (LINES + 1) / 2) as f64);
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn two_million_lines_in_eight_files_rotated_by_rename_are_counted_exactly_three_times() {
    (0..3).for_each(|_| storm(rotate_by_rename));
}

#[test]
fn two_million_lines_in_eight_files_rotated_by_copy_are_counted_exactly_three_times() {
    (0..3).for_each(|_| storm(rotate_by_copy));
}
