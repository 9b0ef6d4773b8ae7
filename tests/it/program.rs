//! Runs the real program, as a user does.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use streamgauge::base::shutdown::Shutdown;
use streamgauge::model::refused::Refused;
use streamgauge::source;

use crate::sample::samples;

/// The program under test.
pub fn streamgauge() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamgauge"));
    command.stdin(Stdio::null());
    command
}

/// A `streamgauge run` that serves on a port of its own; killed when dropped.
pub struct Running {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    /// `127.0.0.1:port`.
    pub address: String,
}

impl Running {
    /// Starts it and waits until it serves.
    pub fn start(arguments: &[&str]) -> Running {
        let mut command = streamgauge();
        command.arg("run").args(arguments).args(["--web.listen-address", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("serving metrics") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the program ended before it served");
        }
        let address = line.split("address=").nth(1).unwrap().split_whitespace().next().unwrap();
        Running { child, log, address: address.to_owned() }
    }

    /// The answer to a GET: status line with headers, and body.
    pub fn get(&self, path: &str, headers: &str) -> (String, String) {
        get(&self.address, path, headers).unwrap()
    }

    /// The value of one sample of `/metrics`; 0 if it is not there.
    pub fn sample(&self, name: &str) -> f64 {
        samples(&self.get("/metrics", "").1).get(name).copied().unwrap_or_default()
    }

    /// Waits until a sample has this value, or panics after a minute.
    pub fn wait_for(&self, name: &str, value: f64) {
        let pause = Shutdown::new();
        for _ in 0..6000 {
            if self.sample(name) >= value {
                break;
            }
            pause.wait(Duration::from_millis(10));
        }
        assert_eq!(self.sample(name), value, "{name}");
    }

    /// The number of the process.
    pub fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal.
    pub fn send(&self, signal: Signal) {
        rustix::process::kill_process(self.id(), signal).unwrap();
    }

    /// Waits until a line of the log contains `text`.
    pub fn wait_for_log(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the program ended before it logged {text}");
        }
        line
    }

    /// Sends SIGTERM and waits for the end: the exit status and what was logged.
    pub fn terminate(mut self) -> (ExitStatus, String) {
        self.send(Signal::TERM);
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The answer of `address` to a GET, which must be whole: status line with headers, and body.
pub fn get(address: &str, path: &str, headers: &str) -> io::Result<(String, String)> {
    request(address, "GET", path, headers)
}

/// The answer of `address` to a request without a body: status line with headers, and body.
pub fn request(address: &str, method: &str, path: &str, headers: &str) -> io::Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let headers = head.to_ascii_lowercase();
    let length = headers.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let body = match length {
        _ if headers.contains("transfer-encoding: chunked") => unchunk(body),
        Some(length) => body.get(..length.parse().unwrap()).map(str::to_owned),
        None => Some(body.to_owned()),
    };
    Ok((head.to_owned(), body.ok_or(io::ErrorKind::UnexpectedEof)?))
}

/// The text of all chunks; `None` if it is cut off.
fn unchunk(body: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = body;
    loop {
        let (size, after) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            return Some(text);
        }
        text.push_str(after.get(..size)?);
        rest = after.get(size + 2..)?;
    }
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

const COUNT: &str = r#"
source: {file: {include: ["${LOG}"], start_at: beginning}}
decode: text
metrics:
  - counter: {name: lines_total, help: Lines.}
  - counter: {name: lines_by_file_total, help: Lines by file., labels: {path: file.path}}
"#;

fn count(folder: &Path, log: &Path) -> String {
    write(folder, "count.yaml", &COUNT.replace("${LOG}", &log.display().to_string()))
}

#[test]
fn a_file_that_grows_is_counted_and_a_signal_drains() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    std::fs::write(&log, "one\ntwo\npart").unwrap();
    let running = Running::start(&[&count(folder.path(), &log)]);
    running.wait_for("lines_total", 2.0);
    let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(b"ial\nfour\n").unwrap();
    running.wait_for("lines_total", 4.0);
    running.wait_for(&format!("lines_by_file_total{{path=\"{}\"}}", log.display()), 4.0);
    assert_eq!(running.sample("streamgauge_source_events_total{pipeline=\"count\",source=\"file\"}"), 4.0);
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopped"), "{log}");
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let lines: String = (0..9000).map(|n| format!("{n} {}\n", "x".repeat(900))).collect();
    std::fs::write(&log, lines).unwrap();
    let text = "source: {file: {include: [LOG], start_at: beginning}}\nmetrics:\n  - counter: {name: lines_total, help: Lines.}\n  - counter: {name: large_total, help: Lines., labels: {line: raw}}\n";
    let text = text.replace("LOG", &log.display().to_string());
    let mut running = Running::start(&[&write(folder.path(), "large.yaml", &text)]);
    running.wait_for("lines_total", 9000.0);
    // Someone who does not read the page that was asked for holds up the end.
    let mut slow = TcpStream::connect(&running.address).unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    slow.read_exact(&mut [0; 1]).unwrap();
    running.send(rustix::process::Signal::TERM);
    running.wait_for_log("stopping");
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("ended at once"), "{log}");
}

