//! Which files the patterns name right now, and which of their neighbours may be their rotated past.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use super::head::{FileId, Stamp};

/// How many directories below one another `**` looks into.
const DEPTH: usize = 16;

/// The reason of a fault: a file is there, but cannot be read.
pub const UNREADABLE: &str = "file_unreadable";

/// The extensions of compressed files, which are never taken for a rotated log.
const COMPRESSED: [&[u8]; 13] =
    [b"gz", b"bz2", b"xz", b"zst", b"lz4", b"lzma", b"lzo", b"sz", b"br", b"Z", b"zip", b"7z", b"tgz"];

/// The ends of the names of compressed files that can be read.
const UNPACKED: [&[u8]; 2] = [b".gz", b".zst"];

/// A file that a pattern names, or that may have been one.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Which file it is.
    pub id: FileId,
    /// Its size and times.
    pub stamp: Stamp,
    /// Whether a pattern names it; otherwise it is a sibling of a path that a pattern names.
    pub included: bool,
    /// The paths that patterns name and that its content may have had before: the likeliest first.
    /// For an included file the first is its own.
    pub bases: Vec<PathBuf>,
}

/// What one look at the directories found.
#[derive(Debug, Default)]
pub struct Listing {
    /// Regular files, one for each inode, included ones before siblings.
    pub found: Vec<Found>,
    /// Siblings that are compressed so that they can be read, one for each inode.
    pub packed: Vec<Found>,
    /// Paths that could not be looked at or are no regular files, with the reason.
    pub faults: Vec<(PathBuf, &'static str)>,
    /// The directories that were looked into, or would have been if they were there.
    pub directories: BTreeSet<PathBuf>,
}

/// Compiled include and exclude patterns.
#[derive(Debug)]
pub struct Patterns {
    /// The include patterns as they were written.
    pub written: Vec<String>,
    include: GlobSet,
    exclude: GlobSet,
    /// Exclude patterns without a slash, which are matched against the file's name alone.
    exclude_names: GlobSet,
    /// Include patterns without wildcards.
    literal: HashSet<PathBuf>,
    walks: Vec<Vec<Step>>,
}

/// One component of the directories of a pattern.
#[derive(Debug)]
enum Step {
    /// A fixed name; the first one of an absolute path is `/`.
    Name(String),
    /// Every directory here that matches.
    Matching(GlobMatcher),
    /// This directory and everything below it.
    Deep,
}

impl Patterns {
    /// Compiles the patterns; fails on the first one that is not a valid glob.
    pub fn new(written: &[String], exclude: &[String]) -> Result<Patterns, globset::Error> {
        let include: Vec<String> = written.iter().map(|pattern| normal(pattern)).collect();
        let (paths, names): (Vec<&String>, Vec<&String>) =
            exclude.iter().partition(|pattern| pattern.contains('/'));
        let paths: Vec<String> = paths.into_iter().map(|pattern| normal(pattern)).collect();
        Ok(Patterns {
            written: written.to_vec(),
            include: set(include.iter())?,
            exclude: set(paths.iter())?,
            exclude_names: set(names.into_iter())?,
            literal: include.iter().filter(|pattern| is_literal(pattern)).map(PathBuf::from).collect(),
            walks: include.iter().map(|pattern| steps(pattern)).collect::<Result<_, _>>()?,
        })
    }

    /// Looks into the directories that can hold included files.
    pub fn list(&self) -> Listing {
        let mut listing = Listing::default();
        let mut directories = BTreeSet::new();
        for walk in &self.walks {
            descend(PathBuf::new(), walk, &mut directories, &mut listing.faults);
        }
        for directory in &directories {
            self.list_directory(directory, &mut listing);
        }
        listing.directories = directories;
        listing.found.sort_by(|a, b| b.included.cmp(&a.included).then_with(|| a.path.cmp(&b.path)));
        let mut seen = HashSet::new();
        listing.found.retain(|found| seen.insert(found.id));
        listing.packed.sort_by(|a, b| a.path.cmp(&b.path));
        listing.packed.retain(|packed| seen.insert(packed.id));
        listing
    }

