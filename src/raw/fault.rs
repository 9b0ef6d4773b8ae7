//! Faults of the configuration: collected, never just the first.

use super::place::{FileId, Place};
use super::render;
use super::source::without_byte_order_mark;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where it stands.
    pub place: Place,
    /// What was found, and what was wanted: lower case, no full stop.
    pub problem: String,
    /// How to mend it; each line is shown as a help of its own.
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
        self.files.push((name.to_owned(), without_byte_order_mark(text).to_owned()));
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

    /// Adds a fault of a whole file, which has no lines to show.
    pub fn add_to_file(&mut self, name: &str, problem: impl Into<String>) {
        let file = self.file(name, "");
        self.add(Place::whole(file), problem);
    }

    /// The name under which a file was kept; that of a pipeline file is its path.
    pub fn name(&self, file: FileId) -> &str {
        self.files.get(file.0).map_or("?", |(name, _)| name.as_str())
    }

    /// A place as people write it: `file:line:column`.
    pub fn locate(&self, place: Place) -> String {
        format!("{}:{}:{}", self.name(place.file), place.line, place.column)
    }

    /// The faults found so far, in the order in which they were found.
    pub fn found(&self) -> &[Fault] {
        &self.found
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many faults were added so far; [`render`](Faults::render) shows equal ones once.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// All faults as a terminal shows them: in the order of their places, each with its line, then their number.
    /// Nothing at all when there are none. Control characters of files and messages are made visible.
    pub fn render(&self, color: bool) -> String {
        let mut faults: Vec<&Fault> = self.found.iter().collect();
        faults.sort();
        faults.dedup();
        render::render(&self.files, &faults, color)
    }
}

/// "did you mean `x`?" for the candidate that is nearest to `word`, if one is near.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let near = candidates
        .into_iter()
        .filter_map(|candidate| distance(word, candidate).map(|distance| (distance, candidate)))
        .min()?;
    Some(format!("did you mean `{}`?", near.1))
}

/// `candidates` as a list for help: "`a`, `b` and `c`".
pub fn listed<'c>(candidates: impl IntoIterator<Item = &'c str>) -> String {
    let quoted: Vec<String> = candidates.into_iter().map(|candidate| format!("`{candidate}`")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// How far `word` is from `candidate`, if it is near: case and the choice of `-` or `_` do not count, short words
/// must be nearer than long ones, and the start of a word is near to it.
fn distance(word: &str, candidate: &str) -> Option<usize> {
    /// Longer than any word that was meant as one of ours.
    const LEN_LIMIT: usize = 64;
    if word.len() > LEN_LIMIT {
        return None;
    }
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let (word, candidate) = (fold(word), fold(candidate));
    let len = word.chars().count();
    let limit = match len.max(candidate.chars().count()) {
        0..=2 => 0,
        3..=5 => 1,
        6..=8 => 2,
        _ => 3,
    };
    let distance = strsim::damerau_levenshtein(&word, &candidate);
    let start = len >= 3 && candidate.starts_with(&word);
    (distance <= limit || start).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &[&str] = &["labels", "name", "by", "where", "description", "start_at", "kind", "min"];

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        let expected = expected.map(|candidate| format!("did you mean `{candidate}`?"));
        assert_eq!(did_you_mean(word, WORDS.iter().copied()), expected, "{word}");
    }

    #[test]
    fn near_words_are_suggested() {
        check("lables", Some("labels"));
        check("label", Some("labels"));
        check("LABELS", Some("labels"));
        check("BY", Some("by"));
        check("start-at", Some("start_at"));
        check("startAt", Some("start_at"));
        check("desc", Some("description"));
        check("descripton", Some("description"));
        check("nmae", Some("name"));
    }

    #[test]
    fn far_words_are_not() {
        for word in ["", "x", "my", "max", "mode", "colour", "lab3l5x", "w", "d", "stop"] {
            check(word, None);
        }
        check(&"x".repeat(1 << 20), None);
    }

    #[test]
    fn candidates_are_listed_with_and() {
        assert_eq!(listed([]), "none");
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
