//! A stream that means harm, at the real program: whatever comes, every page is valid, every line is counted or
//! refused, and the memory stays below the bound that `docs/limits.md` derives.
//!
//! A few seconds of it always; a minute, with a million label values, where `STREAMGAUGE_LONG=1` is set.

mod bound;
mod stream;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use streamgauge::base::clock::Clock;
use streamgauge::base::shutdown::Shutdown;

use crate::parse::{Format, parse};
use crate::program::{Running, get};
use crate::sample::samples;
use crate::{lines, tool};
use stream::Stream;

/// The pipelines: a name, a decoder, the fields of a label and of a value.
const PIPELINES: &[(&str, &str, &str, &str)] = &[
    ("json", "json", "user.id", "v"),
    ("regex", r"{regex: '^(?P<user>\S*) (?P<v>.*)$'}", "user", "v"),
    ("logfmt", "logfmt", "user", "v"),
    ("csv", "{csv: {columns: [user, v, w]}}", "user", "v"),
    ("text", "text", "raw", "raw"),
];

/// Metrics of every kind.
const METRICS: &str = "
metrics:
  - counter: {name: NAME_lines_total, help: Lines.}
  - counter: {name: NAME_users_total, help: Lines by user., labels: {user: USER}, max_series: 300}
  - gauge: {name: NAME_last, help: Values., value: VALUE, labels: {user: USER}, max_series: 300}
  - histogram: {name: NAME_size, help: Values., value: VALUE, labels: {user: USER}, max_series: 300}
  - rate: {name: NAME_rate, help: Values., value: VALUE, labels: {user: USER}, max_series: 300, window: 10s}
  - summary: {name: NAME_sketch, help: Values., value: VALUE, labels: {user: USER}, max_series: 20, window: 10s}
  - summary: {name: NAME_hdr, help: Values., value: VALUE, labels: {user: USER}, max_series: 20, window: 10s, hdr: {lowest: 1, highest: 1000000}}
";

/// A log that a pipeline reads, and how many lines were written to it.
struct Log {
    name: &'static str,
    file: File,
    stream: Stream,
    lines: u64,
}

impl Log {
    fn write(&mut self, bytes: usize) {
        let mut text = Vec::new();
        while text.len() < bytes {
            self.stream.line(&mut text);
            text.push(b'\n');
            self.lines += 1;
        }
        self.file.write_all(&text).unwrap();
    }

    /// A line that is far too long, in pieces.
    fn write_long(&mut self, megabytes: usize) {
        for _ in 0..megabytes {
            self.file.write_all(&[b'{'; 1 << 20]).unwrap();
        }
        self.file.write_all(b"\n").unwrap();
        self.lines += 1;
    }

    fn write_label_values(&mut self, values: std::ops::Range<u64>) {
        self.lines += values.end - values.start;
        self.file.write_all(&self.stream.label_values(values)).unwrap();
    }
}

fn logs(folder: &Path) -> (Vec<Log>, Vec<String>) {
    let log = |(at, (name, decode, user, value)): (usize, &(&'static str, &str, &str, &str))| {
        let path = folder.join(format!("{name}.log"));
        let file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        let source = format!("{{file: {{include: [{}], start_at: beginning}}}}", path.display());
        let metrics = METRICS.replace("NAME", name).replace("USER", user).replace("VALUE", value);
        let pipeline = folder.join(format!("{name}.yaml"));
        std::fs::write(&pipeline, format!("source: {source}\ndecode: {decode}{metrics}")).unwrap();
        let log = Log { name, file, stream: Stream::new(name, at as u64), lines: 0 };
        (log, pipeline.display().to_string())
    };
    PIPELINES.iter().enumerate().map(log).unzip()
}

/// How much is sent.
struct Size {
    time: Duration,
    /// Of each log in each round.
    bytes: usize,
    label_values: u64,
}

#[test]
fn a_hostile_stream_is_counted_to_the_line_in_bounded_memory() {
    let long = std::env::var_os("STREAMGAUGE_LONG").is_some_and(|value| value == "1");
    let size = match long {
        true => Size { time: Duration::from_secs(60), bytes: 4 << 20, label_values: 100_000 },
        false => Size { time: Duration::from_secs(2), bytes: 1 << 20, label_values: 20_000 },
    };
    let folder = tempfile::tempdir().unwrap();
    let (mut logs, pipelines) = logs(folder.path());
    let mut arguments: Vec<&str> = pipelines.iter().map(String::as_str).collect();
    arguments.extend(["--engine.workers", "2"]);
    let running = Running::start(&arguments);
    let (address, over) = (running.address.clone(), Shutdown::new());
    let (pages, peak) = std::thread::scope(|scope| {
        let scraper = scope.spawn(|| scrape(&address, &over));
        // The scraper ends even where a check here fails.
        let _over = Over(&over);
        send(&mut logs, &size, &running);
        over.raise();
        scraper.join().unwrap()
    });
    let page = running.get("/metrics", "").1;
    let samples = samples(&page);
    logs.iter().for_each(|log| check_sums(log, &samples));
    if let Some(mut promtool) = tool::program("promtool", "prometheus") {
        tool::check_silent(&tool::feed(promtool.args(["check", "metrics"]), page.as_bytes()));
    }
    let bound = bound::bytes(PIPELINES.len() as u64);
    let mebibytes = |bytes: u64| bytes >> 20;
    let lines: u64 = logs.iter().map(|log| log.lines).sum();
    if long {
        // Written past the test harness, which keeps what a test that passes prints.
        let memory =
            format!("at most {} MiB resident of the {} MiB allowed", mebibytes(peak), mebibytes(bound));
        writeln!(std::io::stderr(), "hostile: {lines} lines, {pages} pages, {memory}").ok();
    }
    assert!(peak < bound, "{peak} bytes resident, at most {bound} are allowed");
}

/// Raises a flag when it goes out of scope.
struct Over<'o>(&'o Shutdown);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.raise();
    }
}

