//! A text → a regular expression, with the place of what is wrong in it.
//!
//! The syntax is that of Rust's `regex` crate. A pattern of ASCII characters matches bytes, so that `.` and `[^ ]`
//! also match what is not UTF-8; one with other characters matches Unicode.

use regex_automata::meta::{BuildError, Regex};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{ErrorKind, Hir};

use super::fault::Faults;
use super::place::Text;

/// The most bytes that a compiled regex may take.
const SIZE_LIMIT: usize = 10 << 20;

/// The regex that `pattern` is, and its syntax; a fault where it is none.
pub fn read(pattern: &Text, faults: &mut Faults) -> Option<(Regex, Hir)> {
    match compile(&pattern.text) {
        Ok(read) => Some(read),
        Err((at, problem)) => {
            let at = pattern.text.get(..at).map_or(0, |before| before.chars().count());
            faults.add(pattern.part(at, 1), format!("the regex is not valid: {problem}"));
            None
        }
    }
}

/// The regex that a pattern is, and its syntax, or the byte at which it is wrong and why.
pub fn compile(pattern: &str) -> Result<(Regex, Hir), (usize, String)> {
    let hir = parse(pattern)?;
    let config = Regex::config().utf8_empty(false).nfa_size_limit(Some(SIZE_LIMIT));
    match Regex::builder().configure(config).build_from_hir(&hir) {
        Ok(regex) => Ok((regex, hir)),
        Err(error) => Err((0, too_large(&error))),
    }
}

/// The syntax of a pattern, or the byte at which it is wrong and why.
pub fn parse(pattern: &str) -> Result<Hir, (usize, String)> {
    use regex_syntax::Error;
    let parser = ParserBuilder::new().utf8(false).unicode(!pattern.is_ascii()).build().parse(pattern);
    parser.map_err(|error| match error {
        Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
        Error::Translate(error) if *error.kind() == ErrorKind::UnicodeNotAllowed => {
            let why =
                "a pattern of ASCII characters matches bytes; write `(?u)` before what is to match Unicode";
            (error.span().start.offset, why.to_owned())
        }
        Error::Translate(error) => (error.span().start.offset, error.kind().to_string()),
        error => (0, error.to_string()),
    })
}

fn too_large(error: &BuildError) -> String {
    match error.size_limit() {
        Some(limit) => format!("compiled it would be larger than {limit} bytes"),
        None => error.to_string(),
    }
}
