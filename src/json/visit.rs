//! JSON as `serde_json` reads it, which says what is valid and what it means.

use std::fmt;

use bumpalo::Bump;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Invalid, Wanted};
use crate::model::value::Value;

/// Fills the row with what is wanted of `text`; an error where that is not one JSON document, whatever is wanted.
pub(super) fn fill<'b>(
    text: &'b [u8],
    wanted: &Wanted,
    row: &mut [Value<'b>],
    arena: &'b Bump,
) -> Result<(), Invalid> {
    let mut document = serde_json::Deserializer::from_slice(text);
    let fill = Fill { wanted, row, arena };
    fill.deserialize(&mut document).and_then(|()| document.end()).map_err(|_| Invalid)
}

/// Reads one JSON value into the row.
struct Fill<'w, 'r, 'b> {
    wanted: &'w Wanted,
    row: &'r mut [Value<'b>],
    arena: &'b Bump,
}

impl<'b> Fill<'_, '_, 'b> {
    fn put<E>(self, value: Value<'b>) -> Result<(), E> {
        if let Some(slot) = self.wanted.slot {
            self.row[slot.0] = value;
        }
        Ok(())
    }
}

impl<'b> DeserializeSeed<'b> for Fill<'_, '_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for Fill<'_, '_, 'b> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.put(Value::Missing)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<(), E> {
        self.put(Value::Bool(truth))
    }

    fn visit_i64<E>(self, whole: i64) -> Result<(), E> {
        self.put(Value::Integer(whole))
    }

    fn visit_u64<E>(self, whole: u64) -> Result<(), E> {
        self.put(i64::try_from(whole).map_or(Value::Float(whole as f64), Value::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.put(Value::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'b str) -> Result<(), E> {
        self.put(Value::Text(text.as_bytes()))
    }

    /// Text with escapes: what it stands for is not in the record, so it goes to the arena.
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let text = self.arena.alloc_slice_copy(text.as_bytes());
        self.put(Value::Text(text))
    }

    fn visit_map<M: MapAccess<'b>>(self, mut map: M) -> Result<(), M::Error> {
        let Fill { wanted, row, arena } = self;
        while let Some(key) = map.next_key_seed(Find(&wanted.keys))? {
            match key {
                None => {
                    map.next_value::<Skipped>()?;
                }
                Some(wanted) => {
                    wanted.clear(row);
                    map.next_value_seed(Fill { wanted, row, arena })?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'b>>(self, mut items: S) -> Result<(), S::Error> {
        let Fill { wanted, row, arena } = self;
        let mut at = 0;
        for (index, wanted) in &wanted.items {
            while at < *index {
                if items.next_element::<Skipped>()?.is_none() {
                    return Ok(());
                }
                at += 1;
            }
            if items.next_element_seed(Fill { wanted, row, arena })?.is_none() {
                return Ok(());
            }
            at += 1;
        }
        while items.next_element::<Skipped>()?.is_some() {}
        Ok(())
    }
}

/// A value that is only checked. `IgnoredAny` would allocate for every list and object, and would let pass texts
/// that are not UTF-8 and numbers that do not fit a float: whether a record is valid would depend on what is used.
struct Skipped;

impl<'b> Deserialize<'b> for Skipped {
    fn deserialize<D: Deserializer<'b>>(value: D) -> Result<Skipped, D::Error> {
        value.deserialize_any(Skipped)
    }
}

impl<'b> Visitor<'b> for Skipped {
    type Value = Skipped;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_str<E>(self, _: &str) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_map<M: MapAccess<'b>>(self, mut map: M) -> Result<Skipped, M::Error> {
        while map.next_entry::<Skipped, Skipped>()?.is_some() {}
        Ok(Skipped)
    }

    fn visit_seq<S: SeqAccess<'b>>(self, mut items: S) -> Result<Skipped, S::Error> {
        while items.next_element::<Skipped>()?.is_some() {}
        Ok(Skipped)
    }
}

/// Finds what is wanted of a key, without owning the key.
struct Find<'w>(&'w [(String, Wanted)]);

impl<'b, 'w> DeserializeSeed<'b> for Find<'w> {
    type Value = Option<&'w Wanted>;

    fn deserialize<D: Deserializer<'b>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl<'w> Visitor<'_> for Find<'w> {
    type Value = Option<&'w Wanted>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|(name, _)| name == key).map(|(_, wanted)| wanted))
    }
}
