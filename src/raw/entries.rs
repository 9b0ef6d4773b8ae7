//! The entries of a mapping while it is parsed: keys and values in turn, no key twice, merge keys resolved.

use std::collections::HashMap;

use super::fault::Faults;
use super::node::{Node, NodeKind};
use super::place::{Place, Text};

/// The entries of a mapping so far.
#[derive(Debug, Default)]
pub(super) struct Entries {
    entries: Vec<(Text, Node)>,
    /// Every key so far, and where it stands.
    seen: HashMap<String, Place>,
    /// The key whose value comes next.
    pending: Option<Key>,
    /// What the merge key `<<` holds.
    merged: Option<Node>,
}

/// A key that waits for its value.
#[derive(Debug)]
enum Key {
    Text(Text),
    /// `<<`.
    Merge(Place),
    /// Its fault is reported; the value is dropped.
    Unusable(Place),
}

impl Entries {
    /// Whether nothing was taken yet.
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.pending.is_none()
    }

    /// Whether the next node is a key.
    pub(super) fn expects_key(&self) -> bool {
        self.pending.is_none()
    }

    /// The place of the key whose value comes next.
    pub(super) fn pending_place(&self) -> Option<Place> {
        match self.pending.as_ref()? {
            Key::Text(text) => Some(text.place),
            Key::Merge(place) | Key::Unusable(place) => Some(*place),
        }
    }

    /// Takes the next key or value.
    pub(super) fn take(&mut self, node: Node, faults: &mut Faults) {
        match self.pending.take() {
            None => self.pending = Some(self.key(node, faults)),
            Some(Key::Text(key)) => self.entries.push((key, node)),
            Some(Key::Merge(_)) => self.merged = Some(node),
            Some(Key::Unusable(_)) => {}
        }
    }

    fn key(&mut self, node: Node, faults: &mut Faults) -> Key {
        let place = node.place;
        let (text, plain) = match node.kind {
            NodeKind::Scalar { text, plain, .. } => (text, plain),
            NodeKind::Faulty => return Key::Unusable(place),
            _ => {
                let help = "put a text that begins with `{` or `[` in quotes";
                faults.add_with_help(place, format!("a key is text, found {}", node.found()), help);
                return Key::Unusable(place);
            }
        };
        if plain && text.text.is_empty() {
            faults.add_with_help(place, "a key is missing before `:`", "an empty key is written `\"\"`");
            return Key::Unusable(place);
        }
        if let Some(first) = self.seen.get(&text.text) {
            let problem = format!("duplicate key `{}`", text.text);
            faults.add_with_help(place, problem, format!("it is already on line {}", first.line));
            return Key::Unusable(place);
        }
        self.seen.insert(text.text.clone(), place);
        if plain && text.text == "<<" { Key::Merge(place) } else { Key::Text(text) }
    }

    /// All entries, with those of the merge key behind: what is written itself wins over what is merged, and of
    /// several mappings that are merged the earlier wins.
    pub(super) fn finish(mut self, faults: &mut Faults) -> Vec<(Text, Node)> {
        match self.merged.take() {
            Some(Node { kind: NodeKind::List(nodes), .. }) => {
                nodes.into_iter().for_each(|node| self.merge(node, faults));
            }
            Some(node) => self.merge(node, faults),
            None => {}
        }
        self.entries
    }

    fn merge(&mut self, node: Node, faults: &mut Faults) {
        match node.kind {
            NodeKind::Map(entries) => {
                for (key, node) in entries {
                    if self.seen.insert(key.text.clone(), key.place).is_none() {
                        self.entries.push((key, node));
                    }
                }
            }
            NodeKind::Faulty => {}
            _ => {
                let problem = format!("`<<` takes a mapping or a list of mappings, found {}", node.found());
                faults.add_with_help(node.place, problem, "write `<<: *name` with the anchor of a mapping");
            }
        }
    }
}
