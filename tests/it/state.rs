//! `state`: what is kept in a directory is shown, verified and exported, and left as it is.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::program::{Running, get, streamgauge};

const COUNT: &str = "source: {file: {include: [LOG], start_at: beginning}}
decode: json
metrics:
  - counter: {name: events_total, help: Events.}
  - counter: {name: kinds_total, help: Events by kind., labels: [kind, user]}
";

const LINES: &str = "{\"kind\":\"a\",\"user\":1}\n{\"kind\":\"b\",\"user\":2}\n{\"kind\":\"b\",\"user\":2}\n";

/// A folder with a log, a pipeline that counts it, and room for the state.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        fs::write(place.path("app.log"), LINES).unwrap();
        place.configure(COUNT);
        place
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn configure(&self, text: &str) {
        fs::write(self.path("count.yaml"), text.replace("LOG", &self.path("app.log"))).unwrap();
    }

    fn run(&self) -> Running {
        let (pipeline, state) = (self.path("count.yaml"), self.path("state"));
        let running = Running::start(&[&pipeline, "--state.dir", &state]);
        running.wait_for("events_total", 3.0);
        running
    }

    /// Runs until everything is counted.
    fn count(&self) {
        let (status, log) = self.run().terminate();
        assert_eq!(status.code(), Some(0), "{log}");
    }

    /// A command's exit code, and what it printed and logged.
    fn state(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = streamgauge().arg("state").args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// What a command printed that has to succeed.
    #[track_caller]
    fn printed(&self, command: &str, more: &[&str]) -> String {
        let directory = self.path("state");
        let (code, printed, log) = self.state(&[&[command, &directory], more].concat());
        assert_eq!(code, Some(0), "{printed}{log}");
        printed
    }

    #[track_caller]
    fn check_refused(&self, directory: &str, why: &str) {
        for command in ["inspect", "verify", "export"] {
            let (code, printed, log) = self.state(&[command, directory]);
            assert_eq!((code, printed.as_str()), (Some(1), ""), "{command}: {log}");
            assert!(log.contains(why), "{command}: {log}");
        }
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(self.path("state")).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    fn segment(&self) -> PathBuf {
        let is_segment = |path: &Path| path.to_string_lossy().contains("journal-");
        self.files().into_keys().rfind(|path| is_segment(path)).unwrap()
    }
}

/// The lines of an exposition that are not about streamgauge itself.
fn counted(text: &str) -> Vec<&str> {
    text.lines().take_while(|line| !line.contains(" streamgauge_")).collect()
}

#[test]
fn what_was_served_last_is_exported() {
    let place = Place::new();
    let running = place.run();
    let (_, served) = running.get("/metrics", "");
    place.check_refused(&place.path("state"), "is in use by process");
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    let before = place.files();
    let exported = place.printed("export", &[]);
    assert_eq!(exported.lines().collect::<Vec<_>>(), counted(&served));
    for (format, says) in [
        ("openmetrics", "kinds_total{kind=\"b\",user=\"2\"} 2\n"),
        ("json", "\"value\":3"),
        ("influx", "kinds_total,kind=b,user=2 value=2 "),
    ] {
        let exported = place.printed("export", &["--format", format]);
        assert!(exported.contains(says), "{exported}");
    }
    let verified = place.printed("verify", &[]);
    assert!(verified.starts_with("ok: pipelines 1, metrics 2, series 3, records "), "{verified}");
    assert_eq!(verified.lines().count(), 1);
    place.printed("inspect", &[]);
    assert_eq!(place.files(), before, "who looks changes nothing");
}

#[test]
fn what_is_kept_is_shown() {
    let place = Place::new();
    place.count();
    let shown = place.printed("inspect", &[]);
    let instance = fs::read_to_string(place.path("state/instance")).unwrap();
    for says in [
        &format!("directory    {}\n", place.path("state")),
        &format!("instance     {instance}"),
        "\nformat       1\n",
        "\nfiles        1, ",
        "\nlast posted  2",
        " s ago\n",
        "\npipeline count\n",
        "counted  3 events, 66 bytes\n",
        "\n  positions\n    lane ",
        "  66\n",
        "\n    events_total  counter  -           1       10000       2",
        "\n    kinds_total   counter  kind, user  2       10000       2",
    ] {
        assert!(shown.contains(says), "{says:?} is not in\n{shown}");
    }
    assert!(!shown.contains("removed"), "{shown}");
    assert!(shown.lines().all(|line| line.trim_end() == line), "{shown}");
}

#[test]
fn what_is_not_configured_any_more_is_shown_but_not_exported() {
    let place = Place::new();
    place.count();
    place.configure(&COUNT.lines().take(4).collect::<Vec<_>>().join("\n"));
    place.count();
    let shown = place.printed("inspect", &[]);
    let row = shown.lines().find(|line| line.contains("kinds_total")).unwrap();
    assert!(row.contains("  removed 2") && row.contains(", kept until 2"), "{row}");
    assert!(!place.printed("export", &[]).contains("kinds_total"));
    place.configure(COUNT);
    place.count();
    assert!(place.printed("export", &[]).contains("kinds_total{kind=\"b\",user=\"2\"} 2\n"));
}

#[test]
fn a_metric_that_starts_anew_is_logged_once() {
    let place = Place::new();
    place.count();
    place.configure(&COUNT.replace("[kind, user]", "[kind]"));
    let (pipeline, state) = (place.path("count.yaml"), place.path("state"));
    let mut command = streamgauge();
    command.args(["run", &pipeline, "--state.dir", &state, "--web.listen-address", "127.0.0.1:0"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let (mut stderr, mut log) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    while !log.contains("serving metrics") {
        assert!(stderr.read_line(&mut log).unwrap() > 0, "{log}");
    }
    // Whoever answers also hears signals.
    let address = log.split("address=").nth(1).unwrap().split_whitespace().next().unwrap();
    get(address, "/metrics", "").unwrap();
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    stderr.read_to_string(&mut log).unwrap();
    assert!(child.wait().unwrap().success(), "{log}");
    assert_eq!(log.matches("its definition was changed: it starts anew").count(), 1, "{log}");
    assert!(log.contains("metric=kinds_total"), "{log}");
}

#[test]
fn damage_is_named_with_its_place() {
    let place = Place::new();
    place.count();
    let segment = place.segment();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[120] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let why = format!("{} is damaged at byte 48: a record is not what was written", segment.display());
    place.check_refused(&place.path("state"), &why);
}

#[test]
fn where_nothing_is_kept_there_is_nothing_to_show() {
    let place = Place::new();
    let missing = place.path("missing");
    place.check_refused(&missing, &format!("the state directory {missing} cannot be used: "));
    assert!(!Path::new(&missing).exists());
    let empty = place.path("empty");
    fs::create_dir(&empty).unwrap();
    place.check_refused(&empty, &format!("nothing was kept in {empty} yet"));
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    let foreign = format!("{} was not written by streamgauge", place.path("app.log"));
    fs::remove_file(place.path("count.yaml")).unwrap();
    fs::remove_dir(&empty).unwrap();
    place.check_refused(&place.0.path().display().to_string(), &foreign);
}
