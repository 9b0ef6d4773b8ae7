//! The inputs that a target is fuzzed from, and which of them are kept in the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use streamgauge::demo::Random;

use super::mutate::below;

/// A target keeps at most so many inputs, of at most so many bytes each: all of them stay below 200 files and
/// 300 KB.
const MAX_KEPT: usize = 30;
const MAX_KEPT_BYTES: usize = 1536;

/// Inputs, and what was seen of each that nothing before it showed.
#[derive(Debug, Default)]
pub struct Corpus {
    inputs: Vec<(Vec<u8>, BTreeSet<u64>)>,
    seen: BTreeSet<u64>,
}

impl Corpus {
    /// Whether `marks` has something new.
    pub fn lacks(&self, marks: &BTreeSet<u64>) -> bool {
        marks.iter().any(|mark| !self.seen.contains(mark))
    }

    /// What `marks` has that was not seen yet.
    pub fn new_of(&self, marks: &BTreeSet<u64>) -> BTreeSet<u64> {
        marks.difference(&self.seen).copied().collect()
    }

    pub fn add(&mut self, input: Vec<u8>, marks: BTreeSet<u64>) {
        self.seen.extend(&marks);
        self.inputs.push((input, marks));
    }

    /// Any input, one of the latest half of the time.
    pub fn pick(&self, random: &mut Random) -> &[u8] {
        let latest = if below(random, 2) == 0 { 32.min(self.inputs.len()) } else { self.inputs.len() };
        let at = self.inputs.len() - 1 - below(random, latest);
        &self.inputs[at].0
    }

    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// How many ways to answer were seen.
    pub fn answers(&self) -> usize {
        self.seen.len()
    }

    /// The few inputs that show the most between them.
    fn best(&self) -> Vec<&[u8]> {
        let mut small: Vec<_> =
            self.inputs.iter().filter(|(input, _)| input.len() <= MAX_KEPT_BYTES).collect();
        let mut shown = BTreeSet::new();
        let mut best = Vec::new();
        while best.len() < MAX_KEPT {
            let gain = |marks: &BTreeSet<u64>| marks.difference(&shown).count();
            small.retain(|(_, marks)| gain(marks) > 0);
            let Some((input, marks)) = small
                .iter()
                .max_by_key(|(input, marks)| (gain(marks), MAX_KEPT_BYTES - input.len()))
                .map(|best| (&best.0, &best.1))
            else {
                break;
            };
            shown.extend(marks.iter().copied());
            best.push(input.as_slice());
        }
        best
    }

    /// Puts the best inputs into the folder of a target, in the place of those that were there; crashes stay.
    pub fn keep(&self, target: &str) {
        let folder = folder(target);
        fs::create_dir_all(&folder).unwrap();
        for path in files(target).into_iter().filter(|path| !is_crash(path)) {
            fs::remove_file(path).unwrap();
        }
        for input in self.best() {
            fs::write(folder.join(name(input)), input).unwrap();
        }
    }
}

/// Where the inputs of a target are kept.
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fuzz").join(target)
}

/// Every input in the folder of a target.
pub fn files(target: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder(target)) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn is_crash(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("crash-"))
}

/// What an input is called: the same bytes have the same name.
pub fn name(input: &[u8]) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(input))
}

#[test]
fn what_is_kept_is_small() {
    let inputs: Vec<_> = fs::read_dir(folder(""))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .flat_map(|entry| files(&entry.file_name().to_string_lossy()))
        .collect();
    let bytes: u64 = inputs.iter().map(|path| fs::metadata(path).map_or(0, |file| file.len())).sum();
    assert!(inputs.len() <= 200 && bytes <= 300_000, "{} inputs of {bytes} bytes", inputs.len());
}
