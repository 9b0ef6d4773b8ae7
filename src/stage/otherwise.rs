//! What becomes of an event that no rule or row of a table fits: the key `otherwise`.

use bumpalo::Bump;

use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};

/// The key.
pub(super) const OTHERWISE: Key = Key {
    name: "otherwise",
    wanted: "a text, or `drop`",
    required: false,
    help: "What `into` holds where nothing fits, instead of being missing; `drop` takes the event out of play.",
    default: None,
};

#[derive(Clone, Debug)]
pub(super) enum Otherwise {
    Missing,
    Text(Box<[u8]>),
    Drop,
}

impl Otherwise {
    /// Reads `otherwise`. The table of `keys` has it.
    pub(super) fn read(keys: &Mapping<'_>, faults: &mut Faults) -> Option<Otherwise> {
        if keys.key(OTHERWISE.name).is_none() {
            return Some(Otherwise::Missing);
        }
        let text = keys.text(OTHERWISE.name, faults)?;
        Some(match text.text.as_str() {
            "drop" => Otherwise::Drop,
            text => Otherwise::Text(text.as_bytes().into()),
        })
    }

    /// The value that stands in for a result; `None` where the event goes out of play.
    pub(super) fn value<'b>(&self, arena: &'b Bump) -> Option<Value<'b>> {
        match self {
            Otherwise::Missing => Some(Value::Missing),
            Otherwise::Text(text) => Some(Value::Text(arena.alloc_slice_copy(text))),
            Otherwise::Drop => None,
        }
    }
}
