//! `classify: {field: …, into: …, rules: …}`: the name of the first rule that matches.
//!
//! ```yaml
//! - classify:
//!     field: message
//!     into: reason
//!     rules: {timeout: 'timed? ?out', refused: 'connection (refused|reset)'}
//!     otherwise: other
//! ```
//!
//! A rule matches where its regular expression does, anywhere in the text. Where none matches, and where the field is
//! missing, `otherwise` is the result; `otherwise: drop` takes the event out of play, without it `into` is missing.
//!
//! All rules are tried at once. A text that a regex matches has one of its literals (`connection `, say), so one pass
//! for the literals of all rules leaves a few candidates, which are confirmed in their order. The rules without such
//! literals run together, as one automaton.

use std::sync::Arc;

use bumpalo::Bump;
use regex_automata::meta::{Cache, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::{Input, MatchKind, PatternSet};
use regex_syntax::hir::Hir;

use super::field::{FIELD, REQUIRED_INTO, Way};
use super::literals::Literals;
use super::otherwise::{OTHERWISE, Otherwise};
use super::{Kind, Stage};
use crate::model::event::Events;
use crate::model::field::Fields;
use crate::model::refused::Refusals;
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::{Node, NodeKind};
use crate::raw::place::Text;
use crate::raw::regex;
use crate::raw::required::Required;

pub(super) static KIND: Kind = Kind {
    name: "classify",
    help: "Names what a text says, by the first of many rules that matches.",
    example: "- classify:\n    field: message\n    into: reason\n    rules: {timeout: 'timed? ?out', refused: 'connection (refused|reset)'}\n    otherwise: other\n",
    keys: KEYS,
    build,
};

const KEYS: &[Key] = &[
    FIELD,
    REQUIRED_INTO,
    Key {
        name: "rules",
        wanted: "a mapping of names to regexes, such as `{timeout: 'timed? ?out'}`",
        required: true,
        help: "The names, and what each matches; the first that matches wins.",
        default: None,
    },
    OTHERWISE,
];

fn build(node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<Box<dyn Stage>> {
    let keys = Mapping::read(node, KIND.name, &[KEYS], faults)?;
    let way = Way::read(&keys, fields, faults);
    let rules = keys.get("rules").and_then(|node| read_rules(node, faults));
    let otherwise = Otherwise::read(&keys, faults);
    Some(Box::new(Classify { way: way?, otherwise: otherwise?, search: Search::new(Arc::new(rules?)) }))
}

fn read_rules(node: &Node, faults: &mut Faults) -> Option<Rules> {
    if matches!(node.kind, NodeKind::List(_)) {
        let help = "write one `name: 'regex'` a line, without dashes";
        faults.add_with_help(node.place, "expected a mapping of names to regexes, found a list", help);
        return None;
    }
    let entries = node.entries("a mapping of names to regexes", faults)?;
    if entries.is_empty() {
        let help = "add one, such as `timeout: 'timed? ?out'`";
        faults.add_with_help(node.place, "there are no rules to classify by", help);
        return None;
    }
    let read = |(name, node): &(Text, Node)| {
        let (regex, hir) = regex::read(node.text_of("a regex", faults)?, faults)?;
        Some(Rule { name: name.text.as_bytes().into(), regex, hir })
    };
    let read: Vec<_> = entries.iter().map(read).collect();
    let rules = Rules::new(read.into_iter().collect::<Option<Vec<_>>>()?);
    if rules.is_none() {
        let problem = format!("these {} rules are too large together", entries.len());
        faults.add_with_help(node.place, problem, "divide them between two `classify` stages");
    }
    rules
}

struct Rule {
    name: Box<[u8]>,
    regex: Regex,
    hir: Hir,
}

/// Rules without literals, as one regex.
struct Together {
    regex: Regex,
    /// The rules by the number of their pattern.
    rules: Vec<usize>,
}

impl Together {
    /// What its states may take: with less the automaton is built again and again for every text.
    const CACHE_BYTES: usize = 16 << 20;

    fn new(rules: Vec<(usize, Hir)>) -> Option<Together> {
        let config = Regex::config()
            .match_kind(MatchKind::All)
            .utf8_empty(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(Self::CACHE_BYTES))
            .hybrid_cache_capacity(Self::CACHE_BYTES);
        let (rules, syntax): (Vec<_>, Vec<_>) = rules.into_iter().unzip();
        let regex = Regex::builder().configure(config).build_many_from_hir(&syntax).ok()?;
        Some(Together { regex, rules })
    }
}

/// The rules in their order, shared by all workers; nothing in here changes.
struct Rules {
    names: Vec<Box<[u8]>>,
    regexes: Vec<Regex>,
    literals: Option<Literals>,
    together: Option<Together>,
}

impl Rules {
    /// `None` where the rules are too large together.
    fn new(rules: Vec<Rule>) -> Option<Rules> {
        let (mut literals, mut together) = (Vec::new(), Vec::new());
        for (at, rule) in rules.iter().enumerate() {
            match Required::of(&rule.hir) {
                Some(required) => literals.push((at, required)),
                None => together.push((at, rule.hir.clone())),
            }
        }
        let literals = if literals.is_empty() { None } else { Some(Literals::new(literals)?) };
        let together = if together.is_empty() { None } else { Some(Together::new(together)?) };
        let (names, regexes) = rules.into_iter().map(|rule| (rule.name, rule.regex)).unzip();
        Some(Rules { names, regexes, literals, together })
    }
}

/// The rules, with what one worker needs to try them.
struct Search {
    rules: Arc<Rules>,
    caches: Vec<Cache>,
    /// One bit for each rule: whether the text has one of its literals.
    candidates: Vec<u64>,
    together: Option<(Cache, PatternSet)>,
}

impl Search {
    fn new(rules: Arc<Rules>) -> Search {
        let caches = rules.regexes.iter().map(Regex::create_cache).collect();
        let candidates = vec![0; rules.regexes.len().div_ceil(64)];
        let patterns =
            |Together { regex, rules }: &Together| (regex.create_cache(), PatternSet::new(rules.len()));
        let together = rules.together.as_ref().map(patterns);
        Search { rules, caches, candidates, together }
    }

    /// The first rule that matches `text`.
    fn first(&mut self, text: &[u8]) -> Option<usize> {
        let by_literals = self.first_by_literals(text);
        let (Some(Together { regex, rules }), Some((cache, patterns))) =
            (&self.rules.together, &mut self.together)
        else {
            return by_literals;
        };
        if by_literals.is_some_and(|found| found < rules[0]) {
            return by_literals;
        }
        patterns.clear();
        regex.which_overlapping_matches_with(cache, &Input::new(text), patterns);
        let found = patterns.iter().next().map(|pattern| rules[pattern.as_usize()]);
        found.into_iter().chain(by_literals).min()
    }

    fn first_by_literals(&mut self, text: &[u8]) -> Option<usize> {
        let literals = self.rules.literals.as_ref()?;
        self.candidates.fill(0);
        // The first rule that needs no confirmation: those behind it are of no interest.
        let mut sure = usize::MAX;
        literals.find(text, |candidate| {
            if candidate.exact {
                sure = sure.min(candidate.rule);
            } else {
                self.candidates[candidate.rule / 64] |= 1 << (candidate.rule % 64);
            }
        });
        for (word, bits) in self.candidates.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                let rule = word * 64 + bits.trailing_zeros() as usize;
                if rule > sure {
                    return Some(sure);
                }
                let input = Input::new(text).earliest(true);
                if self.rules.regexes[rule].search_half_with(&mut self.caches[rule], &input).is_some() {
                    return Some(rule);
                }
                bits &= bits - 1;
            }
        }
        (sure != usize::MAX).then_some(sure)
    }
}

