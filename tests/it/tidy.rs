//! The rules of the house that no compiler knows: who imports whom, how long things are, what is registered.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules may be imported from which: a module imports only from lines above its own. Modules on one
/// line never import each other.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["journal"],
    &["model"],
    &["telemetry"],
    &["json", "scanner"],
    &["raw"],
    &["expr"],
    &["source", "decode", "stage", "aggregate", "encode"],
    &["group"],
    &["pipeline"],
    &["ledger"],
    &["engine", "config"],
    &["serve", "demo", "reference"],
    &["cli"],
    &["app"],
    &["main", "lib"],
];

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn sources() -> Vec<(PathBuf, String)> {
    let src = root().join("src");
    let read =
        |path: PathBuf| (path.strip_prefix(&src).unwrap().to_owned(), fs::read_to_string(&path).unwrap());
    rust_files(&src).into_iter().map(read).collect()
}

/// The lines of a file without its tests: neither a module of tests within it, nor an item that is for tests only.
fn code(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    let end = lines.iter().position(|line| line.starts_with("mod tests {")).unwrap_or(lines.len());
    let is_declared =
        |at: usize| lines.get(at).is_some_and(|line| line.starts_with("mod ") && line.ends_with(';'));
    let for_tests = |at: usize| lines[at] == "#[cfg(test)]" && (is_declared(at + 1) || at + 1 == end);
    (0..end).filter(|at| !(for_tests(*at) || *at > 0 && for_tests(at - 1))).map(|at| lines[at]).collect()
}

/// Whether a file holds nothing but tests, or what they need.
fn is_for_tests(path: &Path) -> bool {
    let stem = path.file_stem().unwrap().to_string_lossy();
    stem.ends_with("tests") || path.ends_with("ledger/world.rs")
}

/// `src/engine/queue.rs` belongs to `engine`.
fn module(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|layer| layer.contains(&module));
    found
        .unwrap_or_else(|| panic!("module `{module}` is in no layer of tests/it/tidy.rs and ARCHITECTURE.md"))
}

/// The modules that a line of code names as `crate::module`.
fn imports(line: &str) -> Vec<String> {
    let line = line.split("//").next().unwrap();
    assert!(!line.contains("crate::{"), "one `use` for each module, so that this can be read: {line}");
    let name =
        |rest: &str| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    line.split("crate::").skip(1).map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn modules_import_only_from_the_layers_above_them_in_the_list() {
    let mut wrong = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_for_tests(path)) {
        let own = module(&path);
        for (number, line) in code(&text).iter().enumerate() {
            for import in imports(line) {
                if import != own && layer(&import) >= layer(&own) {
                    wrong.push(format!("src/{}:{}: {own} imports {import}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    for (path, text) in sources() {
        if is_for_tests(&path) {
            continue;
        }
        let lines = code(&text).len();
        assert!(lines <= MAX_FILE_LINES, "src/{} has {lines} lines without its tests", path.display());
    }
}

/// The functions of formatted code, tests included, with the number of their lines.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let qualifies = |word: &str| {
        ["pub", "const", "async", "unsafe"].contains(&word)
            || (word.starts_with("pub(") && word.ends_with(')'))
    };
    let is_function =
        |line: &str| line.split_whitespace().find(|word| !qualifies(word)).is_some_and(|word| word == "fn");
    let starts =
        (0..lines.len()).filter(|at| is_function(lines[*at]) && !lines[*at].trim_end().ends_with(';'));
    starts
        .filter_map(|start| {
            let end = (start..lines.len()).find(|at| {
                let line = lines[*at];
                let ends = if *at == start {
                    line.ends_with('}')
                } else {
                    line.trim() == "}" || line.ends_with(';')
                };
                ends && indent(line) == indent(lines[start])
            })?;
            Some((start + 1, end + 1 - start))
        })
        .collect()
}

#[test]
fn functions_are_short() {
    for folder in ["src", "tests", "benches"] {
        for path in rust_files(&root().join(folder)) {
            for (line, length) in functions(&fs::read_to_string(&path).unwrap()) {
                assert!(
                    length <= MAX_FUNCTION_LINES,
                    "{}:{line}: a function of {length} lines",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_measure_of_functions_sees_them() {
    let text = "fn one() {}\n\npub(super) fn two(\n    a: u8,\n) -> u8 {\n    a\n}\n\n    fn declared();\n";
    assert_eq!(functions(text), [(1, 1), (3, 5)]);
    let all: usize = sources().iter().map(|(_, text)| functions(text).len()).sum();
    assert!(all > 100, "only {all} functions found");
}

#[test]
fn nothing_has_a_name_that_says_nothing() {
    for (path, _) in sources() {
        for part in path.iter().map(|part| part.to_string_lossy().trim_end_matches(".rs").to_owned()) {
            let empty = ["util", "utils", "helper", "helpers", "common", "misc"].contains(&part.as_str());
            assert!(!empty, "src/{} does not say what it is", path.display());
        }
    }
}

/// The folders whose files are variants, and the files in them that serve the variants instead.
const VARIANTS: &[(&str, &[&str])] = &[
    ("source", &["block", "framing", "multiline", "once", "unpack"]),
    ("decode", &["grok", "grok_library", "scanner_tests", "trial"]),
    ("stage", &["field", "literals", "otherwise"]),
    ("aggregate", &["book", "counts", "few", "hdr", "laws", "shard", "sketch", "window"]),
    ("encode", &["chunks", "escape", "negotiate", "number", "sample", "sample_families", "select"]),
];

#[test]
fn unsafe_code_stands_in_one_module() {
    let allowing = sources().into_iter().filter(|(_, text)| text.contains("unsafe_code"));
    let paths: Vec<_> = allowing.map(|(path, _)| path).collect();
    assert!(paths.len() == 1 && paths[0].ends_with("source/kafka/queue.rs"), "{paths:?}");
    assert!(fs::read_to_string(root().join("Cargo.toml")).unwrap().contains("unsafe_code = \"deny\""));
}

#[test]
fn every_variant_stands_in_the_table_of_its_folder() {
    for (folder, others) in VARIANTS {
        let table = fs::read_to_string(root().join("src").join(folder).join("mod.rs")).unwrap();
        let table = table.split_once("pub static KINDS").expect("each folder has its table").1;
        let table = table.split_once("];").unwrap().0.to_owned();
        let mut variants = 0;
        for entry in fs::read_dir(root().join("src").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let is_module = path.is_dir() || path.extension().is_some_and(|end| end == "rs");
            if !is_module || name == "mod" || others.contains(&name.as_str()) {
                continue;
            }
            assert!(
                table.contains(&format!("{name}::")),
                "src/{folder}/{name} is not in KINDS of src/{folder}/mod.rs"
            );
            variants += 1;
        }
        assert!(variants >= 2, "src/{folder} has {variants} variants");
    }
}

#[test]
fn every_shipped_pipeline_has_a_golden_case() {
    let stems = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        entries
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect()
    };
    let (pipelines, golden) = (stems("pipelines"), stems("tests/it/golden"));
    assert!(!pipelines.is_empty());
    assert_eq!(pipelines, golden);
}

#[test]
fn architecture_names_every_layer() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for module in LAYERS.iter().flat_map(|layer| layer.iter()).filter(|module| **module != "lib") {
        assert!(text.contains(&format!("`{module}")), "ARCHITECTURE.md does not mention `{module}`");
    }
}
