//! The shape of a value, read from the words in which its [`Key`](crate::raw::mapping::Key) says what is wanted.
//!
//! Faults, documentation and schema then all say the same. Words that are not known here allow anything.

use serde_json::{Value, json};

/// Durations as [`quantity::duration`](crate::raw::quantity::duration) reads them.
const DURATION: &str = "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";

/// Sizes as [`quantity::bytes`](crate::raw::quantity::bytes) reads them.
const SIZE: &str = "^[0-9]+(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)?$";

/// The schema of a value that `wanted` describes.
pub fn of(wanted: &str) -> Value {
    let alternatives = words(wanted)
        .map(|words| vec![json!({"enum": words})])
        .or_else(|| alternatives(wanted))
        .unwrap_or_default();
    if alternatives.is_empty() {
        return json!({});
    }
    let mut alternatives = alternatives;
    // What comes from the environment is only known once it is there.
    alternatives.push(json!({"$ref": "#/definitions/environment"}));
    json!({"anyOf": alternatives})
}

/// "`beginning` or `end`": the words themselves, where there is nothing but words.
fn words(wanted: &str) -> Option<Vec<Value>> {
    let mut words = Vec::new();
    for (at, part) in wanted.split('`').enumerate() {
        if at % 2 == 1 {
            words.push(match part {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                word => word.into(),
            });
        } else if !matches!(part, "" | ", " | " or " | ", or ") {
            return None;
        }
    }
    (words.len() > 1).then_some(words)
}

/// "a list of fields, or a mapping of …": a schema for each alternative; `None` if one is not known.
fn alternatives(wanted: &str) -> Option<Vec<Value>> {
    let plain = wanted.split(", such as").next().unwrap_or(wanted);
    plain.split(" or ").map(|part| one(part.trim_end_matches(','))).collect()
}

fn one(wanted: &str) -> Option<Value> {
    let starts = |beginnings: &[&str]| beginnings.iter().any(|start| wanted.starts_with(start));
    if starts(&["a list of "]) {
        // One alone may stand without brackets.
        Some(json!({"type": ["array", "string", "number"]}))
    } else if starts(&["a mapping of "]) {
        Some(json!({"type": "object"}))
    } else if starts(&["a whole number"]) {
        Some(whole(wanted))
    } else if starts(&["a number"]) {
        Some(json!({"type": "number"}))
    } else if starts(&["a duration"]) {
        Some(json!({"type": "string", "pattern": DURATION}))
    } else if starts(&["a size"]) {
        Some(json!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": SIZE}]}))
    } else if starts(&["a metric name", "one line of text", "a unit", "an expression", "a condition"]) {
        Some(json!({"type": ["string", "number", "boolean"]}))
    } else {
        None
    }
}

/// "a whole number from 1 to 1000".
fn whole(wanted: &str) -> Value {
    let bound = |before: &str| {
        let number = wanted.split_once(before)?.1.split(' ').next()?;
        number.parse::<i64>().ok()
    };
    let mut schema = json!({"type": "integer"});
    for (member, before) in [("minimum", " from "), ("maximum", " to ")] {
        if let Some(bound) = bound(before) {
            schema[member] = bound.into();
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: &str, schema: Value) {
        let found = of(wanted);
        let alternatives = found["anyOf"].as_array().map(|all| Value::Array(all[..all.len() - 1].to_vec()));
        assert_eq!(alternatives.unwrap_or(found), schema, "{wanted}");
    }

    #[test]
    fn what_is_wanted_says_what_is_valid() {
        check("`beginning` or `end`", json!([{"enum": ["beginning", "end"]}]));
        check("`true` or `false`", json!([{"enum": [true, false]}]));
        check("`a`, `b` or `c`", json!([{"enum": ["a", "b", "c"]}]));
        check("a whole number from 1 to 10", json!([{"type": "integer", "minimum": 1, "maximum": 10}]));
        check("a duration, such as `1s` or `5m`", json!([{"type": "string", "pattern": DURATION}]));
        check(
            "a list of fields, or a mapping of labels to expressions",
            json!([{"type": ["array", "string", "number"]}, {"type": "object"}]),
        );
    }

    #[test]
    fn words_that_are_not_known_allow_anything() {
        check("a moon", json!({}));
        check("a duration or a moon", json!({}));
        check("a list of upper bounds, `{linear: {start}}` or `{exponential: {start}}`", json!({}));
    }
}