    fn list_directory(&self, directory: &Path, listing: &mut Listing) {
        for entry in entries(directory, &mut listing.faults) {
            let path = directory.join(entry.file_name());
            let included = self.is_included(&path);
            let mut bases = self.bases(directory, &entry.file_name());
            if included {
                bases.insert(0, path.clone());
            }
            if !included {
                listing.packed.extend(self.packed(directory, &entry));
            }
            if bases.is_empty() || self.is_excluded(&path) {
                continue;
            }
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    let (id, stamp) = (FileId::of(&metadata), Stamp::of(&metadata));
                    listing.found.push(Found { path, id, stamp, included, bases });
                }
                // A wildcard may well name directories beside the files that it is meant for.
                Ok(metadata) if metadata.is_dir() && !self.literal.contains(&path) => {}
                Ok(_) if included => listing.faults.push((path, "not_a_regular_file")),
                Err(error) if included && error.kind() != ErrorKind::NotFound => {
                    listing.faults.push((path, UNREADABLE));
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// The compressed sibling that `entry` is. Patterns that exclude the likes of `*.gz` mean that such files are no
    /// logs, so it is excluded only if it would be without its extension.
    fn packed(&self, directory: &Path, entry: &fs::DirEntry) -> Option<Found> {
        let name = entry.file_name();
        let plain = UNPACKED.iter().find_map(|extension| name.as_bytes().strip_suffix(*extension))?;
        let plain = OsStr::from_bytes(plain);
        let was = directory.join(plain);
        if self.is_excluded(&was) {
            return None;
        }
        let mut bases = self.bases(directory, plain);
        if self.is_included(&was) {
            bases.insert(0, was);
        }
        let path = directory.join(name);
        let metadata = fs::metadata(&path).ok().filter(|metadata| metadata.is_file() && !bases.is_empty())?;
        let (id, stamp) = (FileId::of(&metadata), Stamp::of(&metadata));
        Some(Found { path, id, stamp, included: false, bases })
    }

    fn is_included(&self, path: &Path) -> bool {
        self.include.is_match(path) && !self.is_excluded(path)
    }

    fn is_excluded(&self, path: &Path) -> bool {
        self.exclude.is_match(path) || path.file_name().is_some_and(|name| self.exclude_names.is_match(name))
    }

    /// The included paths that a file of this name may have been rotated away from.
    fn bases(&self, directory: &Path, name: &OsStr) -> Vec<PathBuf> {
        let mut bases: Vec<PathBuf> = former_names(name.as_bytes())
            .map(|name| directory.join(OsString::from_vec(name)))
            .filter(|path| self.is_included(path))
            .collect();
        bases.dedup();
        bases
    }
}

/// The names from which rotation makes `name`: without what follows a `.`, `-` or `_` (longest first), or
/// without what was inserted before the extension.
fn former_names(name: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let dot = name.iter().rposition(|byte| *byte == b'.').unwrap_or(name.len());
    let compressed = COMPRESSED.iter().any(|extension| name.get(dot + 1..) == Some(*extension));
    let (stem, extension) = name.split_at(dot);
    let last = if compressed { 0 } else { name.len().saturating_sub(1) };
    let cuts = move || (1..last).rev().filter(|at| matches!(name[*at], b'.' | b'-' | b'_'));
    let followed = cuts().map(|at| name[..at].to_vec());
    let inserted = cuts()
        .filter(move |at| extension.len() > 1 && at + 1 < stem.len())
        .map(move |at| [&name[..at], extension].concat());
    followed.chain(inserted)
}

/// Whether the name at `path` differs from that at `base` by a number or a date, as the names of rotated files do.
pub fn is_numbered(path: &Path, base: &Path) -> bool {
    let (path, base) = (path.as_os_str().as_bytes(), base.as_os_str().as_bytes());
    let same = path.iter().zip(base).take_while(|(left, right)| left == right).count();
    let first = path[same..].iter().find(|byte| !matches!(byte, b'.' | b'-' | b'_'));
    first.is_some_and(u8::is_ascii_digit)
}

fn set<'p>(patterns: impl Iterator<Item = &'p String>) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern).literal_separator(true).build()?);
    }
    set.build()
}

/// The pattern without `./` and doubled slashes, as the paths are that it is compared with.
fn normal(pattern: &str) -> String {
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let root = if pattern.starts_with('/') { "/" } else { "" };
    root.to_owned() + &parts.join("/")
}

fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', '{', '\\'])
}

/// The steps to the directories that can hold files which `pattern` names.
fn steps(pattern: &str) -> Result<Vec<Step>, globset::Error> {
    let mut parts: Vec<&str> = pattern.split('/').collect();
    // The last one is the name of the file, unless it may span directories.
    if parts.last().is_some_and(|last| *last != "**" && balanced(last)) {
        parts.pop();
    }
    let mut steps = Vec::new();
    for (at, part) in parts.into_iter().enumerate() {
        if at == 0 && part.is_empty() {
            steps.push(Step::Name("/".to_owned()));
        } else if is_literal(part) {
            steps.push(Step::Name(part.to_owned()));
        } else if part.contains("**") || !balanced(part) {
            steps.push(Step::Deep);
            break;
        } else {
            let glob = GlobBuilder::new(part).literal_separator(true).build()?;
            steps.push(Step::Matching(glob.compile_matcher()));
        }
    }
    Ok(steps)
}

/// Whether no brace is left open, so that a slash after `part` separates directories.
fn balanced(part: &str) -> bool {
    part.matches('{').count() == part.matches('}').count()
}

