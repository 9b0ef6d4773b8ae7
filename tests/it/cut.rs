//! I3 and I4, through the whole program: while logs are written, no page shows one metric ahead of
//! another, and nothing goes back from one page to the next.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use streamgauge::base::shutdown::Shutdown;

use crate::program::Running;
use crate::sample::{samples, total};

const PIPELINE: &str = r#"
source: {file: {include: ["FOLDER/*.log"], start_at: beginning, poll_interval: 10ms}}
decode: json
metrics:
  - counter: {name: events_total, help: Events.}
  - counter: {name: by_kind_total, help: Events by kind., labels: [kind]}
  - counter: {name: amount_total, help: Amounts., value: amount, labels: [kind]}
  - histogram: {name: amounts, help: Amounts., value: amount, labels: [kind], buckets: [1, 10, 100]}
"#;

/// Writes events of some kinds until it is told to stop, with pauses that leave the processor to those who read: how
/// many.
fn write_until(stop: &Shutdown, path: &Path, kinds: usize) -> usize {
    let mut log = File::create(path).unwrap();
    let event = |n: usize| format!("{{\"kind\":\"k{}\",\"amount\":{}}}\n", n % kinds, n % 200);
    let count = kinds.max(200);
    let events: String = (0..count).map(event).collect();
    let mut written = 0;
    while !stop.wait(Duration::from_micros(10 * count as u64)) {
        log.write_all(events.as_bytes()).unwrap();
        written += count;
    }
    written
}

/// Checks one page against itself and says how many events it shows.
#[track_caller]
fn check(page: &str) -> f64 {
    let samples = samples(page);
    let events = samples["events_total"];
    assert_eq!(total(&samples, "by_kind_total"), events);
    assert_eq!(total(&samples, "amounts_count"), events);
    assert_eq!(total(&samples, "amounts_sum"), total(&samples, "amount_total"));
    assert_eq!(total(&samples, "streamgauge_source_events_total"), events);
    events
}

/// Checks at least so many pages while events of so many kinds are written.
#[track_caller]
fn check_pages(least: usize, kinds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = folder.path().join("events.yaml");
    fs::write(&pipeline, PIPELINE.replace("FOLDER", &folder.path().display().to_string())).unwrap();
    let running = Running::start(&[&pipeline.display().to_string(), "--engine.workers", "3"]);
    let stop = Shutdown::new();
    let written: usize = std::thread::scope(|scope| {
        let (stop, folder) = (&stop, folder.path());
        let writers: Vec<_> = ["a.log", "b.log", "c.log", "d.log"]
            .map(|name| scope.spawn(move || write_until(stop, &folder.join(name), kinds)))
            .into();
        let (mut before, mut moved, mut pages) = (0.0, 0, 0);
        // A page that shows what the one before showed proves little.
        while pages < least || moved < least / 5 {
            pages += 1;
            let events = check(&running.get("/metrics", "").1);
            assert!(events >= before, "{events} after {before}");
            moved += usize::from(events > before);
            before = events;
        }
        stop.raise();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    running.wait_for("events_total", written as f64);
}

#[test]
fn a_thousand_pages_under_load_are_consistent_cuts_and_never_go_back() {
    check_pages(1000, 5);
}

/// A megabyte, of which the first is sent long before the last is written.
#[test]
fn pages_of_many_chunks_are_consistent_cuts_too() {
    check_pages(30, 4000);
}
