//! `decode: {regex: …}`: the named groups of a regular expression become fields.
//!
//! ```yaml
//! decode:
//!   regex: '^(?P<time>\S+) (?P<level>[A-Z]+) (?P<service>\S+)'
//! ```
//!
//! `%{IP:client}` in a pattern is a grok pattern, put in before anything else ([`grok`](super::grok)); own ones are
//! defined beside the pattern:
//!
//! ```yaml
//! decode:
//!   regex:
//!     pattern: '^%{TIMESTAMP_ISO8601:time} %{LOGLEVEL:level} order %{ORDER:order}'
//!     patterns: {ORDER: '[A-Z]{2}\d+'}
//! ```
//!
//! The syntax is that of Rust's `regex` crate, matched anywhere in the record. A pattern of ASCII characters
//! matches bytes, so that `.` and `[^ ]` also match what is not UTF-8; one with other characters matches
//! Unicode. A group that took no part in the match is a missing field.

use bumpalo::Bump;
use regex_automata::meta::{Cache, Regex};
use regex_automata::util::captures::Captures;
use regex_syntax::hir::Hir;

use super::grok::{self, Expanded};
use super::{Decode, Kind, Skipping, Written};
use crate::model::event::Events;
use crate::model::field::{Field, Fields, Path, Slot};
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::{Node, NodeKind};
use crate::raw::place::Text;
use crate::raw::regex;
use crate::scanner::{self, Scanner};

pub(super) static KIND: Kind = Kind {
    name: "regex",
    help: "The named groups of a regular expression become fields; a record that does not match is refused.",
    example: "decode:\n  regex: '^(?P<time>\\S+) (?P<level>[A-Z]+) (?P<message>.*)'\n",
    keys: KEYS,
    read,
};

/// The keys of a regex that is more than a pattern.
static KEYS: &[Key] = &[
    Key {
        name: "pattern",
        wanted: "a regular expression, such as `'^%{IP:client} %{WORD:method}'`",
        required: true,
        help: "The expression, whose named groups and grok patterns become fields.",
        default: None,
    },
    Key {
        name: "patterns",
        wanted: "a mapping of names to expressions",
        required: false,
        help: "Grok patterns of your own, each a name for `%{NAME}` and its expression.",
        default: Some("{}"),
    },
];

fn read(node: &Node, faults: &mut Faults) -> Option<Box<dyn Written>> {
    if node.is_null() {
        faults.add_with_help(
            node.place,
            "`regex` has no pattern",
            "write `decode: {regex: '^(?P<level>\\w+) (?P<message>.*)'}`",
        );
        return None;
    }
    let before = faults.len();
    let (pattern, own) = match &node.kind {
        NodeKind::Map(_) => {
            let keys = Mapping::read(node, KIND.name, &[KEYS], faults)?;
            let pattern = keys.get("pattern").and_then(|node| node.text(faults));
            let own = keys.get("patterns").map_or(Vec::new(), |node| definitions(node, faults));
            (pattern, own)
        }
        _ => (node.text(faults), Vec::new()),
    };
    grok::check(&own, check_syntax, faults);
    let expanded = grok::expand(pattern?, &own, faults)?;
    if faults.len() > before {
        return None;
    }
    match regex::compile(&expanded.regex) {
        Ok((regex, syntax)) => Some(Box::new(Pattern { regex, syntax })),
        Err((at, problem)) => {
            faults.add(expanded.place(at), format!("the regex is not valid: {problem}"));
            None
        }
    }
}

/// The user's own patterns. One that is no text is reported and left out.
fn definitions<'n>(node: &'n Node, faults: &mut Faults) -> Vec<(&'n Text, &'n Text)> {
    let entries = node.entries("a mapping of names to expressions", faults).unwrap_or_default();
    entries.iter().filter_map(|(name, node)| Some((name, node.text(faults)?))).collect()
}

/// Reports an own pattern that is not a regex by itself.
fn check_syntax(expanded: &Expanded<'_>, faults: &mut Faults) {
    if let Err((at, problem)) = regex::parse(&expanded.regex) {
        faults.add(expanded.place(at), format!("the regex is not valid: {problem}"));
    }
}

struct Pattern {
    regex: Regex,
    syntax: Hir,
}

impl Written for Pattern {
    fn known(&self) -> Option<Vec<String>> {
        let groups = self.regex.group_info().pattern_names(regex_automata::PatternID::ZERO);
        Some(groups.flatten().map(str::to_owned).collect())
    }

    fn skipping(&self) -> Skipping {
        Skipping::Unrefused
    }

