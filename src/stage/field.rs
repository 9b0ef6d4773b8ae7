//! The fields that stages read and write, as their keys `field` and `into` name them.

use bumpalo::Bump;

use crate::expr;
use crate::model::field::{Field, Fields, Path, Slot};
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::place::Text;

/// The key of the field that a stage reads.
pub(super) const FIELD: Key = Key {
    name: "field",
    wanted: "a field, such as `path` or `user.id`",
    required: true,
    help: "The field whose text is looked at.",
    default: None,
};

/// The key of the field that a stage writes.
pub(super) const INTO: Key = Key {
    name: "into",
    wanted: "the name of a field",
    required: false,
    help: "The field that takes the result; without it `field` itself is changed.",
    default: None,
};

/// The same key where it must be written.
pub(super) const REQUIRED_INTO: Key =
    Key { required: true, help: "The field that takes the result.", ..INTO };

/// From which field to which a stage goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) from: Slot,
    pub(super) into: Slot,
}

impl Way {
    /// Reads `field` and `into`. The table of `keys` has both.
    pub(super) fn read(keys: &Mapping<'_>, fields: &mut Fields, faults: &mut Faults) -> Option<Way> {
        let written = keys.text(FIELD.name, faults);
        let from = written.and_then(|text| expr::compile_field(text, fields, faults));
        if keys.key(INTO.name).is_some() {
            let into = keys.text(INTO.name, faults).and_then(|text| target(text, fields, faults));
            return Some(Way { from: from?, into: into? });
        }
        let from = from?;
        if let (Some(Field::Source(name)), Some(text)) = (fields.used().get(from.0), written) {
            let problem = format!("`{name}` belongs to the source and cannot be changed");
            faults.add_with_help(text.place, problem, "add `into:` with the name of a new field");
            return None;
        }
        Some(Way { from, into: from })
    }

    /// The text of the field that is read, as a label would show it; `None` where it is missing.
    pub(super) fn text<'b>(self, row: &[Value<'b>], arena: &'b Bump) -> Option<&'b [u8]> {
        match expr::spell(row[self.from.0], arena) {
            Ok(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// The slot of a field that a stage writes, by its name, which is known from here on.
pub(super) fn target(name: &Text, fields: &mut Fields, faults: &mut Faults) -> Option<Slot> {
    let valid = name.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let own = fields.source_names().iter().any(|own| own.split('.').next() == Some(&name.text));
    if !valid {
        let problem =
            format!("`{}` cannot be set, a plain name such as `latency_seconds` is wanted", name.text);
        faults.add(name.place, problem);
    } else if own {
        let problem = format!("`{}` belongs to the source and cannot be set", name.text);
        faults.add_with_help(name.place, problem, "choose another name");
    }
    fields.learn(&name.text);
    let slot = fields.slot(Field::Event(Path::of(&name.text)));
    (valid && !own).then_some(slot)
}
