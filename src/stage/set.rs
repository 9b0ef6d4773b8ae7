//! `set: {field: expression, …}`: gives fields new values, in the order written.
//!
//! ```yaml
//! - set: {latency: latency_ms / 1000.0, kind: 'channel == "web" ? "online" : "store"'}
//! ```
//!
//! A later expression sees what an earlier one set. Where an expression has no result the field is missing,
//! and the reason is counted.

use bumpalo::Bump;

use super::field::target;
use super::{Kind, Stage};
use crate::expr::{self, Program};
use crate::model::event::Events;
use crate::model::field::{Fields, Slot};
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
    let program =
        node.text_of("an expression", faults).and_then(|source| expr::compile(source, fields, faults));
    // The expression was compiled first: it does not know yet what it sets.
    let slot = target(name, fields, faults);
    Some((slot?, program?))
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

    fn fork(&self, _: &Fields) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}
