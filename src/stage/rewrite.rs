//! `rewrite: {field: …, regex: …, with: …}`: replaces what a regular expression matches.
//!
//! ```yaml
//! - rewrite: {field: path, regex: '/\d+', with: '/:id'}
//! - rewrite: {field: host, regex: '^(?P<name>[^.]+)\..*', with: '$name', into: machine}
//! ```
//!
//! Every match is replaced, from left to right. In `with`, `$1` and `$name` stand for what a group matched, nothing
//! where it took no part, `${1}` where a letter, digit or `_` follows, and `$$` for a dollar. A field that is missing
//! stays missing; a number is taken as its text.

use std::ops::Range;

use bumpalo::Bump;
use regex_automata::meta::{Cache, Regex};
use regex_automata::util::captures::Captures;
use regex_automata::util::iter::Searcher;
use regex_automata::{Input, PatternID};
use regex_syntax::hir::Hir;

use super::field::{FIELD, INTO, Way};
use super::{Kind, Stage};
use crate::model::event::Events;
use crate::model::field::{Fields, Slot};
use crate::model::refused::Refusals;
use crate::model::value::Value;
use crate::raw::fault::{Faults, did_you_mean, listed};
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;
use crate::raw::place::Text;
use crate::raw::regex;
use crate::scanner::{self, Scanner};

pub(super) static KIND: Kind = Kind {
    name: "rewrite",
    help: "Replaces every match of a regular expression in a field.",
    example: "- rewrite: {field: path, regex: '/\\d+', with: '/:id'}\n",
    keys: KEYS,
    build,
};

const KEYS: &[Key] = &[
    FIELD,
    Key {
        name: "regex",
        wanted: "a regex",
        required: true,
        help: "What is replaced; every match of it.",
        default: None,
    },
    Key {
        name: "with",
        wanted: "a text (`''` removes what matches)",
        required: true,
        help: "What stands there instead; `$1` and `$name` are groups of the regex, `$$` is a dollar.",
        default: None,
    },
    INTO,
];

fn build(node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<Box<dyn Stage>> {
    let keys = Mapping::read(node, KIND.name, &[KEYS], faults)?;
    let way = Way::read(&keys, fields, faults);
    let regex = keys.text("regex", faults).and_then(|text| regex::read(text, faults));
    let with = keys.text("with", faults);
    let (regex, syntax) = regex?;
    let with = read_with(with?, &regex, faults)?;
    Some(Box::new(Rewrite { way: way?, search: Search::new(regex, syntax, with) }))
}

/// A part of what stands in place of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    /// What a group matched, by its index.
    Group(usize),
}

/// Reads `with`; every group that the regex does not have is a fault.
fn read_with(with: &Text, regex: &Regex, faults: &mut Faults) -> Option<Vec<Part>> {
    let text = with.text.as_str();
    let mut parts = Vec::new();
    let mut whole = true;
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$').map(|found| at + found) {
        push_text(&mut parts, &text[at..dollar]);
        let (name, end) = match reference(text, dollar) {
            Reference::Dollar => {
                push_text(&mut parts, "$");
                at = dollar + 2;
                continue;
            }
            Reference::Group(name, end) => (&text[name], end),
            Reference::None => {
                let place = with.part(text[..dollar].chars().count(), 1);
                let help = "a group is written `$1` or `$name`, a dollar `$$`";
                faults.add_with_help(place, "`$` is not followed by a group", help);
                (whole, at) = (false, dollar + 1);
                continue;
            }
        };
        match group(name, regex) {
            Ok(group) => parts.push(Part::Group(group)),
            Err(help) => {
                let len = text[dollar..end].chars().count();
                let place = with.part(text[..dollar].chars().count(), len);
                faults.add_with_help(place, format!("the regex has no group `{name}`"), help);
                whole = false;
            }
        }
        at = end;
    }
    push_text(&mut parts, &text[at..]);
    whole.then_some(parts)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(before)) => before.extend(text.bytes()),
        _ => parts.push(Part::Text(text.into())),
    }
}

/// What a dollar begins.
enum Reference {
    /// `$$`.
    Dollar,
    /// A group: where its name stands, and where the reference ends.
    Group(Range<usize>, usize),
    /// Nothing.
    None,
}

fn reference(text: &str, dollar: usize) -> Reference {
    let behind = &text[dollar + 1..];
    if behind.starts_with('$') {
        return Reference::Dollar;
    }
    let braced = behind.starts_with('{');
    let start = dollar + 1 + usize::from(braced);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let end = start + text.as_bytes()[start..].iter().take_while(|byte| is_name(byte)).count();
    match (end > start, braced, text[end..].starts_with('}')) {
        (true, false, _) => Reference::Group(start..end, end),
        (true, true, true) => Reference::Group(start..end, end + 1),
        _ => Reference::None,
    }
}

