//! Nodes → texts, numbers, lists: each reader reports what it found and what it wanted.
//!
//! A reader returns `None` where it reported a fault, and where the node is [`Faulty`](NodeKind::Faulty) already;
//! the caller goes on with the next node, so that every fault is found.

use std::borrow::Cow;
use std::ops::{Bound, RangeBounds};
use std::slice;
use std::str::FromStr;
use std::time::Duration;

use super::fault::{Faults, did_you_mean, listed};
use super::node::{Node, NodeKind, shortened};
use super::place::Text;
use super::quantity;

/// One of several kinds, as written: `- counter: {…}`, or just `json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant<'n> {
    /// The name of the kind, one of those that were asked for.
    pub kind: &'static str,
    /// The kind as written.
    pub name: &'n Text,
    /// What belongs to it: nothing ([`Null`](NodeKind::Null), at the place of the name) where only the name is there.
    pub body: Cow<'n, Node>,
}

impl Node {
    /// Text of any style.
    pub fn text(&self, faults: &mut Faults) -> Option<&Text> {
        self.text_of("text", faults)
    }

    /// Text of any style. `what` says of what: "a glob".
    pub fn text_of(&self, what: &str, faults: &mut Faults) -> Option<&Text> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => self.refuse(what, None, faults),
        }
    }

    /// A finite number.
    pub fn number(&self, faults: &mut Faults) -> Option<f64> {
        self.plain("a number", faults)?
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .or_else(|| self.refuse("a number", None, faults))
    }

    /// A whole number in a range: `node.integer(1..=65_535_u16, faults)`.
    pub fn integer<I>(&self, range: impl RangeBounds<I>, faults: &mut Faults) -> Option<I>
    where
        I: FromStr + PartialOrd + ToString,
    {
        let wanted = format!("a whole number{}", range_words(&range));
        let integer = self.plain(&wanted, faults)?.parse().ok().filter(|integer| range.contains(integer));
        integer.or_else(|| self.refuse(&wanted, None, faults))
    }

    /// `true` or `false`.
    pub fn boolean(&self, faults: &mut Faults) -> Option<bool> {
        const WANTED: &str = "`true` or `false`";
        match self.plain(WANTED, faults)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => self.refuse(WANTED, None, faults),
        }
    }

    /// A duration such as `250ms`, `30s` or `1h30m`.
    pub fn duration(&self, faults: &mut Faults) -> Option<Duration> {
        let help = match self.scalar() {
            Some(text)
                if !text.is_empty()
                    && text.bytes().all(|byte| byte.is_ascii_digit())
                    && !self.is_secret() =>
            {
                format!("add a unit: `{text}ms`, `{text}s`, `{text}m`, `{text}h` or `{text}d`")
            }
            _ => "write for example `250ms`, `30s`, `5m`, `1h30m` or `1d`".to_owned(),
        };
        let duration = self.scalar().and_then(quantity::duration);
        duration.or_else(|| self.refuse("a duration", Some(help), faults))
    }

    /// A number of bytes such as `65536`, `64KiB` or `10kB`.
    pub fn bytes(&self, faults: &mut Faults) -> Option<u64> {
        let help = "write for example `65536`, `64KiB`, `1MiB`, `1GiB`, `10kB` or `1MB`";
        let bytes = self.scalar().and_then(quantity::bytes);
        bytes.or_else(|| self.refuse("a number of bytes", Some(help.to_owned()), faults))
    }

    /// One of several words, each with what it stands for. `what` is what they are: "start position".
    pub fn one_of<T: Clone>(
        &self,
        what: &str,
        words: &[(&'static str, T)],
        faults: &mut Faults,
    ) -> Option<T> {
        let names = || words.iter().map(|(name, _)| *name);
        let Some(written) = self.scalar() else {
            return self.refuse(
                &format!("a {what}"),
                Some(format!("write one of {}", listed(names()))),
                faults,
            );
        };
        if let Some((_, meant)) = words.iter().find(|(name, _)| *name == written) {
            return Some(meant.clone());
        }
        let mut help = format!("the known ones are {}", listed(names()));
        if self.is_secret() {
            return self.refuse(&format!("a {what}"), Some(help), faults);
        }
        if let Some(near) = did_you_mean(written, names()) {
            help = format!("{near}\n{help}");
        }
        faults.add_with_help(self.place, format!("unknown {what} {}", self.found()), help);
        None
    }

    /// A list. `what` says of what: "a list of globs".
    pub fn list(&self, what: &str, faults: &mut Faults) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::List(nodes) => Some(nodes),
            NodeKind::Scalar { .. } => {
                let help = "write one `- …` per line, or `[…, …]`".to_owned();
                self.refuse(what, Some(help), faults)
            }
            NodeKind::Map(_) => {
                self.refuse(what, Some("begin each entry with a dash: `- …`".to_owned()), faults)
            }
            _ => self.refuse(what, None, faults),
        }
    }

    /// A list, or what could be its only entry. `what` says of what: "a glob or a list of globs".
    pub fn list_or_one(&self, what: &str, faults: &mut Faults) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::List(nodes) => Some(nodes),
            NodeKind::Scalar { .. } | NodeKind::Map(_) => Some(slice::from_ref(self)),
            NodeKind::Null | NodeKind::Faulty => self.refuse(what, None, faults),
        }
    }

    /// The entries of a mapping whose keys are the user's. `what` says of what: "a mapping of fields to expressions".
    pub fn entries(&self, what: &str, faults: &mut Faults) -> Option<&[(Text, Node)]> {
        match &self.kind {
            NodeKind::Map(entries) => Some(entries),
            _ => self.refuse(what, None, faults),
        }
    }

    /// One of several kinds: a mapping of its name to what belongs to it, or the name alone. `what` is what they
    /// are kinds of: "stage".
    pub fn variant(&self, what: &str, kinds: &[&'static str], faults: &mut Faults) -> Option<Variant<'_>> {
        let (name, body) = match &self.kind {
            NodeKind::Scalar { text, secret: false, .. } => (text, Cow::Owned(Node::null(self.place))),
            NodeKind::Map(entries) => match entries.as_slice() {
                [(name, body)] => (name, Cow::Borrowed(body)),
                _ => return self.refuse_many(what, entries, kinds, faults),
            },
            _ => {
                let help = format!("write `kind: …`; the kinds are {}", listed(kinds.iter().copied()));
                return self.refuse(&format!("a {what}"), Some(help), faults);
            }
        };
        if let Some(kind) = kinds.iter().find(|kind| **kind == name.text) {
            return Some(Variant { kind, name, body });
        }
        let mut help = format!("the kinds are {}", listed(kinds.iter().copied()));
        if let Some(near) = did_you_mean(&name.text, kinds.iter().copied()) {
            help = format!("{near}\n{help}");
        }
        faults.add_with_help(name.place, format!("unknown kind of {what} {}", shortened(&name.text)), help);
        None
    }

    /// Reports a mapping that has not exactly one kind. Mostly it is what belongs to a kind, not indented.
    fn refuse_many<T>(
        &self,
        what: &str,
        entries: &[(Text, Node)],
        kinds: &[&'static str],
        faults: &mut Faults,
    ) -> Option<T> {
        let Some((second, _)) = entries.get(1) else {
            let help = format!("the kinds are {}", listed(kinds.iter().copied()));
            return self.refuse(&format!("a {what}"), Some(help), faults);
        };
        let first = entries.first().filter(|(name, _)| kinds.contains(&name.text.as_str()));
        let help = match first {
            Some((name, _)) if !kinds.contains(&second.text.as_str()) => {
                format!("indent what belongs to `{0}` deeper than `{0}`", name.text)
            }
            _ => format!("keep one of them; in a list, begin each {what} with a dash of its own"),
        };
        faults.add_with_help(
            second.place,
            format!("a {what} has one kind, found `{}` as well", second.text),
            help,
        );
        None
    }

    /// The text of a scalar.
    fn scalar(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(&text.text),
            _ => None,
        }
    }

    fn is_secret(&self) -> bool {
        matches!(self.kind, NodeKind::Scalar { secret: true, .. })
    }

    /// The text of a scalar without quotes; else a fault.
    fn plain(&self, wanted: &str, faults: &mut Faults) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, plain: true, .. } => Some(&text.text),
            NodeKind::Scalar { plain: false, .. } => {
                self.refuse(wanted, Some("write it without quotes".to_owned()), faults)
            }
            _ => self.refuse(wanted, None, faults),
        }
    }

    /// Reports what was wanted and what was found, unless the fault was reported already.
    pub(super) fn refuse<T>(&self, wanted: &str, help: Option<String>, faults: &mut Faults) -> Option<T> {
        if self.kind != NodeKind::Faulty {
            let problem = format!("expected {wanted}, found {}", self.found());
            match help {
                Some(help) => faults.add_with_help(self.place, problem, help),
                None => faults.add(self.place, problem),
            }
        }
        None
    }
}

