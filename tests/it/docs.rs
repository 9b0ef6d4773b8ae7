//! Every command and every snippet of README and docs is run.
//!
//! A `yaml` block is a whole pipeline file and must be valid. A `sh` block is run from top to bottom in an empty
//! folder with `streamgauge` on the path, and must succeed; where it is followed by a `text` block, that is what
//! it must print. What a block leaves running is ended. Commands that build or test the project itself are run
//! by `.ci/run` instead, which must name them.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use streamgauge::config;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub struct Block {
    pub file: PathBuf,
    pub line: usize,
    pub language: String,
    pub text: String,
}

/// Every block of code in README, CONTRIBUTING and docs.
pub fn blocks() -> Vec<Block> {
    let mut files = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    files.extend(fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    let mut blocks: Vec<Block> = Vec::new();
    for file in files {
        let mut open = false;
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                open = !open;
                if open {
                    let (file, language) = (file.clone(), language.to_owned());
                    blocks.push(Block { file, line: number + 1, language, text: String::new() });
                }
            } else if let (true, Some(block)) = (open, blocks.last_mut()) {
                block.text += line;
                block.text.push('\n');
            }
        }
    }
    blocks
}

#[test]
fn every_pipeline_in_the_docs_is_valid() {
    let mut pipelines = 0;
    for block in blocks().iter().filter(|block| block.language == "yaml") {
        let environment = |_: &str| Some("value".to_owned());
        if let Err(faults) = config::parse(&[("docs.yaml", &block.text)], &environment) {
            panic!("{}:{}:\n{}", block.file.display(), block.line, faults.render(false));
        }
        pipelines += 1;
    }
    assert!(pipelines >= 2, "only {pipelines} pipelines in the docs");
}

/// Commands about the project itself, which a test of the project cannot run.
fn is_for_the_project(line: &str) -> bool {
    ["make ", "apt-get ", "cargo ", "benches/", ".ci/run"].iter().any(|start| line.starts_with(start))
}

#[test]
fn every_command_in_the_docs_runs() {
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let blocks = blocks();
    let mut ran = 0;
    for (at, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "sh") {
        if block.text.lines().all(is_for_the_project) {
            for line in block.text.lines() {
                let command = line.split('#').next().unwrap().trim();
                assert!(ci.contains(command), ".ci/run does not run `{command}` of {}", block.file.display());
            }
            continue;
        }
        let printed = run(block);
        if let Some(expected) =
            blocks.get(at + 1).filter(|next| next.language == "text" && next.file == block.file)
        {
            assert_eq!(printed, expected.text, "{}:{}", block.file.display(), block.line);
        }
        ran += 1;
    }
    assert!(ran >= 2, "only {ran} blocks of commands in the docs");
}

/// Runs a block of commands: what it printed.
fn run(block: &Block) -> String {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_streamgauge")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    // The default port may be in use here.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = block
        .text
        .replace("streamgauge run", &format!("streamgauge run --web.listen-address 127.0.0.1:{port}"));
    let text = text.replace("9101", &port.to_string());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &text]).current_dir(folder.path()).env("PATH", path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap();
    let status = child.wait().unwrap();
    // What the block started in the background ends with it, so that its output ends too.
    let group = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process_group(group, rustix::process::Signal::TERM).ok();
    let (mut printed, mut log) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(status.success(), "{}:{}: {printed}{log}", block.file.display(), block.line);
    printed
}
