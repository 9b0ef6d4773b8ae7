//! Faults of the configuration: collected, never just the first.

use super::place::{FileId, Place};

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands.
    pub place: Place,
    /// What was found, and what was wanted: lower case, no full stop.
    pub problem: String,
    /// How to mend it.
    pub help: Option<String>,
}

/// The files that were read and every fault found in them so far.
#[derive(Debug, Default)]
pub struct Faults {
    files: Vec<(String, String)>,
    found: Vec<Fault>,
}

impl Faults {
    /// No files, no faults.
    pub fn new() -> Faults {
        Faults::default()
    }

    /// Keeps a file's name and text, to show its lines with the faults.
    pub fn file(&mut self, name: &str, text: &str) -> FileId {
        self.files.push((name.to_owned(), text.to_owned()));
        FileId(self.files.len() - 1)
    }

    /// Adds a fault without help.
    pub fn add(&mut self, place: Place, problem: impl Into<String>) {
        self.found.push(Fault { place, problem: problem.into(), help: None });
    }

    /// Adds a fault and how to mend it.
    pub fn add_with_help(&mut self, place: Place, problem: impl Into<String>, help: impl Into<String>) {
        self.found.push(Fault { place, problem: problem.into(), help: Some(help.into()) });
    }

    /// The faults found so far.
    pub fn found(&self) -> &[Fault] {
        &self.found
    }
}

/// "did you mean `x`?" for the candidate that is nearest to `word`, if one is near.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let near = candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min()?;
    Some(format!("did you mean `{}`?", near.1))
}