struct Classify {
    way: Way,
    otherwise: Otherwise,
    search: Search,
}

impl Stage for Classify {
    fn apply<'b>(&mut self, events: &mut Events<'b>, arena: &'b Bump, _: &mut Refusals) {
        events.retain(|row| {
            let found = self.way.text(row, arena).and_then(|text| self.search.first(text));
            let class = match found {
                Some(rule) => Some(Value::Text(arena.alloc_slice_copy(&self.search.rules.names[rule]))),
                None => self.otherwise.value(arena),
            };
            row[self.way.into.0] = class.unwrap_or_default();
            class.is_some()
        });
    }

    fn fork(&self, _: &Fields) -> Box<dyn Stage> {
        let search = Search::new(Arc::clone(&self.search.rules));
        Box::new(Classify { way: self.way, otherwise: self.otherwise.clone(), search })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::place::{FileId, Place};
    use crate::stage::tests::{check, through};
    use proptest::prelude::*;

    const STAGE: &str = "classify: {field: text, into: result, rules: {timeout: 'timed? ?out', refused: 'connection (refused|reset)', digits: '\\d{3}'}, otherwise: other}";

    #[test]
    fn the_first_rule_that_matches_names_the_text() {
        check(STAGE, "query timed out", Some("timeout"));
        check(STAGE, "connection reset, timeout", Some("timeout"));
        check(STAGE, "connection reset 500", Some("refused"));
        check(STAGE, "connection lost 500", Some("digits"));
        check(STAGE, "connection lost", Some("other"));
        assert_eq!(through(STAGE, Value::Integer(404)).value("result"), Value::Text(b"digits"));
        assert_eq!(through(STAGE, Value::Missing).value("result"), Value::Text(b"other"));
    }

    #[test]
    fn without_a_rule_that_matches_the_event_is_dropped_or_has_no_class() {
        let stage = "classify: {field: text, into: result, rules: {a: aa}, otherwise: drop}";
        assert!(through(stage, Value::Text(b"b")).is_dropped());
        assert!(through(stage, Value::Missing).is_dropped());
        assert!(!through(stage, Value::Text(b"aa")).is_dropped());
        check("classify: {field: text, into: result, rules: {a: aa}}", "b", None);
    }

    fn search(patterns: &[&str]) -> Search {
        let place = Place::whole(FileId(0));
        let rule = |pattern: &&str| {
            let text = Text { text: (*pattern).to_owned(), place, inside: None };
            let (regex, hir) = regex::read(&text, &mut Faults::new()).expect("a regex");
            Rule { name: text.text.as_bytes().into(), regex, hir }
        };
        Search::new(Arc::new(Rules::new(patterns.iter().map(rule).collect()).expect("small rules")))
    }

    const PATTERNS: [&str; 20] = [
        "ab",
        "abc",
        "^ab",
        "ba$",
        "(?i)AB",
        "(?i)ca+b",
        r"\bab\b",
        r"\d\d",
        "a.c",
        "[ab]{3}",
        "",
        "(ab|c.)a",
        "a?bc*a",
        "^$",
        "(?s)b.*c",
        "é",
        "(?i)É+a",
        "[^a-c]",
        "ab|[[:^ascii:]]",
        "(?:ab){2}",
    ];

    proptest! {
        #[test]
        fn trying_all_at_once_is_trying_each_in_order(
            chosen in proptest::collection::vec(0..PATTERNS.len(), 1..90),
            texts in proptest::collection::vec("[abcABC1 éÉ\n]{0,9}", 1..20),
        ) {
            let patterns: Vec<_> = chosen.into_iter().map(|at| PATTERNS[at]).collect();
            let mut search = search(&patterns);
            let regexes: Vec<_> = patterns.iter().map(|pattern| {
                ::regex::bytes::RegexBuilder::new(pattern).unicode(!pattern.is_ascii()).build().unwrap()
            }).collect();
            for text in texts {
                let expected = regexes.iter().position(|regex| regex.is_match(text.as_bytes()));
                prop_assert_eq!(search.first(text.as_bytes()), expected, "{:?} {:?}", text, patterns);
            }
        }
    }
}
