//! A real Prometheus scrapes the running program, and its queries give the numbers that the log contains.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use streamgauge::base::shutdown::Shutdown;

use crate::program::{Running, get};
use crate::tool;

/// A Prometheus that scrapes one target; killed when dropped.
pub struct Prometheus {
    child: Child,
    address: String,
}

impl Prometheus {
    /// Starts it on a port of its own; it scrapes at this interval. `None`: it is not installed.
    pub fn start(folder: &Path, target: &str, interval: &str) -> Option<Prometheus> {
        let mut command = tool::program("prometheus", "prometheus")?;
        // The port is free again once the listener is dropped at the end of the line.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = format!(
            "global: {{scrape_interval: {interval}}}\nscrape_configs:\n  - job_name: streamgauge\n    static_configs: [{{targets: ['{target}']}}]\n"
        );
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        command
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--log.level=error", "--storage.tsdb.retention.time=1h"])
            .stdin(Stdio::null());
        Some(Prometheus { child: command.spawn().unwrap(), address })
    }

    /// The result of a query at `time`, now if not given; empty while it does not answer yet.
    fn query(&self, query: &str, time: Option<f64>) -> Vec<Value> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let time = time.map(|time| format!("&time={time:.3}")).unwrap_or_default();
        let Ok((_, body)) = get(&self.address, &format!("/api/v1/query?query={encoded}{time}"), "") else {
            return Vec::new();
        };
        let Ok(answer) = serde_json::from_str::<Value>(&body) else { return Vec::new() };
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }

    /// The values of a query by the label `by`.
    pub fn values(&self, query: &str, by: &str, time: f64) -> BTreeMap<String, f64> {
        let value = |series: &Value| {
            let label = series["metric"][by].as_str().unwrap_or_default().to_owned();
            (label, number(&series["value"]))
        };
        self.query(query, Some(time)).iter().map(value).collect()
    }

    /// Waits until `name`, a series of its own, was scraped with this value: the time of the newest such scrape.
    pub fn wait_for(&self, name: &str, wanted: f64) -> f64 {
        let pause = Shutdown::new();
        let mut newest = None;
        for _ in 0..600 {
            let result = self.query(&format!("{name}[1h]"), None);
            let samples = result.first().and_then(|series| series["values"].as_array());
            newest = samples.and_then(|samples| samples.last()).cloned();
            if let Some(sample) = newest.as_ref().filter(|sample| number(sample) == wanted) {
                return sample[0].as_f64().unwrap();
            }
            pause.wait(Duration::from_millis(100));
        }
        panic!("Prometheus has {newest:?} for {name}, {wanted} was wanted");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The value of a sample, which the API writes as a pair of its time and a text.
fn number(sample: &Value) -> f64 {
    sample[1].as_str().unwrap().parse().unwrap()
}

const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const ROUTES: [&str; 3] = ["/cart", "/products", "/search"];

/// What the log contains.
#[derive(Default)]
struct Truth {
    requests: BTreeMap<String, f64>,
    bytes: BTreeMap<String, f64>,
    durations: Vec<f64>,
}

/// Writes `lines` requests, of which it keeps the truth.
fn write(log: &mut File, lines: std::ops::Range<u32>) -> Truth {
    let mut truth = Truth::default();
    let mut text = String::new();
    for n in lines {
        let route = ROUTES[(n * n % 7 % 3) as usize];
        let (bytes, duration) = (n * 37 % 5000, f64::from(n * 7919 % 4000) / 1000.0);
        text += &format!(
            "192.0.2.7 - - [20/Nov/2026:14:03:21 +0000] \"GET {route}/{n} HTTP/1.1\" 200 {bytes} \"-\" \"test\" {duration:.3}\n"
        );
        *truth.requests.entry(route.to_owned()).or_default() += 1.0;
        *truth.bytes.entry(route.to_owned()).or_default() += f64::from(bytes);
        truth.durations.push(duration);
    }
    log.write_all(text.as_bytes()).unwrap();
    truth
}

impl Truth {
    /// What `histogram_quantile` makes of these durations: it interpolates within the bucket of the quantile's rank.
    fn quantile(&self, quantile: f64) -> f64 {
        let rank = quantile * self.durations.len() as f64;
        let below = |bound: f64| self.durations.iter().filter(|duration| **duration <= bound).count() as f64;
        let at = BOUNDS.iter().position(|bound| below(*bound) >= rank).unwrap();
        let (start, before) = if at == 0 { (0.0, 0.0) } else { (BOUNDS[at - 1], below(BOUNDS[at - 1])) };
        start + (BOUNDS[at] - start) * (rank - before) / (below(BOUNDS[at]) - before)
    }
}

#[test]
fn queries_agree_with_what_the_log_contains() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut log = File::create(&path).unwrap();
    let pipeline =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/access-log.yaml"));
    let pipeline =
        pipeline.unwrap().replace("${ACCESS_LOG:-/var/log/nginx/access.log}", &path.display().to_string());
    let file = folder.path().join("access-log.yaml");
    fs::write(&file, pipeline).unwrap();
    let running = Running::start(&[&file.display().to_string()]);
    running.wait_for("streamgauge_source_lanes{pipeline=\"access-log\",source=\"file\"}", 1.0);
    let Some(prometheus) = Prometheus::start(folder.path(), &running.address, "200ms") else { return };

    // Series are born with their first event, so all are there before what is to be measured begins.
    let events = "streamgauge_source_events_total{pipeline=\"access-log\"}";
    write(&mut log, 0..30);
    let start = prometheus.wait_for(events, 30.0);
    let truth = write(&mut log, 30..20_030);
    let end = prometheus.wait_for(events, 20_030.0);

    // From the first scrape to the last there is nothing to extrapolate.
    let range = format!("[{}ms]", ((end - start) * 1000.0).round());
    let increase =
        |name: &str| prometheus.values(&format!("sum by (route) (increase({name}{range}))"), "route", end);
    assert_eq!(rounded(increase("http_requests_total")), truth.requests);
    assert_eq!(rounded(increase("http_response_bytes_total")), truth.bytes);
    assert_eq!(rounded(increase("http_request_duration_seconds_count")), truth.requests);
    for quantile in [0.1, 0.5, 0.9, 0.99] {
        let buckets = format!("sum by (le) (increase(http_request_duration_seconds_bucket{range}))");
        let query = format!("histogram_quantile({quantile}, {buckets})");
        let (found, expected) = (prometheus.values(&query, "", end)[""], truth.quantile(quantile));
        assert!((found - expected).abs() < 1e-9, "{quantile}: {found} instead of {expected}");
    }
    assert_eq!(prometheus.values("up", "job", end)["streamgauge"], 1.0);
}

