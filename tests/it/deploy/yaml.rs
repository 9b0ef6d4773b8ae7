//! Other people's YAML as one value, so that it can be looked into.
//!
//! The reader of pipeline files is of no use here: it puts the environment into values, which is for others to do.

use std::fs;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The one document of a file, which uses no anchors.
#[track_caller]
pub fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(&text)
}

fn parse(text: &str) -> Value {
    let mut events = Parser::new_from_str(text).map(|event| event.unwrap().0);
    events.find(|event| matches!(event, Event::DocumentStart(_))).expect("a document");
    let first = events.next().unwrap();
    value(first, &mut events)
}

/// The value that begins with `first`.
fn value<'t>(first: Event<'t>, events: &mut impl Iterator<Item = Event<'t>>) -> Value {
    match first {
        Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
        Event::Scalar(text, ..) => Value::String(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            loop {
                match events.next().unwrap() {
                    Event::SequenceEnd => return Value::Array(list),
                    first => list.push(value(first, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut map = Map::new();
            loop {
                match events.next().unwrap() {
                    Event::MappingEnd => return Value::Object(map),
                    Event::Scalar(key, ..) => {
                        let first = events.next().unwrap();
                        map.insert(key.into_owned(), value(first, events));
                    }
                    key => panic!("a key is a scalar, not {key:?}"),
                }
            }
        }
        other => panic!("{other:?} is not read here"),
    }
}

/// A scalar without quotes: what JSON knows, or text.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

#[test]
fn yaml_is_read_as_it_is_meant() {
    let text = "a: [1, 2d, '3', {b: true}]\nc:\nd:\n  - e: >-\n      x\n      y\n";
    let expected = serde_json::json!({"a": [1, "2d", "3", {"b": true}], "c": null, "d": [{"e": "x y"}]});
    assert_eq!(parse(text), expected);
}
