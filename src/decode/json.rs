//! `decode: json`: one JSON object a record.
//!
//! Only the fields that the pipeline uses are looked at; the rest is checked to be JSON and skipped. A record
//! that is not one whole, valid object contributes nothing. Of a key that occurs twice the last one counts.
//! Null is a missing field, and so is an object or a list where a scalar was asked for.

use std::fmt;

use bumpalo::Bump;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Decode, Kind, Written};
use crate::model::event::Events;
use crate::model::field::{Field, Fields, Path, Slot, Step};
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::node::Node;

pub(super) static KIND: Kind = Kind {
    name: "json",
    help: "One JSON object a record; fields by path, such as `user.id` or `items[0].sku`.",
    example: "decode: json\n",
    keys: &[],
    read: |node: &Node, faults: &mut Faults| {
        super::no_options(KIND.name, node, faults)?;
        Some(Box::new(Json))
    },
};

struct Json;

impl Written for Json {
    fn known(&self) -> Option<Vec<String>> {
        None
    }

    fn bind(&self, fields: &Fields) -> Box<dyn Decode> {
        let mut root = Wanted::default();
        for (slot, field) in fields.used().iter().enumerate() {
            if let Field::Event(Path(steps)) = field {
                root.want(steps, Slot(slot));
            }
        }
        Box::new(Documents { root })
    }
}

/// What is wanted of one JSON value: itself, some of its keys, some of its items.
#[derive(Debug, Default)]
struct Wanted {
    slot: Option<Slot>,
    keys: Vec<(String, Wanted)>,
    /// By ascending index.
    items: Vec<(usize, Wanted)>,
}

impl Wanted {
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
        if let Some(slot) = self.slot {
            row[slot.0] = Value::Missing;
        }
        self.keys.iter().for_each(|(_, wanted)| wanted.clear(row));
        self.items.iter().for_each(|(_, wanted)| wanted.clear(row));
    }
}

fn child<'w, N: Clone + PartialEq>(children: &'w mut Vec<(N, Wanted)>, name: &N) -> &'w mut Wanted {
    let at = children.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
        children.push((name.clone(), Wanted::default()));
        children.len() - 1
    });
    &mut children[at].1
}

/// The decoder of one worker.
struct Documents {
    root: Wanted,
}

impl Decode for Documents {
    fn decode<'b>(
        &mut self,
        records: &[&'b [u8]],
        arena: &'b Bump,
        events: &mut Events<'b>,
        refused: &mut Refusals,
    ) {
        for (at, record) in records.iter().enumerate() {
            if !matches!(record.trim_ascii_start().first(), Some(b'{')) {
                refused.count(not_an_object(record));
                continue;
            }
            let mut document = serde_json::Deserializer::from_slice(record);
            let fill = Fill { wanted: &self.root, row: events.row_mut(at), arena };
            match fill.deserialize(&mut document).and_then(|()| document.end()) {
                Ok(()) => events.admit(at),
                Err(_) => refused.count(Refused::InvalidJson),
            }
        }
    }
}

fn not_an_object(record: &[u8]) -> Refused {
    match serde_json::from_slice::<IgnoredAny>(record) {
        Ok(_) => Refused::NotAnObject,
        Err(_) => Refused::InvalidJson,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 5] = ["a", "u.id", "items[1].sku", "items[0].sku", "deep"];

    fn fields() -> Fields {
        let key = |key: &str| Step::Key(key.to_owned());
        let sku = |index| vec![key("items"), Step::Index(index), key("sku")];
        let mut fields = Fields::new(None, &[]);
        for (path, name) in [vec![key("a")], vec![key("u"), key("id")], sku(1), sku(0), vec![key("deep")]]
            .into_iter()
            .zip(PATHS)
        {
            assert_eq!(Path(path.clone()).to_string(), name);
            fields.slot(Field::Event(Path(path)));
        }
        fields
    }

    #[track_caller]
    fn check(record: &str, expected: Result<[Value<'_>; 5], Refused>) {
        check_bytes(record.as_bytes(), expected);
    }

    #[track_caller]
    fn check_bytes(record: &[u8], expected: Result<[Value<'_>; 5], Refused>) {
        let text = String::from_utf8_lossy(record);
        let arena = Bump::new();
        let mut events = Events::new(5);
        let mut refused = Refusals::default();
        events.reset(1);
        Json.bind(&fields()).decode(&[record], &arena, &mut events, &mut refused);
        match expected {
            Ok(values) => assert_eq!(events.iter().next().map(<[_]>::to_vec), Some(values.to_vec())),
            Err(reason) => {
                assert_eq!(events.live(), 0, "{text}");
                assert_eq!(refused.iter().collect::<Vec<_>>(), [(reason, 1)], "{text}");
            }
        }
    }

    const NONE: [Value<'static>; 5] = [Value::Missing; 5];

    fn text(text: &str) -> Value<'_> {
        Value::Text(text.as_bytes())
    }

    #[test]
    fn fields_are_found_by_path() {
        let record = r#" {"x":[1,{"a":2}],"a":1,"items":[{"sku":"p"},{"no":0,"sku":"q"},{"sku":"r"}],"u":{"id":"é\n","name":"a"}} "#;
        check(record, Ok([Value::Integer(1), text("é\n"), text("q"), text("p"), Value::Missing]));
    }

    #[test]
    fn what_is_not_there_is_missing() {
        check("{}", Ok(NONE));
        check(r#"{"a":null,"u":7,"items":[{"sku":[1]}],"deep":{"a":1}}"#, Ok(NONE));
    }

    #[test]
    fn numbers_and_truths_keep_their_type() {
        for (json, value) in [
            ("true", Value::Bool(true)),
            ("-9223372036854775808", Value::Integer(i64::MIN)),
            ("9223372036854775808", Value::Float(9_223_372_036_854_775_808.0)),
            ("1.0", Value::Float(1.0)),
            ("\"\"", text("")),
        ] {
            check(
                &format!(r#"{{"a":{json}}}"#),
                Ok([value, Value::Missing, Value::Missing, Value::Missing, Value::Missing]),
            );
        }
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        check(
            r#"{"u":{"id":1},"a":1,"u":{},"a":2}"#,
            Ok([Value::Integer(2), Value::Missing, Value::Missing, Value::Missing, Value::Missing]),
        );
    }

    #[test]
    fn what_is_not_one_whole_object_is_refused() {
        for record in [
            "",
            "x",
            "{",
            r#"{"a":1"#,
            r#"{"a":1}}"#,
            r#"{"a":1} {}"#,
            r#"{"a":1e999}"#,
            "{\"a\":\"\x01\"}",
            "[1",
            "{'a':1}",
            r#"{"unused":1e999}"#,
            r#"{"unused":[{"b":"\x"}]}"#,
        ] {
            check(record, Err(Refused::InvalidJson));
        }
        check_bytes(b"{\"unused\":\"\xff\"}", Err(Refused::InvalidJson));
        for record in ["[]", "1", "null", "\"a\""] {
            check(record, Err(Refused::NotAnObject));
        }
        let deep = format!("{}{}", r#"{"deep":"#.repeat(100_000), "}".repeat(100_000));
        check(&deep, Err(Refused::InvalidJson));
    }
}
