//! The JSON Schema of a pipeline file, by which editors complete and check it.
//!
//! Draft 7, which is the newest that the usual editors know.

use serde_json::{Map, Value, json};

use super::{Entry, Section, nested, sections, shape};
use crate::config::PIPELINE_KEYS;
use crate::raw;
use crate::raw::fault::Faults;
use crate::raw::mapping::Key;
use crate::raw::node::{Node, NodeKind};

/// The schema.
pub fn schema() -> Value {
    let [source, decode, stage, metric, _] = sections().map(|section| any_kind(&section));
    let mut schema = mapping(PIPELINE_KEYS.iter(), |key| match key.name {
        "source" => source.clone(),
        "decode" => decode.clone(),
        "stages" => json!({"type": "array", "items": stage}),
        "metrics" => json!({"type": "array", "items": metric, "minItems": 1}),
        _ => shape::of(key.wanted),
    });
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "A pipeline of streamgauge".into();
    schema["definitions"] = json!({"environment": {"type": "string", "pattern": "\\$\\{"}});
    schema
}

/// One of the kinds of a section: a mapping of its name to what belongs to it, or the name alone.
fn any_kind(section: &Section) -> Value {
    let mut properties = Map::new();
    let mut alone = Vec::new();
    for entry in &section.entries {
        let (mut body, may_be_alone) = body(section, entry);
        body["description"] = entry.help.into();
        properties.insert(entry.name.to_owned(), body);
        alone.extend(may_be_alone.then_some(entry.name));
    }
    let one = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    });
    if alone.is_empty() { one } else { json!({"anyOf": [{"enum": alone}, one]}) }
}

/// What belongs to a kind, and whether its name may stand without.
fn body(section: &Section, entry: &Entry) -> (Value, bool) {
    let keys = || section.all_keys(entry);
    if keys().next().is_none() {
        return by_example(entry);
    }
    let mut schema = mapping(keys(), value);
    let may_be_alone = keys().all(|key| !key.required);
    if may_be_alone {
        schema["type"] = json!(["object", "null"]);
    }
    match by_example(entry).0 {
        // One that has keys, but whose example does without: it can be written either way.
        short if short["type"].is_array() => (json!({"anyOf": [short, schema]}), may_be_alone),
        _ => (schema, may_be_alone),
    }
}

/// What stands after a key.
fn value(key: &Key) -> Value {
    match nested(key) {
        Some(keys) => mapping(keys.iter(), |key| shape::of(key.wanted)),
        None => shape::of(key.wanted),
    }
}

/// A mapping of these keys and no others.
fn mapping<'k>(keys: impl Iterator<Item = &'k Key> + Clone, value: impl Fn(&Key) -> Value) -> Value {
    let described = |key: &'k Key| {
        let mut value = value(key);
        let default = key.default.map(|default| format!(" Without it: {default}")).unwrap_or_default();
        value["description"] = format!("{} Wanted: {}.{default}", key.help, key.wanted).into();
        (key.name.to_owned(), value)
    };
    let required: Vec<_> = keys.clone().filter(|key| key.required).map(|key| key.name).collect();
    let properties: Map<_, _> = keys.map(described).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Kinds without keys have a body of one shape, which is that of their example.
fn by_example(entry: &Entry) -> (Value, bool) {
    let mut faults = Faults::new();
    let file = faults.file(entry.name, &entry.example);
    let example = raw::parse(file, &entry.example, &|_| None, &mut faults);
    match example.as_ref().and_then(|node| find(entry.name, node)).map(|node| &node.kind) {
        None | Some(NodeKind::Null | NodeKind::Faulty) => (json!({"type": "null"}), true),
        Some(NodeKind::Scalar { .. }) => (json!({"type": ["string", "number", "boolean"]}), false),
        Some(NodeKind::List(_)) => (json!({"type": "array"}), false),
        Some(NodeKind::Map(_)) => (json!({"type": "object"}), false),
    }
}

/// What stands after the key `name`, wherever that is.
fn find<'n>(name: &str, node: &'n Node) -> Option<&'n Node> {
    if let NodeKind::Map(entries) = &node.kind
        && let Some((_, body)) = entries.iter().find(|(key, _)| key.text == name)
    {
        return Some(body);
    }
    node.children().find_map(|child| find(name, child))
}