/// The index of a group by its number or name; help where there is none.
fn group(name: &str, regex: &Regex) -> Result<usize, String> {
    let info = regex.group_info();
    let found = match name.parse() {
        Ok(index) => (index < info.group_len(PatternID::ZERO)).then_some(index),
        Err(_) => info.to_index(PatternID::ZERO, name),
    };
    if let Some(index) = found {
        return Ok(index);
    }
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 && digits < name.len() {
        let (number, behind) = name.split_at(digits);
        return Err(format!("write `${{{number}}}{behind}` for group {number} followed by `{behind}`"));
    }
    let names = || info.pattern_names(PatternID::ZERO).flatten();
    if let Some(near) = did_you_mean(name, names()) {
        return Err(near);
    }
    let groups = info.group_len(PatternID::ZERO) - 1;
    Err(match (groups, names().next()) {
        (0, _) => "the regex has no groups: put what is wanted in round brackets, `(…)`".to_owned(),
        (_, Some(_)) => {
            format!("its groups are numbered from 1 to {groups}; those with names are {}", listed(names()))
        }
        (1, None) => "its only group is `$1`".to_owned(),
        _ => format!("its groups are numbered from 1 to {groups}"),
    })
}

/// What is replaced, and by what.
enum Search {
    Once(Once),
    All(Box<All>),
}

impl Search {
    fn new(regex: Regex, syntax: Hir, with: Vec<Part>) -> Search {
        let groups = with.iter().filter_map(|part| match part {
            Part::Group(group @ 1..) => Some(*group),
            Part::Group(0) | Part::Text(_) => None,
        });
        let mut groups: Vec<_> = groups.collect();
        groups.sort_unstable();
        groups.dedup();
        let slots: Vec<_> = groups.iter().enumerate().map(|(slot, group)| (*group, Slot(slot))).collect();
        match scanner::compile(&syntax, &slots) {
            Some(scanner) if groups.len() <= FEW_GROUPS => {
                Search::Once(Once { scanner, groups, syntax, regex, with, built: Vec::new() })
            }
            _ => Search::All(Box::new(All::new(regex, with))),
        }
    }

    fn fork(&self) -> Search {
        match self {
            Search::Once(once) => Search::new(once.regex.clone(), once.syntax.clone(), once.with.clone()),
            Search::All(all) => Search::All(Box::new(All::new(all.regex.clone(), all.with.clone()))),
        }
    }
}

/// So many groups can be wanted of a regex that a scanner matches.
const FEW_GROUPS: usize = 4;

/// A regex that matches at the start of a text or not at all, by one walk over it.
struct Once {
    scanner: Scanner,
    /// The groups that are wanted, in the order of the slots that the scanner puts them in.
    groups: Vec<usize>,
    syntax: Hir,
    regex: Regex,
    with: Vec<Part>,
    /// The new text while it is put together.
    built: Vec<u8>,
}

impl Once {
    /// `text` with its match replaced: itself if there is none.
    fn rewrite<'b>(&mut self, text: &'b [u8], arena: &'b Bump) -> &'b [u8] {
        let mut row = [Value::Missing; FEW_GROUPS];
        let Some(end) = self.scanner.fill(text, &mut row) else { return text };
        let part = |part: &'_ Part| match part {
            Part::Group(0) => &text[..end],
            Part::Group(group) => {
                match self.groups.iter().position(|wanted| wanted == group).map(|at| row[at]) {
                    Some(Value::Text(found)) => found,
                    _ => b"",
                }
            }
            Part::Text(_) => b"",
        };
        // A part of the text need not be copied.
        if let ([only @ Part::Group(_)], true) = (self.with.as_slice(), end == text.len()) {
            return part(only);
        }
        self.built.clear();
        for written in &self.with {
            match written {
                Part::Text(text) => self.built.extend_from_slice(text),
                Part::Group(_) => self.built.extend_from_slice(part(written)),
            }
        }
        self.built.extend_from_slice(&text[end..]);
        arena.alloc_slice_copy(&self.built)
    }
}

/// A regex of which every match is found.
struct All {
    regex: Regex,
    with: Vec<Part>,
    cache: Cache,
    captures: Captures,
    /// The new text while it is put together.
    built: Vec<u8>,
}

impl All {
    fn new(regex: Regex, with: Vec<Part>) -> All {
        let cache = regex.create_cache();
        let info = regex.group_info().clone();
        // Where the groups lie costs time, so it is only found out if they are wanted.
        let wants_groups = with.iter().any(|part| matches!(part, Part::Group(1..)));
        let captures = if wants_groups { Captures::all(info) } else { Captures::matches(info) };
        All { regex, with, cache, captures, built: Vec::new() }
    }