#[test]
fn endpoints_answer_as_promised() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let running = Running::start(&[&count(folder.path(), &log)]);
    let (head, body) = running.get("/metrics", "");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("\nlines_total 0\n"), "a counter without labels is 0 before the first event");
    let (head, body) = running.get("/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert!(body.ends_with("# EOF\n") && body.contains("# TYPE lines counter\n"), "{body}");
    assert!(running.get("/-/healthy", "").0.starts_with("HTTP/1.1 200"));
    assert!(running.get("/-/ready", "").0.starts_with("HTTP/1.1 200"));
    assert!(running.get("/", "").1.contains("lines_by_file_total"));
    assert!(running.get("/json", "").0.contains("application/json"));
    assert!(running.get("/influx", "").1.starts_with("lines_total value=0 "));
    let (_, body) =
        running.get("/metrics?name%5B%5D=lines_total&name[]=streamgauge_build_info&name[]=no", "");
    let families: Vec<_> = body.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert_eq!(families, ["lines_total counter", "streamgauge_build_info gauge"]);
    assert_eq!(running.get("/metrics?name[]=no", "").1, "");
    assert!(running.get("/nothing", "").0.starts_with("HTTP/1.1 404"));
    for own in [
        "streamgauge_build_info{",
        "streamgauge_uptime_seconds ",
        "process_resident_memory_bytes ",
        "streamgauge_ticks_total ",
    ] {
        assert!(running.get("/metrics", "").1.contains(&format!("\n{own}")), "{own}");
    }
}

#[test]
fn the_programs_own_metrics_are_those_of_the_docs() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    std::fs::create_dir(&log).unwrap();
    let state = folder.path().join("state").display().to_string();
    let running = Running::start(&[&count(folder.path(), &log), "--state.dir", &state]);
    running.wait_for(
        "streamgauge_source_errors_total{pipeline=\"count\",source=\"file\",reason=\"not_a_regular_file\"}",
        1.0,
    );
    running.wait_for("streamgauge_journal_commits_total", 1.0);
    let (_, page) = running.get("/metrics", "");
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let own: BTreeSet<_> = types.filter(|name| !name.starts_with("lines_")).collect();
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let refused = |name: &str| Refused::ALL.iter().any(|refused| refused.reason() == name);
    let (reasons, metrics): (BTreeSet<_>, BTreeSet<_>) = rows.partition(|name| refused(name));
    let of_kinds = source::KINDS.iter().flat_map(|kind| kind.meters).map(|meter| meter.name);
    assert_eq!(own.into_iter().chain(of_kinds).collect::<BTreeSet<_>>(), metrics);
    assert_eq!(reasons, Refused::ALL.iter().map(|refused| refused.reason()).collect());
}

#[test]
fn a_faulty_pipeline_starts_nothing_and_exits_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "bad.yaml", "source: stdin\nmetrics:\n  - countr: {}\n");
    for command in ["run", "check", "replay"] {
        let output = streamgauge().args([command, &path]).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{command}");
        assert!(output.stdout.is_empty());
        let faults = String::from_utf8(output.stderr).unwrap();
        assert!(faults.contains("bad.yaml:3:5: ") && faults.contains("did you mean `counter`?"), "{faults}");
    }
}

