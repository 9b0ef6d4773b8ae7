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