    /// `text` with every match replaced: itself if there is none.
    fn rewrite<'b>(&mut self, text: &'b [u8], arena: &'b Bump) -> &'b [u8] {
        let All { regex, with, cache, captures, built } = self;
        built.clear();
        let mut taken = 0;
        let mut matches = 0;
        let mut searcher = Searcher::new(Input::new(text));
        while let Some(found) = searcher.advance(|input| {
            regex.search_captures_with(cache, input, captures);
            Ok(captures.get_match())
        }) {
            built.extend_from_slice(&text[taken..found.start()]);
            for part in with.iter() {
                match part {
                    Part::Text(part) => built.extend_from_slice(part),
                    Part::Group(0) => built.extend_from_slice(&text[found.range()]),
                    Part::Group(group) => {
                        let range = captures.get_group(*group).map_or(0..0, |span| span.range());
                        built.extend_from_slice(&text[range]);
                    }
                }
            }
            taken = found.end();
            matches += 1;
        }
        if matches == 0 {
            return text;
        }
        built.extend_from_slice(&text[taken..]);
        arena.alloc_slice_copy(built)
    }
}

struct Rewrite {
    way: Way,
    search: Search,
}

impl Stage for Rewrite {
    fn apply<'b>(&mut self, events: &mut Events<'b>, arena: &'b Bump, _: &mut Refusals) {
        events.retain(|row| {
            let text = self.way.text(row, arena).map(|text| match &mut self.search {
                Search::Once(once) => once.rewrite(text, arena),
                Search::All(all) => all.rewrite(text, arena),
            });
            row[self.way.into.0] = text.map_or(Value::Missing, Value::Text);
            true
        });
    }

    fn fork(&self, _: &Fields) -> Box<dyn Stage> {
        Box::new(Rewrite { way: self.way, search: self.search.fork() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::tests::{check, through};
    use proptest::prelude::*;

    #[test]
    fn every_match_is_replaced() {
        let stage = r"rewrite: {field: text, regex: '/\d+', with: '/:id', into: result}";
        check(stage, "/users/12/orders/7", Some("/users/:id/orders/:id"));
        check(stage, "/users", Some("/users"));
        check(stage, "", Some(""));
        check("rewrite: {field: text, regex: '', with: '-', into: result}", "ab", Some("-a-b-"));
        check("rewrite: {field: text, regex: b, with: '', into: result}", "abba", Some("aa"));
    }

    #[test]
    fn groups_stand_for_what_they_matched() {
        let stage = r"rewrite: {field: text, regex: '(?P<host>\w+)\.(\w+)(x)?', with: '$2$$$host.${3}${2}1$0', into: result}";
        check(stage, "a.b, c.d", Some("b$a.b1a.b, d$c.d1c.d"));
    }

    #[test]
    fn a_field_is_rewritten_in_place_and_numbers_are_text() {
        let stage = "rewrite: {field: text, regex: '4', with: '5'}";
        assert_eq!(through(stage, Value::Integer(404)).value("text"), Value::Text(b"505"));
        assert_eq!(through(stage, Value::Missing).value("text"), Value::Missing);
    }

    #[test]
    fn bytes_that_are_not_text_are_kept() {
        let stage = r"rewrite: {field: text, regex: '\d', with: '.'}";
        assert_eq!(through(stage, Value::Text(b"\xff1\xfe")).value("text"), Value::Text(b"\xff.\xfe"));
    }

    proptest! {
        #[test]
        fn it_replaces_what_the_regex_crate_replaces(
            text in "[ab1\\-]{0,12}",
            pattern in proptest::sample::select(vec![
                "a", "(a)(b)?", "a*", "", "(?P<x>[ab]+)-|1", "b$", "^|a",
                "^(a*)", "^([ab]+)(-[^1]*)?", "^(a)(b)?", "^[ab]*-(.*)$",
            ]),
            with in proptest::sample::select(vec!["", "x", "$0", "<$0>$$", "${0}a", "$1", "$2", "$1-$2$1"]),
        ) {
            let expected = ::regex::bytes::Regex::new(pattern).unwrap();
            prop_assume!((expected.captures_len()..=2).all(|group| !with.contains(&format!("${group}"))));
            let expected = expected.replace_all(text.as_bytes(), with.as_bytes()).into_owned();
            let with = with.replace("$0", "${0}");
            let stage = format!("rewrite: {{field: text, regex: '{pattern}', with: '{with}'}}");
            let found = through(&stage, Value::Text(text.as_bytes())).value("text");
            prop_assert_eq!(found, Value::Text(&expected));
        }
    }
}
