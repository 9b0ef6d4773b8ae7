//! Another configuration while the program runs: what is declared as before goes on, whatever else is changed.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use streamgauge::base::shutdown::Shutdown;

use crate::program::{Running, request};
use crate::sample::samples;

/// Posts to `/-/reload`: status and answer.
fn reload(running: &Running) -> (String, String) {
    let (head, body) = request(&running.address, "POST", "/-/reload", "").unwrap();
    (head.lines().next().unwrap().to_owned(), body)
}

struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    fn new() -> Folder {
        let folder = Folder { root: tempfile::tempdir().unwrap() };
        fs::create_dir(folder.pipelines()).unwrap();
        File::create(folder.log()).unwrap();
        folder
    }

    fn pipelines(&self) -> PathBuf {
        self.root.path().join("pipelines")
    }

    fn log(&self) -> PathBuf {
        self.root.path().join("app.log")
    }

    fn append(&self, text: &str) {
        File::options().append(true).open(self.log()).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Writes a pipeline of this folder's log: keys of the source, and metrics.
    fn write(&self, name: &str, source: &str, metrics: &str) {
        let log = self.log().display().to_string();
        let decode = "decode: {pattern: '$word $number'}";
        let text = format!(
            "source: {{file: {{include: [\"{log}\"], start_at: beginning{source}}}}}\n{decode}\nmetrics:\n{metrics}"
        );
        replace(&self.pipelines().join(format!("{name}.yaml")), &text);
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let pipelines = self.pipelines().display().to_string();
        Running::start(&[&[pipelines.as_str()], arguments].concat())
    }
}

/// As a careful tool writes a file: never half of it.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}

const LINES: &str = "  - counter: {name: lines_total, help: Lines.}\n";
const WORDS: &str = "  - counter: {name: words_total, help: Words., labels: [word]}\n";
const SUM: &str = "  - counter: {name: numbers_total, help: Numbers., value: number}\n";

#[test]
fn what_is_declared_as_before_goes_on_and_what_is_not_begins() {
    let folder = Folder::new();
    folder.write("one", "", &[LINES, WORDS, SUM].concat());
    folder.append("a 1\nb 2\n");
    let mut running = folder.start(&[]);
    running.wait_for("numbers_total", 3.0);
    // Another help, no word any more, another number; and a pipeline more.
    let doubled = "  - counter: {name: numbers_total, help: Twice., value: number * 2}\n";
    folder.write("one", "", &[&LINES.replace("Lines.", "All lines."), doubled].concat());
    folder.write("two", "", "  - counter: {name: others_total, help: Of another pipeline.}\n");
    let (status, answer) = reload(&running);
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(
        answer,
        "The configuration was loaded; pipelines changed: 1, new: 1, removed: 0, as before: 0.\n"
    );
    running.wait_for("others_total", 2.0);
    let (_, page) = running.get("/metrics", "");
    assert!(page.contains("# HELP lines_total All lines.\n") && !page.contains("words_total"), "{page}");
    assert_eq!((running.sample("lines_total"), running.sample("numbers_total")), (2.0, 0.0));
    running.wait_for_log("its definition was changed: it starts anew");
    folder.append("a 10\n");
    running.wait_for("lines_total", 3.0);
    running.wait_for("numbers_total", 20.0);
    // The words come back, and are what they were when they went.
    folder.write("one", "", &[LINES, WORDS].concat());
    fs::remove_file(folder.pipelines().join("two.yaml")).unwrap();
    assert!(reload(&running).1.contains("pipelines changed: 1, new: 0, removed: 1, as before: 0"));
    assert_eq!(running.sample("words_total{word=\"a\"}"), 1.0);
    folder.append("a 1\n");
    running.wait_for("words_total{word=\"a\"}", 2.0);
    running.wait_for("lines_total", 4.0);
    assert!(!running.get("/metrics", "").1.contains("others_total"));
    assert!(running.terminate().0.success());
}

#[test]
fn a_faulty_configuration_changes_nothing_and_every_fault_is_told() {
    let folder = Folder::new();
    folder.write("one", "", LINES);
    let mut running = folder.start(&[]);
    folder.append("a 1\n");
    running.wait_for("lines_total", 1.0);
    assert_eq!(running.sample("streamgauge_config_last_reload_successful"), 1.0);
    let loaded = running.sample("streamgauge_config_last_reload_success_timestamp_seconds");
    assert!(loaded > 1.7e9);
    folder.write("one", ", start: end", &LINES.replace("lines_total", "lines"));
    folder.write("two", "", "  - counter: {name: more_total, help: More., value: '1 +'}\n");
    let (status, answer) = reload(&running);
    assert_eq!(status, "HTTP/1.1 500 Internal Server Error");
    for fault in ["unknown key `start`", "`lines`", "two.yaml:4", "3 faults"] {
        assert!(answer.contains(fault), "{fault}: {answer}");
    }
    running.wait_for_log("the one before it runs on");
    running.wait_for_log("two.yaml:4");
    assert_eq!(running.sample("streamgauge_config_last_reload_successful"), 0.0);
    assert_eq!(running.sample("streamgauge_config_last_reload_success_timestamp_seconds"), loaded);
    folder.append("a 1\n");
    running.wait_for("lines_total", 2.0);
    fs::remove_file(folder.pipelines().join("two.yaml")).unwrap();
    folder.write("one", "", LINES);
    assert!(reload(&running).1.contains("as before: 1"));
    assert_eq!(running.sample("streamgauge_config_last_reload_successful"), 1.0);
    let (head, body) = running.get("/-/reload", "");
    assert!(head.starts_with("HTTP/1.1 405") && body == "Only POST and PUT are answered here.\n", "{head}");
}

