//! `streamgauge demo`, as a user runs it.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot do without, it may panic over, in its own functions too"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::{Offset, TopicPartitionList};

use crate::program::streamgauge;

/// Reads up to the line that starts with `start`, and gives what follows there.
#[track_caller]
fn after(start: &str, out: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "no line starts with `{start}`");
        if let Some(rest) = line.strip_prefix(start) {
            return rest.trim().to_owned();
        }
    }
}

fn get(url: &str) -> String {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Runs a demo to its end: what it printed after the line with its address, and the address.
#[track_caller]
fn check(arguments: &[&str]) -> String {
    let mut demo = streamgauge();
    demo.arg("demo").args(arguments).args(["--web.listen-address", "127.0.0.1:0"]);
    let mut child = demo.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let log = after("  log lines  ", &mut out);
    let folder = Path::new(log.split_whitespace().next().unwrap()).parent().unwrap().to_owned();
    let url = after("  metrics    ", &mut out);
    after("Connected.", &mut out);
    let answer = get(&url);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for family in ["orders_total", "trades_total", "log_lines_total"] {
        assert!(answer.contains(family), "{answer}");
    }
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains(" totals agree: ") && !rest.contains("DIFFER"), "{rest}");
    assert!(!folder.exists(), "{} is still there", folder.display());
    rest
}

/// What was generated and counted of a sample, from the table at the end.
#[track_caller]
fn totals(printed: &str, sample: &str) -> (u64, u64) {
    let row = printed.lines().find(|line| line.split_whitespace().next() == Some(sample));
    let row: Vec<_> =
        row.unwrap_or_else(|| panic!("{sample} is not in {printed}")).split_whitespace().collect();
    let number = |at: usize| row[at].replace(',', "").parse().unwrap();
    assert_eq!(row[4], "agree");
    (number(2), number(3))
}

#[test]
fn everything_that_the_demo_generates_is_counted() {
    let printed = check(&["--duration", "10s"]);
    let line = printed.lines().find(|line| line.starts_with("after 5 s, counted: ")).unwrap();
    for stream in ["orders ", "trades ", "log lines ", " % are errors)", " take < "] {
        assert!(line.contains(stream), "{stream} is not in {line}");
    }
    assert!(printed.contains("orders_total{status=\"paid\",region=\"eu\"} "), "{printed}");
    let (generated, counted) = totals(&printed, "streamgauge_source_events_total");
    assert_eq!(generated, counted);
    assert!(generated > 20_000, "{printed}");
    let of_each =
        ["orders_total", "trades_total", "log_lines_total"].map(|sample| totals(&printed, sample).1);
    assert_eq!(of_each.iter().sum::<u64>(), counted);
}

#[test]
fn a_demo_with_a_seed_and_a_higher_rate_loses_nothing() {
    let printed = check(&["--duration", "3s", "--rate", "40000", "--seed", "7"]);
    // Enough for several files of the log.
    assert!(totals(&printed, "log_lines_total").0 > 20_000, "{printed}");
}

#[test]
fn the_demo_does_not_give_up_an_address_that_it_was_given() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output =
        streamgauge().args(["demo", "--duration", "1s", "--web.listen-address", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains(&address) && log.contains("--web.listen-address"), "{log}");
}

#[test]
fn the_demo_ends_at_a_signal_and_compares_all_the_same() {
    let mut demo = streamgauge();
    demo.args(["demo", "--web.listen-address", "127.0.0.1:0"]);
    let mut child = demo.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    // The first summary: something is counted.
    after("after ", &mut out);
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains(" totals agree: "), "{rest}");
}

#[test]
fn generate_says_why_orders_do_not_get_to_a_broker() {
    // Nobody listens there.
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output =
        streamgauge().args(["generate", "--brokers", &nowhere, "--duration", "500ms"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains(&format!("orders were not acknowledged by {nowhere}")), "{log}");
    assert!(log.contains("no broker can be reached; trying on"), "{log}");
}

#[test]
fn generate_waits_for_its_broker_and_puts_orders_into_kafka_until_it_is_stopped() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("shop", 4, 1).unwrap();
    cluster.broker_down(1).unwrap();
    let mut generate = streamgauge();
    generate.args([
        "generate",
        "--brokers",
        &cluster.bootstrap_servers(),
        "--topic",
        "shop",
        "--rate",
        "2000",
    ]);
    let mut child = generate.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("no broker can be reached") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it missed its broker");
    }
    cluster.broker_up(1).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "test");
    let consumer: BaseConsumer = config.set("auto.offset.reset", "earliest").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_range("shop", 0, 3);
    partitions.set_all_offsets(Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    let mut orders = 0;
    while orders < 1000 {
        let message = consumer.poll(Duration::from_secs(30)).expect("orders come").unwrap();
        let order: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        assert_eq!(message.key().unwrap(), order["customer"].to_string().as_bytes());
        orders += 1;
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains("acknowledged=") && rest.contains("stopped"), "{rest}");
}
