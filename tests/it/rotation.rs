//! I2, through the whole program: lines written at full speed, while the file is rotated, are counted once each.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::program::Running;

const LINES: u64 = 1_000_000;
const LINES_A_FILE: u64 = 50_000;

/// Writes numbered lines as fast as they go; renames the file every `LINES_A_FILE` lines.
fn write_and_rotate(log: &Path) {
    let mut out = BufWriter::new(File::create(log).unwrap());
    for number in 1..=LINES {
        writeln!(out, "line {number} of a file that is rotated by renaming it").unwrap();
        if number % LINES_A_FILE == 0 && number < LINES {
            out.flush().unwrap();
            fs::rename(log, log.with_extension(format!("log.{}", number / LINES_A_FILE))).unwrap();
            out = BufWriter::new(File::create(log).unwrap());
        }
    }
    out.flush().unwrap();
}

#[test]
fn a_million_lines_rotated_by_rename_are_counted_exactly_three_times() {
    for round in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("app.log");
        File::create(&log).unwrap();
        let pipeline = folder.path().join("numbers.yaml");
        let text = "
source: {file: {include: [\"LOG\"]}}
decode: {regex: '^line (?P<number>\\d+) '}
metrics:
  - counter: {name: lines_total, help: Lines.}
  - counter: {name: numbers_total, help: Sum of the lines' numbers., value: number}
  - histogram: {name: number, help: The lines' numbers., value: number, buckets: [10, 500000, 999999]}
";
        fs::write(&pipeline, text.replace("LOG", &log.display().to_string())).unwrap();
        let running = Running::start(&[&pipeline.display().to_string()]);
        // What is in the file when it is first looked at was there before the program, and is not counted.
        running.wait_for("streamgauge_source_lanes{pipeline=\"numbers\",source=\"file\"}", 1.0);
        write_and_rotate(&log);
        running.wait_for("lines_total", LINES as f64);
        // A line counted twice in place of a lost one would show in the sums.
        assert_eq!(running.sample("numbers_total"), (LINES * (LINES + 1) / 2) as f64, "round {round}");
        for (bound, below) in
            [("10", 10.0), ("500000", 500_000.0), ("999999", 999_999.0), ("+Inf", 1_000_000.0)]
        {
            assert_eq!(running.sample(&format!("number_bucket{{le=\"{bound}\"}}")), below, "round {round}");
        }
        let (status, log) = running.terminate();
        assert_eq!(status.code(), Some(0), "{log}");
    }
}