#[test]
fn files_that_are_watched_are_loaded_when_they_change() {
    let folder = Folder::new();
    folder.write("one", "", LINES);
    folder.append("a 1\n");
    let running = folder.start(&["--config.watch"]);
    running.wait_for("lines_total", 1.0);
    folder.write("one", "", &[LINES, WORDS].concat());
    folder.append("b 1\n");
    wait_until(|| running.get("/metrics", "").1.contains("TYPE words_total"));
    folder.append("b 1\n");
    running.wait_for("lines_total", 3.0);
    replace(&folder.pipelines().join("one.yaml"), "nonsense");
    wait_until(|| running.sample("streamgauge_config_last_reload_successful") == 0.0);
    folder.append("b 1\n");
    running.wait_for("lines_total", 4.0);
}

#[track_caller]
fn wait_until(mut holds: impl FnMut() -> bool) {
    let pause = Shutdown::new();
    for _ in 0..1200 {
        if holds() {
            return;
        }
        pause.wait(Duration::from_millis(50));
    }
    panic!("not after a minute");
}

/// Every version of the file that is loaded in turn, among them faulty ones.
fn version(folder: &Folder, number: usize) {
    let kept = [LINES, SUM].concat();
    match number % 6 {
        0 => folder.write("one", "", &kept),
        1 => folder.write("one", "", &[kept.as_str(), WORDS].concat()),
        2 => folder.write("one", "", &kept.replace("help: Lines.", "help: Other help.")),
        // The source is another, so it ends and begins again.
        3 => folder.write("one", &format!(", poll_interval: {}ms", 100 + number), &kept),
        4 => folder.write("one", "", &kept.replace("value: number", "value: number +")),
        _ => folder.write("one", "", &(kept + &WORDS.replace("[word]", &format!("{{w{number}: word}}")))),
    }
}

/// Loads a hundred versions while lines are written as fast as can be, and checks what goes on.
fn a_hundred_reloads(arguments: &[&str], folder: &Folder) {
    version(folder, 0);
    let running = folder.start(arguments);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (stop, mut log) = (Arc::clone(&stop), File::options().append(true).open(folder.log()).unwrap());
        move || {
            let (mut lines, mut sum, pause) = (0_u64, 0_u64, Shutdown::new());
            while !stop.load(Ordering::Relaxed) {
                let mut text = String::new();
                for number in lines..lines + 500 {
                    writeln!(text, "w{} {number}", number % 7).unwrap();
                }
                log.write_all(text.as_bytes()).unwrap();
                (lines, sum) = (lines + 500, sum + (lines..lines + 500).sum::<u64>());
                pause.wait(Duration::from_millis(2));
            }
            (lines, sum)
        }
    });
    let mut before = (0.0, 0.0);
    for number in 1..=100 {
        version(folder, number);
        if number % 10 == 0 {
            running.send(Signal::HUP);
        } else {
            let (mut status, mut answer) = reload(&running);
            // A signal before may not be done with.
            while answer.contains("changed already") {
                Shutdown::new().wait(Duration::from_millis(5));
                (status, answer) = reload(&running);
            }
            assert_eq!(status.contains("200"), number % 6 != 4, "{number}: {answer}");
        }
        let page = samples(&running.get("/metrics", "").1);
        let now = (page["lines_total"], page["numbers_total"]);
        assert!(now.0 >= before.0 && now.1 >= before.1, "{now:?} after {before:?}");
        before = now;
    }
    stop.store(true, Ordering::Relaxed);
    let (lines, sum) = writer.join().unwrap();
    assert!(lines > 10_000, "only {lines} lines were written meanwhile");
    running.wait_for("lines_total", lines as f64);
    running.wait_for("numbers_total", sum as f64);
    running.wait_for(r#"streamgauge_source_events_total{pipeline="one",source="file"}"#, lines as f64);
    assert!(running.terminate().0.success());
}

#[test]
fn a_hundred_reloads_under_load_lose_and_double_nothing() {
    a_hundred_reloads(&[], &Folder::new());
}

#[test]
fn a_hundred_reloads_under_load_are_exact_with_a_ledger_that_is_kept() {
    let folder = Folder::new();
    let state = folder.root.path().join("state").display().to_string();
    a_hundred_reloads(&["--state.dir", &state], &folder);
    // The last version was a faulty one. What all of them declare goes on in another process.
    version(&folder, 0);
    let running = folder.start(&["--state.dir", &state]);
    let lines = fs::read_to_string(folder.log()).unwrap().lines().count();
    assert_eq!(running.sample("lines_total"), lines as f64);
}
