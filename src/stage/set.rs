//! `set: {field: expression, …}`: gives fields new values, in the order written.
//!
//! ```yaml
//! - set: {latency: latency_ms / 1000.0, kind: 'channel == "web" ? "online" : "store"'}
//! ```
//!
//! A later expression sees what an earlier one set. Where an expression has no result the field is missing,
//! and the reason is counted.

use bumpalo::Bump;

use super::{Kind, Stage};
use crate::expr::{self, Program};
use crate::model::event::Events;
use crate::model::field::{Field, Fields, Path, Slot};
use crate::model::refused::Refusals;
use crate::model::value::Value;
use crate::raw::fault::Faults;
use crate::raw::node::Node;
use crate::raw::place::Text;

pub(super) static KIND: Kind = Kind {
    name: "set",
    help: "Gives fields new values, computed by expressions.",
    example: "- set: {latency: latency_ms / 1000.0}\n",
    keys: &[],
    build,
};

fn build(node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<Box<dyn Stage>> {
    let entries = node.entries("a mapping of fields to expressions", faults)?;
    // Every entry is read before one that is wrong ends this, so that all their faults are found.
    let read: Vec<_> = entries.iter().map(|(name, node)| assignment(name, node, fields, faults)).collect();
    let assignments = read.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Box::new(Set { assignments }))
}

fn assignment(name: &Text, node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<(Slot, Program)> {
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
    let program =
        node.text_of("an expression", faults).and_then(|source| expr::compile(source, fields, faults));
    fields.learn(&name.text);
    let slot = fields.slot(Field::Event(Path::of(&name.text)));
    (valid && !own).then_some((slot, program?))
}

#[derive(Clone)]
struct Set {
    assignments: Vec<(Slot, Program)>,
}

impl Stage for Set {
    fn apply<'b>(&mut self, events: &mut Events<'b>, arena: &'b Bump, refused: &mut Refusals) {
        events.retain(|row| {
            for (slot, program) in &self.assignments {
                row[slot.0] = program.eval(row, arena).unwrap_or_else(|reason| {
                    refused.count(reason);
                    Value::Missing
                });
            }
            true
        });
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}
