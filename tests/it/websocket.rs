//! The WebSocket source against a server that is not ours: Python's `websockets`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

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
    fn start(mut python: Command, arguments: &[&str]) -> Server {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/websocket/server.py");
        let command = python.arg(script).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut server = Server { child, commands, answers, port: 0 };
        server.port = server.answer()["port"].as_u64().unwrap();
        server
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
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Python with the server's package; `None` where the test is to be skipped.
#[track_caller]
fn python() -> Option<Command> {
    tool::pypi_python("websockets", "websockets")
}

/// Starts a pipeline `feed` with these options of the source, which counts events by message.
fn count(folder: &Path, options: &str) -> Running {
    let text = format!(
        "source: {{websocket: {{{options}}}}}\ndecode: text\nmetrics:\n  \
         - counter: {{name: events_total, help: Events.}}\n  \
         - counter: {{name: texts_total, help: Events by text., labels: {{text: 'size(raw) > 99 ? \"long\" : raw', url: websocket.url}}}}\n"
    );
    let path = folder.join("feed.yaml");
    std::fs::write(&path, text).unwrap();
    Running::start(&[path.to_str().unwrap()])
}

/// A metric of the source of [`count`].
fn own(name: &str) -> String {
    format!("streamgauge_websocket_{name}{{pipeline=\"feed\",source=\"websocket\"}}")
}

#[test]
fn messages_are_counted() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(python, &[]);
    let url = format!("ws://127.0.0.1:{}/feed", server.port);
    let running = count(folder.path(), &format!("url: '{url}?token=secret', subscribe: [one, two]"));
    running.wait_for(&own("connections"), 1.0);
    server.send(&["a", "b", "a\nb", ""]);
    running.wait_for("events_total", 4.0);
    assert_eq!(running.sample(&format!("texts_total{{text=\"a\",url=\"{url}\"}}")), 1.0);
    assert_eq!(running.sample(&own("connects_total")), 1.0);
    assert_eq!(running.sample(&own("gap_seconds_total")), 0.0);
    let seen = server.tell(&json!({"do": "look"}));
    assert_eq!(seen["said"], json!(["one", "two"]));
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("secret"), "{log}");
    assert_eq!(server.tell(&json!({"do": "look"}))["codes"], json!([1001]));
}
