//! `decode: {regex: …}`: the named groups of a regular expression become fields.
//!
//! ```yaml
//! decode:
//!   regex: '^(?P<time>\S+) (?P<level>[A-Z]+) (?P<service>\S+)'
//! ```
//!
//! The syntax is that of Rust's `regex` crate, matched anywhere in the record. A pattern of ASCII characters
//! matches bytes, so that `.` and `[^ ]` also match what is not UTF-8; one with other characters matches
//! Unicode. A group that took no part in the match is a missing field.

use bumpalo::Bump;
use regex_automata::meta::{BuildError, Cache, Regex};
use regex_automata::util::captures::Captures;
use regex_automata::util::syntax;

use super::{Decode, Kind, Written};
use crate::model::event::Events;
use crate::model::field::{Field, Fields, Path, Slot};
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::node::Node;

pub(super) static KIND: Kind = Kind {
    name: "regex",
    help: "The named groups of a regular expression become fields; a record that does not match is refused.",
    example: "decode:\n  regex: '^(?P<time>\\S+) (?P<level>[A-Z]+) (?P<message>.*)'\n",
    keys: &[],
    read,
};

fn read(node: &Node, faults: &mut Faults) -> Option<Box<dyn Written>> {
    if node.is_null() {
        faults.add_with_help(
            node.place,
            "`regex` has no pattern",
            "write `decode: {regex: '^(?P<level>\\w+) (?P<message>.*)'}`",
        );
        return None;
    }
    let pattern = node.text_of("a pattern", faults)?;
    let regex = match compile(&pattern.text) {
        Ok(regex) => regex,
        Err(error) => {
            let (at, problem) = explain(&error);
            let at = pattern.text.get(..at).map_or(0, |before| before.chars().count());
            faults.add(pattern.part(at, 1), format!("the regex is not valid: {problem}"));
            return None;
        }
    };
    Some(Box::new(Pattern { regex }))
}

fn compile(pattern: &str) -> Result<Regex, Box<BuildError>> {
    let syntax = syntax::Config::new().utf8(false).unicode(!pattern.is_ascii());
    let config = Regex::config().utf8_empty(false).nfa_size_limit(Some(10 << 20));
    Regex::builder().syntax(syntax).configure(config).build(pattern).map_err(Box::new)
}

/// The byte at which the pattern is wrong, and why.
fn explain(error: &BuildError) -> (usize, String) {
    use regex_syntax::Error;
    match error.syntax_error() {
        Some(Error::Parse(error)) => (error.span().start.offset, error.kind().to_string()),
        Some(Error::Translate(error)) => (error.span().start.offset, error.kind().to_string()),
        _ => match error.size_limit() {
            Some(limit) => (0, format!("compiled it would be larger than {limit} bytes")),
            None => (0, error.to_string()),
        },
    }
}

struct Pattern {
    regex: Regex,
}

impl Written for Pattern {
    fn known(&self) -> Option<Vec<String>> {
        let groups = self.regex.group_info().pattern_names(regex_automata::PatternID::ZERO);
        Some(groups.flatten().map(str::to_owned).collect())
    }

    fn bind(&self, fields: &Fields) -> Box<dyn Decode> {
        let info = self.regex.group_info();
        let groups = fields.used().iter().enumerate().filter_map(|(slot, field)| {
            let Field::Event(Path(steps)) = field else { return None };
            let [crate::model::field::Step::Key(name)] = steps.as_slice() else { return None };
            Some((info.to_index(regex_automata::PatternID::ZERO, name)?, Slot(slot)))
        });
        let groups: Vec<_> = groups.collect();
        let captures =
            if groups.is_empty() { Captures::matches(info.clone()) } else { Captures::all(info.clone()) };
        let cache = self.regex.create_cache();
        Box::new(Matcher { regex: self.regex.clone(), cache, captures, groups })
    }
}

/// A regex with what one worker needs to run it.
struct Matcher {
    regex: Regex,
    cache: Cache,
    captures: Captures,
    /// The groups that are wanted, by index, and where they go.
    groups: Vec<(usize, Slot)>,
}

impl Decode for Matcher {
    fn decode<'b>(
        &mut self,
        records: &[&'b [u8]],
        _: &'b Bump,
        events: &mut Events<'b>,
        refused: &mut Refusals,
    ) {
        for (at, record) in records.iter().enumerate() {
            self.regex.search_captures_with(&mut self.cache, &(*record).into(), &mut self.captures);
            if !self.captures.is_match() {
                refused.count(Refused::NoMatch);
                continue;
            }
            let row = events.row_mut(at);
            for (group, slot) in &self.groups {
                if let Some(span) = self.captures.get_group(*group) {
                    row[slot.0] = Value::Text(&record[span.range()]);
                }
            }
            events.admit(at);
        }
    }
}
