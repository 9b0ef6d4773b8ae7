//! `streamgauge demo`, as a user runs it.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot do without, it may panic over, in its own functions too"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{ChildStdout, Stdio};

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

#[test]
fn everything_that_the_demo_writes_is_counted() {
    let mut demo = streamgauge();
    demo.args(["demo", "--duration", "2s", "--rate", "20000", "--web.listen-address", "127.0.0.1:0"]);
    let mut child = demo.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let folder = after("Writing app.log and access.log in ", &mut out);
    let folder = folder.split(':').next().unwrap().to_owned();
    let url = after("  metrics  ", &mut out);
    let answer = get(&url);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("log_lines_total"), "{answer}");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    let lines = rest.lines().find(|line| line.starts_with("http_request_duration_seconds_count")).unwrap();
    let lines: Vec<_> = lines.split_whitespace().skip(1).collect();
    assert_eq!((lines[0], lines[2]), (lines[1], "agree"));
    assert!(lines[0].parse::<u64>().unwrap() > 10_000, "several files of each log: {rest}");
    assert!(rest.contains("totals agree.") && !rest.contains("DIFFER"), "{rest}");
    assert!(!std::path::Path::new(&folder).exists(), "{folder} is still there");
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
    after("  metrics  ", &mut out);
    // The first summary: something is written.
    after("after ", &mut out);
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains("totals agree."), "{rest}");
}
