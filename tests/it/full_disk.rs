//! A state directory that cannot be written for a while: sources wait, what is shown stays, nothing is lost.
//!
//! The limit on the size of a process's files stands for a full disk: it can be set for a process that runs, and taken
//! back, by any user.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal};
use streamgauge::base::shutdown::Shutdown;

use crate::program::{Running, request};
use crate::sample::samples;

const PIPELINE: &str = r#"
source: {file: {include: ["LOG"], start_at: beginning}}
metrics:
  - counter: {name: lines_total, help: Lines.}
"#;

struct World {
    root: tempfile::TempDir,
    lines: u64,
}

impl World {
    fn new() -> World {
        let world = World { root: tempfile::tempdir().unwrap(), lines: 0 };
        File::create(world.log()).unwrap();
        let pipeline = PIPELINE.replace("LOG", &world.log().display().to_string());
        fs::write(world.root.path().join("lines.yaml"), pipeline).unwrap();
        world
    }

    fn log(&self) -> PathBuf {
        self.root.path().join("app.log")
    }

    fn start(&self) -> Running {
        let path = |name: &str| self.root.path().join(name).display().to_string();
        Running::start(&[&path("lines.yaml"), "--state.dir", &path("state")])
    }

    fn append(&mut self, lines: u64) {
        let text = "a line of a log that is long enough to fill a queue\n".repeat(lines as usize);
        File::options().append(true).open(self.log()).unwrap().write_all(text.as_bytes()).unwrap();
        self.lines += lines;
    }
}

/// Lets a program's files have so many bytes.
fn limit(running: &Running, bytes: Option<u64>) {
    let limit = Rlimit { current: bytes, maximum: None };
    rustix::process::prlimit(Some(running.id()), Resource::Fsize, limit).unwrap();
}

const FAILING: &str = "streamgauge_journal_failing";

/// Lines counted, more lines in a log than all queues hold, and a program that cannot write that down.
fn stuck(world: &mut World) -> Running {
    world.append(1000);
    let mut running = world.start();
    running.wait_for("lines_total", 1000.0);
    limit(&running, Some(0));
    world.append(1_000_000);
    running.wait_for_log("sources wait until it can");
    running.wait_for(FAILING, 1.0);
    world.append(1_000_000);
    running
}

#[test]
fn when_there_is_room_again_nothing_was_lost() {
    let mut world = World::new();
    let running = stuck(&mut world);
    let pause = Shutdown::new();
    for _ in 0..10 {
        assert_eq!(running.sample("lines_total"), 1000.0);
        pause.wait(Duration::from_millis(50));
    }
    let (head, body) = running.get("/-/ready", "");
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert!(body.contains("cannot be written") || body.contains("File too large"), "{body}");
    assert!(body.contains("nothing was posted for") && body.contains("sources wait"), "{body}");
    let (_, page) = running.get("/metrics", "");
    let waiting = samples(&page).into_iter().filter(|(name, _)| name.starts_with("streamgauge_queue_bytes"));
    assert!(waiting.map(|(_, bytes)| bytes).sum::<f64>() > 1e6, "the source waits for a full queue: {page}");
    assert!(running.sample(r#"streamgauge_journal_commit_failures_total{reason="io"}"#) >= 1.0);
    let (head, body) = request(&running.address, "POST", "/-/reload", "").unwrap();
    assert!(head.starts_with("HTTP/1.1 503") && body.contains("nothing can be posted"), "{head} {body}");
    limit(&running, None);
    running.wait_for("lines_total", world.lines as f64);
    assert_eq!(running.sample(FAILING), 0.0);
    assert!(running.get("/-/ready", "").0.starts_with("HTTP/1.1 200"));
    assert!(running.terminate().0.success());
}

#[test]
fn a_program_that_is_killed_meanwhile_goes_on_with_what_was_posted() {
    let mut world = World::new();
    let running = stuck(&mut world);
    running.send(Signal::KILL);
    drop(running);
    world.start().wait_for("lines_total", world.lines as f64);
}

#[test]
fn a_program_that_is_stopped_meanwhile_says_what_it_could_not_do() {
    let mut world = World::new();
    let running = stuck(&mut world);
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("could not be written to the state directory"), "{log}");
    world.start().wait_for("lines_total", world.lines as f64);
}

#[test]
fn a_second_signal_ends_at_once_and_loses_nothing_that_was_posted() {
    let mut world = World::new();
    let running = stuck(&mut world);
    running.send(Signal::TERM);
    Shutdown::new().wait(Duration::from_millis(200));
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("ended at once"), "{log}");
    world.start().wait_for("lines_total", world.lines as f64);
}

#[test]
fn a_reload_that_cannot_be_posted_counts_nothing_twice_and_stops_nothing() {
    let mut world = World::new();
    world.append(100);
    let mut running = world.start();
    running.wait_for("lines_total", 100.0);
    limit(&running, Some(0));
    // Nothing has failed yet when the source is told to end.
    world.append(500);
    let file = world.root.path().join("lines.yaml");
    let other = format!("\", \"{}\"]", world.root.path().join("b.log").display());
    let pipeline = fs::read_to_string(&file).unwrap();
    fs::write(&file, pipeline.replace("\"]", &other)).unwrap();
    let reload = |address: &str| request(address, "POST", "/-/reload", "").unwrap();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| reload(&running.address));
        Shutdown::new().wait(Duration::from_millis(300));
        // Whoever asks meanwhile does not wait.
        let (head, body) = reload(&running.address);
        assert!(head.starts_with("HTTP/1.1 503") && body.contains("changed already"), "{head} {body}");
        let (head, body) = first.join().unwrap();
        assert!(head.starts_with("HTTP/1.1 503") && body.contains("nothing can be posted"), "{head} {body}");
    });
    world.append(300);
    limit(&running, None);
    running.wait_for_log("posted again");
    running.wait_for("lines_total", 900.0);
    assert!(running.get("/-/ready", "").0.starts_with("HTTP/1.1 200"));
    let (head, body) = reload(&running.address);
    assert!(head.starts_with("HTTP/1.1 200"), "{head} {body}");
    fs::write(world.root.path().join("b.log"), "one\n").unwrap();
    world.append(9);
    running.wait_for("lines_total", 910.0);
    assert!(running.terminate().0.success());
}
