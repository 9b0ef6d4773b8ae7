//! `decode: {pattern: …}`: a line as nginx's `log_format` describes it, `$name` for each part that varies.
//!
//! ```yaml
//! decode:
//!   pattern: '$client - $user [$time] "$method $path $protocol" $status $bytes "$referer" "$agent" $seconds'
//! ```
//!
//! Each variable becomes a field of its name, which is the user's to choose; `$_` is not kept and may occur often.
//! A variable takes everything up to the next place where the text behind it stands, the last one everything up
//! to the end of the line or to the text that ends it. `${name}` is `$name` where a letter follows, `$$` a dollar.
//!
//! A variable between two `"` ends at a `"` that is not escaped by a backslash, as web servers write them; the
//! escapes stay in the value.

use bumpalo::Bump;

use super::{Decode, Kind, Skipping, Written};
use crate::base::bytes::{begins_with, find};
use crate::model::event::Events;
use crate::model::field::{Field, Fields, Path, Slot};
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::node::Node;
use crate::raw::place::Text;

pub(super) static KIND: Kind = Kind {
    name: "pattern",
    help: "A line as nginx's `log_format` describes it: `$name` for each field, the text between them as it is.",
    example: "decode:\n  pattern: '$client - $user [$time] \"$method $path $protocol\" $status $bytes'\n",
    keys: &[],
    read,
};

/// The name of variables that are not kept.
const UNUSED: &str = "_";

fn read(node: &Node, faults: &mut Faults) -> Option<Box<dyn Written>> {
    if node.is_null() {
        let help = "write for example `decode: {pattern: '$client [$time] $status'}`";
        faults.add_with_help(node.place, "`pattern` has no pattern", help);
        return None;
    }
    let text = node.text(faults)?;
    let before = faults.len();
    let parts = Parser { text, rest: &text.text, at: 0, parts: Vec::new() }.parse(faults);
    check(&parts, text, faults);
    (faults.len() == before).then(|| Box::new(Pattern { parts }) as Box<dyn Written>)
}

/// One part of a pattern.
#[derive(Debug)]
enum Part {
    /// Text that stands there.
    Literal(String),
    /// A variable, and where in the pattern it is written, in characters.
    Variable { name: String, at: usize, len: usize },
}

/// Takes a pattern apart.
struct Parser<'t> {
    text: &'t Text,
    rest: &'t str,
    /// How many characters of the text stand before `rest`.
    at: usize,
    parts: Vec<Part>,
}

impl<'t> Parser<'t> {
    fn parse(mut self, faults: &mut Faults) -> Vec<Part> {
        while let Some(first) = self.rest.chars().next() {
            if first != '$' {
                let end = self.rest.find('$').unwrap_or(self.rest.len());
                let literal = self.take(end);
                self.literal(literal);
            } else if self.rest.starts_with("$$") {
                self.take(2);
                self.literal("$");
            } else {
                self.variable(faults);
            }
        }
        self.parts
    }

    /// Splits off the next `len` bytes.
    fn take(&mut self, len: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(len);
        self.at += taken.chars().count();
        self.rest = rest;
        taken
    }

    fn literal(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Literal(literal)) => literal.push_str(text),
            _ => self.parts.push(Part::Literal(text.to_owned())),
        }
    }

    /// Reads `$name` or `${name}`.
    fn variable(&mut self, faults: &mut Faults) {
        let at = self.at;
        self.take(1);
        let braced = self.rest.starts_with('{');
        if braced {
            self.take(1);
        }
        let is_word = |next: char| next.is_ascii_alphanumeric() || next == '_';
        let name = self.take(self.rest.find(|next| !is_word(next)).unwrap_or(self.rest.len()));
        let closed = !braced || self.rest.starts_with('}');
        if braced && closed {
            self.take(1);
        }
        let place = self.text.part(at, self.at - at);
        if name.is_empty() {
            let help = "write `$$` where a dollar is meant";
            faults.add_with_help(place, "a name is wanted behind `$`", help);
        } else if name.starts_with(|first: char| first.is_ascii_digit()) {
            let help = "a name begins with a letter or `_`";
            faults.add_with_help(place, format!("`{name}` cannot be the name of a variable"), help);
        } else if !closed {
            faults.add_with_help(
                place,
                format!("`${{{name}` is not closed"),
                format!("write `$${{{name}}}`"),
            );
        }
        self.parts.push(Part::Variable { name: name.to_owned(), at, len: self.at - at });
    }
}

