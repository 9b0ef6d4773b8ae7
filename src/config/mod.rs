//! What was written in pipeline files becomes a plan, or a list of everything that is wrong with them.

mod clash;
mod lifetime;
mod metric;
mod name;
mod pipeline;
mod plan;
mod search;

use std::fs;
use std::path::{Path, PathBuf};

pub use metric::KEYS as METRIC_KEYS;
pub use pipeline::KEYS as PIPELINE_KEYS;
pub use plan::{MetricPlan, PipelinePlan, Plan, StagePlan};

use xxhash_rust::xxh3::Xxh3;

use crate::raw::fault::Faults;
use crate::raw::{self, Environment};

/// Reads pipeline files, and the `*.yaml` and `*.yml` files of folders, into a plan.
///
/// # Errors
///
/// Every fault of every file: nothing is planned unless all is well.
pub fn load(paths: &[PathBuf], environment: Environment<'_>) -> Result<Plan, Faults> {
    let mut faults = Faults::new();
    let mut pipelines = Vec::new();
    for path in files(paths, &mut faults) {
        let name = path.display().to_string();
        match fs::read(&path).map(String::from_utf8) {
            Ok(Ok(text)) => pipelines.extend(read(&path, &text, environment, &mut faults)),
            Ok(Err(error)) => {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
                faults.add_to_file(&name, format!("is not UTF-8, from line {line} on"));
            }
            Err(error) => faults.add_to_file(&name, format!("cannot be read: {error}")),
        }
    }
    finish(pipelines, faults)
}

/// A hash of the files that would be loaded, by their names and what is in them; of those that cannot be read, by that.
pub fn digest(paths: &[PathBuf]) -> u128 {
    let mut hasher = Xxh3::new();
    for path in files(paths, &mut Faults::new()) {
        hasher.update(path.as_os_str().as_encoded_bytes());
        match fs::read(&path) {
            Ok(text) => {
                hasher.update(&[0]);
                hasher.update(&text.len().to_le_bytes());
                hasher.update(&text);
            }
            Err(_) => hasher.update(&[1]),
        }
    }
    hasher.digest128()
}

/// The same for pipelines that are already in memory, as pairs of a file name and its text.
///
/// # Errors
///
/// Every fault of every text.
pub fn parse(texts: &[(&str, &str)], environment: Environment<'_>) -> Result<Plan, Faults> {
    let mut faults = Faults::new();
    let read = |(name, text): &(&str, &str)| read(Path::new(name), text, environment, &mut faults);
    let pipelines = texts.iter().filter_map(read).collect();
    finish(pipelines, faults)
}

fn finish(mut pipelines: Vec<PipelinePlan>, mut faults: Faults) -> Result<Plan, Faults> {
    clash::check(&pipelines, &mut faults);
    pipelines.iter_mut().enumerate().for_each(|(number, pipeline)| pipeline.number = number);
    if faults.is_empty() { Ok(Plan { pipelines }) } else { Err(faults) }
}

fn read(path: &Path, text: &str, environment: Environment<'_>, faults: &mut Faults) -> Option<PipelinePlan> {
    let file = faults.file(&path.display().to_string(), text);
    let node = raw::parse(file, text, environment, faults)?;
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    pipeline::plan(&stem, &node, faults)
}

/// The pipeline files that `paths` name, in order, each once.
fn files(paths: &[PathBuf], faults: &mut Faults) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        match folder(path) {
            Ok(found) if found.is_empty() => {
                faults.add_to_file(&path.display().to_string(), "no *.yaml or *.yml file in this folder");
            }
            Ok(found) => files.extend(found),
            Err(error) => faults.add_to_file(&path.display().to_string(), format!("cannot be read: {error}")),
        }
    }
    let mut seen = Vec::new();
    files.retain(|file| {
        let whole = file.canonicalize().unwrap_or_else(|_| file.clone());
        let new = !seen.contains(&whole);
        seen.push(whole);
        new
    });
    files
}

fn folder(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    let is_hidden =
        |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let is_pipeline = |path: &PathBuf| {
        let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        is_yaml && !is_hidden(path) && !path.is_dir()
    };
    let mut files: Vec<_> = entries.iter().map(fs::DirEntry::path).filter(is_pipeline).collect();
    files.sort();
    Ok(files)
}
