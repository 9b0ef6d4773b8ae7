//! `keep: condition` and `drop: condition`: take events out of play.
//!
//! Where the condition cannot be decided, because a field is missing or is no number, the event is neither
//! kept by `keep` nor dropped by `drop`, and the reason is counted.

use bumpalo::Bump;

use super::{Kind, Stage};
use crate::expr::{self, Program};
use crate::model::event::Events;
use crate::model::field::Fields;
use crate::model::refused::Refusals;
use crate::raw::fault::Faults;
use crate::raw::node::Node;

pub(super) static KEEP: Kind = Kind {
    name: "keep",
    help: "Goes on only with the events for which the condition holds.",
    example: "- keep: level == \"ERROR\"\n",
    keys: &[],
    build: |node: &Node, fields: &mut Fields, faults: &mut Faults| build(true, node, fields, faults),
};

pub(super) static DROP: Kind = Kind {
    name: "drop",
    help: "Goes on without the events for which the condition holds.",
    example: "- drop: path == \"/healthz\"\n",
    keys: &[],
    build: |node: &Node, fields: &mut Fields, faults: &mut Faults| build(false, node, fields, faults),
};

const WANTED: &str = "a condition, such as `level == \"ERROR\"`";

fn build(keep: bool, node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<Box<dyn Stage>> {
    let condition = expr::compile_condition(node.text_of(WANTED, faults)?, fields, faults)?;
    Some(Box::new(Filter { keep, condition }))
}

#[derive(Clone)]
struct Filter {
    /// Whether an event for which the condition holds stays.
    keep: bool,
    condition: Program,
}

impl Stage for Filter {
    fn apply<'b>(&mut self, events: &mut Events<'b>, arena: &'b Bump, refused: &mut Refusals) {
        events.retain(|row| match self.condition.holds(row, arena) {
            Ok(holds) => holds == self.keep,
            Err(reason) => {
                refused.count(reason);
                !self.keep
            }
        });
    }

    fn kept(&self) -> Option<&Program> {
        self.keep.then_some(&self.condition)
    }

    fn fork(&self, _: &Fields) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}