/// " from 1 to 65535", or as much of it as there is.
fn range_words<I: ToString>(range: &impl RangeBounds<I>) -> String {
    let start = match range.start_bound() {
        Bound::Included(start) | Bound::Excluded(start) => format!(" from {}", start.to_string()),
        Bound::Unbounded => String::new(),
    };
    match range.end_bound() {
        Bound::Included(end) => format!("{start} to {}", end.to_string()),
        Bound::Excluded(end) => format!("{start} to less than {}", end.to_string()),
        Bound::Unbounded => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::parse;

    fn parsed(text: &str, faults: &mut Faults) -> Node {
        let file = faults.file("a.yaml", text);
        parse(file, text, &|name| (name == "SECRET").then(|| "s3cret".to_owned()), faults).expect("a tree")
    }

    /// Checks what a reader makes of a value: what it is, or its fault (and its help).
    #[track_caller]
    fn check<T: std::fmt::Debug>(
        text: &str,
        read: impl FnOnce(&Node, &mut Faults) -> Option<T>,
        expected: &str,
    ) {
        let mut faults = Faults::new();
        let node = parsed(text, &mut faults);
        let read = read(&node, &mut faults).map(|read| format!("{read:?}"));
        let fault = faults.found().first().map(|fault| match &fault.help {
            Some(help) => format!("{} ({help})", fault.problem),
            None => fault.problem.clone(),
        });
        assert_eq!(read.is_some(), fault.is_none(), "{text}");
        assert_eq!(read.or(fault).as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn numbers_are_finite_and_without_quotes() {
        check("-1.5e3", Node::number, "-1500.0");
        check("1e999", Node::number, "expected a number, found `1e999`");
        check("NaN", Node::number, "expected a number, found `NaN`");
        check("'1'", Node::number, "expected a number, found the text `1` (write it without quotes)");
        check("[1]", Node::number, "expected a number, found a list");
    }

    #[test]
    fn whole_numbers_say_their_range() {
        let port = |node: &Node, faults: &mut Faults| node.integer(1..=65_535_u16, faults);
        check("80", port, "80");
        check("0", port, "expected a whole number from 1 to 65535, found `0`");
        check("70000", port, "expected a whole number from 1 to 65535, found `70000`");
        check("1.5", port, "expected a whole number from 1 to 65535, found `1.5`");
        let below = |node: &Node, faults: &mut Faults| node.integer(0..10_u8, faults);
        check("10", below, "expected a whole number from 0 to less than 10, found `10`");
        let any = |node: &Node, faults: &mut Faults| node.integer::<i64>(.., faults);
        check("x", any, "expected a whole number, found `x`");
    }

    #[test]
    fn truth_is_one_of_two_words() {
        check("true", Node::boolean, "true");
        check("yes", Node::boolean, "expected `true` or `false`, found `yes`");
        check(
            "'true'",
            Node::boolean,
            "expected `true` or `false`, found the text `true` (write it without quotes)",
        );
    }

    #[test]
    fn a_duration_without_a_unit_is_asked_for_one() {
        check("1m30s", Node::duration, "90s");
        let help = "add a unit: `250ms`, `250s`, `250m`, `250h` or `250d`";
        check("250", Node::duration, &format!("expected a duration, found `250` ({help})"));
        check("64KiB", Node::bytes, "65536");
    }

    #[test]
    fn a_word_is_one_of_those_known() {
        let side =
            |node: &Node, faults: &mut Faults| node.one_of("side", &[("left", 1), ("right", 2)], faults);
        check("right", side, "2");
        check(
            "rigth",
            side,
            "unknown side `rigth` (did you mean `right`?\nthe known ones are `left` and `right`)",
        );
        check("[left]", side, "expected a side, found a list (write one of `left` and `right`)");
    }

    #[test]
    fn what_comes_from_the_environment_is_never_shown() {
        let side = |node: &Node, faults: &mut Faults| node.one_of("side", &[("left", 1)], faults);
        let found = "found other text, from the environment";
        check("${SECRET}", side, &format!("expected a side, {found} (the known ones are `left`)"));
        check("${SECRET}", Node::number, &format!("expected a number, {found}"));
        let kind = |node: &Node, faults: &mut Faults| node.variant("side", &["left"], faults).map(|_| ());
        check(
            "${SECRET}",
            kind,
            &format!("expected a side, {found} (write `kind: …`; the kinds are `left`)"),
        );
    }

    #[test]
    fn lists_take_a_dash_an_entry() {
        let len = |node: &Node, faults: &mut Faults| node.list("a list of sides", faults).map(<[Node]>::len);
        check("[a, b]", len, "2");
        check("a", len, "expected a list of sides, found `a` (write one `- …` per line, or `[…, …]`)");
        check(
            "{a: b}",
            len,
            "expected a list of sides, found a mapping (begin each entry with a dash: `- …`)",
        );
        let one = |node: &Node, faults: &mut Faults| node.list_or_one("sides", faults).map(<[Node]>::len);
        check("a", one, "1");
        check("[a, b]", one, "2");
    }

    #[test]
    fn a_kind_is_a_word_or_a_mapping_of_one() {
        let kind = |node: &Node, faults: &mut Faults| {
            let variant = node.variant("stage", &["keep", "drop"], faults)?;
            Some((variant.kind, variant.body.found()))
        };
        check("keep", kind, r#"("keep", "nothing")"#);
        check("keep: a", kind, r#"("keep", "`a`")"#);
        check(
            "kep: a",
            kind,
            "unknown kind of stage `kep` (did you mean `keep`?\nthe kinds are `keep` and `drop`)",
        );
        let keep_one = "keep one of them; in a list, begin each stage with a dash of its own";
        check(
            "{keep: a, drop: b}",
            kind,
            &format!("a stage has one kind, found `drop` as well ({keep_one})"),
        );
        let deeper = "indent what belongs to `keep` deeper than `keep`";
        check("keep:\nname: b", kind, &format!("a stage has one kind, found `name` as well ({deeper})"));
        check("{}", kind, "expected a stage, found a mapping (the kinds are `keep` and `drop`)");
    }

    #[test]
    fn what_is_faulty_already_is_passed_over_in_silence() {
        let mut faults = Faults::new();
        let node = parsed("[!x y]", &mut faults);
        let faulty = node.children().next().expect("an entry");
        assert_eq!(faulty.number(&mut faults), None);
        assert_eq!(faulty.text(&mut faults), None);
        assert_eq!(faulty.list("a list", &mut faults), None);
        assert_eq!(faulty.variant("stage", &["keep"], &mut faults), None);
        assert_eq!(faults.len(), 1);
    }
}