/// Prometheus computes an increase in floats, with a factor that is 1 but for rounding.
fn rounded(values: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let near = |value: f64| if (value - value.round()).abs() < 1e-6 { value.round() } else { value };
    values.into_iter().map(|(label, value)| (label, near(value))).collect()
}

#[test]
fn a_series_that_was_hidden_goes_on_and_its_increase_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    File::create(&log).unwrap();
    let pipeline = folder.path().join("words.yaml");
    let text = "source: {file: {include: [\"LOG\"]}}\nmetrics:\n  - counter: {name: words_total, help: Words., labels: {word: raw}, expire_after: 1s}\n";
    fs::write(&pipeline, text.replace("LOG", &log.display().to_string())).unwrap();
    let running = Running::start(&[&pipeline.display().to_string()]);
    running.wait_for("streamgauge_source_lanes{pipeline=\"words\",source=\"file\"}", 1.0);
    let Some(prometheus) = Prometheus::start(folder.path(), &running.address, "200ms") else { return };
    let append =
        |text: &str| File::options().append(true).open(&log).unwrap().write_all(text.as_bytes()).unwrap();

    // The series is to be seen before it is hidden.
    prometheus.wait_for("streamgauge_source_lanes{pipeline=\"words\"}", 1.0);
    append("a\na\n");
    let start = prometheus.wait_for("words_total{word=\"a\"}", 2.0);
    let pause = Shutdown::new();
    while running.sample("words_total{word=\"a\"}") > 0.0 || !prometheus.query("words_total", None).is_empty()
    {
        pause.wait(Duration::from_millis(50));
    }
    append("a\na\na\n");
    let end = prometheus.wait_for("words_total{word=\"a\"}", 5.0);
    let query = format!("increase(words_total[{}ms])", ((end - start) * 1000.0).round());
    assert_eq!(rounded(prometheus.values(&query, "word", end))["a"], 3.0);
}

#[test]
fn promtool_has_nothing_to_say_about_the_whole_page() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.yaml");
    fs::write(&path, "source: stdin\nmetrics: [{counter: {name: lines_total, help: Lines.}}]\n").unwrap();
    let running = Running::start(&[&path.display().to_string()]);
    let Some(mut promtool) = tool::program("promtool", "prometheus") else { return };
    let (_, page) = running.get("/metrics", "");
    assert!(page.contains("process_open_fds"));
    tool::check_silent(&tool::feed(promtool.args(["check", "metrics"]), page.as_bytes()));
}