    fn bind(&self, fields: &Fields) -> Box<dyn Decode> {
        let info = self.regex.group_info();
        let groups = fields.used().iter().enumerate().filter_map(|(slot, field)| {
            let Field::Event(Path(steps)) = field else { return None };
            let [crate::model::field::Step::Key(name)] = steps.as_slice() else { return None };
            Some((info.to_index(regex_automata::PatternID::ZERO, name)?, Slot(slot)))
        });
        let groups: Vec<_> = groups.collect();
        if let Some(scanner) = scanner::compile(&self.syntax, &groups) {
            return Box::new(scanner);
        }
        let captures =
            if groups.is_empty() { Captures::matches(info.clone()) } else { Captures::all(info.clone()) };
        let cache = self.regex.create_cache();
        Box::new(Matcher { regex: self.regex.clone(), cache, captures, groups })
    }
}

impl Decode for Scanner {
    fn decode<'b>(
        &mut self,
        records: &[&'b [u8]],
        _: &'b Bump,
        events: &mut Events<'b>,
        refused: &mut Refusals,
    ) {
        for (at, record) in records.iter().enumerate() {
            match self.fill(record, events.row_mut(at)) {
                Some(_) => events.admit(at),
                None => refused.count(Refused::NoMatch),
            }
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::trial;
    use super::*;

    /// What the fields `a` and `b` of a record are; `None` where it does not match.
    #[track_caller]
    fn check(regex: &str, record: &[u8], expected: Option<[Value<'_>; 2]>) {
        let written = trial::read(&format!("regex: {regex}"));
        let arena = Bump::new();
        let found = trial::decode(&*written, &trial::fields(&["a", "b"]), record, &arena);
        let expected = expected.map(|values| values.to_vec()).ok_or(Some(Refused::NoMatch));
        assert_eq!(found, expected, "{}", record.escape_ascii());
    }

    #[test]
    fn named_groups_are_fields() {
        check(r"'(?P<a>\d+)(?<b>x)?'", b"..12x", Some([Value::Text(b"12"), Value::Text(b"x")]));
        check(r"'(?P<a>\d+)(?<b>x)?'", b"12", Some([Value::Text(b"12"), Value::Missing]));
        check(r"'^(?P<a>\d+)'", b" 12", None);
        check("'^(?P<a>.*)$'", b"\xff", Some([Value::Text(b"\xff"), Value::Missing]));
    }

    #[test]
    fn grok_patterns_are_fields() {
        let [address, seconds] = [Value::Text(b"10.0.0.1"), Value::Text(b"-1.5")];
        check("'^%{IP:a} .*%{NUMBER:b:float}$'", b"10.0.0.1 took -1.5", Some([address, Value::Text(b"5")]));
        check("'^%{IP:a} took %{NUMBER:b:float}$'", b"10.0.0.1 took -1.5", Some([address, seconds]));
        check("'^%{IP:a} took %{NUMBER:b:float}$'", b"10.0.0.256 took -1.5", None);
        check("'é %{WORD:a}'", "é x".as_bytes(), Some([Value::Text(b"x"), Value::Missing]));
    }

    #[test]
    fn own_patterns_stand_before_those_of_the_library() {
        let regex = r"{pattern: '^%{ORDER:a} %{IP:b}$', patterns: {ORDER: '%{REGION}\d+', REGION: 'EU|US', IPV4: 'x'}}";
        check(regex, b"US12 x", Some([Value::Text(b"US12"), Value::Text(b"x")]));
        check(regex, b"US12 10.0.0.1", None);
        check(regex, b"US12 ::1", Some([Value::Text(b"US12"), Value::Text(b"::1")]));
        check(regex, b"EU x", None);
    }

    #[test]
    fn a_type_changes_nothing() {
        assert_eq!(trial::read("regex: '%{INT:n:int}'").known(), Some(vec!["n".to_owned()]));
    }

    #[track_caller]
    fn check_fault(regex: &str, fault: &str) {
        assert_eq!(trial::faults(&format!("regex: {regex}")), [fault]);
    }

    #[test]
    fn faults_stand_where_they_are_written() {
        check_fault("'é(%{IP:a}'", "10: the regex is not valid: unclosed group");
        check_fault("'%{IP:a} +%{IP:a}'", "18: the regex is not valid: duplicate capture group name");
        check_fault("'%{IP:a} (?P<a>x)'", "21: the regex is not valid: duplicate capture group name");
        check_fault(
            "{pattern: x, patterns: {A: 'é['}}",
            "37: the regex is not valid: unclosed character class",
        );
        check_fault("'x%{IPX:a}'", "10: no pattern is called `IPX` (did you mean `IP`?)");
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_decoded(record in proptest::collection::vec(any::<u8>(), 0..60)) {
            let written = trial::read("regex: '%{IPORHOST:a}.%{QS:b}|(?P<c>%{TIMESTAMP_ISO8601})'");
            let arena = Bump::new();
            trial::decode(&*written, &trial::fields(&["a", "b", "c"]), &record, &arena).ok();
        }
    }
}
