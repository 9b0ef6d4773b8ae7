//! `status_class: {field: …, into: …}`: the class of an HTTP status code, `1xx` to `5xx`.
//!
//! ```yaml
//! - status_class: {field: status, into: class}
//! ```
//!
//! A number that is no status code, such as nginx's 0, is `other`. A field that is missing stays missing; what is not
//! a number makes `into` missing, and is counted.

use bumpalo::Bump;

use super::field::{FIELD, INTO, Way};
use super::{Kind, Stage};
use crate::model::event::Events;
use crate::model::field::Fields;
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;

pub(super) static KIND: Kind = Kind {
    name: "status_class",
    help: "Makes `2xx` of an HTTP status code such as 204.",
    example: "- status_class: {field: status, into: class}\n",
    keys: KEYS,
    build,
};

const KEYS: &[Key] = &[FIELD, INTO];

/// The classes by the first digit.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

fn build(node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<Box<dyn Stage>> {
    let keys = Mapping::read(node, KIND.name, &[KEYS], faults)?;
    let way = Way::read(&keys, fields, faults)?;
    Some(Box::new(StatusClass { way }))
}

#[derive(Clone)]
struct StatusClass {
    way: Way,
}

fn class(status: f64) -> &'static str {
    match status {
        100.0..600.0 => CLASSES[(status / 100.0) as usize - 1],
        _ => "other",
    }
}

impl Stage for StatusClass {
    fn apply<'b>(&mut self, events: &mut Events<'b>, _: &'b Bump, refused: &mut Refusals) {
        events.retain(|row| {
            let status = row[self.way.from.0];
            row[self.way.into.0] = match status.as_number() {
                Some(status) => Value::Text(class(status).as_bytes()),
                None => {
                    if status != Value::Missing {
                        refused.count(Refused::NotANumber);
                    }
                    Value::Missing
                }
            };
            true
        });
    }

    fn fork(&self, _: &Fields) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::tests::{check, through};

    const STAGE: &str = "status_class: {field: text, into: result}";

    #[test]
    fn a_status_has_a_class() {
        for (status, class) in
            [("100", "1xx"), ("204", "2xx"), ("302", "3xx"), ("499", "4xx"), ("599", "5xx"), ("000", "other")]
        {
            check(STAGE, status, Some(class));
        }
        assert_eq!(through(STAGE, Value::Integer(200)).value("result"), Value::Text(b"2xx"));
        for odd in
            [Value::Integer(-200), Value::Integer(i64::MAX), Value::Float(f64::NAN), Value::Float(99.9)]
        {
            assert_eq!(through(STAGE, odd).value("result"), Value::Text(b"other"), "{odd:?}");
        }
    }

    #[test]
    fn what_is_no_number_has_none() {
        let left = through(STAGE, Value::Text(b"-"));
        assert_eq!(left.value("result"), Value::Missing);
        assert_eq!(left.refused(), [Refused::NotANumber]);
        let left = through(STAGE, Value::Missing);
        assert_eq!(left.value("result"), Value::Missing);
        assert_eq!(left.refused(), []);
    }
}