#[test]
fn check_names_what_is_valid() {
    let output =
        streamgauge().args(["check", "pipelines"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8(output.stdout).unwrap().contains("log-errors: valid, from file to "));
}

#[test]
fn what_can_be_written_is_told() {
    let said = |arguments: &[&str]| {
        let output = streamgauge().args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), said.concat())
    };
    let (code, list) = said(&["kinds"]);
    assert!(code == Some(0) && list.contains("\n  histogram ") && list.contains("\n  file "), "{list}");
    let (code, about) = said(&["kinds", "file"]);
    assert!(
        code == Some(0) && about.contains("\n  start_at: `beginning` or `end` (without it: end)\n"),
        "{about}"
    );
    let (code, refusal) = said(&["kinds", "fil"]);
    assert!(code == Some(1) && refusal.contains("did you mean `file`?"), "{refusal}");
    let (code, schema) = said(&["schema"]);
    assert!(code == Some(0) && serde_json::from_str::<serde_json::Value>(&schema).is_ok(), "{schema}");
}

#[test]
fn an_address_in_use_is_said_clearly() {
    let folder = tempfile::tempdir().unwrap();
    let path = count(folder.path(), &folder.path().join("app.log"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = streamgauge().args(["run", &path, "--web.listen-address", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains(&address) && log.contains("--web.listen-address"), "{log}");
}

#[test]
fn standard_input_is_counted_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let text = "source: stdin\nmetrics: [{counter: {name: lines_total, help: Lines.}}]\n";
    let path = write(folder.path(), "stdin.yaml", text);
    for (format, says) in [
        ("prometheus", "\nlines_total 4\n"),
        ("openmetrics", "\nlines_total 4\n"),
        ("json", "{\"labels\":{},\"value\":4,"),
        ("influx", "lines_total value=4 "),
    ] {
        let mut replay = streamgauge();
        replay.args(["replay", &path, "--format", format]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = replay.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"a\n\nb\r\nlast").unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(says), "{text}");
        assert_eq!(text.ends_with("# EOF\n"), format == "openmetrics");
    }
}

/// Replays an input of the program's own: whether it ended well, what it printed and what it logged.
fn replay(pipeline: &str, input: &Path) -> (bool, String, String) {
    let input = input.display().to_string();
    let output = streamgauge().args(["replay", pipeline, "--input", &input]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn compressed_inputs_are_replayed_and_truncated_ones_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = count(folder.path(), Path::new("/never.log"));
    let lines: String = (0..100_000).map(|number| format!("line {number}\n")).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines.as_bytes()).unwrap();
    let zstandard = zstd::stream::encode_all(lines.as_bytes(), 1).unwrap();
    // The name does not matter.
    let input = folder.path().join("input.log");
    for packed in [gzip.finish().unwrap(), zstandard] {
        std::fs::write(&input, &packed).unwrap();
        let (well, shown, log) = replay(&pipeline, &input);
        assert!(well && shown.contains("lines_total 100000\n"), "{shown}{log}");
        std::fs::write(&input, &packed[..packed.len() / 2]).unwrap();
        let (well, shown, log) = replay(&pipeline, &input);
        let counted = shown.lines().find_map(|line| line.strip_prefix("lines_total ")).unwrap();
        assert!(!well && counted.parse::<u64>().unwrap() > 10_000, "{shown}");
        assert!(log.contains("cannot read") && log.contains("to its end"), "{log}");
    }
}

#[test]
fn a_replayed_file_has_the_records_of_the_pipelines_own_source() {
    let folder = tempfile::tempdir().unwrap();
    let text = "source: {file: {include: [/never.log], multiline: {continue: '^ '}}}
metrics: [{counter: {name: records_total, help: Records., labels: {text: raw}}}]\n";
    let pipeline = write(folder.path(), "records.yaml", text);
    let input = write(folder.path(), "input.log", &("one\n at a\r\n at b\r\n".repeat(600) + "two"));
    let (well, shown, log) = replay(&pipeline, Path::new(&input));
    assert!(well, "{log}");
    assert!(shown.contains("{text=\"one\\n at a\r\\n at b\"} 600\n"), "{shown}");
    assert!(shown.contains("{text=\"two\"} 1\n"), "{shown}");
}