/// Writes until the time is up, each round only when the one before is dealt with.
fn send(logs: &mut [Log], size: &Size, running: &Running) {
    let clock = Clock::system();
    let mut round = 0;
    while round == 0 || clock.monotonic() < size.time {
        for log in &mut *logs {
            log.write(size.bytes);
            let values = round * size.label_values;
            log.write_label_values(values..values + size.label_values);
        }
        if round % 5 == 0 {
            let at = round as usize / 5 % logs.len();
            logs[at].write_long(100);
            logs[at].write(1000);
        }
        logs.iter().for_each(|log| wait(log, running));
        round += 1;
    }
}

/// Waits until every line of a log is counted or refused; panics after a minute.
fn wait(log: &Log, running: &Running) {
    let pause = Shutdown::new();
    let families = "/metrics?name[]=streamgauge_source_events_total&name[]=streamgauge_refused_total";
    let mut seen = 0;
    for _ in 0..2000 {
        let samples = samples(&running.get(families, "").1);
        seen = events(log.name, &samples) + refused(&samples, log.name, "source", |_| true);
        if seen >= log.lines {
            break;
        }
        pause.wait(Duration::from_millis(30));
    }
    assert_eq!(seen, log.lines, "lines of {}", log.name);
}

/// Asks for pages until it is over: how many there were, and the most memory that one of them tells of.
fn scrape(address: &str, over: &Shutdown) -> (u64, u64) {
    let (mut pages, mut peak) = (0, 0);
    while !over.wait(Duration::from_millis(20)) {
        let page = get(address, "/metrics", "").unwrap().1;
        parse(&page, Format::Prometheus);
        let resident = page.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        peak = peak.max(resident.unwrap().parse::<f64>().unwrap() as u64);
        let openmetrics = get(address, "/metrics", "Accept: application/openmetrics-text\r\n").unwrap().1;
        parse(&openmetrics, Format::OpenMetrics);
        serde_json::from_str::<serde_json::Value>(&get(address, "/json", "").unwrap().1).unwrap();
        lines::parse(&get(address, "/influx", "").unwrap().1);
        pages += 4;
    }
    (pages, peak)
}

fn events(pipeline: &str, samples: &BTreeMap<String, f64>) -> u64 {
    let name = format!("streamgauge_source_events_total{{pipeline=\"{pipeline}\",source=\"file\"}}");
    samples.get(&name).copied().unwrap_or_default() as u64
}

/// How much a component refused, for the reasons that are wanted.
fn refused(
    samples: &BTreeMap<String, f64>,
    pipeline: &str,
    component: &str,
    wanted: fn(&str) -> bool,
) -> u64 {
    let start =
        format!("streamgauge_refused_total{{pipeline=\"{pipeline}\",component=\"{component}\",reason=\"");
    let reasons = samples.iter().filter_map(|(name, times)| Some((name.strip_prefix(&start)?, times)));
    reasons.filter(|(reason, _)| wanted(reason.trim_end_matches("\"}"))).map(|(_, times)| *times as u64).sum()
}

/// What was refused in part only: the event is counted all the same.
fn is_mended(reason: &str) -> bool {
    ["invalid_utf8", "label_too_long", "overflow"].contains(&reason)
}

/// Every line was refused by the source, refused by the decoder, or counted; and of what a metric was offered, the
/// same.
fn check_sums(log: &Log, samples: &BTreeMap<String, f64>) {
    let name = log.name;
    let total = |sample: &str| crate::sample::total(samples, &format!("{name}_{sample}")) as u64;
    let source = refused(samples, name, "source", |_| true);
    let decode = refused(samples, name, "decode", |_| true);
    let counted = total("lines_total");
    assert_eq!(log.lines, source + decode + counted, "{name}: {source} {decode} {counted}");
    assert!(
        source > 0 && counted > 0 && (decode > 0 || name == "text"),
        "{name}: {source} {decode} {counted}"
    );
    assert_eq!(total("users_total"), counted, "{name}");
    for metric in ["size", "sketch", "hdr"] {
        let out = refused(samples, name, &format!("{name}_{metric}"), |reason| !is_mended(reason));
        assert_eq!(total(&format!("{metric}_count")) + out, counted, "{name}_{metric}");
        assert!(out > 0, "{name}_{metric}");
    }
}
