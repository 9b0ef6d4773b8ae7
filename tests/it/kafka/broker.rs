//! A real Kafka, which `tests/kafka/broker` runs.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A broker of one node. It ends with this process at the latest.
pub struct Broker {
    folder: TempDir,
    /// Without encryption or log-in.
    pub plaintext: String,
    /// With both.
    pub sasl_ssl: String,
}

/// The broker that tests share which do not stop it. `None`: what it needs is missing, and the test is to be skipped.
pub fn shared() -> Option<&'static Broker> {
    static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
    SHARED.get_or_init(Broker::start).as_ref()
}

impl Broker {
    /// A broker of the test's own.
    pub fn start() -> Option<Broker> {
        let folder = tempfile::tempdir().unwrap();
        // They are free again once the listeners are dropped.
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port().to_string());
        drop(listeners);
        let [port, controller, sasl] = &ports;
        let owner = std::process::id().to_string();
        let at = folder.path().display().to_string();
        let output = script()
            .args(["start", &at, port, controller, "--sasl", sasl, "--owner", &owner])
            .output()
            .unwrap();
        if output.status.code() == Some(3) {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let required = std::env::var_os("STREAMGAUGE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
            assert!(!required, "{said}, and STREAMGAUGE_REQUIRE_TOOLS=1 is set");
            // Written past the test harness, which keeps what a test that passes prints.
            writeln!(std::io::stderr(), "skipped: a test with a real Kafka: {}", said.trim()).ok();
            return None;
        }
        let said = check(&output);
        let address = |name: &str| {
            let mut words = said.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)).unwrap_or_else(|| panic!("{said}")).to_owned()
        };
        Some(Broker { plaintext: address("plaintext="), sasl_ssl: address("sasl_ssl="), folder })
    }

    /// The certificate of the authority that its own comes from.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&self) {
        self.run(&["kill"], &[]);
    }

    /// Starts it again on its ports and data.
    pub fn start_again(&self) {
        self.run(&["start"], &["--owner", &std::process::id().to_string()]);
    }

    pub fn create_topic(&self, name: &str, partitions: u32) {
        self.run(&["topic", "create"], &[name, &partitions.to_string()]);
    }

    /// Deletes what a partition has before an offset.
    pub fn delete_records(&self, topic: &str, partition: u32, before: i64) {
        self.run(&["records", "delete"], &[topic, &partition.to_string(), &before.to_string()]);
    }

    fn run(&self, command: &[&str], arguments: &[&str]) {
        check(&script().args(command).arg(self.folder.path()).args(arguments).output().unwrap());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It would end with its owner too.
        script().arg("kill").arg(self.folder.path()).output().ok();
    }
}

fn script() -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/broker"));
    command.stdin(Stdio::null());
    command
}

#[track_caller]
fn check(output: &Output) -> String {
    let [out, error] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{}: {out}{error}", output.status);
    out
}
