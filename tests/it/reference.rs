//! What the program says of its own kinds: the generated page, the examples, and the schema of a pipeline file.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use streamgauge::config;
use streamgauge::raw;
use streamgauge::raw::fault::Faults;
use streamgauge::raw::node::{Node, NodeKind};
use streamgauge::reference::{self, Section};

use crate::{docs, validated};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_page_in_the_docs_is_the_one_that_the_program_writes() {
    let (path, now) = (root().join("docs/reference.md"), reference::page::markdown());
    if std::env::var_os("STREAMGAUGE_BLESS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(now, written, "STREAMGAUGE_BLESS=1 cargo test reference writes docs/reference.md anew");
}

/// An example as part of the smallest pipeline.
fn pipeline(section: &Section, example: &str) -> String {
    let metrics = "metrics: [{counter: {name: lines_total, help: Lines.}}]\n";
    match section.what {
        "source" => format!("{example}{metrics}"),
        "decoder" => format!("source: stdin\n{example}{metrics}"),
        "stage" => format!("source: stdin\ndecode: json\nstages:\n{example}{metrics}"),
        "metric" => format!("source: stdin\ndecode: json\nmetrics:\n{example}"),
        what => panic!("a {what} is not written in a pipeline"),
    }
}

/// The example of every kind, as a pipeline, with the kind's name.
fn examples() -> Vec<(String, String)> {
    let mut examples = Vec::new();
    for section in reference::sections().iter().filter(|section| section.is_written()) {
        for entry in &section.entries {
            examples.push((entry.name.to_owned(), pipeline(section, &entry.example)));
        }
    }
    examples
}

#[test]
fn every_example_is_valid() {
    for (name, text) in examples() {
        // What an example refers to, such as a table, lies in that folder.
        if let Err(faults) = config::parse(&[("tests/it/reference/example.yaml", &text)], &|_| None) {
            panic!("{name}:\n{}", faults.render(false));
        }
    }
}

#[test]
fn every_kind_has_a_help_that_is_a_sentence_and_options_that_are_explained() {
    for section in reference::sections() {
        for entry in &section.entries {
            assert!(entry.help.starts_with(char::is_uppercase), "{}: {}", entry.name, entry.help);
            for key in section.all_keys(entry) {
                assert!(!key.wanted.is_empty() && key.help.ends_with('.'), "{} of {}", key.name, entry.name);
            }
        }
    }
}

/// A pipeline file as an editor sees it: YAML with its own types.
fn as_json(text: &str) -> Value {
    let mut faults = Faults::new();
    let file = faults.file("test.yaml", text);
    let node = raw::parse(file, text, &|_| Some("value".to_owned()), &mut faults);
    node.map_or(Value::Null, |node| value(&node))
}

fn value(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Null | NodeKind::Faulty => Value::Null,
        // Before the environment was put in, it was text that names it.
        NodeKind::Scalar { secret: true, .. } => Value::from("${NAME}"),
        NodeKind::Scalar { text, plain, .. } => scalar(&text.text, *plain),
        NodeKind::List(nodes) => nodes.iter().map(value).collect(),
        NodeKind::Map(entries) => {
            let entries = entries.iter().map(|(name, node)| (name.text.clone(), value(node)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

fn scalar(text: &str, plain: bool) -> Value {
    let typed = match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => text.parse::<i64>().map(Value::from).ok().or_else(|| text.parse::<f64>().map(Value::from).ok()),
    };
    typed.filter(|_| plain).unwrap_or_else(|| text.into())
}

/// Checks what the schema makes of pipeline files with these names.
#[track_caller]
fn check_schema(files: &[(String, String)], valid: bool) {
    let documents: Vec<_> = files.iter().map(|(_, text)| as_json(text)).collect();
    let Some(faults) = validated::faults(&reference::schema::schema(), &documents) else { return };
    for ((name, text), fault) in files.iter().zip(faults) {
        assert_eq!(fault.is_none(), valid, "{name}: {fault:?}\n{text}");
    }
}

fn read(path: &Path) -> (String, String) {
    (path.display().to_string(), fs::read_to_string(path).unwrap())
}

#[test]
fn the_schema_accepts_every_pipeline_that_is_valid() {
    let mut files = examples();
    files.extend(fs::read_dir(root().join("pipelines")).unwrap().map(|entry| read(&entry.unwrap().path())));
    let blocks = docs::blocks().into_iter().filter(|block| block.language == "yaml");
    files.extend(blocks.map(|block| (format!("{}:{}", block.file.display(), block.line), block.text)));
    check_schema(&files, true);
}

#[test]
fn the_schema_refuses_what_is_misspelt_or_missing() {
    let faulty = [
        "unknown_top_level_key",
        "unknown_source",
        "unknown_decoder",
        "unknown_stage",
        "unknown_metric_kind",
        "unknown_metric_key",
        "source_two_kinds",
        "stage_with_two_kinds",
        "stage_not_a_list",
        "no_source",
        "no_metrics",
        "not_a_mapping",
        "empty_metrics",
        "metrics_null",
        "metric_without_name_and_help",
        "histogram_without_value",
        "file_without_include",
        "file_bad_start_at",
        "file_bad_sizes",
        "json_with_options",
        "stdin_unknown_key",
        "regex_without_pattern",
        "max_series_out_of_range",
    ];
    let files = faulty.map(|name| read(&root().join("tests/it/faults").join(format!("{name}.yaml"))));
    check_schema(&files, false);
}
