//! A mapping read against the table of its keys: unknown, missing and empty keys are faults.

use super::fault::{Faults, did_you_mean, listed};
use super::node::{Node, NodeKind, shortened};
use super::place::{Place, Text};

/// One key of a mapping: what reads it, explains it and documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key itself.
    pub name: &'static str,
    /// What its value is, with an article: "a list of globs".
    pub wanted: &'static str,
    /// Whether the mapping is faulty without it.
    pub required: bool,
    /// What it is for, in one line, for the documentation.
    pub help: &'static str,
    /// What holds without it, for the documentation.
    pub default: Option<&'static str>,
}

/// A mapping whose keys were checked.
#[derive(Debug)]
pub struct Mapping<'n> {
    keys: Vec<&'static Key>,
    entries: &'n [(Text, Node)],
    place: Place,
}

impl<'n> Mapping<'n> {
    /// Checks the keys of a mapping against those of `tables`; `what` is what it describes: "counter". Nothing at
    /// all is a mapping without keys. Faults of single keys leave the others readable; `None` only where there is no mapping.
    pub fn read(
        node: &'n Node,
        what: &str,
        tables: &[&'static [Key]],
        faults: &mut Faults,
    ) -> Option<Mapping<'n>> {
        let keys: Vec<&'static Key> = tables.iter().copied().flatten().collect();
        let entries = match &node.kind {
            NodeKind::Map(entries) => entries.as_slice(),
            NodeKind::Null => &[],
            _ => {
                let help = format!("the keys of `{what}` are {}", listed(names(&keys)));
                return node.refuse(&format!("a mapping for `{what}`"), Some(help), faults);
            }
        };
        let mapping = Mapping { keys, entries, place: node.place };
        mapping.report_unknown(what, faults);
        mapping.report_missing(what, faults);
        Some(mapping)
    }

    /// The value of a key. `None` where the key is not written, or is required and has no value, which is a fault
    /// that was reported. An optional key without a value gives that [`Null`](NodeKind::Null).
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        let key = self.keys.iter().find(|key| key.name == name);
        debug_assert!(key.is_some(), "`{name}` is not in the table of keys");
        let (_, node) = self.entries.iter().find(|(text, _)| text.text == name)?;
        (!node.is_null() || !key.is_some_and(|key| key.required)).then_some(node)
    }

    /// The text of a key; where it is something else, a fault that says what the table wants.
    pub fn text(&self, name: &str, faults: &mut Faults) -> Option<&'n Text> {
        let wanted = self.keys.iter().find(|key| key.name == name).map_or("text", |key| key.wanted);
        self.get(name)?.text_of(wanted, faults)
    }

    /// The key as written.
    pub fn key(&self, name: &str) -> Option<&'n Text> {
        self.entries.iter().map(|(text, _)| text).find(|text| text.text == name)
    }

    /// Where the mapping stands.
    pub fn place(&self) -> Place {
        self.place
    }

    fn report_unknown(&self, what: &str, faults: &mut Faults) {
        for (text, node) in self.entries {
            let name = text.text.as_str();
            if names(&self.keys).any(|key| key == name) {
                continue;
            }
            let help = self
                .no_space(name)
                .or_else(|| did_you_mean(name, self.unwritten()))
                .or_else(|| self.torn_off(node))
                .unwrap_or_else(|| format!("the keys of `{what}` are {}", listed(names(&self.keys))));
            faults.add_with_help(text.place, format!("unknown key {} in `{what}`", shortened(name)), help);
        }
    }

    /// The keys that are not there, and may be meant by those that are unknown.
    fn unwritten(&self) -> impl Iterator<Item = &'static str> {
        names(&self.keys).filter(|key| self.key(key).is_none())
    }

    /// Help with `{name:x}`, which YAML reads as the key `name:x`.
    fn no_space(&self, name: &str) -> Option<String> {
        let (key, value) = name.split_once(':')?;
        names(&self.keys).any(|known| known == key).then(|| format!("write `{key}: {value}`, with a space"))
    }

    /// Help with `{help: one, two}`, which YAML reads as the text `one` and the key `two`.
    fn torn_off(&self, node: &Node) -> Option<String> {
        let (first, _) = self.entries.first()?;
        let in_braces = (first.place.line, first.place.column) != (self.place.line, self.place.column);
        let help = "in `{…}` a comma begins the next key: put a text that holds one in quotes";
        (in_braces && node.is_null()).then(|| help.to_owned())
    }

    /// Whether an unknown key is near to this one, so that the fault of that key says all.
    fn is_misspelt(&self, name: &'static str) -> bool {
        let unknown = self.entries.iter().map(|(text, _)| text.text.as_str());
        let mut unknown = unknown.filter(|word| names(&self.keys).all(|key| key != *word));
        unknown.any(|word| {
            self.no_space(word).is_some_and(|_| word.starts_with(&format!("{name}:")))
                || did_you_mean(word, self.unwritten()) == did_you_mean(name, [name])
        })
    }

    fn report_missing(&self, what: &str, faults: &mut Faults) {
        for key in self.keys.iter().filter(|key| key.required) {
            let Key { name, wanted, .. } = key;
            match self.entries.iter().find(|(text, _)| text.text == *name) {
                None if self.is_misspelt(name) => {}
                None => {
                    let help = format!("add `{name}:` with {wanted}");
                    faults.add_with_help(self.place, format!("missing key `{name}` in `{what}`"), help);
                }
                Some((text, node)) if node.is_null() => {
                    let help = format!("write {wanted} after `{name}:`");
                    faults.add_with_help(text.place, format!("`{name}` in `{what}` has no value"), help);
                }
                Some(_) => {}
            }
        }
    }
}

