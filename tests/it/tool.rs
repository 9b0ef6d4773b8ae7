//! Other people's programs, by which we check what we write.
//!
//! Where a program is missing the test that needs it says so and passes, unless `STREAMGAUGE_REQUIRE_TOOLS=1`
//! is set, as it is in continuous integration: then it fails.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The program `name`, which Debian has in `package`. `None`: it is missing and the test is to be skipped.
#[track_caller]
pub fn program(name: &str, package: &str) -> Option<Command> {
    installed(name).or_else(|| skip(&format!("`{name}`, of Debian's package {package}")))
}

/// The program `name`, which PyPI has in `package`. `None`: it is missing and the test is to be skipped.
#[track_caller]
pub fn pypi_program(name: &str, package: &str) -> Option<Command> {
    installed(name).or_else(|| skip(&format!("`{name}`, of PyPI's package {package}")))
}

/// A Python that has `module`, which Debian has in `package`. `None`: it is missing and the test is to be skipped.
#[track_caller]
pub fn python(module: &str, package: &str) -> Option<Command> {
    ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|python| runs(Command::new(python).args(["-c", &format!("import {module}")])))
        .map(Command::new)
        .or_else(|| skip(&format!("Python's `{module}`, of Debian's package {package}")))
}

/// A Python that has `module`, which PyPI has in `package`: the one of `target/tools`, where `.ci/run` installs it, or
/// the usual one. `None`: it is missing and the test is to be skipped.
#[track_caller]
pub fn pypi_python(module: &str, package: &str) -> Option<Command> {
    [concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python"), "python3"]
        .into_iter()
        .find(|python| runs(Command::new(python).args(["-c", &format!("import {module}")])))
        .map(Command::new)
        .or_else(|| skip(&format!("Python's `{module}`, of PyPI's package {package}")))
}

/// Runs `command` to its end with `input` on its standard input.
#[track_caller]
pub fn feed(command: &mut Command, input: &[u8]) -> Output {
    let name = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be started: {error}", name.display()));
    let mut stdin = child.stdin.take().expect("it was asked for");
    std::thread::scope(|scope| {
        // A program that stops reading early says why itself.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output().unwrap()
    })
}

/// Checks that a program ended well and had nothing to say.
#[track_caller]
pub fn check_silent(output: &Output) {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(
        output.status.success() && said.iter().all(|said| said.is_empty()),
        "{}: {}",
        output.status,
        said.concat()
    );
}

/// Checks that a program ended well, whatever it had to say.
#[track_caller]
pub fn check_success(output: &Output) {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{}: {}", output.status, said.concat());
}

fn installed(name: &str) -> Option<Command> {
    let found = ["--version", "version"].iter().any(|argument| runs(Command::new(name).arg(argument)));
    found.then(|| Command::new(name))
}

fn runs(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[track_caller]
fn skip(what: &str) -> Option<Command> {
    let required =
        std::env::var_os("STREAMGAUGE_REQUIRE_TOOLS").is_some_and(|value| value == OsStr::new("1"));
    assert!(!required, "{what} is missing, and STREAMGAUGE_REQUIRE_TOOLS=1 is set");
    // Written past the test harness, which keeps what a test that passes prints.
    writeln!(std::io::stderr(), "skipped: {what} is missing").ok();
    None
}
