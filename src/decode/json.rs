//! `decode: json`: one JSON object a record.
//!
//! Only the fields that the pipeline uses are looked at; the rest is checked to be JSON and skipped. A record
//! that is not one whole, valid object contributes nothing. Of a key that occurs twice the last one counts.
//! Null is a missing field, and so is an object or a list where a scalar was asked for.

use bumpalo::Bump;
use serde::de::IgnoredAny;

use super::{Decode, Kind, Written};
use crate::json::Reader;
use crate::model::event::Events;
use crate::model::field::Fields;
use crate::model::refused::{Refusals, Refused};
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

    fn has_lists(&self) -> bool {
        true
    }

    fn bind(&self, fields: &Fields) -> Box<dyn Decode> {
        Box::new(Documents { reader: Reader::new(fields, &[]) })
    }
}

/// The decoder of one worker.
struct Documents {
    reader: Reader,
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
            match self.reader.read(record, events.row_mut(at), arena) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field::{Field, Path, Step};
    use crate::model::value::Value;

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