fn names(keys: &[&'static Key]) -> impl Iterator<Item = &'static str> {
    keys.iter().map(|key| key.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::parse;

    const fn key(name: &'static str, required: bool) -> Key {
        Key { name, wanted: "a word", required, help: "", default: None }
    }

    const KEYS: &[Key] = &[key("name", true), key("labels", false), key("value", false)];

    /// Checks the faults of a mapping read against [`KEYS`]: each `line:column: problem (help)`.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let mut faults = Faults::new();
        let file = faults.file("a.yaml", text);
        let node = parse(file, text, &|_| None, &mut faults).expect("a tree");
        Mapping::read(&node, "counter", &[KEYS], &mut faults);
        let found = faults.found().iter().map(|fault| {
            let Place { line, column, .. } = fault.place;
            format!("{line}:{column}: {} ({})", fault.problem, fault.help.as_deref().unwrap_or_default())
        });
        assert_eq!(found.collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn keys_of_the_table_are_well() {
        check("name: a\nvalue: b\n", &[]);
        check("name: a\nvalue:\n", &[]);
    }

    #[test]
    fn a_required_key_must_be_there_and_have_a_value() {
        check("value: b\n", &["1:1: missing key `name` in `counter` (add `name:` with a word)"]);
        check("value: b\nname:\n", &["2:1: `name` in `counter` has no value (write a word after `name:`)"]);
    }

    #[test]
    fn a_misspelt_key_is_one_fault() {
        check("nmae: a\n", &["1:1: unknown key `nmae` in `counter` (did you mean `name`?)"]);
        check("name: a\nlables: b\n", &["2:1: unknown key `lables` in `counter` (did you mean `labels`?)"]);
    }

    #[test]
    fn a_key_is_not_meant_where_it_is_there_already() {
        let help = "the keys of `counter` are `name`, `labels` and `value`";
        check("name: a\nnames: b\n", &[&format!("2:1: unknown key `names` in `counter` ({help})")]);
    }

    #[test]
    fn braces_that_are_read_otherwise_than_meant_are_explained() {
        check(
            "{name:a, value: b}",
            &["1:2: unknown key `name:a` in `counter` (write `name: a`, with a space)"],
        );
        let help = "in `{…}` a comma begins the next key: put a text that holds one in quotes";
        check("{name: a, b c, value: d}", &[&format!("1:11: unknown key `b c` in `counter` ({help})")]);
    }

    #[test]
    fn no_mapping_is_told_its_keys() {
        let help = "the keys of `counter` are `name`, `labels` and `value`";
        check("[name]", &[&format!("1:1: expected a mapping for `counter`, found a list ({help})")]);
    }
}