fn descend(
    directory: PathBuf,
    steps: &[Step],
    into: &mut BTreeSet<PathBuf>,
    faults: &mut Vec<(PathBuf, &'static str)>,
) {
    match steps.split_first() {
        None => drop(into.insert(directory)),
        Some((Step::Name(name), rest)) => descend(directory.join(name), rest, into, faults),
        Some((Step::Matching(glob), rest)) => {
            for entry in entries(&directory, faults) {
                let path = directory.join(entry.file_name());
                if glob.is_match(entry.file_name()) && path.is_dir() {
                    descend(path, rest, into, faults);
                }
            }
        }
        Some((Step::Deep, _)) => descend_everywhere(directory, DEPTH, into, faults),
    }
}

/// Adds `directory` and those below it; symbolic links are not followed, as they may lead in circles.
fn descend_everywhere(
    directory: PathBuf,
    depth: usize,
    into: &mut BTreeSet<PathBuf>,
    faults: &mut Vec<(PathBuf, &'static str)>,
) {
    if depth > 0 {
        for entry in entries(&directory, faults) {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                descend_everywhere(directory.join(entry.file_name()), depth - 1, into, faults);
            }
        }
    }
    into.insert(directory);
}

/// What is in `directory`; nothing while it does not exist.
fn entries(directory: &Path, faults: &mut Vec<(PathBuf, &'static str)>) -> Vec<fs::DirEntry> {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    match fs::read_dir(here) {
        Ok(entries) => entries.filter_map(Result::ok).collect(),
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                faults.push((directory.to_owned(), "directory_unreadable"));
            }
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_former(name: &str, wanted: &[&str]) {
        let names: Vec<String> =
            former_names(name.as_bytes()).map(|name| String::from_utf8(name).unwrap()).collect();
        assert_eq!(names, wanted);
    }

    #[test]
    fn rotated_names_lead_back_to_the_included_one() {
        check_former("app.log.1", &["app.log", "app", "app.1"]);
        check_former("app-20261120.log", &["app-20261120", "app", "app.log"]);
        check_former("app.log_old", &["app.log", "app"]);
    }

    #[test]
    fn compressed_files_and_bare_separators_lead_nowhere() {
        check_former("app.log.1.gz", &[]);
        check_former("app", &[]);
        check_former(".hidden", &[]);
        check_former("app.", &[]);
        check_former("", &[]);
    }

    #[test]
    fn rotated_names_are_numbered() {
        let is_numbered = |name: &str| is_numbered(Path::new(name), Path::new("/logs/app.log"));
        for name in
            ["/logs/app.log.1", "/logs/app.log-20261121.gz", "/logs/app.1.log", "/logs/app-2026-11-21.log"]
        {
            assert!(is_numbered(name), "{name}");
        }
        for name in ["/logs/app-debug.log", "/logs/app.error.log.1", "/logs/app.log.gz", "/logs/app.log"] {
            assert!(!is_numbered(name), "{name}");
        }
    }

    #[track_caller]
    fn check(include: &[&str], exclude: &[&str], wanted: &[&str]) {
        let root = tempfile::tempdir().unwrap();
        for path in ["a.log", "a.log.1", "b.txt", "c.log.gz", "x/d.log", "x/y/e.log", "z/d.log"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "line\n").unwrap();
        }
        let under = |pattern: &&str| format!("{}/{pattern}", root.path().display());
        let include: Vec<String> = include.iter().map(under).collect();
        let exclude: Vec<String> = exclude.iter().map(|pattern| (*pattern).to_owned()).collect();
        let listing = Patterns::new(&include, &exclude).unwrap().list();
        assert_eq!(listing.faults, []);
        let included: Vec<&str> = listing
            .found
            .iter()
            .filter(|found| found.included)
            .map(|found| found.path.strip_prefix(root.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(included, wanted);
    }

    #[test]
    fn glob_patterns_name_the_files_that_they_say() {
        check(&["a.log"], &[], &["a.log"]);
        check(&["*.log"], &[], &["a.log"]);
        check(&[".//./*"], &["*.gz", "*.1"], &["a.log", "b.txt"]);
        check(&["*/d.log"], &[], &["x/d.log", "z/d.log"]);
        check(&["*/d.log"], &["/**/z/*"], &["x/d.log"]);
        check(&["**/*.log"], &[], &["a.log", "x/d.log", "x/y/e.log", "z/d.log"]);
        check(&["x/**"], &[], &["x/d.log", "x/y/e.log"]);
        check(&["{x/y,z}/?.log"], &[], &["x/y/e.log", "z/d.log"]);
        check(&["missing/*.log", "[ab].{log,txt}"], &[], &["a.log", "b.txt"]);
    }

    #[test]
    fn relative_patterns_are_looked_for_where_the_program_was_started() {
        let listing = Patterns::new(&["./Cargo.toml".to_owned()], &[]).unwrap().list();
        assert_eq!(listing.found[0].path, Path::new("Cargo.toml"));
    }

    #[test]
    fn a_directory_is_a_fault_where_a_pattern_without_wildcards_names_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a.log")).unwrap();
        let faults = |pattern: &str| {
            let pattern = format!("{}/{pattern}", root.path().display());
            Patterns::new(&[pattern], &[]).unwrap().list().faults.len()
        };
        assert_eq!((faults("a.log"), faults("*.log")), (1, 0));
    }
}
