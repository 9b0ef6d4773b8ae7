//! Faulty pipeline files, with the whole message that each must bring.
//!
//! A case is a file, or a folder of files that are loaded together. `STREAMGAUGE_BLESS=1 cargo test faults`
//! writes what the program says now, for review with `git diff`.

use std::fs;
use std::path::{Path, PathBuf};

use streamgauge::config;

fn yaml_files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    files
}

/// The message for pipeline files, which it calls by their names without folders.
fn message(files: &[PathBuf]) -> String {
    let texts: Vec<_> = files
        .iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .map(|(name, text)| (name, String::from_utf8(text).unwrap()))
        .collect();
    let texts: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    match config::parse(&texts, &|name| (name == "KNOWN").then(|| "a: b # \"'".to_owned())) {
        Ok(_) => "no fault\n".to_owned(),
        Err(faults) => faults.render(false),
    }
}

#[test]
fn every_fault_is_reported_in_exactly_these_words() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faults");
    let bless = std::env::var_os("STREAMGAUGE_BLESS").is_some();
    let folders =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let several = folders.map(|path| (path.with_extension("expected"), yaml_files(&path)));
    let single = yaml_files(&folder).into_iter().map(|path| (path.with_extension("expected"), vec![path]));
    let mut cases = 0;
    let mut wrong = Vec::new();
    for (expected, files) in single.chain(several) {
        cases += 1;
        let message = message(&files);
        if message == "no fault\n" {
            wrong.push(format!("{files:?} is no case of a fault"));
            continue;
        }
        if bless {
            fs::write(&expected, &message).unwrap();
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if message != wanted {
            wrong.push(format!("{}:\n{message}\ninstead of\n{wanted}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 75, "only {cases} cases");
}
