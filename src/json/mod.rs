//! JSON text → the fields that are wanted of it, straight into a row: no tree is built.
//!
//! Only what is wanted is looked at; the rest is checked to be JSON and skipped. Of a key that occurs twice the last
//! one counts. Null is a missing field, and so is an object or a list where a scalar was asked for.
//!
//! Most texts have a `shape` that was seen before, and of these only the values are read. All others go through
//! `scan`, and of what that is not sure, `serde_json` decides by way of `visit`.

mod scan;
mod shape;
mod span;
mod visit;

use bumpalo::Bump;

use self::shape::{Manner, Shapes};
use crate::model::field::{Field, Fields, Path, Slot, Step};
use crate::model::value::Value;

pub use span::elements;

/// Reads the fields of a pipeline that lie below some path.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    root: Wanted,
    /// The lists whose text is wanted, by the way to them.
    lists: Vec<(Vec<Step>, Slot)>,
    shapes: Shapes,
    /// Kept for its storage; empty between texts.
    steps: scan::Steps,
}

impl Reader {
    /// A reader of everything that is wanted below `path`: of the whole event if that is empty.
    pub fn new(fields: &Fields, path: &[Step]) -> Reader {
        let mut reader = Reader::default();
        for (slot, field) in fields.used().iter().enumerate() {
            match field {
                Field::Event(Path(steps)) => {
                    if let Some(steps) = steps.strip_prefix(path) {
                        reader.root.want(steps, Slot(slot));
                    }
                }
                Field::List(Path(steps)) => {
                    if let Some(steps) = steps.strip_prefix(path) {
                        reader.lists.push((steps.to_vec(), Slot(slot)));
                    }
                }
                Field::Source(_) | Field::SourceEntry(..) => {}
            }
        }
        reader
    }

    /// Reads one JSON text into `row`; an error where it is none, whatever of it is wanted. Fields that are not there
    /// are left as they are.
    pub fn read<'b>(
        &mut self,
        text: &'b [u8],
        row: &mut [Value<'b>],
        arena: &'b Bump,
    ) -> Result<(), Invalid> {
        let manner = self.shapes.manner();
        if manner == Manner::Plain || self.shapes.fill(text, row, arena).is_none() {
            self.read_unknown(text, row, arena, manner)?;
        }
        for (steps, slot) in &self.lists {
            row[slot.0] = match span::find(text, steps) {
                Some(b"null") | None => Value::Missing,
                Some(list) => Value::Text(list),
            };
        }
        Ok(())
    }

    /// Reads a text whose shape is not known.
    fn read_unknown<'b>(
        &mut self,
        text: &'b [u8],
        row: &mut [Value<'b>],
        arena: &'b Bump,
        manner: Manner,
    ) -> Result<(), Invalid> {
        self.steps.clear();
        let steps = (manner == Manner::Try).then_some(&mut self.steps);
        match scan::fill(text, &self.root, row, arena, steps) {
            Some(()) if manner == Manner::Try => self.shapes.learn(text, &self.steps),
            Some(()) => {}
            None => visit::fill(text, &self.root, row, arena)?,
        }
        Ok(())
    }

    /// Makes every field that is read missing.
    pub fn clear(&self, row: &mut [Value<'_>]) {
        self.root.clear(row);
        self.lists.iter().for_each(|(_, slot)| row[slot.0] = Value::Missing);
    }
}

/// A text that is not one JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// What is wanted of one JSON value: itself, some of its keys, some of its items.
#[derive(Clone, Debug, Default)]
struct Wanted {
    slot: Option<Slot>,
    keys: Vec<(String, Wanted)>,
    /// By ascending index.
    items: Vec<(usize, Wanted)>,
}

impl Wanted {
    const NOTHING: Wanted = Wanted { slot: None, keys: Vec::new(), items: Vec::new() };

    fn want(&mut self, steps: &[Step], slot: Slot) {
        let Some((first, rest)) = steps.split_first() else {
            self.slot = Some(slot);
            return;
        };
        match first {
            Step::Key(key) => child(&mut self.keys, key).want(rest, slot),
            Step::Index(index) => child(&mut self.items, index).want(rest, slot),
        }
        self.items.sort_by_key(|(index, _)| *index);
    }

    /// Forgets what an earlier value of the same key left in the row.
    fn clear(&self, row: &mut [Value<'_>]) {
        self.each_slot(&mut |slot| row[slot.0] = Value::Missing);
    }

    fn each_slot(&self, visit: &mut dyn FnMut(Slot)) {
        if let Some(slot) = self.slot {
            visit(slot);
        }
        self.keys.iter().for_each(|(_, wanted)| wanted.each_slot(visit));
        self.items.iter().for_each(|(_, wanted)| wanted.each_slot(visit));
    }
}

fn child<'w, N: Clone + PartialEq>(children: &'w mut Vec<(N, Wanted)>, name: &N) -> &'w mut Wanted {
    let at = children.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
        children.push((name.clone(), Wanted::default()));
        children.len() - 1
    });
    &mut children[at].1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A reader of six fields.
    pub(super) fn reader() -> Reader {
        let key = |key: &str| Step::Key(key.to_owned());
        let mut fields = Fields::new(None, &[]);
        for path in [
            vec![key("a")],
            vec![key("b"), key("a")],
            vec![key("b"), key("b")],
            vec![key("c"), Step::Index(1)],
            vec![key("c"), Step::Index(2), key("a")],
            vec![key("b")],
        ] {
            fields.slot(Field::Event(Path(path)));
        }
        Reader::new(&fields, &[])
    }

    fn scalar() -> impl Strategy<Value = String> {
        prop_oneof![
            "true|false|null|tru|nul",
            "-?(0|[1-9][0-9]{0,19})",
            "-?[0-9]{1,17}[.][0-9]{0,17}",
            "-?[0-9]{1,3}([.][0-9]{1,2})?[eE][-+]?[0-9]{0,3}",
            "\"[a-z \u{e9}]{0,20}\"",
            r#""([ab"\\/]|\\[bfnrt"\\/]|\\u[0-9a-fA-F]{4}|\\ud83d\\ude00){0,4}""#,
            "[ -~]{0,3}",
        ]
    }

    /// Texts that are JSON, or nearly so.
    pub(super) fn json() -> impl Strategy<Value = String> {
        let space = || "[ \t\n]{0,2}";
        let spaced =
            (space(), scalar(), space()).prop_map(|(before, scalar, after)| before + &scalar + &after);
        spaced.prop_recursive(5, 40, 5, move |inner| {
            let member = ("\"([abc]|[abc]{2}|\\\\u0061)\"", inner.clone());
            let list =
                proptest::collection::vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(",")));
            let object = proptest::collection::vec(member, 0..5).prop_map(|members| {
                let members: Vec<_> =
                    members.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            });
            (space(), prop_oneof![list, object.clone(), object], space())
                .prop_map(|(before, value, after)| before + &value + &after)
        })
    }
}
