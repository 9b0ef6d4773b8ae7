//! What a YAML file holds: a tree of texts, lists and mappings, each with its place.

use super::place::{Place, Text};

/// A value as written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What was written.
    pub kind: NodeKind,
    /// Where: the whole of a scalar, the bracket of a flow collection, the first key of a block mapping, the first
    /// dash of a block list. What comes through an alias stands where its anchor stands.
    pub place: Place,
}

/// The shapes of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// Nothing at all, `~` or `null`. Nothing after a key stands at the place of the key.
    Null,
    /// Text of any style.
    Scalar {
        /// The text.
        text: Text,
        /// Written without quotes, so it may be a number or a boolean.
        plain: bool,
        /// Holds something from the environment, perhaps a secret: messages never show it.
        secret: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written; no key twice, merge keys (`<<`) resolved.
    Map(Vec<(Text, Node)>),
    /// Something whose fault was reported when it was parsed. Every reader passes over it in silence.
    Faulty,
}

impl Node {
    /// Nothing, standing at `place`.
    pub fn null(place: Place) -> Node {
        Node { kind: NodeKind::Null, place }
    }

    /// Whether nothing was written.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, NodeKind::Null)
    }

    /// The values directly inside.
    pub fn children(&self) -> impl Iterator<Item = &Node> {
        let (list, map) = match &self.kind {
            NodeKind::List(nodes) => (nodes.as_slice(), [].as_slice()),
            NodeKind::Map(entries) => ([].as_slice(), entries.as_slice()),
            _ => ([].as_slice(), [].as_slice()),
        };
        list.iter().chain(map.iter().map(|(_, node)| node))
    }

    /// Appends the value as YAML, in one way of writing it: quotes, styles and spaces make no difference, so that
    /// values which mean the same are the same. What came from the environment is part of it.
    pub fn canonical(&self, into: &mut String) {
        self.write(&|text, _, into| canonical_text(text, into), into);
    }

    /// The same for a value in which whatever looks like a number is one: `1`, `1.0` and `+1` are the same.
    pub fn canonical_numbers(&self, into: &mut String) {
        let scalar = |text: &str, plain, into: &mut String| {
            let number = text.parse().ok().filter(|number: &f64| plain && number.is_finite());
            match number {
                Some(number) => into.push_str(&number.to_string()),
                None => canonical_text(text, into),
            }
        };
        self.write(&scalar, into);
    }

    /// Appends the value as YAML, with scalars as `scalar` writes them, which is told whether they have no quotes.
    fn write(&self, scalar: &dyn Fn(&str, bool, &mut String), into: &mut String) {
        match &self.kind {
            NodeKind::Null | NodeKind::Faulty => into.push('~'),
            NodeKind::Scalar { text, plain, .. } => scalar(&text.text, *plain, into),
            NodeKind::List(nodes) => {
                into.push('[');
                for node in nodes {
                    node.write(scalar, into);
                    into.push_str(", ");
                }
                into.push(']');
            }
            NodeKind::Map(entries) => {
                into.push('{');
                for (key, node) in entries {
                    canonical_text(&key.text, into);
                    into.push_str(": ");
                    node.write(scalar, into);
                    into.push_str(", ");
                }
                into.push('}');
            }
        }
    }

    /// What was found, for messages. What came from the environment is not shown: it may be a secret.
    pub fn found(&self) -> String {
        match &self.kind {
            NodeKind::Null => "nothing".to_owned(),
            NodeKind::Scalar { secret: true, .. } => "other text, from the environment".to_owned(),
            NodeKind::Scalar { text, .. } if text.text.is_empty() => "an empty text".to_owned(),
            NodeKind::Scalar { text, plain: true, .. } => shortened(&text.text),
            NodeKind::Scalar { text, plain: false, .. } => format!("the text {}", shortened(&text.text)),
            NodeKind::List(_) => "a list".to_owned(),
            NodeKind::Map(_) => "a mapping".to_owned(),
            NodeKind::Faulty => "something faulty".to_owned(),
        }
    }
}

/// Without quotes if nobody could take any part of it for something else.
fn canonical_text(text: &str, into: &mut String) {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-');
    if !text.is_empty() && text.bytes().all(bare) {
        into.push_str(text);
        return;
    }
    into.push('\'');
    into.push_str(&text.replace('\'', "\'\'"));
    into.push('\'');
}

/// The first line of a text in backquotes, cut where it is long.
pub(super) fn shortened(text: &str) -> String {
    const LEN_LIMIT: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    let start: String = line.chars().take(LEN_LIMIT).collect();
    if start.len() == text.len() { format!("`{start}`") } else { format!("`{start}…`") }
}
