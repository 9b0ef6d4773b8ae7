//! A real InfluxDB takes the line protocol and gives back the tags and values that were encoded.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use proptest::strategy::{Strategy, ValueTree};
use serde_json::Value;
use streamgauge::base::shutdown::Shutdown;
use streamgauge::model::family::{Family, FamilyKind};

use crate::exposition::{AT, Case, Numbers, encoded, format, label_value};
use crate::formats::tag;
use crate::program::get;
use crate::tool;

/// An InfluxDB that listens on ports of its own; killed when dropped.
struct InfluxDb {
    child: Child,
    address: String,
}

impl InfluxDb {
    /// Starts it and waits until it answers. `None`: it is not installed.
    fn start(folder: &Path) -> Option<InfluxDb> {
        let mut command = tool::program("influxd", "influxdb")?;
        // The ports are free again once the listeners are dropped at the end of the line.
        let [address, own] = [(); 2]
            .map(|()| TcpListener::bind("127.0.0.1:0").unwrap())
            .map(|listener| listener.local_addr().unwrap().to_string());
        let path = |name: &str| folder.join(name).display().to_string();
        let config = format!(
            "reporting-disabled = true\nbind-address = '{own}'\n\
             [meta]\ndir = '{}'\n[data]\ndir = '{}'\nwal-dir = '{}'\nquery-log-enabled = false\n\
             [http]\nbind-address = '{address}'\nlog-enabled = false\n\
             [monitor]\nstore-enabled = false\n[logging]\nlevel = 'error'\nsuppress-logo = true\n",
            path("meta"),
            path("data"),
            path("wal"),
        );
        fs::write(folder.join("influxdb.conf"), config).unwrap();
        command.args(["-config", &path("influxdb.conf")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let influxdb = InfluxDb { child: command.spawn().unwrap(), address };
        let pause = Shutdown::new();
        for _ in 0..600 {
            if get(&influxdb.address, "/ping", "").is_ok() {
                influxdb.post("/query", &[("q", "CREATE DATABASE test")], "");
                return Some(influxdb);
            }
            pause.wait(Duration::from_millis(100));
        }
        panic!("InfluxDB does not answer");
    }

    fn post(&self, path: &str, parameters: &[(&str, &str)], body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (path, length) = (with(path, parameters), body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[track_caller]
    fn write(&self, lines: &str) {
        let answer = self.post("/write", &[("db", "test")], lines);
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }

    /// The series of a query, each with its tags and its first point.
    fn query(&self, query: &str) -> Vec<(BTreeMap<String, String>, Value)> {
        let path = with("/query", &[("db", "test"), ("epoch", "ns"), ("q", query)]);
        let (_, body) = get(&self.address, &path, "").unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        let Some(series) = answer["results"][0]["series"].as_array() else { panic!("{body}") };
        let read = |series: &Value| {
            let tags = series["tags"].as_object().into_iter().flatten();
            // A series of a measurement that has not this tag has it empty here.
            let tags = tags.filter(|(_, value)| *value != "");
            let tags = tags.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
            (tags.collect(), series["values"][0].clone())
        };
        series.iter().map(read).collect()
    }
}

impl Drop for InfluxDb {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn with(path: &str, parameters: &[(&str, &str)]) -> String {
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let parameters: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    format!("{path}?{}", parameters.join("&"))
}

const LABELS: [&str; 5] = ["first", "second", "time", "value", "_field"];
const TAGS: [&str; 5] = ["first", "second", "time_", "value_", "_field_"];

/// A gauge with series of every kind of odd label values, each of which reads its own number.
fn odd(series: usize) -> Case {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let values = proptest::collection::vec(label_value(), LABELS.len());
    let mut odd = BTreeMap::new();
    while odd.len() < series {
        let labels = values.new_tree(&mut runner).unwrap().current();
        // As tags, two different values may look the same.
        odd.insert(labels.iter().map(|value| tag(value)).collect::<Vec<_>>(), labels);
    }
    let numbers = |at: usize| Numbers { values: vec![at as f64 + 0.25], counts: vec![] };
    Case {
        family: Family {
            name: "odd".to_owned(),
            help: "Odd.".to_owned(),
            unit: None,
            kind: FamilyKind::Gauge,
            labels: LABELS.map(str::to_owned).to_vec(),
        },
        series: odd.into_values().enumerate().map(|(at, labels)| (labels, numbers(at))).collect(),
        bounds: vec![],
    }
}

#[test]
fn odd_label_values_come_back_from_influxdb() {
    let folder = tempfile::tempdir().unwrap();
    let Some(influxdb) = InfluxDb::start(folder.path()) else { return };
    let case = odd(1000);
    influxdb.write(&encoded(std::slice::from_ref(&case), format("influx")));
    let tags = |labels: &[String]| {
        let tags = TAGS.iter().zip(labels).filter(|(_, value)| !value.is_empty());
        tags.map(|(name, value)| ((*name).to_owned(), tag(value))).collect::<BTreeMap<_, _>>()
    };
    let mut written: Vec<_> =
        case.series.iter().map(|(labels, numbers)| (tags(labels), numbers.gauge())).collect();
    let read = influxdb.query("SELECT value FROM odd GROUP BY *").into_iter();
    let mut read: Vec<_> = read
        .map(|(tags, point)| {
            assert_eq!(point[0].as_i64(), Some(AT.as_nanos() as i64));
            (tags, point[1].as_f64().unwrap())
        })
        .collect();
    let order = |(_, value): &(_, f64)| value.to_bits();
    written.sort_by_key(order);
    read.sort_by_key(order);
    assert_eq!(read, written);
}

#[test]
fn a_counter_that_was_whole_may_get_a_fraction_and_a_histogram_has_its_buckets() {
    let folder = tempfile::tempdir().unwrap();
    let Some(influxdb) = InfluxDb::start(folder.path()) else { return };
    let family = |name: &str, kind| Family {
        name: name.to_owned(),
        help: String::new(),
        unit: None,
        kind,
        labels: vec!["route".to_owned()],
    };
    for value in [1.0, 2.5, 9_007_199_254_740_993.0] {
        let numbers = Numbers { values: vec![value], counts: vec![1, 2, 3] };
        let series = vec![(vec!["/".to_owned()], numbers)];
        let counter = Case {
            family: family("orders_total", FamilyKind::Counter),
            series: series.clone(),
            bounds: vec![],
        };
        let histogram =
            Case { family: family("latency", FamilyKind::Histogram), series, bounds: vec![0.5, 1.0] };
        influxdb.write(&encoded(&[counter, histogram], format("influx")));
        assert_eq!(influxdb.query("SELECT value FROM orders_total")[0].1[1].as_f64(), Some(value));
    }
    let buckets = influxdb.query("SELECT bucket FROM latency WHERE le != '' GROUP BY le");
    let buckets: BTreeMap<_, _> =
        buckets.into_iter().map(|(tags, point)| (tags["le"].clone(), point[1].as_f64().unwrap())).collect();
    assert_eq!(buckets, [("+Inf", 6.0), ("0.5", 1.0), ("1", 3.0)].map(|(le, n)| (le.to_owned(), n)).into());
    assert_eq!(influxdb.query("SELECT \"count\" FROM latency")[0].1[1], 6);
}