/// Reports what no line could fit, or could fit in more than one way.
fn check(parts: &[Part], text: &Text, faults: &mut Faults) {
    const HELP: &str = "write `$name` for each part of the line that varies";
    if parts.is_empty() {
        return faults.add_with_help(text.place, "the pattern is empty", HELP);
    }
    if !parts.iter().any(|part| matches!(part, Part::Variable { .. })) {
        return faults.add_with_help(text.place, "the pattern has no variable", HELP);
    }
    if let Some(at) = text.text.chars().position(|next| matches!(next, '\n' | '\r')) {
        let help = "write the pattern on one line, or behind `>-`";
        faults.add_with_help(text.part(at, 1), "the pattern holds a line break, which no line does", help);
    }
    for pair in parts.windows(2) {
        if let [Part::Variable { name: first, .. }, Part::Variable { name, at, len }] = pair
            && !first.is_empty()
            && !name.is_empty()
        {
            let problem =
                format!("nothing stands between `${first}` and `${name}`: where does `${first}` end?");
            let help = "put the text between them that is between them in the lines";
            faults.add_with_help(text.part(*at, *len), problem, help);
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for part in parts {
        let Part::Variable { name, at, len } = part else { continue };
        if name != UNUSED && !name.is_empty() && names.contains(&name.as_str()) {
            let help = "a part that is not needed may be called `$_`";
            faults.add_with_help(text.part(*at, *len), format!("`${name}` is in the pattern twice"), help);
        }
        names.push(name);
    }
}

/// A pattern whose variables have names of their own and text between them; there is at least one.
struct Pattern {
    parts: Vec<Part>,
}

impl Written for Pattern {
    fn known(&self) -> Option<Vec<String>> {
        let names = self.parts.iter().filter_map(|part| match part {
            Part::Variable { name, .. } if name != UNUSED => Some(name.clone()),
            _ => None,
        });
        Some(names.collect())
    }

    fn skipping(&self) -> Skipping {
        Skipping::Unrefused
    }

    fn bind(&self, fields: &Fields) -> Box<dyn Decode> {
        let slot = |name: &str| {
            let field = Field::Event(Path::of(name));
            fields.used().iter().position(|used| *used == field).map(Slot).filter(|_| name != UNUSED)
        };
        let mut start = "";
        let mut steps: Vec<Step> = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            let literal = |at: Option<usize>| match at.and_then(|at| self.parts.get(at)) {
                Some(Part::Literal(literal)) => literal.as_str(),
                _ => "",
            };
            let Part::Variable { name, .. } = part else { continue };
            let (before, behind) = (literal(at.checked_sub(1)), literal(Some(at + 1)));
            if steps.is_empty() {
                start = before;
            }
            let quoted = before.ends_with('"') && behind.starts_with('"');
            steps.push(Step { slot: slot(name), behind: behind.as_bytes().into(), quoted });
        }
        let last = steps.pop().expect("a pattern has a variable");
        Box::new(Line { start: start.as_bytes().into(), steps, last })
    }
}

/// One variable, and the text behind it.
struct Step {
    /// Where its value goes, if it is used.
    slot: Option<Slot>,
    behind: Box<[u8]>,
    /// Whether an escaped `"` is part of it.
    quoted: bool,
}

/// The decoder of one worker: the text that begins a line, and what follows.
struct Line {
    start: Box<[u8]>,
    /// All variables but the last; there is text behind each.
    steps: Vec<Step>,
    /// The last variable, and the text that ends the line.
    last: Step,
}

impl Decode for Line {
    fn decode<'b>(
        &mut self,
        records: &[&'b [u8]],
        _: &'b Bump,
        events: &mut Events<'b>,
        refused: &mut Refusals,
    ) {
        for (at, record) in records.iter().enumerate() {
            match self.fill(record, events.row_mut(at)) {
                Some(()) => events.admit(at),
                None => refused.count(Refused::NoMatch),
            }
        }
    }
}

impl Line {
    /// Fills a row; `None` where the record does not fit. The first end of each variable is the right one: from
    /// there everything that could follow a later end can follow too.
    fn fill<'b>(&self, record: &'b [u8], row: &mut [Value<'b>]) -> Option<()> {
        if !begins_with(record, &self.start) {
            return None;
        }
        let mut rest = &record[self.start.len()..];
        for step in &self.steps {
            let end = step.end(rest)?;
            step.store(&rest[..end], row);
            rest = &rest[end + step.behind.len()..];
        }
        let (value, end) = rest.split_at(rest.len().checked_sub(self.last.behind.len())?);
        if !begins_with(end, &self.last.behind) || (self.last.quoted && ends_in_escape(value)) {
            return None;
        }
        self.last.store(value, row);
        Some(())
    }
}

impl Step {
    /// How long the value is that `rest` begins with.
    fn end(&self, rest: &[u8]) -> Option<usize> {
        let (first, others) = self.behind.split_first()?;
        let mut at = 0;
        loop {
            at += find(*first, &rest[at..])?;
            if begins_with(&rest[at + 1..], others) && !(self.quoted && ends_in_escape(&rest[..at])) {
                return Some(at);
            }
            at += 1;
        }
    }

    fn store<'b>(&self, value: &'b [u8], row: &mut [Value<'b>]) {
        if let Some(slot) = self.slot {
            row[slot.0] = Value::Text(value);
        }
    }
}

/// Whether a backslash at the end of `value` escapes what follows: of two, the first escapes the second.
fn ends_in_escape(value: &[u8]) -> bool {
    value.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::trial;
    use super::*;

    /// What `fields` are of a record; `None` where it does not fit.
    #[track_caller]
    fn check(pattern: &str, record: &str, fields: &[(&str, &str)], fits: bool) {
        let written = trial::read(&format!("pattern: '{pattern}'"));
        let arena = Bump::new();
        let (names, values): (Vec<_>, Vec<_>) = fields.iter().copied().unzip();
        let found = trial::decode(&*written, &trial::fields(&names), record.as_bytes(), &arena);
        let wanted = values.iter().map(|value| Value::Text(value.as_bytes())).collect();
        assert_eq!(found, fits.then_some(wanted).ok_or(Some(Refused::NoMatch)), "{record:?}");
    }

    #[track_caller]
    fn check_fits(pattern: &str, record: &str, fields: &[(&str, &str)]) {
        check(pattern, record, fields, true);
    }

    #[track_caller]
    fn check_refused(pattern: &str, record: &str) {
        check(pattern, record, &[("a", "")], false);
    }

    const COMBINED: &str =
        r#"$client - $user [$time] "$method $path $protocol" $status $bytes "$referer" "$agent""#;

    #[test]
    fn a_combined_access_log_is_taken_apart() {
        let record =
            r#"10.0.0.1 - - [20/Nov/2026:14:03:21 +0000] "GET /a?b=c HTTP/1.1" 200 512 "-" "curl/8""#;
        let fields = [("status", "200"), ("agent", "curl/8"), ("path", "/a?b=c"), ("client", "10.0.0.1")];
        check_fits(COMBINED, record, &fields);
        check_fits(COMBINED, record, &[]);
    }

    #[test]
    fn a_variable_ends_at_the_first_place_where_it_can() {
        check_fits("$a $b", "1 2 3", &[("a", "1"), ("b", "2 3")]);
        check_fits("$a: $b", "x:y: z", &[("a", "x:y"), ("b", "z")]);
        check_fits("$a$$$b", "1$2", &[("a", "1"), ("b", "2")]);
        check_fits("<$a>", "<x>y>", &[("a", "x>y")]);
        check_fits("$a", "", &[("a", "")]);
        check_fits("[$a] $b", "[] ", &[("a", ""), ("b", "")]);
        check_fits("$${a}b$_ $_", "1b2 3", &[("a", "1")]);
        check_fits("é$a…", "é€…", &[("a", "€")]);
    }

    #[test]
    fn a_line_that_does_not_fit_is_refused() {
        check_refused("<$a>", "");
        check_refused("<$a>", "<");
        check_refused("<$a>", "a>");
        check_refused("<$a>", "<a> ");
        check_refused("<$a>$b", "<a");
        check_refused("$a|$b|$c", "1|2");
        check_refused("aa$a", "a");
        check_refused("$a,,", ",");
    }

    #[test]
    fn an_escaped_quote_does_not_end_a_quoted_variable() {
        check_fits(r#""$a" $b"#, r#""x \" y" 1"#, &[("a", r#"x \" y"#), ("b", "1")]);
        check_fits(r#""$a" $b"#, r#""x \\" y" 1"#, &[("a", r"x \\"), ("b", r#"y" 1"#)]);
        check_fits(r#""$a" $b"#, r#""x \x22 y" 1"#, &[("a", r"x \x22 y"), ("b", "1")]);
        check_fits(r#"$a "$b""#, r#"1 "x\"""#, &[("b", r#"x\""#)]);
        check_refused(r#"$b "$a""#, r#"1 "x\""#);
        check_refused(r#""$a" $b"#, r#""x\" 1"#);
        check_fits(r#"$a" $b"#, r#"x\" 1"#, &[("a", r"x\"), ("b", "1")]);
    }

    #[test]
    fn only_variables_with_names_are_known() {
        let known = trial::read("pattern: '$a $_ $b'").known();
        assert_eq!(known, Some(vec!["a".to_owned(), "b".to_owned()]));
    }

    #[track_caller]
    fn check_fault(pattern: &str, fault: &str) {
        assert_eq!(trial::faults(&format!("pattern: {pattern}")), [fault]);
    }

    #[test]
    fn faults_have_their_place() {
        check_fault(
            "'é $a$b'",
            "15: nothing stands between `$a` and `$b`: where does `$a` end? (put the text between them that is between them in the lines)",
        );
        check_fault("'$a $'", "14: a name is wanted behind `$` (write `$$` where a dollar is meant)");
        check_fault(
            "'$a $1b'",
            "14: `1b` cannot be the name of a variable (a name begins with a letter or `_`)",
        );
        check_fault(
            "'$a $b $a'",
            "17: `$a` is in the pattern twice (a part that is not needed may be called `$_`)",
        );
        let help = "(write `$name` for each part of the line that varies)";
        check_fault("''", &format!("10: the pattern is empty {help}"));
        check_fault("'a $$b'", &format!("10: the pattern has no variable {help}"));
        check_fault(
            "\"$a\\n\"",
            "10: the pattern holds a line break, which no line does (write the pattern on one line, or behind `>-`)",
        );
        check_fault("[a]", "10: expected text, found a list");
    }

    /// The regex that says the same as a pattern of these parts.
    fn regex(literals: &[String]) -> ::regex::bytes::Regex {
        let mut source = format!(r"(?s-u)\A{}", ::regex::escape(&literals[0]));
        for pair in literals.windows(2) {
            let quoted = pair[0].ends_with('"') && pair[1].starts_with('"');
            source += if quoted { r"((?:[^\\]|\\.)*?)" } else { "(.*?)" };
            source += &::regex::escape(&pair[1]);
        }
        ::regex::bytes::Regex::new(&(source + r"\z")).unwrap()
    }

    proptest! {
        #[test]
        fn any_pattern_can_be_read(pattern in "[$\\{\\}a1_ \"é]{0,12}") {
            let (file, mut faults) = (crate::raw::place::FileId(0), Faults::new());
            let place = crate::raw::place::Place::whole(file);
            let text = Text { text: pattern.clone(), place, inside: None };
            let kind = crate::raw::node::NodeKind::Scalar { text, plain: false, secret: false };
            let written = read(&Node { kind, place }, &mut faults);
            prop_assert_eq!(written.is_none(), !faults.is_empty());
        }

        #[test]
        fn any_bytes_can_be_decoded(record in proptest::collection::vec(any::<u8>(), 0..60)) {
            let written = trial::read("pattern: '$a \"$b\"$c-'");
            let arena = Bump::new();
            trial::decode(&*written, &trial::fields(&["a", "b", "c"]), &record, &arena).ok();
        }

        #[test]
        fn a_pattern_says_the_same_as_a_regex(
            first in "[a\" |]{0,2}",
            between in proptest::collection::vec("[a\" |\\\\]{1,2}", 0..4),
            last in "[a\" |]{0,2}",
            records in proptest::collection::vec("[a\"\\\\ |xé]{0,16}", 20),
        ) {
            let literals: Vec<_> = [first].into_iter().chain(between).chain([last]).collect();
            let names: Vec<_> = (1..literals.len()).map(|number| format!("v{number}")).collect();
            let mut pattern = literals[0].clone();
            for (name, literal) in names.iter().zip(&literals[1..]) {
                pattern += &format!("$${{{name}}}{literal}");
            }
            let written = trial::read(&format!("pattern: '{pattern}'"));
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let fields = trial::fields(&names);
            let regex = regex(&literals);
            for record in &records {
                let arena = Bump::new();
                let found = trial::decode(&*written, &fields, record.as_bytes(), &arena);
                let wanted = regex.captures(record.as_bytes()).map(|captures| {
                    captures.iter().skip(1).map(|group| Value::Text(group.unwrap().as_bytes())).collect()
                });
                prop_assert_eq!(found, wanted.ok_or(Some(Refused::NoMatch)), "{}", pattern);
            }
        }
    }
}
