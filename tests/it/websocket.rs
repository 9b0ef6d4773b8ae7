//! The WebSocket source against a server that is not ours: Python's `websockets`.
//!
//! Whatever happens to a connection, what was counted, dropped and missed must add up to what was sent.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use rustix::process::{Pid, Signal, kill_process};
use streamgauge::base::clock::Clock;
use streamgauge::base::shutdown::Shutdown;

use crate::program::Running;
use crate::tool;

/// The server; killed when dropped.
struct Server {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: u64,
}

impl Server {
    /// Starts it; `None` where Python or the package is missing and the test is to be skipped.
    #[track_caller]
    fn start(arguments: &[&str]) -> Option<Server> {
        let mut python = tool::pypi_python("websockets", "websockets")?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/websocket/server.py");
        let command = python.arg(script).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut server = Server { child, commands, answers, port: 0 };
        server.port = server.answer()["port"].as_u64().unwrap();
        Some(server)
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn tell(&mut self, command: &Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        self.answer()
    }

    /// Sends texts to every connection.
    fn send(&mut self, texts: &[&str]) {
        self.tell(&json!({"do": "send", "texts": texts}));
    }

    /// Sends `{"seq": …}` with all numbers from the first to the last.
    fn number(&mut self, first: u32, last: u32) {
        self.tell(&json!({"do": "send", "numbers": [first, last]}));
    }

    /// What the server has seen so far.
    fn look(&mut self) -> Value {
        self.tell(&json!({"do": "look"}))
    }

    fn url(&self, path: &str) -> String {
        format!("ws://127.0.0.1:{}{path}", self.port)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it without a word, and starts another one at its port.
    fn replace(mut self, between: impl FnOnce()) -> Server {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        between();
        Server::start(&["--port", &self.port.to_string()]).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits that do not keep a test waiting.
const SOON: &str = "reconnect: {min: 10ms, max: 50ms}";

const METRICS: &str = "
metrics:
  - counter: {name: events_total, help: Events.}
  - counter:
      name: texts_total
      help: Events by text.
      labels: {text: 'size(raw) > 99 ? \"long\" : raw', url: websocket.url}
";

/// Starts a pipeline `feed` with these options of the source, which counts events.
fn count(folder: &Path, options: &str) -> Running {
    let text = format!("source: {{websocket: {{{options}}}}}\ndecode: text{METRICS}");
    let path = folder.join("feed.yaml");
    std::fs::write(&path, text).unwrap();
    Running::start(&[path.to_str().unwrap()])
}

/// The name of a metric of the source of [`count`].
fn own(name: &str) -> String {
    format!("streamgauge_websocket_{name}{{pipeline=\"feed\",source=\"websocket\"}}")
}

fn reconnects(running: &Running, cause: &str) -> f64 {
    let labels = format!("pipeline=\"feed\",source=\"websocket\",cause=\"{cause}\"");
    running.sample(&format!("streamgauge_websocket_reconnects_total{{{labels}}}"))
}

fn refused(running: &Running, reason: &str) -> f64 {
    let labels = format!("pipeline=\"feed\",component=\"source\",reason=\"{reason}\"");
    running.sample(&format!("streamgauge_refused_total{{{labels}}}"))
}

/// Waits until something is so, or panics after a minute.
#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let pause = Shutdown::new();
    for _ in 0..6000 {
        if holds() {
            return;
        }
        pause.wait(Duration::from_millis(10));
    }
    panic!("waited in vain: {what}");
}

/// Waits until connections were lost or attempts failed for this cause.
#[track_caller]
fn wait_for_reconnect(running: &Running, cause: &str) {
    wait_until(cause, || reconnects(running, cause) > 0.0);
}

/// Waits until `/-/ready` says this of what is not connected.
#[track_caller]
fn wait_for_trouble(running: &Running, text: &str) {
    wait_until(text, || {
        let (head, body) = running.get("/-/ready", "");
        head.starts_with("HTTP/1.1 503") && body.contains(text)
    });
}

#[test]
fn each_message_is_an_event_whatever_it_holds() {
    let Some(mut server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = server.url("/feed");
    let running = count(folder.path(), &format!("url: '{url}?token=secret', subscribe: [one, two]"));
    running.wait_for(&own("connections"), 1.0);
    server.send(&["a", "b", "a\nb", ""]);
    server.tell(&json!({"do": "send", "hex": "62"}));
    server.tell(&json!({"do": "fragments", "texts": ["frag", "men", "ts"]}));
    running.wait_for("events_total", 6.0);
    for (text, times) in [("a", 1.0), ("b", 2.0), ("a\\nb", 1.0), ("", 1.0), ("fragments", 1.0)] {
        let name = format!("texts_total{{text=\"{text}\",url=\"{url}\"}}");
        assert_eq!(running.sample(&name), times, "{name}");
    }
    assert_eq!(running.sample(&own("connects_total")), 1.0);
    assert_eq!(running.sample(&own("gap_seconds_total")), 0.0);
    assert_eq!(running.sample("streamgauge_source_lanes{pipeline=\"feed\",source=\"websocket\"}"), 1.0);
    assert_eq!(server.look()["said"], json!(["one", "two"]));
    let page = running.get("/", "").1 + &running.get("/metrics", "").1;
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!(log + &page).contains("secret"));
    wait_until("the server hears why", || server.look()["codes"] == json!([1001]));
}

#[test]
fn lines_are_events_where_they_are_asked_for() {
    let Some(mut server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = count(folder.path(), &format!("url: '{}', split: lines", server.url("/")));
    running.wait_for(&own("connections"), 1.0);
    server.send(&["a\nb\n", "", "c", "a\r\nd"]);
    running.wait_for("events_total", 5.0);
    assert_eq!(running.sample(&format!("texts_total{{text=\"a\",url=\"{}\"}}", server.url("/"))), 2.0);
}

#[test]
fn a_server_that_is_killed_and_comes_back_is_found_again() {
    let Some(mut server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = format!("url: '{}', subscribe: hello, sequence: seq, {SOON}", server.url("/"));
    let running = count(folder.path(), &options);
    running.wait_for(&own("connections"), 1.0);
    server.number(1, 1000);
    running.wait_for("events_total", 1000.0);
    let mut server = server.replace(|| {
        wait_for_reconnect(&running, "refused");
        wait_for_trouble(&running, "nobody listens there");
        assert_eq!(running.sample(&own("connections")), 0.0);
        assert_eq!(running.sample("streamgauge_source_lanes{pipeline=\"feed\",source=\"websocket\"}"), 0.0);
        let before = running.sample(&own("gap_seconds_total"));
        wait_until("the gap grows", || running.sample(&own("gap_seconds_total")) > before);
    });
    running.wait_for(&own("connects_total"), 2.0);
    assert!(running.get("/-/ready", "").0.starts_with("HTTP/1.1 200"));
    server.number(1501, 2000);
    server.number(1, 10);
    running.wait_for("events_total", 1510.0);
    running.wait_for(&own("missed_messages_total"), 500.0);
    assert_eq!(running.sample(&own("sequence_resets_total")), 1.0);
    assert_eq!(reconnects(&running, "reset"), 1.0);
    assert_eq!(server.look()["said"], json!(["hello"]));
    let gap = running.sample(&own("gap_seconds_total"));
    assert!(gap > 0.0 && gap < 60.0, "{gap}");
}

#[test]
fn a_connection_that_is_half_open_is_noticed() {
    let Some(mut server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let times = "ping_interval: 50ms, idle_timeout: 400ms, connect_timeout: 200ms";
    let running = count(folder.path(), &format!("url: '{}', {times}, {SOON}", server.url("/")));
    running.wait_for(&own("connections"), 1.0);
    // A server that is only silent answers pings.
    Shutdown::new().wait(Duration::from_millis(600));
    assert_eq!(running.sample(&own("connects_total")), 1.0);
    server.send(&["a"]);
    running.wait_for("events_total", 1.0);
    server.signal(Signal::STOP);
    wait_for_reconnect(&running, "idle");
    // The system still takes connections for it.
    wait_for_reconnect(&running, "timeout");
    wait_for_trouble(&running, "does not answer the WebSocket handshake");
    server.signal(Signal::CONT);
    running.wait_for(&own("connections"), 1.0);
    wait_until("the server has but one", || server.look()["connections"].as_array().unwrap().len() == 1);
    server.send(&["b"]);
    running.wait_for("events_total", 2.0);
    // The silence before it was noticed belongs to the gap.
    assert!(running.sample(&own("gap_seconds_total")) > 0.6);
    assert_eq!(reconnects(&running, "idle"), 1.0);
}

#[test]
fn garbage_and_goodbyes_end_a_connection_and_nothing_else() {
    let Some(mut server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut running = count(folder.path(), &format!("url: '{}', {SOON}", server.url("/")));
    running.wait_for(&own("connections"), 1.0);
    server.send(&["a"]);
    let ends = [
        (json!({"do": "raw", "hex": "ffffffffffffffffffffffff"}), "protocol", "not what WebSocket allows"),
        (json!({"do": "raw", "hex": "8102ff41"}), "protocol", "UTF-8"),
        (json!({"do": "raw", "hex": "8900810161"}), "", ""),
        (json!({"do": "close", "code": 4001, "reason": "come back"}), "closed", "with code 4001: come back"),
    ];
    let mut events = 1.0;
    for (at, (command, cause, said)) in ends.iter().enumerate() {
        let connects = running.sample(&own("connects_total"));
        let before = reconnects(&running, cause);
        server.tell(command);
        if cause.is_empty() {
            // A ping and a message, by hand.
            events += 1.0;
        } else {
            assert!(running.wait_for_log("not connected").contains(said), "{at}");
            running.wait_for(&own("connects_total"), connects + 1.0);
            assert_eq!(reconnects(&running, cause), before + 1.0);
            wait_until("the server has but one", || {
                server.look()["connections"].as_array().unwrap().len() == 1
            });
        }
        server.send(&["b", "c"]);
        events += 2.0;
        running.wait_for("events_total", events);
    }
    assert_eq!(server.look()["codes"], json!([1002, 1002, 4001]));
}

#[test]
fn a_message_is_as_long_as_it_may_be() {
    let Some(mut server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = count(folder.path(), &format!("url: '{}', max_message_bytes: 16MiB", server.url("/")));
    running.wait_for(&own("connections"), 1.0);
    server.tell(&json!({"do": "send", "size": 10_000_000}));
    running.wait_for("events_total", 1.0);
    assert_eq!(running.sample("streamgauge_source_bytes_total{pipeline=\"feed\",source=\"websocket\"}"), 1e7);
    running.terminate();
    let running = count(folder.path(), &format!("url: '{}', {SOON}", server.url("/")));
    running.wait_for(&own("connections"), 1.0);
    server.tell(&json!({"do": "send", "size": 1 << 20}));
    server.tell(&json!({"do": "send", "size": (1 << 20) + 1}));
    running.wait_for(&own("connects_total"), 2.0);
    wait_until("the server has but one", || server.look()["connections"].as_array().unwrap().len() == 1);
    server.tell(&json!({"do": "fragments", "texts": ["x".repeat(1 << 19), "x".repeat(1 << 19), "x"]}));
    running.wait_for(&own("connects_total"), 3.0);
    wait_until("both are counted", || refused(&running, "message_too_long") == 2.0);
    assert_eq!(reconnects(&running, "message_too_long"), 2.0);
    assert_eq!(running.sample("events_total"), 1.0);
    assert_eq!(server.look()["codes"], json!([1001, 1009, 1009]));
}

#[test]
fn pings_are_answered_where_nothing_else_is_sent() {
    let Some(mut server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = count(folder.path(), &format!("url: '{}'", server.url("/")));
    running.wait_for(&own("connections"), 1.0);
    assert_eq!(server.tell(&json!({"do": "ping"})), json!({"sent": 1}));
    assert_eq!(running.sample("events_total"), 0.0);
}

#[test]
fn the_handshake_says_what_is_written() {
    let Some(mut server) = Server::start(&["--protocols", "v2", "v1"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = server.url("/feed").replace("127.0.0.1", "me:secret@127.0.0.1");
    let headers = "headers: {X-Tenant: blue, user-agent: mine}, protocols: [v1, v0]";
    let running = count(folder.path(), &format!("url: '{url}?a=b', {headers}"));
    running.wait_for(&own("connections"), 1.0);
    let seen = &server.look()["connections"][0];
    assert_eq!((&seen["protocol"], &seen["path"]), (&json!("v1"), &json!("/feed?a=b")));
    assert_eq!(seen["headers"]["x-tenant"], "blue");
    assert_eq!(seen["headers"]["user-agent"], "mine");
    assert_eq!(seen["headers"]["authorization"], "Basic bWU6c2VjcmV0");
    assert!(seen["headers"]["sec-websocket-extensions"].is_null());
    running.terminate();
    let running = count(folder.path(), &format!("url: '{url}', protocols: [v3], {SOON}"));
    wait_for_reconnect(&running, "handshake");
    assert!(!running.get("/-/ready", "").1.contains("secret"));
}

#[test]
fn a_server_that_refuses_is_asked_again_and_told_of() {
    let Some(server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = count(folder.path(), &format!("url: '{}', {SOON}", server.url("/forbidden?key=secret")));
    wait_until("two attempts", || reconnects(&running, "handshake") >= 2.0);
    wait_for_trouble(&running, "403 Forbidden: check what `headers`");
    assert!(!running.get("/-/ready", "").1.contains("secret"));
    let errors =
        "streamgauge_source_errors_total{pipeline=\"feed\",source=\"websocket\",reason=\"handshake\"}";
    assert!(running.sample(errors) >= 2.0);
}

#[test]
fn several_urls_have_a_connection_each() {
    let Some(mut server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (server.url("/one"), server.url("/two"));
    let running = count(folder.path(), &format!("url: ['{one}', '{two}', '{two}?user=b']"));
    running.wait_for(&own("connections"), 3.0);
    assert_eq!(running.sample("streamgauge_source_lanes{pipeline=\"feed\",source=\"websocket\"}"), 3.0);
    server.tell(&json!({"do": "send", "path": "/one", "texts": ["a", "a"]}));
    server.tell(&json!({"do": "send", "path": "/two", "texts": ["a"]}));
    server.tell(&json!({"do": "send", "path": "/two?user=b", "texts": ["a"]}));
    running.wait_for("events_total", 4.0);
    assert_eq!(running.sample(&format!("texts_total{{text=\"a\",url=\"{one}\"}}")), 2.0);
    assert_eq!(running.sample(&format!("texts_total{{text=\"a\",url=\"{two}\"}}")), 2.0);
}

#[test]
fn what_a_full_queue_does_not_take_is_counted() {
    let Some(mut server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let rewrite = "  - rewrite: {field: raw, regex: '[a-z](x)', with: '$1$1', into: other}\n".repeat(20);
    let text = format!(
        "source: {{websocket: {{url: '{}'}}}}\ndecode: text\nstages:\n{rewrite}{METRICS}",
        server.url("/")
    );
    let path = folder.path().join("feed.yaml");
    std::fs::write(&path, text).unwrap();
    let running = Running::start(&[path.to_str().unwrap(), "--engine.workers", "1"]);
    running.wait_for(&own("connections"), 1.0);
    let texts = vec!["x".repeat(100_000); 100];
    for _ in 0..3 {
        server.tell(&json!({"do": "send", "texts": texts}));
    }
    let sum = || running.sample("events_total") + refused(&running, "queue_full");
    wait_until("all are counted or dropped", || sum() >= 300.0);
    assert_eq!(sum(), 300.0);
    assert!(refused(&running, "queue_full") > 0.0);
    assert_eq!(running.sample(&own("connects_total")), 1.0);
}

/// Checks that a SIGTERM ends the program soon.
#[track_caller]
fn check_ends_soon(running: Running) {
    // Once it answers it hears signals.
    running.get("/-/healthy", "");
    let clock = Clock::system();
    let began = clock.monotonic();
    let (status, log) = running.terminate();
    let took = clock.monotonic() - began;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn the_end_is_not_held_up_by_a_silent_server_a_handshake_or_a_wait() {
    let Some(server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let long = "reconnect: {min: 1h, max: 1h}";
    let running = count(folder.path(), &format!("url: '{}', {long}", server.url("/")));
    running.wait_for(&own("connections"), 1.0);
    server.signal(Signal::STOP);
    check_ends_soon(running);
    check_ends_soon(count(folder.path(), &format!("url: '{}', {long}", server.url("/"))));
    server.signal(Signal::CONT);
    let url = server.url("/");
    drop(server);
    let running = count(folder.path(), &format!("url: '{url}', {long}"));
    wait_for_reconnect(&running, "refused");
    check_ends_soon(running);
}

/// Makes certificates: an authority, a server's for `localhost`, a client's. `None` where OpenSSL is missing.
fn certificates(folder: &Path) -> Option<()> {
    const SCRIPT: &str = "
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2
        for name in localhost client; do
            openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj /CN=$name
            echo subjectAltName=DNS:$name > $name.ext
            openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $name.pem -days 2 \
                -extfile $name.ext
        done";
    tool::program("openssl", "openssl")?;
    let output = Command::new("sh").args(["-ec", SCRIPT]).current_dir(folder).output().unwrap();
    tool::check_success(&output);
    Some(())
}

#[test]
fn encrypted_feeds_are_trusted_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(()) = certificates(folder) else { return };
    let at = |name: &str| folder.join(name).display().to_string();
    let Some(mut server) = Server::start(&["--cert", &at("localhost.pem"), "--key", &at("localhost.key")])
    else {
        return;
    };
    let url = server.url("/").replace("ws://127.0.0.1", "wss://localhost");
    let running = count(folder, &format!("url: '{url}', tls: {{ca_file: ca.pem}}"));
    running.wait_for(&own("connections"), 1.0);
    server.send(&["a", &"x".repeat(100_000)]);
    running.wait_for("events_total", 2.0);
    check_ends_soon(running);
    let running = count(folder, &format!("url: '{url}', {SOON}"));
    wait_until("two attempts", || reconnects(&running, "tls") >= 2.0);
    wait_for_trouble(&running, "name the file with its issuer's certificate in `tls.ca_file`");
    drop(running);
    let by_number = url.replace("localhost", "127.0.0.1");
    let running = count(folder, &format!("url: '{by_number}', tls: {{ca_file: ca.pem}}, {SOON}"));
    wait_for_trouble(&running, "is for another host than the URL names");
    drop(running);
    let plain = server.url("/");
    let running = count(folder, &format!("url: '{plain}', connect_timeout: 1s, {SOON}"));
    wait_for_trouble(&running, "perhaps it wants TLS, and the URL should begin with `wss://`");
}

#[test]
fn a_server_that_wants_a_certificate_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(()) = certificates(folder) else { return };
    let at = |name: &str| folder.join(name).display().to_string();
    let arguments =
        ["--cert", &at("localhost.pem"), "--key", &at("localhost.key"), "--client-ca", &at("ca.pem")];
    let Some(mut server) = Server::start(&arguments) else { return };
    let url = server.url("/").replace("ws://127.0.0.1", "wss://localhost");
    let tls = "tls: {ca_file: ca.pem, cert_file: client.pem, key_file: client.key}";
    let running = count(folder, &format!("url: '{url}', {tls}"));
    running.wait_for(&own("connections"), 1.0);
    server.send(&["a"]);
    running.wait_for("events_total", 1.0);
    drop(running);
    let running = count(folder, &format!("url: '{url}', tls: {{ca_file: ca.pem}}, {SOON}"));
    wait_for_trouble(&running, "give `tls.cert_file` and `tls.key_file`");
}

#[test]
fn a_server_without_tls_is_told_from_one_that_is_not_trusted() {
    let Some(server) = Server::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = server.url("/").replace("ws://", "wss://");
    let running = count(folder.path(), &format!("url: '{url}', {SOON}"));
    wait_for_trouble(&running, "perhaps it speaks none, and the URL should begin with `ws://`");
}

#[test]
fn a_name_without_address_is_looked_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let running = count(folder.path(), &format!("url: 'ws://nowhere.invalid/', {SOON}"));
    wait_for_reconnect(&running, "dns");
    wait_for_trouble(&running, "`nowhere.invalid` cannot be resolved");
    check_ends_soon(running);
}
